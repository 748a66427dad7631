"""Show how a running study gets on: a bar on a terminal, one line in a notebook, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from transfergain.analysis import words
from transfergain.counts import counted
from transfergain.errors import visible
from transfergain.outcome import Outcome
from transfergain.running.console import say
from transfergain.running.watchers import Watcher
from transfergain.types import Phase, Status, TrialSpec

SILENCE = 120
"""Seconds after which a log says which trial is running."""


class Forecast:
    """Reckon the time left from the seconds of finished trials: the mean of the means of arms, budgets and phases so far."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.seconds: dict[tuple[str, str, int, Phase], list[float]] = defaultdict(list)

    def learn(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Take a finished trial into account."""
        if spec.recipe is not None:
            self.seconds[spec.dataset, spec.arm, spec.budget, spec.phase].append(outcome.seconds)

    def left(self, remaining: int) -> str:
        """Say how long `remaining` trials will take; empty until something is known, and at the end."""
        known = [sum(values) / len(values) for values in self.seconds.values()]
        if not known or not remaining:
            return ""
        seconds = remaining * sum(known) / len(known) / max(1, min(self.workers, remaining))
        return f"{words.duration(seconds)} left"


def follower(console: Console, workers: int, verbose: bool = False) -> Watcher:
    """Choose what suits the console: a bar on a terminal, one line that changes in a notebook, else a line a trial."""
    if console.quiet:
        return Watcher()
    if verbose or not (console.is_terminal or console.is_jupyter):
        return Lines(console, workers, verbose)
    return NotebookLine(console, workers) if console.is_jupyter else Bar(console, workers)


class Bar(Watcher):
    """Show one bar for the whole study: how many trials have ended, the time left of all, the running one as room allows."""

    def __init__(self, console: Console, workers: int) -> None:
        self._forecast = Forecast(workers)
        self._progress = Progress(
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}", markup=False, table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[now]}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            console=console,
            expand=True,
        )
        self._bar: TaskID | None = None
        self._remaining = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, total: int, done: int) -> None:
        """Put up the bar, or set it to what there is by now; none where there are no trials."""
        self._remaining = total - done
        if total and self._bar is None:
            self._bar = self._progress.add_task("", total=total, completed=done, now="", left="")
        self._update(total=total, completed=done)

    def note(self, line: str) -> None:
        """Print above the bar what results have decided."""
        say(self._progress.console, line)

    def step(self, spec: TrialSpec, step: int, cap: int, dev_score: float | None) -> None:
        """Write the running trial beside the bar."""
        dev = "" if dev_score is None else f" · dev {dev_score:.3f}"
        self._update(now=f"{spec.describe()} · step {step}{dev}")

    def end_trial(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Move the bar on, and print a failure above it."""
        self._forecast.learn(spec, outcome)
        self._remaining -= 1
        self._update(advance=1, left=self._forecast.left(self._remaining), now="")
        if outcome.status != Status.DONE:
            self._progress.console.print(
                Text(f"{outcome.status}  ", style="yellow") + Text(visible(f"{spec.describe()}: {outcome.error}"))
            )

    def _update(self, **fields: object) -> None:
        if self._bar is not None:
            self._progress.update(self._bar, **fields)  # type: ignore[arg-type]


class Lines(Watcher):
    """Print one plain line a finished trial, for logs and pipes; with `steps`, one a dev evaluation too.

    Where nothing was printed for SILENCE seconds an evaluation is all the same: a log that stands still looks like a
    study that hangs, and schedulers end such jobs.
    """

    def __init__(self, console: Console, workers: int, steps: bool = False) -> None:
        self._console, self._forecast, self._steps = console, Forecast(workers), steps
        self._total = self._done = 0
        self._printed = time.monotonic()

    def begin(self, total: int, done: int) -> None:
        """Print once what there is to do; nothing where there are no trials."""
        if total and not self._total:
            self._print(f"{counted(total, 'trial')}, {done} done already")
        self._total, self._done = total, done

    def note(self, line: str) -> None:
        """Print what results have decided."""
        self._print(line)

    def step(self, spec: TrialSpec, step: int, cap: int, dev_score: float | None) -> None:
        """Print a dev evaluation, where they are asked for or nothing else was printed for long."""
        if self._steps or time.monotonic() - self._printed >= SILENCE:
            dev = "" if dev_score is None else f" · dev {dev_score:.3f}"
            self._print(f"  {spec.describe()} · step {step:,} of at most {cap:,}{dev}")

    def end_trial(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Print the trial, its dev score or what became of it, and the time left."""
        self._forecast.learn(spec, outcome)
        self._done += 1
        dev = "" if outcome.dev_score is None else f" · dev {outcome.dev_score:.3f}"
        what = dev if outcome.status == Status.DONE else f" · {outcome.status}: {outcome.error}"
        left = self._forecast.left(self._total - self._done)
        tail = f" · {left}" if left else ""
        self._print(f"{self._done}/{self._total} · {spec.describe()}{what}{tail}")

    def _print(self, text: str) -> None:
        self._printed = time.monotonic()
        say(self._console, text)


class NotebookLine(Lines):
    """Write one line of a notebook's cell anew; failures stay. Needs no widgets, which not every notebook has."""

    def __init__(self, console: Console, workers: int) -> None:
        super().__init__(console, workers)
        self._handle: Any = None
        self._finished = ""

    def step(self, spec: TrialSpec, step: int, cap: int, dev_score: float | None) -> None:
        """Write the running trial into the line."""
        dev = "" if dev_score is None else f" · dev {dev_score:.3f}"
        self._show(f"{self._finished or 'trials'} | {spec.describe()} · step {step:,}{dev}")

    def end_trial(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Write the trial into the line, and print a failure below it."""
        super().end_trial(spec, outcome)
        if outcome.status != Status.DONE:
            say(self._console, f"{outcome.status}  {spec.describe()}: {outcome.error}")

    def _print(self, text: str) -> None:
        self._finished = text
        self._show(text)

    def _show(self, text: str) -> None:
        from IPython.display import display

        content = {"text/plain": text}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(content, raw=True)
