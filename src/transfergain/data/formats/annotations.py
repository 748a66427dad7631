"""Make rows of what tools of annotation export: Label Studio's tasks, and Prodigy's with an answer."""

from __future__ import annotations

from typing import Any

from transfergain.counts import Noun, counted
from transfergain.data.formats.table import Table

ANSWERS = ("accept", "reject", "ignore")
"""Prodigy's; only what was accepted is a row."""
REJECTED = Noun("row that was rejected or ignored", "rows that were rejected or ignored")
UNANNOTATED = Noun("row without an annotation", "rows without an annotation")


def flattened(table: Table) -> Table:
    """Return the table with the data and one column `label`, without rows that were rejected or not annotated, counted."""
    for row in table.rows:  # Label Studio's JSON-MIN has several choices in an object
        for column, value in row.items():
            if isinstance(value, dict) and set(value) == {"choices"} and isinstance(value["choices"], list):
                row[column] = value["choices"]
    if any(isinstance(row.get("data"), dict) and isinstance(row.get("annotations"), list) for row in table.rows):
        return _label_studio(table)
    answers = [row.get("answer") for row in table.rows]
    if not any(answers) or not all(answer in (*ANSWERS, None) for answer in answers):
        return table
    kept = [i for i, answer in enumerate(answers) if answer in (ANSWERS[0], None)]
    left_out = {**table.left_out, REJECTED: len(answers) - len(kept)}
    return table.keeping(kept, [table.rows[i] for i in kept], left_out=left_out)


def _label_studio(table: Table) -> Table:
    rows, kept, further = [], [], 0
    for i, row in enumerate(table.rows):
        annotations = row.get("annotations")
        done = [a for a in annotations if isinstance(a, dict)] if isinstance(annotations, list) else []
        done = [a for a in done if not a.get("was_cancelled") and isinstance(a.get("result"), list)]
        if done and isinstance(row.get("data"), dict):
            kept.append(i)
            rows.append({**row["data"], "label": _label(done[0]["result"])})
            further += len(done) > 1
    notes = (f"{table.name}: of {counted(further, 'row')} with several annotations the first is read",) if further else ()
    left_out = {**table.left_out, UNANNOTATED: len(table.rows) - len(rows)}
    return table.keeping(kept, rows, left_out=left_out, notes=(*table.notes, *notes))


def _label(results: list[Any]) -> list[Any]:
    """Take the choices of an annotation, or else its spans."""
    values = [r["value"] for r in results if isinstance(r, dict) and isinstance(r.get("value"), dict)]
    choices = [choice for value in values if isinstance(value.get("choices"), list) for choice in value["choices"]]
    return choices or [value for value in values if "start" in value]
