"""Make a text safe in a spreadsheet."""

from __future__ import annotations

import re

FORMULA = re.compile(r"(^|[;\t\r\n])(?=[=+\-@\t\r＝＋－＠])")
"""Where a cell begins that a spreadsheet takes for a formula (OWASP, CSV injection); some split lines at semicolons."""


def harmless(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run as a formula."""
    return FORMULA.sub(r"\1'", text)
