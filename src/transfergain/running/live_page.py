"""Rewrite the page now and then while the study runs, as trials finish."""

from __future__ import annotations

import time

from transfergain.analysis.findings import analyse
from transfergain.outcome import Outcome
from transfergain.report.files import write_files
from transfergain.running.watchers import Watcher
from transfergain.store import Store
from transfergain.types import TrialSpec

LEAST_SECONDS_BETWEEN_PAGES = 20.0
"""Least seconds between two writings of the page."""
PAGE_WRITING_SHARE = 1 / 25
"""Share of a study's time that may be spent on writing the page."""


class LivePage(Watcher):
    """Keep the page up to date with the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written, self._cost = time.monotonic(), 0.0

    def end_trial(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Write the page again, if that is due."""
        now = time.monotonic()
        if is_page_due(now - self._written, self._cost):
            write_files(analyse(self._store), live=True)
            self._written = time.monotonic()
            self._cost = self._written - now


def is_page_due(since: float, cost: float) -> bool:
    """Tell whether to write the page again: it was last written `since` seconds ago, and that took `cost` seconds."""
    return since >= max(LEAST_SECONDS_BETWEEN_PAGES, cost / PAGE_WRITING_SHARE)
