"""What trials that run one after another share: encoded examples, corrupted texts, fresh draws of a model's head.

Trials run seed by seed and data set by data set, so that most need what the one before them made. A trial inherits from
that one alone: between trials no more is held than one of them needs by itself (docs/decisions/0035).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class Memo:
    """Results by a key of everything they are made from: those of one trial, and those inherited from the one before."""

    def __init__(self, inherited: Mapping[Hashable, Any] | None = None) -> None:
        self.used: dict[Hashable, Any] = {}
        """All results that the trial has asked for."""
        self._inherited = dict(inherited or {})

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result for the key, made now or before; nobody may change it."""
        if key not in self.used:
            self.used[key] = self._inherited.pop(key) if key in self._inherited else make()
        result: T = self.used[key]
        return result

    def drop_unused(self) -> None:
        """Drop what was inherited and not asked for: the trial has all that it needs."""
        self._inherited = {}


class Shared:
    """Hand what a trial used to the next one; held by whoever runs trials one after another."""

    def __init__(self) -> None:
        self._last: dict[Hashable, Any] = {}

    @contextlib.contextmanager
    def trial(self) -> Iterator[Memo]:
        """Run one trial in this block: its memo has what the last one used."""
        memo, self._last = Memo(self._last), {}
        try:
            yield memo
        finally:
            memo.drop_unused()
            self._last = memo.used

    def __reduce__(self) -> tuple[Callable[[], Shared], tuple[()]]:
        """Become, in another process, what is shared there."""
        return of_this_process, ()


@functools.cache
def of_this_process() -> Shared:
    """Give what the trials of a worker process share; the trying of the checkpoint before them leaves something there."""
    return Shared()
