"""The resolved study as a file that `transfergain run` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def study_toml(study: Mapping[str, Any]) -> str:
    """The study as TOML: keys without a value left out, tables last."""
    filled = {key: value for key, value in study.items() if value not in (None, {}, [])}
    entries = filled.pop("tasks", [])
    lines = [f"{key} = {_toml(value)}" for key, value in filled.items()]
    for entry in entries:
        lines += ["", "[[tasks]]", *(f"{key} = {_toml(value)}" for key, value in entry.items() if value not in (None, {}))]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A value in TOML; its strings are JSON's, but for the delete character."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")
