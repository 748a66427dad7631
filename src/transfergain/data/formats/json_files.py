"""Read tables of JSON: a list of objects, lists by column, or an object a line."""

from __future__ import annotations

import json
from pathlib import Path

from transfergain.data.formats import unpacked
from transfergain.data.formats.table import Table
from transfergain.errors import UserError


def read(path: Path) -> Table:
    """Read a list of objects, `{"data": [...]}`, or lists by column. Raises UserError naming the file and line."""
    text = unpacked.read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        if _reason(error) == "Extra data":  # JSON lines under the name .json is common
            return read_lines(path)
        line = f" line {error.lineno:,}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"{path}{line}: not JSON ({_reason(error)})") from None
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        content = content["data"]
    if isinstance(content, dict) and content and all(isinstance(v, list) for v in content.values()):
        lengths = {len(v) for v in content.values()}
        if len(lengths) > 1:
            raise UserError(f"{path}: its columns have different lengths")
        content = [dict(zip(content, values, strict=True)) for values in zip(*content.values(), strict=True)]
    if isinstance(content, dict) and content and all(not isinstance(v, list | dict) for v in content.values()):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise UserError(f'{path}: a list of objects, or {{"data": [...]}}, is expected')
    return Table(path.name, content)


def read_lines(path: Path) -> Table:
    """Read an object a line. Raises UserError naming the file and line."""
    rows, lines = [], []
    # Not splitlines(), which also splits at the line separators that Unicode allows inside a JSON string.
    for number, line in enumerate(unpacked.read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path} line {number:,}: not JSON ({_reason(error)}); one object a line is expected") from None
        if "\\ud" in line.lower():  # an escape that could be half of a character beyond the basic plane
            try:
                json.dumps(row, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                raise UserError(
                    f"{path} line {number:,}: an escape such as \\ud83d is half a character; write the text as UTF-8"
                ) from None
        if not isinstance(row, dict):
            raise UserError(f"{path} line {number:,}: a JSON object with the columns is expected")
        rows.append(row)
        lines.append(number)
    return Table(path.name, rows, lines)


def _reason(error: Exception) -> str:
    """Say why `json` refused a text: a syntax error, a number of too many digits, or brackets nested too deeply."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)
