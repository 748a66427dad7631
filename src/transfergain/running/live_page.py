"""The page while the study runs: written again, now and then, as trials finish."""

from __future__ import annotations

import time

from transfergain.analysis.findings import analyse
from transfergain.report.files import write_files
from transfergain.running.watchers import Watcher
from transfergain.store import Store
from transfergain.types import Outcome, TrialSpec

LEAST_SECONDS = 20.0
"""Between two writings of the page."""
MOST_TIME_WRITING = 1 / 25
"""Share of a study's time that may be spent on writing the page."""


class LivePage(Watcher):
    """Keep the page up to date with the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written, self._cost = time.monotonic(), 0.0

    def end_trial(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Write the page again, if that is due."""
        now = time.monotonic()
        if due(now - self._written, self._cost):
            write_files(analyse(self._store), live=True)
            self._written = time.monotonic()
            self._cost = self._written - now


def due(since: float, cost: float) -> bool:
    """Tell whether the page is to be written again: `since` seconds ago it was, and that took `cost` seconds."""
    return since >= max(LEAST_SECONDS, cost / MOST_TIME_WRITING)
