"""Count the trials of every cell of a study, and estimate their seconds: from its store, or from measured speeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from transfergain.analysis.rows import Benefit
from transfergain.arms import ARMS
from transfergain.arms.adapt import SHORTER, Adaptation
from transfergain.data.draws import budget_sizes
from transfergain.running.looks import read_by
from transfergain.running.order import Purpose, purpose
from transfergain.running.planner import Planner, StudyCell
from transfergain.running.search import learning_rates
from transfergain.running.speed import Speeds
from transfergain.split import Kind, shift
from transfergain.store import StoredTrial
from transfergain.types import Dataset, Phase, TrialSpec

USUAL_STEPS = 400
"""Steps after which a reported trial ends by itself, where none has run yet: between those of a pretrained arm and of
scratch with some hundred labels (docs/decisions/0042). All trials at the cap is the upper bound."""


@dataclass(frozen=True)
class CellPlan:
    """The trials of one arm at one budget; seconds are of one worker."""

    dataset: str
    arm: str
    budget: int
    purpose: Purpose
    """Of its reported trials."""
    tuning: int
    """None but at the arm's largest budget."""
    reports: int
    """With the seeds of the first look, or all where their number is fixed."""
    more: int
    """At most so many further ones, where a question stays open."""
    done: int
    seconds_tuning: float
    """Of one tuning trial, on average over the rounds."""
    seconds_report: float
    seconds_most: float
    """Of a reported trial that goes to the step cap."""
    source: str
    """`measured`: from a few steps taken now. `store`: from trials that have run."""
    course: str = ""
    """Of an arm that is pretrained on other text, or for fewer steps, than it is named for."""

    @property
    def left(self) -> float:
        """Estimate the seconds of one worker for what is not done."""
        return self.left_for(self.reports)

    @property
    def most(self) -> float:
        """Bound the same from above: every reported trial goes to the step cap, and no question is decided early."""
        return self._left(self.reports + self.more, self.seconds_most)

    def left_for(self, seeds: int) -> float:
        """Estimate the seconds of one worker until tuning and so many seeds are done."""
        return self._left(seeds, self.seconds_report)

    def _left(self, seeds: int, report: float) -> float:
        tuning, reported = max(0, self.tuning - self.done), max(0, self.done - self.tuning)
        return tuning * self.seconds_tuning + max(0, seeds - reported) * report


class TrialSeconds(NamedTuple):
    """How long the trials of one cell will take, each."""

    tuning: Mapping[int | None, float]
    """By the step that a round runs to; None: until a run ends by itself."""
    report: float
    most: float
    """Of a reported trial that goes to the step cap."""


def pretrainings(planner: Planner, made: Sequence[StoredTrial], speeds: Speeds) -> list[CellPlan]:
    """Count the pretrainings of each arm and estimate their seconds: from the store, or else from the speeds."""
    found = list[CellPlan]()
    for cell in (*planner.tuned(), *planner.courses()):
        dataset, course = cell.data.name, cell.course or planner.course
        if not (planned := planner.pretrainings(dataset, cell.arm, course)):
            continue
        done = [row for row in made if row.spec in planned]
        speed = speeds.get((dataset, cell.arm))
        each = _mean_seconds(done) if done else speed.fixed + course.steps * speed.step if speed else 0.0
        known = (0, len(planned), 0, len(done), 0.0, each, each, "store" if done else "measured")
        found.append(CellPlan(dataset, cell.arm, 0, purpose(planner, planned[0]), *known, _named(cell)))
    return found


def _named(cell: StudyCell) -> str:
    return cell.course.short if cell.course else ""


def longer(cell: CellPlan, before: Sequence[CellPlan]) -> CellPlan:
    """Add to the trials of an arm what they are given of another's pretraining."""
    place = (cell.dataset, ARMS[cell.arm].as_costly_as)
    first = [made for made in before if (made.dataset, made.arm) == place and not made.course]
    more = sum(made.seconds_report for made in first if cell.source != "store")
    return replace(cell, seconds_report=cell.seconds_report + more, seconds_most=cell.seconds_most + more)


def reported(rows: Iterable[StoredTrial]) -> list[StoredTrial]:
    """Keep the reported trials that trained a model."""
    return [row for row in rows if row.spec.phase == Phase.REPORT and row.spec.recipe]


def cell_plan(planner: Planner, rows: Sequence[StoredTrial], speeds: Speeds, cell: StudyCell) -> CellPlan:
    """Count the trials of one cell and estimate their seconds: from the store, or else from the speeds."""
    data, arm, budget, course = cell
    rungs, tunes = planner.rungs(), budget == max(planner.budgets[data.name]) and not course
    rounds = planner.rounds(arm) if tunes else [0] * len(rungs)
    tuned, reports = _of_cell(planner, rows, cell)
    done = min(len(tuned), sum(rounds)) + len({r.spec.replicate for r in reports})
    guess = seconds(planner, speeds, data, arm, budget) or TrialSeconds(dict.fromkeys(rungs, 0.0), 0.0, 0.0)
    tuning = sum(n * guess.tuning[rung] for n, rung in zip(rounds, rungs, strict=True)) / max(1, sum(rounds))
    report, most = guess.report, guess.most
    if known := reports or [r for r in reported(rows) if (r.spec.dataset, r.spec.arm) == (data.name, arm)]:
        report = most = _mean_seconds(known)
        tuning = _mean_seconds(tuned) if tuned else report
    looks, asked = planner.looks[data.name], {(c.arm, c.budget) for c in planner.cells() if c.data is data}
    asked |= {(c.arm, c.budget) for c in planner.floors_compared(data.name)}
    read = not course and (arm, budget) in read_by(Benefit, asked, planner.leading, planner.references[data.name])
    return CellPlan(
        dataset=data.name,
        arm=arm,
        budget=budget,
        purpose=purpose(planner, planner.reporting(cell, planner.recipe(data, 0.0))[0]),
        tuning=sum(rounds),
        reports=looks.counts[0],
        more=looks.counts[-1] - looks.counts[0] if read else 0,
        done=done,
        seconds_tuning=tuning,
        seconds_report=report,
        seconds_most=most,
        source="store" if known else "measured",
        course=_named(cell),
    )


def _of_cell(planner: Planner, rows: Sequence[StoredTrial], cell: StudyCell) -> tuple[list[StoredTrial], list[StoredTrial]]:
    """Find the tuning and the reported trials of one cell among stored ones, whatever learning rate tuning chose."""
    most = planner.looks[cell.data.name].counts[-1]
    possible = {_anonymous(s) for s in planner.reporting(cell, planner.recipe(cell.data, 0.0), most)}
    first = {_anonymous(s) for s in planner.tuning(cell)}
    possible |= {replace(s, stop_at=rung) for s in first for rung in planner.rungs()}
    mine = [r for r in rows if r.spec.recipe and _anonymous(r.spec) in possible]
    rates = learning_rates(planner.study.tune)
    tuned = [r for r in mine if r.spec.phase == Phase.TUNE and r.spec.recipe and r.spec.recipe.learning_rate in rates]
    return tuned, [r for r in mine if r.spec.phase == Phase.REPORT]


def _mean_seconds(rows: Sequence[StoredTrial]) -> float:
    return sum(row.outcome.seconds for row in rows) / len(rows)


def _anonymous(spec: TrialSpec) -> TrialSpec:
    """Set a spec's learning rate to 0, as tuning chooses it; of an arm that is as costly as another, nothing is known."""
    known = spec.recipe and not (spec.arm in ARMS and ARMS[spec.arm].as_costly_as)
    return replace(spec, recipe=replace(spec.recipe, learning_rate=0.0) if spec.recipe and known else None)


def seconds(planner: Planner, speeds: Speeds, data: Dataset, arm: str, budget: int) -> TrialSeconds | None:
    """Estimate the seconds of a cell's trials from its arm's speed; None where the arm was not measured.

    Adaptations take their steps, each as long as one of the arm's; their few dev labels are not counted. A sealed example
    takes what the slowest arm's dev example takes: frozen or not, the model is the same.
    """
    if not (speed := speeds.get((data.name, arm))):
        return None
    from transfergain.engine.schedule import evaluations

    recipe = planner.recipe(data, 0.0)
    n_train, n_dev = budget_sizes(budget, len(data.train), len(data.dev))
    cap = recipe.max_steps(n_train) if speed.step else 0
    usual = min(cap, USUAL_STEPS)

    def training(steps: int) -> float:
        readings = evaluations(steps, n_dev, recipe.batch_size) if steps else 0
        return speed.fixed + steps * speed.step + readings * n_dev * speed.example

    by_rung = {rung: training(min(rung or usual, usual)) for rung in planner.rungs()}
    slowest = max(s.example for (name, _), s in speeds.items() if name == data.name)
    test = adapting = 0.0
    for split, _ in planner.reporting(StudyCell(data, arm, budget), recipe)[0].splits:
        if split.kind is Kind.ADAPTED:
            adaptation = Adaptation.of(split)
            adapting += min(cap, USUAL_STEPS // SHORTER) * speed.step
            split = shift(adaptation.shift)
        test += len(data.splits().get(split, data.test)) * slowest
    report, most = (training(steps) + adapting + test for steps in (usual, cap))
    return TrialSeconds(by_rung, report, most)
