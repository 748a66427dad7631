"""Say before a study runs what it would run, how long and in how much memory: `transfergain plan`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfergain.analysis.words import duration
from transfergain.arms.adapt import Adaptation
from transfergain.data.draws import budget_sizes
from transfergain.executors import auto
from transfergain.running.console import say
from transfergain.running.planner import Planner, StudyCell
from transfergain.running.search import learning_rates
from transfergain.running.setup import set_up
from transfergain.running.speed import Speeds, measure_speeds
from transfergain.split import Kind, shift
from transfergain.store import STORE_FILE, Store, StoredTrial
from transfergain.study import Study
from transfergain.types import Dataset, Phase, Status, TrialSpec

USUAL_SHARE_OF_CAP = 0.7
"""Share of the step cap after which patience ends a reported trial, where none has run yet: 0.68 and 0.72 were measured
for scratch and full in docs/decisions/0021. All trials at the cap is the upper bound."""


@dataclass(frozen=True)
class CellPlan:
    """The trials of one arm at one budget; seconds are of one worker."""

    dataset: str
    arm: str
    budget: int
    tuning: int
    reports: int
    done: int
    seconds_tuning: float
    """Of one tuning trial, on average over the rounds."""
    seconds_report: float
    seconds_most: float
    """Of a reported trial that goes to the step cap."""
    source: str
    """`measured`: from a few steps taken now. `store`: from trials that have run."""

    @property
    def left(self) -> float:
        """Estimate the seconds of one worker for what is not done."""
        return self._left(self.seconds_report)

    @property
    def most(self) -> float:
        """Bound the same from above: every reported trial goes to the step cap."""
        return self._left(self.seconds_most)

    def _left(self, report: float) -> float:
        tuning = max(0, self.tuning - self.done)
        return tuning * self.seconds_tuning + (self.tuning + self.reports - self.done - tuning) * report


@dataclass(frozen=True)
class Plan:
    """What `run` would do."""

    cells: Sequence[CellPlan]
    floors: int
    workers: int
    threads: int
    device: str
    worker_bytes: int | None
    """What a worker process may come to hold: its peak in the short trials, and on a CPU the kernels that it will compile
    for more shapes; None where it cannot be read, or nothing was measured."""

    @property
    def seconds(self) -> float:
        """Estimate the seconds until all is done."""
        return sum(cell.left for cell in self.cells) / max(1, self.workers)

    @property
    def seconds_most(self) -> float:
        """Bound the same from above: every reported trial goes to the step cap."""
        return sum(cell.most for cell in self.cells) / max(1, self.workers)

    def to_json(self) -> str:
        """Write the plan and its totals as JSON."""
        return json.dumps(asdict(self) | {"seconds": self.seconds, "seconds_most": self.seconds_most}, indent=1)


class TrialSeconds(NamedTuple):
    """How long the trials of one cell will take, each."""

    tuning: Mapping[float, float]
    """By rung."""
    report: float
    most: float
    """Of a reported trial that goes to the step cap."""


def plan(study: Study, console: Console) -> Plan:
    """Plan a study: what its store holds is taken from there, the rest is measured by two short trials an arm."""
    setup = set_up(study, console)
    planner, workers = setup.planner, setup.workers
    rows = _stored(Path(study.folder()))
    with setup.ahead:
        speeds, peak = measure_speeds(setup, {(r.spec.dataset, r.spec.arm) for r in _reported(rows)}, console)
    cells = [_cell(planner, rows, speeds, *cell) for cell in planner.cells()]
    device = setup.tried.device
    peak = peak and peak + auto.KERNEL_BYTES * (device == "cpu")
    return Plan(cells, len(planner.floors()), workers.count or 1, workers.threads, device, peak)


def _stored(folder: Path) -> list[StoredTrial]:
    """Read the trials that are done; none where no study has begun."""
    if not (folder / STORE_FILE).exists():
        return []
    with Store(folder) as store:
        return [row for row in store.rows() if row.outcome.status == Status.DONE]


def _reported(rows: Iterable[StoredTrial]) -> list[StoredTrial]:
    return [row for row in rows if row.spec.phase == Phase.REPORT and row.spec.recipe]


def _cell(planner: Planner, rows: Sequence[StoredTrial], speeds: Speeds, data: Dataset, arm: str, budget: int) -> CellPlan:
    """Count the trials of one cell and estimate their seconds: from the store, or else from the speeds."""
    rungs = planner.rungs()
    rounds = [-(-planner.study.tune // 2**depth) for depth in range(len(rungs))]
    tuned, reports = _of_cell(planner, rows, data, arm, budget)
    done = min(len(tuned), sum(rounds)) + len({r.spec.replicate for r in reports})
    guess = _seconds(planner, speeds, data, arm, budget) or TrialSeconds(dict.fromkeys(rungs, 0.0), 0.0, 0.0)
    tuning = sum(n * guess.tuning[rung] for n, rung in zip(rounds, rungs, strict=True)) / max(1, sum(rounds))
    report, most = guess.report, guess.most
    if known := reports or [r for r in _reported(rows) if (r.spec.dataset, r.spec.arm) == (data.name, arm)]:
        report = most = _mean_seconds(known)
        tuning = _mean_seconds(tuned) if tuned else report
    seeds, source = planner.entries[data.name].seeds, "store" if known else "measured"
    return CellPlan(data.name, arm, budget, sum(rounds), seeds, done, tuning, report, most, source)


def _of_cell(
    planner: Planner, rows: Sequence[StoredTrial], data: Dataset, arm: str, budget: int
) -> tuple[list[StoredTrial], list[StoredTrial]]:
    """Find the tuning and the reported trials of one cell among stored ones, whatever learning rate tuning chose."""
    possible = {_anonymous(s) for s in planner.reporting(StudyCell(data, arm, budget), planner.recipe(data, 0.0))}
    first = {_anonymous(s) for s in planner.tuning(StudyCell(data, arm, budget))}
    possible |= {replace(s, rung=rung) for s in first for rung in planner.rungs()}
    mine = [r for r in rows if r.spec.recipe and _anonymous(r.spec) in possible]
    rates = learning_rates(planner.study.tune)
    tuned = [r for r in mine if r.spec.phase == Phase.TUNE and r.spec.recipe and r.spec.recipe.learning_rate in rates]
    return tuned, [r for r in mine if r.spec.phase == Phase.REPORT]


def _mean_seconds(rows: Sequence[StoredTrial]) -> float:
    return sum(row.outcome.seconds for row in rows) / len(rows)


def _anonymous(spec: TrialSpec) -> TrialSpec:
    """Set a spec's learning rate to 0, as tuning chooses it."""
    return replace(spec, recipe=replace(spec.recipe, learning_rate=0.0) if spec.recipe else None)


def _seconds(planner: Planner, speeds: Speeds, data: Dataset, arm: str, budget: int) -> TrialSeconds | None:
    """Estimate the seconds of a cell's trials from its arm's speed; None where the arm was not measured.

    Adaptations take their steps, each as long as one of the arm's; their few dev labels are not counted. A sealed example
    takes what the slowest arm's dev example takes: frozen or not, the model is the same.
    """
    if not (speed := speeds.get((data.name, arm))):
        return None
    from transfergain.engine.schedule import evaluation_steps

    recipe = planner.recipe(data, 0.0)
    n_train, n_dev = budget_sizes(budget, len(data.train), len(data.dev))
    cap = recipe.max_steps(n_train)
    evaluations = recipe.evaluations + len(evaluation_steps(max(1, cap // recipe.evaluations)))
    training = cap * speed.step + evaluations * n_dev * speed.example
    by_rung = {rung: speed.fixed + min(rung, USUAL_SHARE_OF_CAP) * training for rung in planner.rungs()}
    slowest = max(s.example for (name, _), s in speeds.items() if name == data.name)
    test = adapting = 0.0
    for split, _ in planner.reporting(StudyCell(data, arm, budget), recipe)[0].splits:
        if split.kind is Kind.ADAPTED:
            adaptation = Adaptation.of(split)
            adapting += adaptation.recipe(recipe).max_steps(adaptation.labels) * speed.step
            split = shift(adaptation.shift)
        test += len(data.splits().get(split, data.test)) * slowest
    training += adapting
    report, most = (speed.fixed + share * training + test for share in (USUAL_SHARE_OF_CAP, 1.0))
    return TrialSeconds(by_rung, report, most)


def show(found: Plan, console: Console) -> None:
    """Print the plan as a table and its total."""
    table = Table(box=None, pad_edge=False)
    for name in ("data", "arm", "labels", "tuning", "trials", "done", "a trial", "left", "from"):
        table.add_column(name, justify="left" if name in ("data", "arm", "from") else "right")
    for c in found.cells:
        counts = (f"{c.budget:,}", str(c.tuning), str(c.reports), str(c.done))
        times = (duration(c.seconds_report, tenths=True), duration(c.left, tenths=True))
        table.add_row(*map(Text, (c.dataset, c.arm, *counts, *times, c.source)))
    console.print(table)
    say(console, _total(found))


def _total(found: Plan) -> str:
    """Say in one line what all of it takes."""
    total, done = sum(c.tuning + c.reports for c in found.cells), sum(c.done for c in found.cells)
    expected, most = duration(found.seconds, tenths=True), duration(found.seconds_most, tenths=True)
    workers = f"{found.workers} worker{'s' * (found.workers > 1)} of {found.threads} thread{'s' * (found.threads > 1)}"
    memory = f" · up to {found.worker_bytes / 2**30:.1f} GB a worker" if found.worker_bytes else ""
    return (
        f"{total} trials, {done} done, and {found.floors} of floors · about {expected} on {found.device}, at most {most}"
        f" · {workers}{memory}"
    )
