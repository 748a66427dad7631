"""Take the gain of a checkpoint to pieces: what the objective brings on your text alone, and what the checkpoint has read.

A step goes from one arm to another, paired by the seeds that all arms of these steps have with that many labels, so that
the steps from scratch to the checkpoint add up to its gain on those seeds. Nothing is corrected for several steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from transfergain.analysis import words
from transfergain.analysis.rows import Measure, MeasureRow, Verdict
from transfergain.analysis.stats import Estimate, possible_gain
from transfergain.analysis.trials import DatasetTrials, common
from transfergain.analysis.verdict import judge
from transfergain.arms import ARMS, REFERENCE
from transfergain.arms.base import Start
from transfergain.arms.full import FULL
from transfergain.split import TEST


class Part(StrEnum):
    """What the difference of two arms is due to."""

    COMPUTE = "as much compute"
    """Training from scratch with the operations that pretraining took."""
    OBJECTIVE = "the objective on the unlabelled text"
    """Over scratch: the same architecture, pretrained on the unlabelled text alone."""
    READ = "what the checkpoint has read"
    """Over that: the checkpoint. Its text, its length of training and its recipe cannot be told apart."""
    FURTHER = "pretraining further"
    """Over the checkpoint: pretrained further on the unlabelled text."""


@dataclass(frozen=True, kw_only=True)
class PartRow(MeasureRow):
    """The difference that a step of the staircase makes on the test set, paired by seed."""

    part: Part
    p_value: float | None
    """Of this step alone, not corrected."""
    score: float
    reference_score: float


class Step(NamedTuple):
    """A step of the staircase: from which arm to which."""

    part: Part
    reference: str
    arm: str

    @property
    def arms(self) -> tuple[str, str]:
        """Name both."""
        return self.reference, self.arm


def _first(pretrains: Start) -> str:
    return next(name for name, arm in ARMS.items() if arm.pretrains is pretrains)


OWN = _first(Start.FRESH)
STAIRCASE = (
    *(Step(Part.COMPUTE, REFERENCE, name) for name, arm in ARMS.items() if arm.as_costly_as),
    Step(Part.OBJECTIVE, REFERENCE, OWN),
    Step(Part.READ, OWN, FULL.name),
    Step(Part.FURTHER, FULL.name, _first(Start.CHECKPOINT)),
)
"""In the order in which they are said and drawn."""


def rows(trials: DatasetTrials, margin: float) -> list[PartRow]:
    """Measure the steps whose arms have finished, at every number of labels; none where no arm was pretrained on text."""
    budgets = {budget for step in STAIRCASE for arm in step.arms for budget in trials.cells.get(arm, {})}
    return [row for budget in sorted(budgets) for row in _at(trials, budget, margin)]


def _at(trials: DatasetTrials, budget: int, margin: float) -> Iterator[PartRow]:
    """Measure the steps with so many labels, all by the seeds that their arms share."""
    steps = [step for step in STAIRCASE if all(budget in trials.cells.get(arm, {}) for arm in step.arms)]
    arms = list(dict.fromkeys(arm for step in steps for arm in step.arms))
    if not any(ARMS[arm].pretrains for arm in arms):
        return
    look = trials.look_at(common([trials.cells[arm][budget] for arm in arms]))
    if not look.seeds:
        return
    values = {arm: trials.values(trials.cells[arm][budget], TEST, look.seeds) for arm in arms}
    for step in steps:
        after, before = values[step.arm], values[step.reference]
        found = possible_gain(look.interval(after.minus(before)), float(before.scores.mean()))
        verdict = judge(found, found.p_value, margin, look.design).verdict
        yield PartRow(
            **trials.place(trials.cells[step.arm][budget], TEST),
            measure=Measure.PART,
            part=step.part,
            reference=step.reference,
            estimate=found.estimate,
            low=found.low,
            high=found.high,
            p_value=found.p_value,
            n_seeds=len(look.seeds),
            score=float(after.scores.mean()),
            reference_score=float(before.scores.mean()),
            verdict=verdict,
            level=look.level,
            sentence=_sentence(trials.dataset, budget, step, found, len(look.seeds), verdict),
        )


def _sentence(dataset: str, budget: int, step: Step, found: Estimate, seeds: int, verdict: Verdict) -> str:
    interval = f"{words.interval(found.low, found.high)}; " if found.low is not None else ""
    figures = f"{words.points(found.estimate)} ({interval}{words.seeds(seeds)})"
    return f"{dataset}: {step.part}, {step.arm} over {step.reference} with {budget:,} labels: {figures}: {verdict}."


def said(found: Sequence[PartRow], dataset: str) -> str:
    """Say in a sentence or two what the gain with the most labels is made of; empty where nothing was measured."""
    mine = [row for row in found if row.dataset == dataset]
    by_part = {row.part: row for row in mine if row.budget == max(r.budget for r in mine)}
    sentences = []
    if Part.OBJECTIVE in by_part and Part.READ in by_part:
        whole = by_part[Part.READ].score - by_part[Part.OBJECTIVE].reference_score
        pieces = [f"{_amount(by_part[part])} from {part}" for part in (Part.OBJECTIVE, Part.READ)]
        points = f"Of the {words.in_percent(whole)} points of {FULL.name} over {words.seeds(by_part[Part.READ].n_seeds)}"
        sentences.append(f"{points}, {pieces[0]}, {pieces[1]}")
    elif Part.OBJECTIVE in by_part:
        sentences.append(f"{_upper(Part.OBJECTIVE)} alone: {_amount(by_part[Part.OBJECTIVE])} points")
    elif Part.READ in by_part:
        sentences.append(f"{_upper(Part.READ)}, {FULL.name} over {OWN}: {_amount(by_part[Part.READ])} points")
    if Part.FURTHER in by_part:
        text = "it" if Part.OBJECTIVE in by_part else "the unlabelled text"
        sentences.append(f"{_upper(Part.FURTHER)} on {text}: {_amount(by_part[Part.FURTHER])} points")
    if Part.COMPUTE in by_part:
        sentences.append(f"Training from scratch with {Part.COMPUTE}: {_amount(by_part[Part.COMPUTE])} points")
    return ". ".join(sentences) + ("." if sentences else "")


def _amount(row: PartRow) -> str:
    difference = row.score - row.reference_score
    if row.low is None or row.high is None:
        return words.in_percent(difference)
    return f"{words.in_percent(difference)} ({words.in_percent(row.low)} to {words.in_percent(row.high)})"


def _upper(part: Part) -> str:
    return part[0].upper() + part[1:]


def of_all(known: Sequence[DatasetTrials], margin: float) -> list[PartRow]:
    """Measure the steps of all data sets."""
    return [row for trials in known for row in rows(trials, margin)]


def staircase(found: Sequence[PartRow]) -> Mapping[str, float]:
    """Give the score of every arm of one data set's steps at one budget, from the bottom up."""
    scores: dict[str, float] = {}
    for row in found:
        scores |= {row.reference: row.reference_score, row.arm: row.score}
    order = [REFERENCE, *(step.arm for step in STAIRCASE)]
    return {arm: scores[arm] for arm in order if arm in scores}
