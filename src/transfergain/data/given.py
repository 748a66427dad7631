"""Read predictions that somebody else made for a data set's sealed texts, and join them by id or by text, never by place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from transfergain.counts import counted
from transfergain.data.draws import mark
from transfergain.data.formats.labels import label
from transfergain.data.formats.table import Parsed, Table
from transfergain.data.gate import checked
from transfergain.data.read import read_file
from transfergain.errors import UserError, printable
from transfergain.split import TEST, Kind, Split
from transfergain.tasks.base import Task
from transfergain.tasks.given import ID, PREDICTION, SPLIT, Given, as_text
from transfergain.types import Dataset, Example, GivenPredictions

HOW = "transfergain export DIR --table test-texts writes them"
SHOWN = 40
"""Characters shown of a text."""


def own_ids(tables: Mapping[str, Table], parsed: Parsed, task: Task) -> dict[bytes, str]:
    """Read the user's own ids where a table has a column of them, by the mark of the text; those in use twice are none."""
    found: dict[bytes, str] = {}
    for split, table in tables.items():
        examples = parsed.splits[split]
        if len(examples) == len(table.rows) and ID in table.columns():
            names = [label(row.get(ID)) for row in table.rows]
            for example, name in zip(examples, names, strict=True):
                found.setdefault(mark(task.text(example)), name)
        for example in examples:
            if name := as_text(example.inputs.get(ID)):
                found.setdefault(mark(task.text(example)), name)
    return found


def ids(examples: Sequence[Example], own: Mapping[bytes, str], task: Task) -> tuple[str, ...]:
    """Give each example of a split an id: the user's own where all have one and no two the same, else made of its text."""
    marks = [mark(task.text(example)) for example in examples]
    mine = [own.get(each, "") for each in marks]
    return tuple(mine) if all(mine) and len(set(mine)) == len(mine) else tuple(each.hex()[:12] for each in marks)


def attach(data: Dataset, files: Mapping[str, Sequence[str]], task: Task, options: Mapping[str, Any]) -> Dataset:
    """Add the predictions of these files to a data set. Raises UserError naming the file and row."""
    if not files:
        return data
    if task.given is None:
        raise UserError(f"--predictions: the task {task.name} reads no predictions from files; leave it out")
    joined = {
        name: [_Joining(data, task, task.given, options, path).read() for path in paths] for name, paths in files.items()
    }
    for name, found in joined.items():
        splits = [set(each.given.predictions) for each in found]
        if any(each != splits[0] for each in splits):
            raise UserError(
                f"--predictions {name}: its files are for different test sets; give each of them the same rows, or one file"
            )
    notes = [note for found in joined.values() for each in found for note in each.notes]
    given = {name: tuple(each.given for each in found) for name, found in joined.items()}
    return replace(data, given=given, notes=(*data.notes, *map(printable, notes)))


@dataclass(frozen=True)
class _Joined:
    given: GivenPredictions
    notes: tuple[str, ...]


@dataclass
class _Places:
    """Where the predictions of one sealed split come from, as far as rows were read."""

    examples: Sequence[Example]
    index: Mapping[Any, int]
    """What a row is known by -> place of the example."""
    rows: dict[int, int] = field(default_factory=dict)
    """Place of the example -> row of the file."""
    values: dict[int, Any] = field(default_factory=dict)


@dataclass
class _Joining:
    """One file that is read for one data set."""

    data: Dataset
    task: Task
    given: Given
    options: Mapping[str, Any]
    path: str
    by_id: bool = False
    columns: Sequence[str] = ()
    """Of the texts, in the file; in use where rows are not joined by id."""

    def read(self) -> _Joined:
        """Read and join the file. Raises UserError naming the row."""
        table = checked(read_file(Path(self.path)))
        if PREDICTION not in table.columns():
            raise UserError(
                f'{table.name} has no column "{PREDICTION}"; it has: {", ".join(table.columns())}. Name the column of the '
                f'predictions "{PREDICTION}"'
            )
        found, others = self._places(table), list[int]()
        for i, row in enumerate(table.rows):
            split = self._split(row)
            place = found[split].index.get(self._key(table, row)) if split in found else None
            if split is None or place is None:
                others.append(i)
            else:
                self._take(table, i, found[split], place)
        wanted = {split: places for split, places in found.items() if split == TEST or places.values}
        for split, places in wanted.items():
            self._require_all(table, split, places, others)
        notes = (f"{table.name}: {len(others):,} of its {counted(len(table.rows), 'row')} left out, of no sealed text",)
        predictions = {s: tuple(p.values[i] for i in range(len(p.examples))) for s, p in wanted.items()}
        return _Joined(GivenPredictions(_fingerprint(predictions), predictions), notes if others else ())

    def _places(self, table: Table) -> dict[Split, _Places]:
        """Index the sealed texts by id, or where the file knows none of the ids by their text."""
        known, texts = set(table.columns()), self._columns(table)
        ids = {split: {name: i for i, name in enumerate(names)} for split, names in self.data.ids.items()}
        self.by_id = ID in known and any(label(row.get(ID)) in index for row in table.rows for index in ids.values())
        if not self.by_id and texts is None:
            wanted = " and ".join(f'"{column}"' for column in self.given.columns_of(self.data.test[0]))
            has_ids = f'its column "{ID}" holds no id of {self.data.name}, and there is ' if ID in known else "it has "
            raise UserError(
                f"{table.name}: {has_ids}no column {wanted} that says which text a row is of; rows are never joined by "
                f"their place: add the texts or their ids ({HOW})"
            )
        self.columns = texts or []
        splits = self.data.splits()
        if self.by_id:
            return {split: _Places(rows, ids[split]) for split, rows in splits.items()}
        return {
            split: _Places(rows, {tuple(map(mark, self.given.texts(e))): i for i, e in enumerate(rows)})
            for split, rows in splits.items()
        }

    def _columns(self, table: Table) -> list[str] | None:
        """Find the columns of the texts, as `export` names them or as the user's own files do; None where one is missing."""
        known = table.columns()
        found = [
            next((name for name in (column, str(self.options.get(option))) if name in known), None)
            for column in self.given.columns_of(self.data.test[0])
            for option in [self.given.columns[column]]
        ]
        return None if None in found else [name for name in found if name is not None]

    def _key(self, table: Table, row: Mapping[str, Any]) -> Any:
        return label(row.get(ID)) if self.by_id else tuple(mark(as_text(row.get(column))) for column in self.columns)

    def _split(self, row: Mapping[str, Any]) -> Split | None:
        try:
            return Split.parse(as_text(row.get(SPLIT)).strip() or str(TEST))
        except ValueError:
            return None

    def _take(self, table: Table, i: int, places: _Places, place: int) -> None:
        """Read the prediction of a row. Raises UserError where it cannot be one, or contradicts another row."""
        cell = table.rows[i].get(PREDICTION)
        try:
            value = self.given.read(cell, places.examples[place], self.data.labels, self.options)
        except ValueError as error:
            raise UserError(f"{table.where(i)}: {error}") from None
        if place in places.values and places.values[place] != value:
            raise UserError(
                f"{table.where(i)}: predicts something else than {table.where(places.rows[place])} for the same text, "
                f"{self._shown(places.examples[place])}; keep one of the two rows"
            )
        places.rows[place], places.values[place] = i, value

    def _require_all(self, table: Table, split: Split, places: _Places, others: Sequence[int]) -> None:
        missing = [i for i in range(len(places.examples)) if i not in places.values]
        if not missing:
            return
        first = self._shown(places.examples[missing[0]])
        of = split.title if split == TEST else f"the {Kind.SHIFT} {split.title}"
        also = f"; {table.where(others[0])} is of no sealed text" if others else ""
        raise UserError(
            f"{table.name}: no prediction for {len(missing):,} of the {len(places.examples):,} texts of {of} of "
            f"{self.data.name}, the first {first}{also}; add them ({HOW})"
        )

    def _shown(self, example: Example) -> str:
        text = " ".join(self.task.text(example).split())
        return f'"{text}"' if len(text) <= SHOWN else f'"{text[:SHOWN]}..."'


def _fingerprint(predictions: Mapping[Split, Sequence[Any]]) -> str:
    content = [[str(split), list(values)] for split, values in sorted(predictions.items(), key=lambda item: str(item[0]))]
    return f"sha256:{hashlib.sha256(json.dumps(content).encode()).hexdigest()}"
