"""The page while the study runs: written again, now and then, as trials finish."""

from __future__ import annotations

import time

from transfergain.analysis.findings import analyse
from transfergain.report.files import due, write_files
from transfergain.running.runner import Watcher
from transfergain.store import Store
from transfergain.types import Outcome, TrialSpec


class Live:
    """A watcher that passes everything on to another, and keeps the page up to date with the store."""

    def __init__(self, watcher: Watcher, store: Store) -> None:
        self._watcher, self._store = watcher, store
        self._written, self._cost = time.monotonic(), 0.0

    def begin(self, phase: str, total: int, done: int) -> None:
        """See `Watcher.begin`."""
        self._watcher.begin(phase, total, done)

    def step(self, spec: TrialSpec, step: int, cap: int, dev_score: float | None) -> None:
        """See `Watcher.step`."""
        self._watcher.step(spec, step, cap, dev_score)

    def finish(self, spec: TrialSpec, outcome: Outcome) -> None:
        """See `Watcher.finish`; the trial is in the store by now."""
        self._watcher.finish(spec, outcome)
        now = time.monotonic()
        if due(now - self._written, self._cost):
            write_files(analyse(self._store), live=True)
            self._written = time.monotonic()
            self._cost = self._written - now
