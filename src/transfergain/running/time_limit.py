"""End a study in time (`--time-limit`): as Ctrl-C does, with the findings of what is done."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from typing import Self

from transfergain.analysis import words
from transfergain.counts import counted
from transfergain.outcome import Outcome
from transfergain.running.agenda import Agenda
from transfergain.running.watchers import Watcher
from transfergain.types import TrialSpec

SHARE_FOR_FINDINGS = 0.1
"""Share of the limit that is left for writing the findings."""
SECONDS_FOR_FINDINGS = (3.0, 15.0)
"""The least and the most of it."""
LEAST_SECONDS = 0.001
"""What an alarm is set to where no time is left: 0 would turn it off."""


class OutOfTime(KeyboardInterrupt):
    """The time limit ended the study; handled as Ctrl-C is, but not a fault."""


class TimeLimit(Watcher):
    """Raise OutOfTime when a study has had its time, less what writing its findings takes.

    An alarm of the system interrupts the main thread wherever it is. Elsewhere, as on Windows, time is looked at whenever a
    trial reports.
    """

    def __init__(self, seconds: float | None, began: float) -> None:
        """`began`: when the clock started, by `time.monotonic`."""
        self.seconds, self.reached = seconds, False
        least, most = SECONDS_FOR_FINDINGS
        self._ends = None if seconds is None else began + seconds - min(max(least, SHARE_FOR_FINDINGS * seconds), most)

    def __enter__(self) -> Self:
        self._alarm = self._ends is not None and hasattr(signal, "setitimer") and _in_main_thread()
        if self._alarm and self._ends is not None:
            self._before = signal.signal(signal.SIGALRM, lambda *_: self._end())
            signal.setitimer(signal.ITIMER_REAL, max(LEAST_SECONDS, self._ends - time.monotonic()))
        return self

    def __exit__(self, *_: object) -> None:
        if self._alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def begin(self, total: int, done: int) -> None:
        """End the study where its time is over."""
        self._look()

    def step(self, spec: TrialSpec, step: int, cap: int, dev_score: float | None) -> None:
        """End the study where its time is over."""
        self._look()

    def end_trial(self, spec: TrialSpec, outcome: Outcome) -> None:
        """End the study where its time is over."""
        self._look()

    def _look(self) -> None:
        if self._ends is not None and time.monotonic() >= self._ends:
            self._end()

    def _end(self) -> None:
        if not self.reached:  # a second alarm does not disturb the writing of the findings
            self.reached = True
            raise OutOfTime


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def lines(seconds: float, agenda: Agenda) -> Sequence[str]:
    """Say what a study did not get to within its time."""
    limit = f"Time limit of {words.duration(seconds)} reached"
    if not agenda.left:
        return [f"{limit} just as all was done."]
    reasons: dict[str, list[str]] = {}
    for (dataset, what), count in sorted(agenda.left.items(), key=lambda item: (item[0][1], item[0][0])):
        reasons.setdefault(dataset, []).append(f"{what.title} ({count})")
    if not agenda.ended:
        limit += " before the first trial had ended: nothing is measured yet"
        tail = "`transfergain plan` with the same flags says what it takes"
    else:
        limit += f" with {counted(agenda.ended, 'trial')} done"
        tail = "the same command goes on"
    missed = [f"Not reached on {dataset}: {', '.join(parts)}" for dataset, parts in reasons.items()]
    return [f"{limit}; {counted(agenda.left.total(), 'is left', 'are left')}; {tail}.", *missed]
