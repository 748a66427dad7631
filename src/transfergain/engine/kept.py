"""What the trials of a process need not make twice: fresh draws, encoded examples, corrupted texts.

Trials run seed by seed and data set by data set, so that most need what the one before them made. A trial inherits from
that one alone: between trials no more is held than one of them needs by itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class Kept:
    """Results by key, handed from a trial to the next."""

    def __init__(self) -> None:
        self._mine: dict[Hashable, tuple[Any, Any]] = {}
        self._inherited: dict[Hashable, tuple[Any, Any]] = {}
        self._open = False

    @contextlib.contextmanager
    def sharing(self) -> Iterator[None]:
        """A block whose results are kept for the next block, which keeps those that it asks for itself."""
        self._inherited, self._mine, self._open = self._mine, {}, True
        try:
            yield
        finally:
            self._inherited, self._open = {}, False

    def drop(self) -> None:
        """Drop what the block inherited and has not asked for: it has all that it needs."""
        self._inherited = {}

    def clear(self) -> None:
        """Keep nothing."""
        self._inherited, self._mine = {}, {}

    def get(self, key: Hashable, make: Callable[[], T], *named: object) -> T:
        """The result of `make` for this key, made now or before; nobody may change it. Outside of blocks, made now.

        `named` are the objects whose ids are in the key: they are held on to, so that no others come to have these ids.
        """
        if not self._open:
            return make()
        found = self._mine.get(key) or self._inherited.get(key) or (make(), named)
        self._mine[key] = found
        result: T = found[0]
        return result


KEPT = Kept()
"""This process's."""
