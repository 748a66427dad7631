"""Say how predictions that somebody else made stand in a file: by which columns rows are known, how an answer is read."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transfergain.counts import counted
from transfergain.data.formats import label_sets
from transfergain.data.formats.labels import WHOLE_NUMBER, is_missing, label
from transfergain.errors import nearest
from transfergain.types import Example

PREDICTION, ID, SPLIT = "prediction", "id", "split"
"""Columns of a file of predictions, beside the texts: the last says of which sealed split a row is, the test set without."""

Read = Callable[[Any, Example, Sequence[str], Mapping[str, Any]], Any]
"""(cell, example, classes, options of `OptionKind.PARSE`) -> a prediction, as `Task.decode` gives it. Raises ValueError in
words that follow the name of the row."""


@dataclass(frozen=True)
class Given:
    """How predictions for one task stand in a file."""

    columns: Mapping[str, str]
    """Inputs by which a row is known, as columns -> the task's option that names such a column in the user's own files."""
    read: Read

    def columns_of(self, example: Example) -> list[str]:
        """List the columns whose input the example has: a text that is no pair has no second one."""
        return [column for column in self.columns if column in example.inputs]

    def texts(self, example: Example) -> tuple[str, ...]:
        """Give an example's inputs as text, in the order of the columns."""
        return tuple(as_text(example.inputs[column]) for column in self.columns_of(example))


def as_text(value: Any) -> str:
    """Write the words of an input with one space between; a text as it is."""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if is_missing(value) else str(value)


def read_label(cell: Any, example: Example, classes: Sequence[str], options: Mapping[str, Any]) -> int:
    """Read the name of a class."""
    if isinstance(cell, list | dict) and len(cell) != 1:
        raise ValueError(f"the prediction is a {type(cell).__name__}; one class is expected")
    name = label(cell)
    name = name if name in classes else WHOLE_NUMBER.sub(r"\1", name)
    if not name:
        raise ValueError("the prediction is empty; give the class that you would fall back on")
    if name not in classes:
        raise ValueError(f'the prediction "{name}" is no class of the data.{nearest(name, classes)}')
    return list(classes).index(name)


def read_labels(cell: Any, example: Example, classes: Sequence[str], options: Mapping[str, Any]) -> list[int]:
    """Read the labels of a text, none or several: a list, a list written as text, or words with a sign between them."""
    text = as_text(cell)
    sign = options.get("label_separator") or next((sign for sign in label_sets.SIGNS if sign in text), None)
    names = [label(value) for value in label_sets.values(cell, None if text in classes else sign)]
    if unknown := [name for name in names if name and name not in classes]:
        raise ValueError(f'the label "{unknown[0]}" is none of the data.{nearest(unknown[0], classes)}')
    return [int(name in names) for name in classes]


def read_tags(cell: Any, example: Example, classes: Sequence[str], options: Mapping[str, Any]) -> list[int]:
    """Read a tag for each word: a list, a list written as text, or tags with spaces between."""
    tags = [str(tag) for tag in (cell if isinstance(cell, list | tuple) else listed(as_text(cell)))]
    words = len(example.inputs["tokens"])
    if len(tags) != words:
        raise ValueError(
            f"the prediction has {counted(len(tags), 'tag')} for {counted(words, 'word')}; give one tag for each word"
        )
    index = {name: i for i, name in enumerate(classes)}
    if unknown := [tag for tag in tags if tag not in index]:
        raise ValueError(f'the tag "{unknown[0]}" is none of the data.{nearest(unknown[0], classes)}')
    return [index[tag] for tag in tags]


def listed(text: str) -> list[Any]:
    """Read a list as JSON or Python writes it, else words."""
    if text.lstrip().startswith("["):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(text)
            except (ValueError, SyntaxError):
                continue
            if isinstance(found, list):
                return found
    return text.split()


def read_answer(cell: Any, example: Example, classes: Sequence[str], options: Mapping[str, Any]) -> str:
    """Read an answer; an empty one says that there is none."""
    return _plain(cell).strip()


def read_translation(cell: Any, example: Example, classes: Sequence[str], options: Mapping[str, Any]) -> str:
    """Read a translation, lower-cased where the data is."""
    text = " ".join(_plain(cell).split())
    return text.lower() if options["lowercase"] else text


def _plain(cell: Any) -> str:
    if isinstance(cell, list | dict):
        raise ValueError(f"the prediction is a {type(cell).__name__}; one text is expected")
    return as_text(cell)
