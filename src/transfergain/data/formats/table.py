"""Hold what reading gives: tables of rows as they are in a file, and the examples that a task makes of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from transfergain.counts import Noun, counted
from transfergain.errors import UserError
from transfergain.types import Example

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval"),
    "test": ("test", "testing"),
}
"""Split -> what files and data sets call it."""
SAMPLE_ROWS = 2000
"""Rows that a guess looks at."""
WORDIEST_NAME = 6
"""The most words that the name of a column has."""
ANY_ENDING = ""
"""Key of a reader for files whose ending no other reader knows."""


@dataclass(frozen=True)
class Table:
    """Rows of one file or split. Row i is named by `where(i)` in messages."""

    name: str
    rows: list[dict[str, Any]]
    lines: Sequence[int] | None = None
    """Line number in the file of each row, where a row is a line; None where rows are counted."""
    numbers: Sequence[int] | None = None
    """Number in the file of each row that is counted, where some of the file's rows are no rows here."""
    notes: tuple[str, ...] = ()
    """What was read differently from how it is written."""
    warnings: tuple[str, ...] = ()
    """What may have been misread."""
    left_out: Mapping[Noun, int] = field(default_factory=dict)
    """What is no row -> how many the file has."""
    beside: Mapping[str, Table] = field(default_factory=dict)
    """Further splits that the same file holds."""

    def where(self, index: int) -> str:
        """Name row `index` (0-based) for the user: `reviews.csv row 17` or `reviews.jsonl line 17`.

        Rows count from 1, after the header.
        """
        if self.lines is not None:
            return f"{self.name} line {self.lines[index]:,}"
        return f"{self.name} row {index + 1 if self.numbers is None else self.numbers[index]:,}"

    def keeping(self, kept: Sequence[int], rows: list[dict[str, Any]], **changed: Any) -> Table:
        """Return a table of other rows, each named as row `kept[i]` of this one."""
        lines = None if self.lines is None else [self.lines[i] for i in kept]
        numbers = [i + 1 if self.numbers is None else self.numbers[i] for i in kept]
        return replace(self, rows=rows, lines=lines, numbers=numbers, **changed)

    def said(self) -> list[str]:
        """List the notes, what was left out among them."""
        return [*(f"{self.name}: {counted(n, *what)} left out" for what, n in self.left_out.items() if n), *self.notes]

    def columns(self) -> list[str]:
        """List the column names in order of first appearance."""
        return list(dict.fromkeys(key for row in self.rows for key in row))


Reader = Callable[[Path], Table]


@dataclass(frozen=True)
class Parsed:
    """The rows of all splits as examples, and what there is to say about them."""

    labels: tuple[str, ...]
    splits: dict[str, tuple[Example, ...]]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def require_columns(table: Table, wanted: Iterable[tuple[str, str]]) -> None:
    """Raise UserError unless every (flag, column) of `wanted` is a column of the table."""
    known = table.columns()
    for flag, column in wanted:
        if column not in known:
            if headless(table):
                raise UserError(no_header(table.name))
            raise UserError(f'{table.name} has no column "{column}"; it has: {", ".join(known)}. Name it with {flag}')


def no_header(file: str) -> str:
    """Say that a file has no header."""
    return f"{file}: its first line seems to be data; put a header such as text,label above it"


def headless(table: Table, usual_names: Collection[str] = ()) -> bool:
    """Tell whether the first line of a csv seems to be data: a number, a sentence, or a value that its column repeats."""
    columns = table.columns()
    if table.lines is not None or any(c.casefold() in usual_names for c in columns):
        return False
    sample = table.rows[:SAMPLE_ROWS]
    repeated = any(c.strip() and sum(_same(row, c) for row in sample) > 0.05 * len(sample) for c in columns)
    return repeated or any(c.strip().isdecimal() or len(c.split()) > WORDIEST_NAME for c in columns)


def _same(row: Mapping[str, Any], column: str) -> bool:
    return isinstance(row.get(column), str) and row[column].strip() == column.strip()
