"""Keep features on disk by key, in files that are written once and read by any number of processes."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.temporary import TemporaryFolder

INDEX = np.dtype([("key", "V16"), ("rows", "<i8")])
ROWS_ENDING, INDEX_ENDING = ".rows.npy", ".index.npy"


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
        self._found: dict[bytes, NDArray[Any]] = {}

    def known(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[Any]]:
        """Find the arrays of these keys among all that any process has written."""
        if any(key not in self._found for key in keys):
            for index in sorted(set(self._folder.glob(f"*{INDEX_ENDING}")) - self._read):
                self._read.add(index)
                with contextlib.suppress(OSError, ValueError, EOFError):
                    self._take(index)
        return {key: self._found[key] for key in keys if key in self._found}

    def _take(self, index: Path) -> None:
        entries = np.load(index, allow_pickle=False)
        rows = np.load(index.with_name(index.name.replace(INDEX_ENDING, ROWS_ENDING)), mmap_mode="r", allow_pickle=False)
        ends = np.cumsum(entries["rows"])
        if entries.dtype != INDEX or len(rows) != (ends[-1] if len(ends) else 0):
            raise ValueError("index and rows do not belong together")
        for key, end, count in zip(entries["key"], ends, entries["rows"], strict=True):
            self._found.setdefault(bytes(key), rows[end - count : end])

    def add(self, made: Iterable[tuple[bytes, NDArray[Any]]]) -> None:
        """Write arrays by key. Where the disk does not take them, they are held in memory."""
        pairs = list(made)
        if not pairs:
            return
        name = uuid.uuid4().hex
        index = np.array([(key, len(rows)) for key, rows in pairs], INDEX)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for ending, array in ((ROWS_ENDING, np.concatenate([rows for _, rows in pairs])), (INDEX_ENDING, index)):
                part = self._folder / f"{name}{ending}.part"
                with part.open("wb") as file:
                    np.save(file, array)
                part.replace(self._folder / f"{name}{ending}")
        except OSError:
            for key, rows in pairs:
                self._found.setdefault(key, rows)
