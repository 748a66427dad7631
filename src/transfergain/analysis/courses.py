"""Measure what other text and other lengths of pretraining bring an arm, beside the course that it is named for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from transfergain.analysis import words
from transfergain.analysis.cells import Cell, cells
from transfergain.analysis.rows import Measure, MeasureRow
from transfergain.analysis.stats import Estimate, possible_gain
from transfergain.analysis.trials import DatasetTrials, common
from transfergain.analysis.verdict import judge
from transfergain.arms import ARMS
from transfergain.counts import counted
from transfergain.course import Course
from transfergain.outcome import Outcome
from transfergain.split import TEST
from transfergain.store import StoredTrial
from transfergain.types import Phase, Status


@dataclass(frozen=True, kw_only=True)
class CourseRow(MeasureRow):
    """The gain over the reference of an arm that was pretrained by one course: on the test set, at the largest budget.

    The rows of an arm are of the same seeds. The first is the course that the arm is named for.
    """

    corpus: str
    """Name of a further corpus; empty: the study's own text."""
    steps: int
    flops: float | None
    """Floating-point operations of pretraining, the mean over its seeds."""
    loss: float | None
    """On held-out text of the corpus, in nats a token; the mean over seeds of pretraining."""
    score: float
    over_first: float | None
    """Difference from the first course; None of the first itself. So are the next two."""
    over_first_low: float | None
    over_first_high: float | None

    @property
    def course(self) -> Course:
        """Return the course."""
        return Course(self.steps, self.corpus)


@dataclass(frozen=True)
class ByCourse:
    """The trials of a study, apart by what their arm's pretraining read."""

    course: Course
    """The first, which the arms are named for."""
    first: Sequence[StoredTrial]
    """Those of the first course, and all that were not pretrained on text: what the benefits are read from."""
    others: Mapping[Course, Sequence[StoredTrial]] = field(default_factory=dict)
    """In the order of the study."""


def apart(trials: Sequence[StoredTrial], courses: Sequence[Course]) -> ByCourse:
    """Set the trials of other courses than the first apart: their pretrainings, and what starts from these."""
    made = {t.spec.id: Course.of(t.spec.recipe) for t in trials if t.spec.phase is Phase.PRETRAIN and t.spec.recipe}
    others: dict[Course, list[StoredTrial]] = defaultdict(list)
    first = list[StoredTrial]()
    for trial in trials:
        course = made.get(trial.spec.id if trial.spec.phase is Phase.PRETRAIN else trial.spec.checkpoint_revision)
        (others[course] if course in courses[1:] and course else first).append(trial)
    return ByCourse(courses[0], first, {course: others[course] for course in courses[1:] if course in others})


class _Taken(NamedTuple):
    """A course that an arm was pretrained by: its cell at the largest budget, and its pretrainings that are done."""

    course: Course
    cell: Cell
    made: Sequence[Outcome]

    def mean(self, figure: Callable[[Outcome], float | None]) -> float | None:
        """Average a figure over the pretrainings that have it; None where none has."""
        known = [value for outcome in self.made if (value := figure(outcome)) is not None]
        return sum(known) / len(known) if known else None


def rows(known: Sequence[DatasetTrials], trials: ByCourse, margin: float) -> list[CourseRow]:
    """Measure every course of all data sets; none in a study with one course."""
    if not trials.others:
        return []
    pretrained = [(of, arm) for of in known for arm in of.cells if ARMS[arm].pretrains]
    return [row for of, arm in pretrained for row in _of_arm(of, _taken(of, arm, trials), margin)]


def _taken(of: DatasetTrials, arm: str, trials: ByCourse) -> list[_Taken]:
    """Gather the courses of an arm on one data set that have finished trials at its largest budget."""
    budget, found = max(of.cells[arm]), list[_Taken]()
    for course, theirs in {trials.course: trials.first, **trials.others}.items():
        mine = [t for t in theirs if (t.spec.dataset, t.spec.arm) == (of.dataset, arm)]
        made = [t.outcome for t in mine if t.spec.phase is Phase.PRETRAIN and t.outcome.status is Status.DONE]
        reported = [t for t in mine if t.spec.budget == budget]
        if there := cells(reported, {arm: True}, {of.dataset: of.cells[arm][budget].labels}):
            found.append(_Taken(course, there[0], made))
    return found


def _of_arm(of: DatasetTrials, taken: Sequence[_Taken], margin: float) -> Iterator[CourseRow]:
    """Measure the courses of an arm with the seeds that all of them and the reference have."""
    against = of.against.get(taken[0].cell.budget) if taken else None
    if len(taken) < 2 or against is None:
        return
    look = of.look_at(common([against, *(some.cell for some in taken)]))
    if not look.seeds:
        return
    base = of.values(against, TEST, look.seeds)
    values = [some.cell.side(TEST, of.metric).at(look.seeds) for some in taken]
    for some, own in zip(taken, values, strict=True):
        gained = possible_gain(look.interval(own.minus(base)), float(base.scores.mean()))
        beyond = None if some is taken[0] else look.interval(own.minus(values[0]))
        verdict = judge(gained, gained.p_value, margin, look.design).verdict
        said = f"{of.dataset}: {some.cell.arm} after {some.course}, with {some.cell.budget:,} labels: "
        said += f"{_gained(gained)} over {against.arm}"
        said += f", {_gained(beyond)} over {taken[0].course}" if beyond else ""
        yield CourseRow(
            **of.place(some.cell, TEST),
            measure=Measure.COURSE,
            reference=against.arm,
            corpus=some.course.corpus,
            steps=some.course.steps,
            flops=some.mean(lambda outcome: outcome.details.flops),
            loss=some.mean(lambda outcome: outcome.curve[-1].loss if outcome.curve else None),
            score=float(own.scores.mean()),
            estimate=gained.estimate,
            low=gained.low,
            high=gained.high,
            over_first=beyond.estimate if beyond else None,
            over_first_low=beyond.low if beyond else None,
            over_first_high=beyond.high if beyond else None,
            n_seeds=len(look.seeds),
            verdict=verdict,
            level=look.level,
            sentence=f"{said}; {words.seeds(len(look.seeds))}: {verdict}.",
        )


def _gained(found: Estimate) -> str:
    return words.gained(found.estimate, found.low, found.high)


def _amount(row: CourseRow) -> str:
    return words.in_percent(row.estimate or 0.0)


def said(found: Sequence[CourseRow], dataset: str) -> str:
    """Say in a sentence an arm what its other courses brought; empty in a study with one course."""
    mine = [row for row in found if row.dataset == dataset]
    sentences = []
    for arm in dict.fromkeys(row.arm for row in mine):
        first, *others = [row for row in mine if row.arm == arm]
        parts = [f"{_amount(first)} after {counted(first.steps, 'step')} of pretraining"]
        parts += [f"{_amount(row)} {f'on {row.corpus}' if row.corpus else f'after {row.steps:,}'}" for row in others]
        sentences.append(f"Gain of {arm} in points: {words.listed(parts)}.")
    return " ".join(sentences)
