"""Read tables of JSON: a list of objects, lists by column, or an object a line."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from transfergain.counts import Noun
from transfergain.data.formats import unpacked
from transfergain.data.formats.annotations import flattened
from transfergain.data.formats.table import SPLIT_NAMES, Table
from transfergain.errors import UserError


def read(path: Path) -> Table:
    """Read a list of objects, `{"data": [...]}`, or lists by column. Raises UserError naming the file and line."""
    text = unpacked.read_text(path)
    try:
        content = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        if _reason(error) == "Extra data":  # JSON lines under the name .json is common
            return read_lines(path)
        line = f" line {error.lineno:,}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"{path}{line}: not JSON ({_reason(error)})") from None
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        content = content["data"]
    if splits := _splits(path, content):
        return splits
    if isinstance(content, dict) and content and all(isinstance(v, list) for v in content.values()):
        lengths = {len(v) for v in content.values()}
        if len(lengths) > 1:
            raise UserError(f"{path}: its columns have different lengths")
        content = [dict(zip(content, values, strict=True)) for values in zip(*content.values(), strict=True)]
    if isinstance(content, dict) and content and all(not isinstance(v, list | dict) for v in content.values()):
        content = [content]
    if isinstance(content, list) and content and all(map(_is_spacys, content)):
        content = [{"text": text, **marked} for text, marked in content]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise UserError(f'{path}: a list of objects, or {{"data": [...]}}, is expected')
    return flattened(Table(path.name, content))


def _splits(path: Path, content: Any) -> Table | None:
    """Read an object of splits, each a list of objects, as the train table with the others beside it; None for all else."""
    names = {name: split for split, names in SPLIT_NAMES.items() for name in names}
    if not isinstance(content, dict) or not all(isinstance(rows, list) for rows in content.values()):
        return None
    known = {key: names[key.lower()] for key in content if key.lower() in names}
    tables = {split: Table(f"{path.name}[{key}]", content[key]) for key, split in known.items()}
    if "train" not in tables or not all(isinstance(row, dict) for table in tables.values() for row in table.rows):
        return None
    others = {Noun(f"row under {key}", f"rows under {key}"): len(rows) for key, rows in content.items() if key not in known}
    return replace(tables.pop("train"), beside=tables, left_out=others)


def read_lines(path: Path) -> Table:
    """Read an object a line. Raises UserError naming the file and line."""
    rows, lines = [], []
    # Not splitlines(), which also splits at the line separators that Unicode allows inside a JSON string.
    for number, line in enumerate(unpacked.read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path} line {number:,}: not JSON ({_reason(error)}); one object a line is expected") from None
        if not isinstance(row, dict):
            raise UserError(f"{path} line {number:,}: a JSON object with the columns is expected")
        rows.append(row)
        lines.append(number)
    return flattened(Table(path.name, rows, lines))


def _is_spacys(row: Any) -> bool:
    """Tell whether a row is one of spaCy's: `["text", {"entities": [[0, 3, "PER"]]}]`."""
    return isinstance(row, list) and len(row) == 2 and isinstance(row[0], str) and isinstance(row[1], dict)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs. Raises ValueError for a name that it has twice, of which `json` would keep the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f'an object has "{twice}" twice')
    return found


def _reason(error: Exception) -> str:
    """Say why `json` refused a text: a syntax error, a number of too many digits, or brackets nested too deeply."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)
