"""Read a text a line whose class stands before it (fastText), or in a second file (TweetEval)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergain.counts import counted
from transfergain.data.formats import unpacked
from transfergain.data.formats.labels import SEVERAL
from transfergain.data.formats.table import Table
from transfergain.errors import UserError

PREFIX = "__label__"
LABELS = re.compile(rf"((?:{PREFIX}\S+\s*)*)(.*)")
TEXTS_STEM, LABELS_STEM, NAMES = "_text", "_labels", "mapping.txt"
"""Ends of the names of TweetEval's two files, and the file that names its classes."""


def recognises(path: Path) -> bool:
    """Tell whether a file is fastText's, by a line with a label, or the texts of TweetEval, by the file beside it."""
    if _labels_file(path) is not None:
        return True
    try:
        return re.search(rf"^\s*{PREFIX}", unpacked.read_text(path), re.MULTILINE) is not None
    except (UserError, OSError):
        return False


def read(path: Path, text_column: str = "text", label_column: str = "label", several: bool = False) -> Table:
    """Read a row a line, under the names of columns given; `several` labels are a list. Raises UserError naming the line."""
    labels_file = _labels_file(path)
    if labels_file is not None:
        return _pair(path, labels_file, text_column, label_column)
    if not recognises(path):
        raise UserError(
            f"{path}: of .txt, lines of fastText ({PREFIX}good before each text) are read, and TweetEval's train_text.txt "
            "with train_labels.txt beside it; for others use csv or jsonl"
        )
    rows, lines = [], []
    for number, line in enumerate(unpacked.read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        match = LABELS.match(line.strip())
        assert match is not None
        labels = [label.removeprefix(PREFIX) for label in match[1].split()]
        if len(labels) != 1 and not several:
            raise UserError(f"{path} line {number:,} begins with {len(labels)} labels such as {PREFIX}good; {SEVERAL}")
        rows.append({text_column: match[2], label_column: labels if several else labels[0]})
        lines.append(number)
    return Table(path.name, rows, lines)


def _labels_file(path: Path) -> Path | None:
    stem, dot, rest = path.name.partition(".")
    beside = path.with_name(f"{stem.removesuffix(TEXTS_STEM)}{LABELS_STEM}{dot}{rest}")
    return beside if stem.endswith(TEXTS_STEM) and beside.is_file() else None


def _pair(path: Path, labels_file: Path, text_column: str, label_column: str) -> Table:
    sides = [unpacked.read_text(file).rstrip("\n").split("\n") for file in (path, labels_file)]
    if len(sides[0]) != len(sides[1]):
        raise UserError(
            f"{path} has {counted(len(sides[0]), 'line')} and {labels_file.name} {len(sides[1]):,}; line n of the one "
            "belongs to line n of the other"
        )
    names = _names(path.with_name(NAMES))
    rows = [
        {text_column: text.strip(), label_column: names.get(label.strip(), label.strip())}
        for text, label in zip(*sides, strict=True)
    ]
    return Table(path.name, rows, range(1, len(rows) + 1))


def _names(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        return {}
    fields: list[Any] = [line.split("\t") for line in unpacked.read_text(path).split("\n")]
    return {row[0].strip(): row[1].strip() for row in fields if len(row) > 1 and row[1].strip()}
