"""Read entities that brackets mark in a column, as CoNLL-2012 and OntoNotes have them: `(ORG*`, `*`, `*)`."""

from __future__ import annotations

import re
from collections.abc import Sequence

CELL = re.compile(r"(?:\(([^\s()*]+))?\*(\))?")
"""What may open an entity, and what may close one."""
ROLES = re.compile(r"V|(?:[RC]-)?ARG.*|C-V")
"""Types of the columns that hold the arguments of verbs, in the same brackets."""
WORD_COLUMN, TAG_COLUMN = 3, 10
"""Places of word and entity in CoNLL-2012, whose lines have one column more for each verb."""


def is_2012(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether lines are those of CoNLL-2012, however many columns each has beyond the entities'."""
    return bool(rows) and all(len(row) > TAG_COLUMN and CELL.fullmatch(row[TAG_COLUMN]) for row in rows)


def hold_entities(cells: Sequence[str]) -> bool:
    """Tell whether a column marks entities by brackets, and not the arguments of verbs."""
    found = [CELL.fullmatch(cell) for cell in cells]
    kinds = {match[1] for match in found if match and match[1]}
    return bool(kinds) and all(found) and not any(map(ROLES.fullmatch, kinds))


def tags(cells: Sequence[str]) -> list[str] | None:
    """Turn the cells of a sentence into BIO; None where a bracket opens within another, closes nothing or stays open."""
    kind, found = "", []
    for cell in cells:
        match = CELL.fullmatch(cell)
        if match is None or (match[1] and kind) or (match[2] and not (kind or match[1])):
            return None
        kind, letter = match[1] or kind, "B" if match[1] else "I"
        found.append(f"{letter}-{kind}" if kind else "O")
        kind = "" if match[2] else kind
    return None if kind else found
