"""Gather questions whose answers stand one a row, or as text, as tables of csv hold them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Hashable, Mapping
from typing import Any

from transfergain.counts import counted
from transfergain.data.formats.table import Table
from transfergain.errors import UserError

ANSWER_COLUMNS = ("answer", "answer_text")
"""What the column of a single answer is called."""
START_COLUMN = "answer_start"
ARRAY = re.compile(r"array\((\[.*?\])(?:, dtype=[\w']+)?\)", re.DOTALL)
"""A list as numpy writes it into a csv."""


def column(table: Table, wanted: str) -> str:
    """Find the column of the answers: the wanted one, or where that is missing that of a single answer."""
    known = table.columns()
    return wanted if wanted in known else next((name for name in ANSWER_COLUMNS if name in known), wanted)


def gathered(table: Table, options: Mapping[str, Any]) -> Table:
    """Return a table of a question a row, with its answers as lists under the column that the options name.

    Where answers are text, rows of one question (by its id, else by question and passage) are one. Raises UserError naming
    the row.
    """
    answers = column(table, options["answers_column"])
    if not all(isinstance(row.get(answers), str) for row in table.rows):
        return table
    rows: dict[Hashable, dict[str, Any]] = {}
    kept: list[int] = []
    for i, row in enumerate(table.rows):
        found = _answers(table.where(i), row, answers)
        key = tuple(str(row.get(name)) for name in ("id", options["question_column"], options["context_column"]))
        if key not in rows:
            kept.append(i)
            rows[key] = {**row, options["answers_column"]: {"text": [], "answer_start": []}}
        for name, values in rows[key][options["answers_column"]].items():
            values += found[name]
    note = (
        (f"{table.name}: {len(table.rows):,} rows of one answer are {counted(len(rows), 'question')}",)
        if len(kept) < len(table.rows)
        else ()
    )
    return table.keeping(kept, list(rows.values()), notes=(*table.notes, *note))


def _answers(where: str, row: Mapping[str, Any], name: str) -> dict[str, list[Any]]:
    value = row[name]
    if value.lstrip()[:1] in ("{", "["):
        return _written_out(where, value, name)
    start = row.get(START_COLUMN)
    if start in (None, "") and value.strip():
        raise UserError(
            f'{where}: the answer "{value[:40]}" has no "{START_COLUMN}"; give the number of characters before it'
        )
    if not value.strip():
        return {"text": [], "answer_start": []}
    return {"text": [value], "answer_start": [_number(where, start)]}


def _number(where: str, start: Any) -> Any:
    if isinstance(start, str):
        try:
            return int(float(start)) if float(start).is_integer() else float(start)
        except (ValueError, OverflowError):
            raise UserError(
                f'{where}: {START_COLUMN} is "{start[:40]}"; a whole number of characters from 0 is expected'
            ) from None
    return start


def _written_out(where: str, text: str, name: str) -> dict[str, list[Any]]:
    """Read answers that are written as JSON or as Python writes them."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(ARRAY.sub(r"\1", text))
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            raise UserError(f'{where}: "{name}" begins as a list of answers and is none; write JSON') from None
    if isinstance(found, list) and all(isinstance(entry, dict) for entry in found):
        found = {key: [entry.get(key) for entry in found] for key in ("text", "answer_start")}
    lists: list[Any] = [found.get(key) for key in ("text", "answer_start")] if isinstance(found, dict) else []
    if not lists or not all(isinstance(values, list) for values in lists) or len(lists[0]) != len(lists[1]):
        raise UserError(f'{where}: "{name}" holds no two lists "text" and "answer_start" of one length; write these')
    return {"text": list(lists[0]), "answer_start": list(lists[1])}
