"""Write a study, or one value of it, in TOML as `transfergain run` reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def study_toml(study: Mapping[str, Any]) -> str:
    """Write the study as TOML: keys without a value left out, tables last."""
    filled = {key: value for key, value in study.items() if value not in (None, {}, [])}
    entries = filled.pop("tasks", [])
    lines = [f"{key} = {toml_value(value)}" for key, value in filled.items()]
    for entry in entries:
        lines += [
            "",
            "[[tasks]]",
            *(f"{key} = {toml_value(value)}" for key, value in entry.items() if value not in (None, {})),
        ]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Write a value in TOML; its strings are JSON's, but for the delete character."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_value(str(key))} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")
