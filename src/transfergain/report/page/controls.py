"""Show the control characters that a text holds: HTML and XML have none."""

from __future__ import annotations

import re
from typing import TypeVar

T = TypeVar("T")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")


def without_controls(value: T) -> T:
    """Write control characters of a text as escapes; what is no text, or holds none, stays what it is."""
    if not isinstance(value, str) or not CONTROL.search(value):
        return value
    return type(value)(CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", value))
