"""Experiment trackers that a study can report to; one file and one line each. The store stays the memory of the study."""

from __future__ import annotations

import importlib
import uuid
from typing import Protocol

from rich.console import Console

from transfergain.analysis.findings import Findings
from transfergain.errors import UserError, install, nearest
from transfergain.outcome import Outcome
from transfergain.running.console import warn
from transfergain.running.watchers import Watcher
from transfergain.store import Store
from transfergain.types import TrialSpec

TRACKERS: dict[str, str] = {
    "mlflow": "transfergain.tracking.mlflow",
}
"""Name -> module with `connect(key) -> Tracker`; imported when asked for."""
NO_TRACKER = "none"


class Tracker(Protocol):
    """Where trials and findings are reported to. What it raises is shown once, and the study goes on."""

    def trial(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Report a finished trial, unless it is there already."""

    def findings(self, findings: Findings, finished: bool) -> None:
        """Report the findings and their files."""


class Reporter(Watcher):
    """Report trials to the tracker as they end, and the findings at the end of the study."""

    def __init__(self, name: str, key: str, console: Console) -> None:
        self._name, self._key, self._console = name, key, console
        self._tracker: Tracker | None = None
        self._told = self._lost = False

    def end_trial(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Report the trial. Once the tracker has failed, it is not tried again before the end."""
        if self._lost:
            return
        try:
            self._connected().trial(spec, outcome)
        except Exception as error:
            self._lose(error)

    def end(self, findings: Findings, finished: bool) -> None:
        """Report the trials that are not there yet, those of earlier runs included, and the findings."""
        try:
            tracker = self._connected()
            for row in findings.rows:
                tracker.trial(row.spec, row.outcome)
            tracker.findings(findings, finished)
        except Exception as error:
            self._lose(error)

    def _connected(self) -> Tracker:
        if self._tracker is None:
            self._tracker = importlib.import_module(TRACKERS[self._name]).connect(self._key)
        return self._tracker

    def _lose(self, error: Exception) -> None:
        """Go on without the tracker; no trial is lost, as the same command sends what is missing when it runs again."""
        self._lost, self._tracker = True, None
        if self._told:
            return
        self._told = True
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        line = (
            f"{self._name} cannot be reported to ({reason}); the study goes on, and the same command sends what is missing"
        )
        warn(self._console, line)


def check_tracker(name: str) -> None:
    """Raise UserError for an unknown tracker, or one whose package is not installed."""
    if name == NO_TRACKER:
        return
    if name not in TRACKERS:
        raise UserError(f'--report-to: unknown tracker "{name}".{nearest(name, [*TRACKERS, NO_TRACKER])}')
    try:
        importlib.import_module(TRACKERS[name])
    except ImportError:
        raise UserError(f"--report-to {name} needs its package; {install(name)}") from None


def reporter(name: str, store: Store, console: Console) -> Reporter | None:
    """Make the reporter of a study, by a key that stays with its store; None where nothing is reported."""
    if name == NO_TRACKER:
        return None
    key = store.get_meta("tracking") or uuid.uuid4().hex
    store.set_meta("tracking", key)
    return Reporter(name, str(key), console)
