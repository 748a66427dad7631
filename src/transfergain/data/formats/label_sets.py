"""Read several labels a text: lists, words with a sign between them, or a column of 0 and 1 for each label."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from transfergain.data.formats.labels import LISTED, MISSING_WORDS, apart, combinations, is_missing, label
from transfergain.data.formats.table import SAMPLE_ROWS, Table, require_columns
from transfergain.errors import UserError

SIGNS = (";", "|", ",")
"""What stands between the labels of a text; a file has one of them, unless it is told which."""
PLURALS = ("labels", "tags", "topics", "categories", "genres", "emotions")
"""What columns of several labels are called, beside the usual names of a label's column."""
COLUMN_FLAG, SEPARATOR_FLAG = "--label-column", "--label-separator"
UNSEPARATED = re.compile(r"['\"]\s+['\"]")
"""Between the words of an array as numpy prints it, which Python would read as one word."""
NO, YES = {"0", "false", ""}, {"1", "true"}
MARKS = ({"0", "1"}, {"false", "true"})
"""The values of a column that marks who has a label."""
Labels = frozenset[str]


def reader(train: Table, column: str, separator: str | None) -> Callable[[Table], list[Labels]]:
    """Make the function that reads each row's labels, of every split as train has them.

    `column` is one column, or several with commas between, each with 0 or 1. Raises UserError naming the row.
    """
    if columns := indicators(train, column):
        return lambda table: _marked(table, columns)
    require_columns(train, ((COLUMN_FLAG, column),))
    sign = separator or _sign(train, column)
    return lambda table: _read(table, column, sign)


def indicators(table: Table, column: str) -> list[str]:
    """Split `toxic,insult` into its columns; nothing where that is one column, or one of them is none."""
    names = [name.strip() for name in column.split(",")]
    known = table.columns()
    return names if len(names) > 1 and column not in known and set(names) <= set(known) else []


def _marked(table: Table, columns: Sequence[str]) -> list[Labels]:
    require_columns(table, ((COLUMN_FLAG, column) for column in columns))
    found = []
    for i, row in enumerate(table.rows):
        values = {column: label(row.get(column)).casefold() for column in columns}
        if bad := [column for column, value in values.items() if value not in NO | YES]:
            raise UserError(f'{table.where(i)}: "{bad[0]}" is {row.get(bad[0])!r:.40}; 0 or 1 is expected of each label')
        found.append(frozenset(column for column, value in values.items() if value in YES))
    return found


def _sign(train: Table, column: str) -> str | None:
    """Find the one sign that separates labels in train; None without. Raises UserError where there are several."""
    words = [(i, str(row[column])) for i, row in enumerate(train.rows) if _is_words(row.get(column))]
    first = {sign: next((place for place in words if sign in place[1]), None) for sign in SIGNS}
    signs = [sign for sign, place in first.items() if place]
    if len(signs) > 1:
        shown = [f'"{place[1].strip():.40}" in {train.where(place[0])}' for place in first.values() if place][:2]
        raise UserError(
            f"labels may be separated by {' or by '.join(signs)}: {' and '.join(shown)}; say which with "
            f'{SEPARATOR_FLAG} "{signs[0]}"'
        )
    return signs[0] if signs else None


def _is_words(value: Any) -> bool:
    return isinstance(value, str) and not LISTED.fullmatch(value.strip())


def _read(table: Table, column: str, sign: str | None) -> list[Labels]:
    require_columns(table, ((COLUMN_FLAG, column),))
    found = []
    for i, row in enumerate(table.rows):
        try:
            cells = values(row.get(column), sign)
        except ValueError as error:
            raise UserError(f"{table.where(i)}: {error}") from None
        labels = frozenset(name for value in cells if (name := label(value)))
        if missing := sorted(name for name in labels if name.casefold() in MISSING_WORDS):
            raise UserError(
                f'{table.where(i)}: the label "{missing[0]}" is what programs write for a missing one; leave the cell '
                "empty where a text has no label"
            )
        found.append(labels)
    return found


def values(cell: Any, sign: str | None) -> list[Any]:
    """List the labels of a cell as they are written. Raises ValueError where they cannot be read."""
    found = _listed(cell, sign)
    if bad := next((value for value in found if isinstance(value, list | tuple | dict | set)), None):
        raise ValueError(f"the labels hold a {type(bad).__name__} within a list; words are expected")
    return found


def _listed(cell: Any, sign: str | None) -> list[Any]:
    if isinstance(cell, list | tuple | np.ndarray):
        return list(cell)
    if is_missing(cell):
        return []
    if isinstance(cell, dict):
        raise ValueError("the labels are a dict; a list of words, or words with a sign between, are expected")
    if not isinstance(cell, str):
        return [cell]
    text = cell.strip()
    if LISTED.fullmatch(text):
        try:
            if not UNSEPARATED.search(text):
                return list(ast.literal_eval(text)) if text != "{}" else []
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            pass
        raise ValueError(f"the labels {text:.40} are no list that can be read; write it as ['a', 'b'], or as a;b")
    return text.split(sign) if sign else [text]


def recognise(table: Table, usual_names: Collection[str]) -> str | None:
    """Find the column in which some rows have several labels, or the columns of 0 and 1; None without."""
    sample, columns = table.rows[:SAMPLE_ROWS], table.columns()
    lower = {column.casefold(): column for column in reversed(columns)}
    named = [lower[name] for name in (*usual_names, *PLURALS) if name in lower]
    for column in named:
        if _has_several([row.get(column) for row in sample]):
            return column
    if named:
        return None
    listed = [c for c in columns if any(isinstance(row.get(c), list) for row in sample)]
    if len(listed) == 1 and _has_several([row.get(listed[0]) for row in sample]):
        return listed[0]
    marked = [c for c in columns if "," not in c and {label(row.get(c)).casefold() for row in sample} in MARKS]
    return ",".join(marked) if len(marked) > 1 else None


def _has_several(values: Sequence[Any]) -> bool:
    """Tell whether some cells hold several labels that other cells hold, too."""
    lists = [value for value in values if isinstance(value, list)]
    if lists:
        plain = all(isinstance(part, str | int) for value in lists for part in value)
        return plain and any(len(value) > 1 for value in lists)
    words = [label(value) for value in values]
    if any(LISTED.fullmatch(word) for word in words):
        return True
    combined = combinations(words)
    alone = any(set(parts) <= set(words) for parts in combined.values())
    return alone or 2 * len(apart(words)) > len(combined) > 0
