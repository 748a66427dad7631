"""Hold what reading gives: tables of rows as they are in a file, and the examples that a task makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergain.errors import UserError
from transfergain.types import Example

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval"),
    "test": ("test", "testing"),
}
"""Split -> what files and data sets call it."""
ANY_ENDING = ""
"""Key of a reader for files whose ending no other reader knows."""


@dataclass(frozen=True)
class Table:
    """Rows of one file or split. Row i is named by `where(i)` in messages."""

    name: str
    rows: list[dict[str, Any]]
    lines: Sequence[int] | None = None
    """Line number in the file of each row, where a row is a line; None where rows are counted."""

    def where(self, index: int) -> str:
        """Name row `index` (0-based) for the user: `reviews.csv row 17` or `reviews.jsonl line 17`.

        Rows count from 1, after the header.
        """
        return f"{self.name} row {index + 1:,}" if self.lines is None else f"{self.name} line {self.lines[index]:,}"

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
            raise UserError(f'{table.name} has no column "{column}"; it has: {", ".join(known)}. Name it with {flag}')
