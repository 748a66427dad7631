"""Read the headers of safetensors files, with bounds, and no weight."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from transfergain.errors import UserError

MOST_HEADER_BYTES = 32 * 2**20
"""The longest header that is parsed: a hundred bytes a tensor."""


class Header(NamedTuple):
    """What a file says of its tensors."""

    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Tensors:
    """The tensors of a checkpoint."""

    count: int
    values: int
    """Numbers in all tensors together."""

    @classmethod
    def of(cls, headers: Iterable[Header]) -> Tensors:
        """Add up the tensors of several files."""
        sizes = [_product(shape) for header in headers for shape in header.shapes.values()]
        return cls(len(sizes), sum(sizes))


def _product(shape: tuple[int, ...]) -> int:
    found = 1
    for side in shape:
        found *= side
    return found


def read_header(path: Path, name: str) -> Header:
    """Read a file's header. Raises UserError unless it is that of safetensors and describes a file of its length."""
    from safetensors import SafetensorError, safe_open

    def damaged(why: object) -> UserError:
        return UserError(
            f"--model {name}: {path.name} is damaged, cut short or no safetensors file ({why}); fetch or save it again"
        )

    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(8)
        length = struct.unpack("<Q", first)[0] if len(first) == 8 else size
        if length > min(size - 8, MOST_HEADER_BYTES):
            raise damaged("its header would be longer than the file, or than any header is")
        text = file.read(length)
    try:
        entries = json.loads(text.decode("utf-8"))
        shapes = {key: tuple(entry["shape"]) for key, entry in entries.items() if key != "__metadata__"}
        if any(type(side) is not int or side < 0 for shape in shapes.values() for side in shape):
            raise ValueError("a shape is none")
        with safe_open(path, framework="np"):  # compares types, shapes and places with the length of the file
            pass
    except (SafetensorError, ValueError, RecursionError, TypeError, KeyError, AttributeError, OSError) as error:
        raise damaged(" ".join(str(error).split())[:160] or type(error).__name__) from None
    return Header(shapes)
