"""Find with how many labels one arm or floor overtakes another, by inverting their paired test along both curves.

The difference of the two curves is itself a curve over the labels, and the break-even is where it passes 0: `inversion`
finds it as it finds a label-equivalent, with the same interval. Whichever of the two gains on the other overtakes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from transfergain.analysis import words
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.gain import Cell
from transfergain.analysis.inversion import Inverse, invert
from transfergain.analysis.learning_curves import LearningCurve, by_dataset
from transfergain.analysis.look import Look
from transfergain.analysis.rows import Censored, Measure, MeasureRow
from transfergain.analysis.stats import Values


@dataclass(frozen=True, kw_only=True)
class BreakEvenRow(MeasureRow):
    """The labels with which one of two arms or floors, `arm` and `reference`, overtakes the other."""

    overtakes: str
    """Which of the two gains on the other as labels grow."""
    n_min: int
    n_max: int
    """The fewest and the most labels with which both were measured."""
    cost: float | None
    """What so many labels cost; None without a price, and where the estimate is a bound."""


def rows(
    found: Sequence[Cell], data: Mapping[str, DatasetEntry], leading: str, label_cost: float | None, currency: str
) -> list[BreakEvenRow]:
    """Compare the leading arm with every other arm and floor that was measured with the same numbers of labels."""
    compared = []
    for dataset, curves in by_dataset(found, data).items():
        mine = next((curve for curve in curves if curve.arm == leading), None)
        for theirs in curves if mine else ():
            row = _row(dataset, mine, theirs, label_cost, currency) if mine and theirs is not mine else None
            compared += [row] if row else []
    return compared


def _row(
    dataset: str, mine: LearningCurve, theirs: LearningCurve, label_cost: float | None, currency: str
) -> BreakEvenRow | None:
    """Compare two; None where they have no number of labels or no seed in common."""
    labels = [n for n in mine.labels if n in theirs.labels]
    if not labels:
        return None
    mine, theirs = mine.only(labels), theirs.only(labels)
    look = mine.look(theirs)
    if not look.seeds:
        return None
    ahead = [a.minus(b) for a, b in zip(mine.values(look.seeds), theirs.values(look.seeds), strict=True)]
    rising, at = crossing(ahead, labels, look)
    first, second = (mine.arm, theirs.arm) if rising else (theirs.arm, mine.arm)
    known = at.censored is Censored.NO and len(labels) > 1
    cost = label_cost * at.estimate if label_cost is not None and known else None
    return BreakEvenRow(
        **mine.place(labels[-1]),
        **at._asdict(),
        measure=Measure.BREAK_EVEN,
        reference=theirs.arm,
        n_seeds=len(look.seeds),
        level=look.level,
        overtakes=first,
        n_min=labels[0],
        n_max=labels[-1],
        cost=cost,
        sentence=f"{dataset}: {_sentence(first, second, at, labels, words.in_money(cost, currency), look.clause)}.",
    )


def crossing(ahead: Sequence[Values], labels: Sequence[int], look: Look) -> tuple[bool, Inverse]:
    """Find where a difference of two curves passes 0, in labels; and whether it rises over the labels, or else falls."""
    x = np.log(np.array(labels, dtype=np.float64))
    means = np.array([part.scores.mean() for part in ahead])
    rising = len(x) < 2 or float((x - x.mean()) @ means) >= 0
    curve = [part if rising else Values(-part.scores, -part.values) for part in ahead]
    nothing = Values(np.zeros_like(ahead[0].scores), np.zeros_like(ahead[0].values))
    found = invert(nothing, curve, x.tolist(), look.design)
    low, high = (None if end is None else _labels(end, labels) for end in (found.low, found.high))
    return rising, found._replace(estimate=_labels(found.estimate, labels), low=low, high=high)


def _labels(x: float, labels: Sequence[int]) -> float:
    """Return exp(x), and exactly the number of labels where x is the logarithm of one."""
    return float(next((n for n in labels if abs(math.log(n) - x) < 1e-9), math.exp(x)))


def _sentence(first: str, second: str, at: Inverse, labels: Sequence[int], money: str, over_looks: str) -> str:
    """Say `full overtakes tfidf at about 110 labels (95 % interval 80 to 160)`."""
    if len(labels) == 1:
        return f"where {first} and {second} break even takes two numbers of labels or more (--budgets)"
    ends = words.measured_interval(at.low, at.high, at.low_open, at.high_open, words.number)
    interval = f" ({ends}{over_looks})"
    if at.low_open and at.high_open:
        return f"whether {first} or {second} is ahead is open from {labels[0]:,} to {labels[-1]:,} labels"
    if at.censored is Censored.BELOW:
        return f"{first} is ahead of {second} with {labels[0]:,} labels already{interval}"
    if at.censored is Censored.ABOVE:
        return f"{first} does not overtake {second} with up to {labels[-1]:,} labels{interval}"
    return f"{first} overtakes {second} at about {words.number(at.estimate)} labels{money}{interval}"
