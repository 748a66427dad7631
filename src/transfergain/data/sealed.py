"""Pack the sealed texts of a data set, without labels, for whoever is to predict them; and marks of those with labels."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable

from transfergain.data.draws import mark
from transfergain.tasks.base import Task
from transfergain.tasks.given import ID, SPLIT
from transfergain.types import Dataset

LABELLED_KEY = "labelled"
"""Key of the store's mapping of data sets to the marks of their texts whose labels are known."""


def pack(data: Dataset, task: Task) -> str:
    """Pack a row for each sealed text: its id, its split, and its texts by column; as text that SQLite holds."""
    given = task.given
    if given is None:
        return ""
    rows = [
        {ID: name, SPLIT: str(split), **dict(zip(given.columns_of(example), given.texts(example), strict=True))}
        for split, examples in data.splits().items()
        for name, example in zip(data.ids[split], examples, strict=True)
    ]
    return base64.b64encode(zlib.compress(json.dumps(rows).encode(), level=1)).decode()


def unpack(packed: str) -> list[dict[str, str]]:
    """Invert `pack`."""
    rows: list[dict[str, str]] = json.loads(zlib.decompress(base64.b64decode(packed))) if packed else []
    return rows


def together(texts: Iterable[str]) -> bytes:
    """Mark the texts of a row together: 16 bytes, the same for rows that differ only in case and white space."""
    return mark("\0".join(texts))


def labelled(data: Dataset, task: Task) -> str:
    """Mark every row of train and dev, of which labels are known; as text that SQLite holds."""
    given = task.given
    if given is None:
        return ""
    marks = b"".join(together(given.texts(example)) for example in (*data.train, *data.dev))
    return base64.b64encode(marks).decode()


def labelled_marks(packed: str) -> set[bytes]:
    """Invert `labelled`."""
    marks = base64.b64decode(packed)
    size = len(together([]))
    return {marks[i : i + size] for i in range(0, len(marks), size)}
