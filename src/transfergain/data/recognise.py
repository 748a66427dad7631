"""Guess from a file's rows which column is which. A guess is a proposal: the task's own parser has the last word.

Each task guesses for itself (`Task.recognise`); here is what they share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transfergain.data.formats.table import SAMPLE_ROWS, Table
from transfergain.options import Option

Guess = dict[str, Any]
"""Keys of a study (`text_column`, `source_lang`) -> values: words, and True for switches."""


def named(columns: Sequence[str], option: Option) -> str | None:
    """Find the column that has one of the option's usual names, the most usual first; None without any."""
    lower = {column.casefold(): column for column in reversed(columns)}
    return next((lower[name] for name in option.usual_names if name in lower), None)


def all_named(table: Table, options: Sequence[Option]) -> Guess | None:
    """Find a column for every option; None where one is missing."""
    found = {option.name: named(table.columns(), option) for option in options}
    return None if None in found.values() else dict(found)


def holds(table: Table, column: str, kinds: type | tuple[type, ...]) -> bool:
    """Tell whether a column has values and all are of these types."""
    values = [row.get(column) for row in table.rows[:SAMPLE_ROWS]]
    given = [value for value in values if value is not None]
    return bool(given) and all(isinstance(value, kinds) for value in given)
