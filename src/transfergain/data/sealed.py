"""Pack the sealed texts of a data set, without labels, for whoever is to predict them."""

from __future__ import annotations

import base64
import json
import zlib

from transfergain.tasks.base import Task
from transfergain.tasks.given import ID, SPLIT
from transfergain.types import Dataset


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
