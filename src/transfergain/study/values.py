"""Read the values of keys as users write them: lists at commas, whole numbers, files by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergain.errors import printable


def split_words(value: Any) -> Any:
    """Split a text at its commas; what is no text stays as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def whole(value: Any) -> int:
    """Read a whole number; raises ValueError for any other value, such as 1.5 or true."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def named_files(value: Any) -> dict[str, Any]:
    """Read `name=FILE`, a list of these, or a table of names and files. Raises ValueError for what is none of them."""
    if isinstance(value, Mapping):
        return dict(value)
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError("must be name=FILE, a list of these, or a table of names and files")
    pairs = {}
    for part in parts:
        name, equals, path = str(part).partition("=")
        if not equals or not name.strip() or not path.strip():
            raise ValueError(f'"{part}" is not of the form name=FILE')
        if name.strip() in pairs:
            raise ValueError(f'two files are called "{name.strip()}"')
        pairs[name.strip()] = path.strip()
    return pairs


def several_files(value: Any) -> dict[str, Any]:
    """Read `name=FILE,FILE`, a list of these, or a table of names and lists of files."""
    return {name: split_words(files) for name, files in named_files(value).items()}


def require_printable(name: str) -> None:
    """Raise ValueError for a name that a terminal or page cannot show."""
    if name != printable(name):
        raise ValueError(f'the name "{name}" holds signs that cannot be shown; choose another')


def require_a_file(name: str, files: list[str]) -> None:
    """Raise ValueError for a name without a file."""
    if not files:
        raise ValueError(f'"{name}" names no file; give {name}=FILE')
