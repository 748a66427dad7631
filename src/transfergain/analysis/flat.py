"""Turn frozen values into JSON's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from transfergain.split import Split


@dataclass(frozen=True, kw_only=True)
class Flat:
    """Frozen values that know their JSON."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name in JSON's types: splits and enums as their text."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Flat):
        return value.to_dict()
    if isinstance(value, Split | StrEnum):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
