"""Read the values of keys as users write them: lists at commas, whole numbers, files by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

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


def _printable_names(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse names that a terminal or page cannot show."""
    for name in value:
        if name != printable(name):
            raise ValueError(f'the name "{name}" holds signs that cannot be shown; choose another')
    return value


def _with_files(value: dict[str, list[str]]) -> dict[str, list[str]]:
    """Refuse names without a file."""
    for name, files in value.items():
        if not files:
            raise ValueError(f'"{name}" names no file; give {name}=FILE')
    return value


NamedFiles = Annotated[dict[str, str], BeforeValidator(named_files), AfterValidator(_printable_names)]
"""Name -> file, given as `NAME=FILE`."""
NamedSeveral = Annotated[
    dict[str, list[str]], BeforeValidator(several_files), AfterValidator(_printable_names), AfterValidator(_with_files)
]
"""Name -> files, given as `NAME=FILE,FILE`."""
