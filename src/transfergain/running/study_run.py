"""Carry a checked study out: set it up, run its trials, write findings and report."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from transfergain import tracking
from transfergain.analysis.findings import analyse
from transfergain.counts import counted
from transfergain.errors import writable
from transfergain.executors.base import Executor
from transfergain.report import next_steps, terminal
from transfergain.report.files import write_files
from transfergain.report.notebook import StudyFindings
from transfergain.running import progress, time_limit
from transfergain.running.console import aside, say, tell, warn
from transfergain.running.description import TASTE, changed_predictions, describe, summary
from transfergain.running.live_page import LivePage
from transfergain.running.models import Models
from transfergain.running.privacy import Privacy
from transfergain.running.runner import Runner
from transfergain.running.setup import set_up
from transfergain.running.signals import Terminal, locked, stoppable
from transfergain.running.time_limit import OutOfTime, TimeLimit
from transfergain.running.watchers import Watcher, Watchers
from transfergain.store import Store
from transfergain.study import Study


class Ended(NamedTuple):
    """A study that has ended, or was ended before its time."""

    findings: StudyFindings
    signal: int | None
    """The signal that ended it; None where all was run, or the time limit reached."""


def carry_out(study: Study, console: Console, verbose: bool = False, began: float | None = None) -> Ended:
    """Carry a study out; with `verbose`, every dev evaluation is shown on a line of its own.

    The console gets the answer; where it is stdout, what is under way goes to stderr.

    A time limit counts from `began`, by `time.monotonic`; from now where none is given.
    """
    limit = TimeLimit(study.seconds(), time.monotonic() if began is None else began)
    tracking.check_tracker(study.report_to)
    progress_console = aside(console)
    if study.quick:
        tell(progress_console, "quick", TASTE)
    setup = set_up(study, progress_console)
    for warning in setup.advice:
        warn(progress_console, warning.text)
    folder = Path(study.folder())
    with setup.ahead, writable(folder), locked(folder), stoppable() as window, Store(folder, create=True) as store:
        if damaged := store.mend():
            changed = counted(
                damaged,
                "trial in the store is not as it was written; it runs again",
                "trials in the store are not as they were written; they run again",
            )
            warn(progress_console, f"{folder}: {changed}")
        for line in changed_predictions(setup, store):
            warn(progress_console, line)
        describe(setup, store)
        executor = setup.begin()
        for what, line in summary(setup, executor.workers).items():
            tell(progress_console, what, line)
        follower = progress.follower(progress_console, executor.workers, verbose)
        reporter = tracking.reporter(study.report_to, store, progress_console)
        watchers = Watchers([follower, *([reporter] if reporter else []), LivePage(store), limit])
        runner = Runner(setup.planner, store, executor, watchers, Privacy.of(study, setup.checkpoint))
        stopped = _run(runner, executor, follower, limit, window)
        left = runner.update() if limit.reached else None
        models = Models(setup.planner, store)
        models.clear_unfinished()
        if stopped is None and left is None:
            models.clear_features()
        findings = StudyFindings.of(analyse(store))
        write_files(findings)
        if reporter:
            reporter.end(findings, finished=stopped is None and left is None)
        terminal.show(findings, console, full=verbose)
        say(console, "\n" + "\n".join(next_steps.lines(findings)))
        if left is not None and limit.seconds is not None:
            say(console, "\n".join(time_limit.lines(limit.seconds, left)))
        return Ended(findings, stopped)


def _run(runner: Runner, executor: Executor, follower: Watcher, limit: TimeLimit, window: Terminal) -> int | None:
    """Run the trials; returns the signal that ended the study before its time, or None."""
    stopped: int | None = None
    try:
        with executor, follower:
            try:
                with limit:
                    runner.run()
            except OutOfTime:
                pass
            except KeyboardInterrupt as interrupt:
                stopped = getattr(interrupt, "signal", signal.SIGINT)
    except OSError as error:
        if not window.is_gone(error):
            raise
        window.leave()
        return signal.SIGHUP
    return stopped
