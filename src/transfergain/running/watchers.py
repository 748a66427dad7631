"""Followers of a running study, and one that passes everything on to several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from transfergain.outcome import Outcome
from transfergain.types import TrialSpec


class Watcher:
    """Follow a running study without doing anything; subclasses override the methods they need.

    One that needs setting up and clearing away is a context manager.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, total: int, done: int) -> None:
        """Learn that trials are about to run: `done` of `total` have ended. The total grows when more seeds are needed."""

    def note(self, line: str) -> None:
        """Learn what results have decided, in words."""

    def step(self, spec: TrialSpec, step: int, cap: int, dev_score: float | None) -> None:
        """Learn where a running trial is: its step of at most `cap`, and its best dev score so far."""

    def end_trial(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Learn that a trial ended; it is in the store by now."""


class Watchers(Watcher):
    """Pass everything on to several watchers, in the order given."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = tuple(watchers)

    def begin(self, total: int, done: int) -> None:
        """Tell all; see `Watcher.begin`."""
        for watcher in self._watchers:
            watcher.begin(total, done)

    def note(self, line: str) -> None:
        """Tell all; see `Watcher.note`."""
        for watcher in self._watchers:
            watcher.note(line)

    def step(self, spec: TrialSpec, step: int, cap: int, dev_score: float | None) -> None:
        """Tell all; see `Watcher.step`."""
        for watcher in self._watchers:
            watcher.step(spec, step, cap, dev_score)

    def end_trial(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Tell all; see `Watcher.end_trial`."""
        for watcher in self._watchers:
            watcher.end_trial(spec, outcome)
