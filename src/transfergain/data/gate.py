"""Check what every reader gives, whatever the format: here is the one place that all data passes."""

from __future__ import annotations

from typing import Any

from transfergain.data.formats.table import Table
from transfergain.errors import UserError

SHOWN = 20
"""Characters that are shown of a text before what is wrong in it."""


def checked(table: Table) -> Table:
    """Return a table whose every text is whole. Raises UserError naming the row of half a character.

    JSON's escapes allow one, and names of columns may hold it too; no tokenizer takes it, nor can it be written to a file.
    """
    for i, row in enumerate(table.rows):
        for column, value in row.items():
            broken = _half(column) or _half(value)
            if broken:
                text, at = broken
                before = f' after "{text[max(0, at - SHOWN) : at]}"' if at else ""
                raise UserError(
                    f'{table.where(i)}: "{column}" holds half a character (\\u{ord(text[at]):04x}){before}; write the '
                    "file as UTF-8, without escapes"
                )
    return table


def _half(value: Any) -> tuple[str, int] | None:
    """Find a text in a value that holds half a character: (the text, its place in it)."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            if not found.isascii():
                try:
                    found.encode()
                except UnicodeEncodeError as error:
                    return found, error.start
        elif isinstance(found, dict):
            waiting += [*found, *found.values()]
        elif isinstance(found, list | tuple):
            waiting += found
    return None
