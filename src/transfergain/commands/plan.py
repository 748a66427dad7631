"""Say before a study runs what it would run, how long and in how much memory: `transfergain plan`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfergain.analysis.words import duration
from transfergain.commands.plan_cells import CellPlan, cell_plan, longer, pretrainings, reported
from transfergain.counts import counted
from transfergain.executors import auto
from transfergain.running.console import aside, say, tell, wrapped
from transfergain.running.description import TASTE
from transfergain.running.order import FIRST_SEEDS, Purpose
from transfergain.running.setup import set_up
from transfergain.running.speed import measure_pretraining, measure_speeds
from transfergain.store import STORE_FILE, Store, StoredTrial
from transfergain.study import Study
from transfergain.types import Phase, Status


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
        """Estimate the seconds until all is done; with `--seeds auto`, all that is certain to run."""
        return sum(cell.left for cell in self.cells) / max(1, self.workers)

    @property
    def seconds_most(self) -> float:
        """Bound the same from above: every reported trial goes to the step cap."""
        return sum(cell.most for cell in self.cells) / max(1, self.workers)

    def milestones(self) -> dict[str, float]:
        """Estimate the seconds until there is a first answer, until all benefits have one, and until all is done."""
        found = {}
        for name, last in (("first answer", Purpose.GAIN), ("all benefits", Purpose.LABELS)):
            cells = [cell for cell in self.cells if cell.purpose <= last]
            found[name] = sum(cell.left_for(min(FIRST_SEEDS, cell.reports)) for cell in cells) / max(1, self.workers)
        return found | {"all": self.seconds}

    def to_json(self) -> str:
        """Write the plan and its totals as JSON."""
        cells = [asdict(cell) | {"purpose": cell.purpose.title} for cell in self.cells]
        totals = {"milestones": self.milestones(), "seconds": self.seconds, "seconds_most": self.seconds_most}
        return json.dumps(asdict(self) | {"cells": cells} | totals, indent=1)


def plan(study: Study, console: Console) -> Plan:
    """Plan a study: what its store holds is taken from there, the rest is measured by two short trials an arm."""
    console = aside(console)
    if study.quick:
        tell(console, "quick", TASTE)
    setup = set_up(study, console)
    planner, workers = setup.planner, setup.workers
    rows = _stored(Path(study.folder()))
    with setup.ahead:
        speeds, peak = measure_speeds(setup, {(r.spec.dataset, r.spec.arm) for r in reported(rows)}, console)
        made = [row for row in rows if row.spec.phase == Phase.PRETRAIN]
        pretraining = measure_pretraining(setup, {(r.spec.dataset, r.spec.arm) for r in made}, console)
    before = pretrainings(planner, made, pretraining)
    asked = (*planner.cells(), *planner.courses())
    cells = [*before, *(longer(cell_plan(planner, rows, speeds, cell), before) for cell in asked)]
    device = setup.tried.device
    peak = peak and peak + auto.KERNEL_BYTES * (device == "cpu")
    return Plan(cells, len(planner.floors()), workers.count or 1, workers.threads, device, peak)


def _stored(folder: Path) -> list[StoredTrial]:
    """Read the trials that are done; none where no study has begun."""
    if not (folder / STORE_FILE).exists():
        return []
    with Store(folder) as store:
        return [row for row in store.rows() if row.outcome.status == Status.DONE]


def show(found: Plan, console: Console) -> None:
    """Print the plan as a table and its total."""
    table = Table(box=None, pad_edge=False)
    for name in ("data", "arm", "labels", "tuning", "trials", "more", "done", "a trial", "left", "from"):
        table.add_column(name, justify="left" if name in ("data", "arm", "from") else "right")
    for c in found.cells:
        what = f"{c.budget:,}" if c.budget else "text"
        counts = (what, str(c.tuning), str(c.reports), f"≤ {c.more}" if c.more else "", str(c.done))
        times = (duration(c.seconds_report, tenths=True), duration(c.left, tenths=True))
        table.add_row(*map(Text, (c.dataset, f"{c.arm}, {c.course}" if c.course else c.arm, *counts, *times, c.source)))
    console.print(table)
    for line in (_total(found), _times(found)):
        say(console, "\n".join(wrapped(console, line)))


def _total(found: Plan) -> str:
    """Say in one line what all of it takes."""
    total, done = sum(c.tuning + c.reports for c in found.cells), sum(c.done for c in found.cells)
    workers = f"{counted(found.workers, 'worker')} of {counted(found.threads, 'thread')}"
    memory = f" · up to {found.worker_bytes / 2**30:.1f} GB a worker" if found.worker_bytes else ""
    return f"{counted(total, 'trial')}, {done} done, and {found.floors} of floors · {workers} on {found.device}{memory}"


def _times(found: Plan) -> str:
    """Say in one line what fits into which time, as trials run in the order of their worth."""
    if not found.seconds:
        return "all is done" + (", but for more seeds where a question is open" if found.seconds_most else "")
    times = {name: duration(seconds, tenths=True) for name, seconds in found.milestones().items()}
    seeds = max((cell.reports + cell.more for cell in found.cells if cell.more), default=0)
    most = f"up to {counted(seeds, 'seed')}" if seeds else "all trials to the step cap"
    said = " · ".join(f"{name} after about {time}" for name, time in times.items())
    return f"{said} · {most} at most {duration(found.seconds_most, tenths=True)}"
