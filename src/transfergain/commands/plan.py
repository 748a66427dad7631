"""`transfergain plan`: what a study would run, how long and in how much memory on this machine, before it runs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfergain import api
from transfergain.arms.adapt import PREFIX as ADAPTED
from transfergain.arms.adapt import Adaptation
from transfergain.data.draws import budget_sizes
from transfergain.executors import EXECUTORS, auto
from transfergain.executors.base import Job
from transfergain.executors.local import LocalExecutor
from transfergain.running.planner import Planner, learning_rates
from transfergain.store import FILE, Row, Store
from transfergain.study import Study
from transfergain.trial import Bench
from transfergain.types import Dataset, Outcome, TrialSpec

USUAL = 0.7
"""Share of the step cap after which patience ends a reported trial, where none has run yet: 0.68 and 0.72 were measured
for scratch and full in docs/decisions/0021. All trials at the cap is the upper bound."""
PROBE = (4, 12)
"""Steps of the two short trials from whose difference steps and dev evaluations are timed. Dev is read every 4."""
DEV = 64
"""Dev examples that a short trial reads at most: where text is generated, evaluations are most of its time."""


@dataclass(frozen=True)
class Cell:
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
        """Seconds of one worker for what is not done."""
        return self._left(self.seconds_report)

    @property
    def most(self) -> float:
        """The same with every reported trial at the step cap."""
        return self._left(self.seconds_most)

    def _left(self, report: float) -> float:
        tuning = max(0, self.tuning - self.done)
        return tuning * self.seconds_tuning + (self.tuning + self.reports - self.done - tuning) * report


@dataclass(frozen=True)
class Plan:
    """What `run` would do."""

    cells: Sequence[Cell]
    floors: int
    workers: int
    threads: int
    device: str
    worker_bytes: int | None
    """What a worker process may come to hold: its peak in the short trials, and on a CPU the kernels that it will compile
    for more shapes; None where it cannot be read, or nothing was measured."""

    @property
    def seconds(self) -> float:
        """Expected until all is done."""
        return sum(cell.left for cell in self.cells) / max(1, self.workers)

    def to_json(self) -> str:
        """All of it, with the totals."""
        most = sum(cell.most for cell in self.cells) / max(1, self.workers)
        return json.dumps(asdict(self) | {"seconds": self.seconds, "seconds_most": most}, indent=1)


@dataclass(frozen=True)
class Speed:
    """How fast one arm trains on one data set."""

    fixed: float
    """Seconds to load and encode, at the largest budget."""
    step: float
    """Seconds of an optimiser step."""
    example: float
    """Seconds to evaluate one example. Nothing much for a probe on dev, whose features are stored; see `_seconds`."""


def plan(study: Study, console: Console) -> Plan:
    """The plan of a study: what its store holds is taken from there, the rest is measured by two short trials an arm."""
    from transfergain.engine.precision import pick_device

    datasets = api.load_data(study, console)
    checkpoint, precision, _ = api.verify(study, datasets)
    planner = Planner(study, datasets, checkpoint.revision, precision)
    folder = Path(study.folder())
    kind = EXECUTORS[study.executor]
    workers, threads, shared = api.sized(study, checkpoint, kind.own_machine, folder)
    rows: list[Row] = []
    if (folder / FILE).exists():
        with Store(folder) as store:
            rows = [row for row in store.rows() if row.outcome.status == "done"]
    bench = Bench({name: _short(data) for name, data in datasets.items()}, checkpoint, study.device, threads, shared)
    speeds, peak = _measure(planner, bench, {(r.spec.dataset, r.spec.arm) for r in _reported(rows)}, console)
    cells = [_cell(planner, rows, speeds, *cell) for cell in planner.cells()]
    device = pick_device(study.device).type
    peak = peak and peak + auto.KERNELS * (device == "cpu")
    return Plan(cells, len(planner.floors()), workers or 1, threads, device, peak)


def _reported(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.spec.phase == "report" and row.spec.recipe]


def _cell(
    planner: Planner, rows: Sequence[Row], speeds: Mapping[tuple[str, str], Speed], data: Dataset, arm: str, budget: int
) -> Cell:
    """Counts and seconds of one cell."""
    study, rungs = planner.study, planner.rungs()
    rounds = [-(-study.tune // 2**depth) for depth in range(len(rungs))]
    possible = {_anonymous(s) for s in planner.reporting(data, arm, budget, planner.recipe(data, 0.0))}
    first = {_anonymous(s) for s in planner.tuning(data, arm, budget)}
    possible |= {replace(s, rung=rung) for s in first for rung in rungs}
    rates = learning_rates(study.tune)
    mine = [r for r in rows if r.spec.recipe and _anonymous(r.spec) in possible]
    tuned = [r for r in mine if r.spec.phase == "tune" and r.spec.recipe and r.spec.recipe.learning_rate in rates]
    reports = [r for r in mine if r.spec.phase == "report"]
    done = min(len(tuned), sum(rounds)) + len({r.spec.replicate for r in reports})
    guess = _seconds(planner, speeds, data, arm, budget)
    tuning = sum(n * guess.get(rung, 0.0) for n, rung in zip(rounds, rungs, strict=True)) / max(1, sum(rounds))
    report, most = guess.get("report", 0.0), guess.get("most", 0.0)
    if known := reports or [r for r in _reported(rows) if (r.spec.dataset, r.spec.arm) == (data.name, arm)]:
        report = most = sum(r.outcome.seconds for r in known) / len(known)
        tuning = sum(r.outcome.seconds for r in tuned) / len(tuned) if tuned else report
    source = "store" if known else "measured"
    return Cell(data.name, arm, budget, sum(rounds), planner.entries[data.name].seeds, done, tuning, report, most, source)


def _anonymous(spec: TrialSpec) -> TrialSpec:
    """The spec without its learning rate, which tuning chooses."""
    return replace(spec, recipe=replace(spec.recipe, learning_rate=0.0) if spec.recipe else None)


def _seconds(
    planner: Planner, speeds: Mapping[tuple[str, str], Speed], data: Dataset, arm: str, budget: int
) -> dict[Any, float]:
    """Seconds of a trial by rung, of a reported one, and of one at the cap; empty where the arm was not measured.

    Adaptations take their steps, each as long as one of the arm's; their few dev labels are not counted. A sealed example
    takes what the slowest arm's dev example takes: frozen or not, the model is the same.
    """
    if not (speed := speeds.get((data.name, arm))):
        return {}
    from transfergain.engine.fit import evaluation_steps

    recipe = planner.recipe(data, 0.0)
    n_train, n_dev = budget_sizes(budget, len(data.train), len(data.dev))
    cap = recipe.max_steps(n_train)
    evaluations = recipe.evaluations + len(evaluation_steps(max(1, cap // recipe.evaluations)))
    training = cap * speed.step + evaluations * n_dev * speed.example
    by_rung: dict[Any, float] = {rung: speed.fixed + min(rung, USUAL) * training for rung in planner.rungs()}
    slowest = max(s.example for (name, _), s in speeds.items() if name == data.name)
    test = adapting = 0.0
    for split, _ in planner.reporting(data, arm, budget, recipe)[0].splits:
        if split.startswith(ADAPTED):
            adaptation = Adaptation.parse(split)
            adapting += adaptation.recipe(recipe).max_steps(adaptation.labels) * speed.step
            split = f"shift:{adaptation.shift}"
        test += len(data.splits().get(split, data.test)) * slowest
    training += adapting
    return by_rung | {share: speed.fixed + part * training + test for share, part in (("report", USUAL), ("most", 1.0))}


def _measure(
    planner: Planner, bench: Bench, known: set[tuple[str, str]], console: Console
) -> tuple[dict[tuple[str, str], Speed], int | None]:
    """The speed of every arm and data set that is not `known`, and the peak memory of the worker that measured it."""
    cells = {(data.name, arm): (data, budget) for data, arm, budget in planner.cells() if (data.name, arm) not in known}
    if not cells:
        return {}, None
    steps = (min(PROBE), *PROBE)  # the first warms up
    specs = {key: [_probe(planner, *cell, key[1], n) for n in steps] for key, cell in cells.items()}
    speeds = {}
    with LocalExecutor(bench, 1) as executor:
        jobs = [Job(spec) for same in specs.values() for spec in same]
        outcomes = (outcome for _, outcome in executor.submit(jobs, lambda *_: None))  # in order: there is one worker
        for done, ((dataset, arm), same) in enumerate(specs.items(), start=1):
            _, short, long = itertools.islice(outcomes, len(steps))
            data = bench.datasets[dataset]
            speed = _speed(short, long, budget_sizes(same[-1].budget, len(data.train), len(data.dev))[1])
            found = f"{1000 * speed.step:,.0f} ms a step" if speed else f"failed: {short.error or long.error}"
            console.print(Text(f"measured {done}/{len(specs)}".ljust(16) + f"{dataset} · {arm} · {found}"), soft_wrap=True)
            if speed:
                speeds[dataset, arm] = speed
        peak = executor.peak_memory()
    return speeds, peak


def _short(data: Dataset) -> Dataset:
    """The data set with few dev examples, spread over all of them."""
    return replace(data, dev=data.dev[:: max(1, len(data.dev) // DEV)][:DEV])


def _probe(planner: Planner, data: Dataset, budget: int, arm: str, steps: int) -> TrialSpec:
    """A trial on the cell's training examples and few dev ones that ends after so many steps."""
    n_train, n_dev = budget_sizes(budget, len(data.train), len(data.dev))
    recipe = replace(planner.recipe(data, 1e-4), epochs=1, evaluations=1, min_steps=100 * max(PROBE))
    recipe = replace(recipe, evaluations=recipe.max_steps(n_train) // min(PROBE))
    spec = planner.reporting(data, arm, budget, recipe)[0]
    rung = steps / min(PROBE) / recipe.evaluations
    return replace(spec, phase="tune", splits=(), rung=rung, budget=n_train + min(n_dev, DEV))


def _speed(short: Outcome, long: Outcome, n_dev: int) -> Speed | None:
    """What both trials took, by step and by dev example; None when one of them failed."""
    if short.status != "done" or long.status != "done":
        return None
    (short_train, short_rest), (long_train, long_rest) = (
        (o.curve[-1].seconds, o.seconds - o.curve[-1].seconds) for o in (short, long)
    )
    step = max(1e-6, (long_train - short_train) / (long.curve[-1].step - short.curve[-1].step))
    evaluation = max(0.0, (long_rest - short_rest) / (len(long.curve) - len(short.curve)))
    fixed = short.seconds - short.curve[-1].step * step - len(short.curve) * evaluation
    return Speed(max(0.0, fixed), step, evaluation / max(1, n_dev))


def show(found: Plan, console: Console) -> None:
    """Print the plan as a table and its total."""
    table = Table(box=None, pad_edge=False)
    for name in ("data", "arm", "labels", "tuning", "trials", "done", "a trial", "left", "from"):
        table.add_column(name, justify="left" if name in ("data", "arm", "from") else "right")
    for c in found.cells:
        table.add_row(*map(Text, (c.dataset, c.arm, f"{c.budget:,}", str(c.tuning), str(c.reports), str(c.done),
                                  duration(c.seconds_report), duration(c.left), c.source)))  # fmt: skip
    console.print(table)
    total, done = sum(c.tuning + c.reports for c in found.cells), sum(c.done for c in found.cells)
    most = sum(c.most for c in found.cells) / max(1, found.workers)
    workers = (
        f"{found.workers} worker{'s' if found.workers > 1 else ''} of {found.threads} thread{'s' * (found.threads > 1)}"
    )
    memory = f" · up to {found.worker_bytes / 2**30:.1f} GB a worker" if found.worker_bytes else ""
    line = f"{total} trials, {done} done, and {found.floors} of floors · about {duration(found.seconds)} on {found.device}"
    console.print(Text(f"{line}, at most {duration(most)} · {workers}{memory}"), soft_wrap=True)


def duration(seconds: float) -> str:
    """In words: 40 s, 14 min, 3.2 h."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
