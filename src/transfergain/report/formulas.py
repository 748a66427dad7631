"""Make a text safe in a spreadsheet."""

from __future__ import annotations

import re

FORMULA = re.compile(r"^[=+\-@\t\r]")
"""How a cell begins that a spreadsheet takes for a formula (OWASP, CSV injection)."""


def harmless(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"'{text}" if FORMULA.match(text) else text
