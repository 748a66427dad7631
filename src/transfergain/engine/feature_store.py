"""Keep features on disk by key, in files that are written once and read by any number of processes.

They are read a view at a time and are not mapped, so that only what is being worked on is in memory.
"""

from __future__ import annotations

import contextlib
import io
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.temporary import TemporaryFolder

SIZES = ("views", "rows", "width")
INDEX = np.dtype([("key", "V16"), *((name, "<i8") for name in SIZES), ("type", "S4")])
ROWS_ENDING, INDEX_ENDING = ".rows", ".index.npy"
AT_ONCE = 64
"""Texts that `each` reads at once."""


class Place(NamedTuple):
    """Where the features of a text are: its rows in the first view, then those in the next."""

    source: Path | io.BytesIO
    """In memory where the disk took none."""
    offset: int
    shape: tuple[int, int, int]
    """(views, rows, width)"""
    dtype: np.dtype[Any]

    @property
    def rows(self) -> int:
        """Count the rows: one of a text, or one a token."""
        return self.shape[1]

    @property
    def view_bytes(self) -> int:
        """Count the bytes of one view."""
        return self.shape[1] * self.shape[2] * self.dtype.itemsize


class FeatureStore:
    """Arrays of rows by key, in one folder.

    Each addition is a pair of files, of which the index is put into place last: where it is, the rows are whole. Two
    processes that compute the same text both write it, and either is read. What cannot be read counts as not there.
    """

    def __init__(self, folder: Path | None) -> None:
        """Take the folder; None for one that is gone with this object."""
        self._own = None if folder else TemporaryFolder()
        self._folder = folder or (self._own.path if self._own else Path())
        self._read: set[Path] = set()
        self._found: dict[bytes, Place] = {}

    def known(self, keys: Sequence[bytes]) -> dict[bytes, Place]:
        """Find the places of these keys among all that any process has written."""
        if any(key not in self._found for key in keys):
            for index in sorted(set(self._folder.glob(f"*{INDEX_ENDING}")) - self._read):
                self._read.add(index)
                with contextlib.suppress(OSError, ValueError, EOFError):
                    self._take(index)
        return {key: self._found[key] for key in keys if key in self._found}

    def _take(self, index: Path) -> None:
        entries = np.load(index, allow_pickle=False)
        rows = index.with_name(index.name.replace(INDEX_ENDING, ROWS_ENDING))
        if entries.dtype != INDEX:
            raise ValueError("no index of features")
        places = _places(entries, rows)
        if rows.stat().st_size != sum(place.shape[0] * place.view_bytes for place in places):
            raise ValueError("index and rows do not belong together")
        for key, place in zip(entries["key"], places, strict=True):
            self._found.setdefault(bytes(key), place)

    def add(self, made: Iterable[tuple[bytes, NDArray[Any]]]) -> None:
        """Write arrays (rows, views, width) by key. Where the disk does not take them, they are held in memory."""
        pairs = list(made)
        if not pairs:
            return
        sizes = [(array.shape[1], array.shape[0], array.shape[2]) for _, array in pairs]
        entries = [(key, *size, array.dtype.str) for (key, array), size in zip(pairs, sizes, strict=True)]
        index, name = np.array(entries, INDEX), uuid.uuid4().hex
        part = self._folder / f"{name}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.writelines(_by_view(array) for _, array in pairs)
            part.replace(self._folder / f"{name}{ROWS_ENDING}")
            with part.open("wb") as file:
                np.save(file, index)
            part.replace(self._folder / f"{name}{INDEX_ENDING}")
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            held = io.BytesIO(b"".join(_by_view(array) for _, array in pairs))
            for (key, _), place in zip(pairs, _places(index, held), strict=True):
                self._found.setdefault(key, place)


def _by_view(array: NDArray[Any]) -> bytes:
    """Write (rows, views, width) as bytes, one view after the other."""
    return array.swapaxes(0, 1).tobytes()


def _places(entries: NDArray[Any], source: Path | io.BytesIO) -> list[Place]:
    """Turn an index into places: the arrays stand one after the other."""
    found, offset = list[Place](), 0
    for entry in entries:
        views, rows, width = (int(entry[name]) for name in SIZES)
        place = Place(source, offset, (views, rows, width), np.dtype(entry["type"].decode()))
        found.append(place)
        offset += views * place.view_bytes
    return found


def stack(places: Sequence[Place], view: int) -> NDArray[np.float32]:
    """Read the rows of texts in one view, one text after the other, into an array of the caller's own."""
    ends = np.cumsum([0, *(place.rows for place in places)])
    whole = np.empty((ends[-1], places[0].shape[2] if places else 0), np.float32)
    by_source = defaultdict[Path | io.BytesIO, list[int]](list)
    for i, place in enumerate(places):
        by_source[place.source].append(i)
    for source, members in by_source.items():
        with source.open("rb", buffering=0) if isinstance(source, Path) else contextlib.nullcontext(source) as file:
            for i in sorted(members, key=lambda i: places[i].offset):
                file.seek(places[i].offset + view * places[i].view_bytes)
                read = np.frombuffer(file.read(places[i].view_bytes), places[i].dtype)
                whole[ends[i] : ends[i + 1]] = read.reshape(places[i].shape[1:])
    return whole


def each(places: Sequence[Place], view: int) -> Iterator[NDArray[np.float32]]:
    """Read the rows of each text in one view, a few texts at a time."""
    for start in range(0, len(places), AT_ONCE):
        few = places[start : start + AT_ONCE]
        yield from np.split(stack(few, view), np.cumsum([place.rows for place in few[:-1]]))
