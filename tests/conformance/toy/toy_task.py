"""A task of one file, with an option, a floor and a format of its own: is a line long or short?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from transfergain.data.formats.table import Parsed, Table
from transfergain.data.recognise import Guess
from transfergain.errors import UserError
from transfergain.floors.base import Floor
from transfergain.options import Option, OptionKind
from transfergain.tasks.classification import ONE_CLASS
from transfergain.types import Example

LABELS = ("long", "short")


def read(path: Path) -> Table:
    """Lines of the form `long | a text`."""
    lines = path.read_text("utf-8").splitlines()
    return Table(path.name, [dict(zip(("label", "text"), map(str.strip, line.split("|")), strict=True)) for line in lines])


def parse(tables: Mapping[str, Table], options: Mapping[str, Any]) -> Parsed:
    """Lines of `least_words` words or more."""
    splits = {}
    for split, table in tables.items():
        for i, row in enumerate(table.rows):
            for column in ("text", "label"):
                if not row.get(column):
                    raise UserError(f'{table.where(i)}: "{column}" is empty; name another line or --least-words')
            if row["label"] not in LABELS:
                raise UserError(f'{table.where(i)}: the label "{row["label"]}" is not long or short')
        kept = [row for row in table.rows if len(row["text"].split()) >= options["least_words"]]
        splits[split] = tuple(Example({"text": row["text"]}, LABELS.index(row["label"])) for row in kept)
    return Parsed(LABELS, splits, (f"lines of {options['least_words']} words or more",))


def recognise_file(path: Path, given: Mapping[str, Any]) -> Guess | None:
    """By the ending."""
    return {} if path.suffix == ".toy" else None


BY_LENGTH = Floor(
    "by_length",
    "the number of words",
    lambda drawn, text, seed: lambda examples: [int(len(text(e).split()) < 5) for e in examples],
    "nobody",
)

TOY = replace(
    ONE_CLASS,
    name="toy",
    title="Long or short",
    options=(Option("least_words", 1, "words of the shortest line", OptionKind.READING, type=int, ge=1, le=9),),
    parse=parse,
    floors=(BY_LENGTH,),
    readers=lambda options: {".toy": read},
    recognise=lambda table: None,
    recognise_file=recognise_file,
    citation="nobody",
)
