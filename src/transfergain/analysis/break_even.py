"""Find with how many labels one arm or floor overtakes another, by inverting their paired test along both curves.

The difference of the two curves is itself a curve over the labels, and the break-even is where it passes 0: `inversion`
finds it as it finds a label-equivalent, with the same interval. Whichever of the two gains on the other overtakes it.
Predictions that files give are the same with every number of labels: an arm's curve passes a level, which is known as well
as the test set and the number of files allow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from transfergain.analysis import pairing, words
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.gain import Cell
from transfergain.analysis.inversion import Inverse, inverse, invert, smoothed
from transfergain.analysis.learning_curves import LearningCurve, by_dataset
from transfergain.analysis.look import Look
from transfergain.analysis.rows import Censored, Measure, MeasureRow
from transfergain.analysis.stats import Floats, Values


@dataclass(frozen=True, kw_only=True)
class BreakEvenRow(MeasureRow):
    """The labels with which one of two, `arm` and `reference`, overtakes the other; the second may be given by files."""

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
    """Compare the leading arm with all others and every arm with predictions that files give, over the labels in common."""
    compared = [
        _row(dataset, mine, theirs, label_cost, currency)
        for dataset, curves in by_dataset(found, data).items()
        for mine, theirs in _pairs(curves, leading)
    ]
    return [row for row in compared if row]


def _pairs(curves: Sequence[LearningCurve], leading: str) -> Iterator[tuple[LearningCurve, LearningCurve]]:
    """List what is compared with what: the leading arm's pairs first."""
    for mine in sorted((curve for curve in curves if not (curve.is_floor or curve.given)), key=lambda c: c.arm != leading):
        for theirs in curves:
            if theirs is not mine and (theirs.given or mine.arm == leading):
                yield mine, theirs


def _row(
    dataset: str, mine: LearningCurve, theirs: LearningCurve, label_cost: float | None, currency: str
) -> BreakEvenRow | None:
    """Compare two; None where they have no number of labels or no seed in common."""
    labels = [n for n in mine.labels if n in theirs.labels]
    if not labels:
        return None
    mine, theirs = mine.only(labels), theirs.only(labels)
    look = mine.look() if theirs.given else mine.look(theirs)
    if not look.seeds:
        return None
    measured = mine.values(look.seeds)
    if theirs.given:
        rising, at = over_files(measured, theirs.values(theirs.seeds)[0], labels, look)
    else:
        ahead = [a.minus(b) for a, b in zip(measured, theirs.values(look.seeds), strict=True)]
        rising, at = crossing(ahead, labels, look)
    first, second = (mine.arm, theirs.arm) if rising else (theirs.arm, mine.arm)
    known = at.censored is Censored.NO and len(labels) > 1
    cost = label_cost * at.estimate if label_cost is not None and known else None
    money = "" if cost is None else f"{words.money(cost, currency)}; "
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
        sentence=f"{dataset}: {_sentence(first, second, at, labels, money, look.clause)}.",
    )


def crossing(ahead: Sequence[Values], labels: Sequence[int], look: Look) -> tuple[bool, Inverse]:
    """Find where a difference of two curves passes 0, in labels; and whether it rises over the labels, or else falls."""
    x = np.log(np.array(labels, dtype=np.float64))
    means = np.array([part.scores.mean() for part in ahead])
    rising = len(x) < 2 or float((x - x.mean()) @ means) >= 0
    curve = ahead if rising else [_negative(part) for part in ahead]
    nothing = Values(np.zeros_like(ahead[0].scores), np.zeros_like(ahead[0].values))
    return rising, _in_labels(invert(nothing, curve, x.tolist(), look.design), labels)


def over_files(measured: Sequence[Values], files: Values, labels: Sequence[int], look: Look) -> tuple[bool, Inverse]:
    """Find where a curve passes the level of predictions that files give; and whether it rises, or else falls below it.

    The files stand still, so it is they who overtake only where the curve begins above them and ends below. They have no
    seeds in common with the curve, so the test is that of `pairing`, along the curve.
    """
    x = np.log(np.array(labels, dtype=np.float64))
    ahead = [float(part.scores.mean() - files.scores.mean()) for part in (measured[0], measured[-1])]
    rising = not ahead[0] > 0 > ahead[1]
    target = files if rising else _negative(files)
    curve = smoothed(measured if rising else [_negative(part) for part in measured])

    def p_values(at: Floats) -> Floats:
        return np.array([pairing.p_value(_between(curve, x, n), target, (look.design, None)) for n in at])

    means = target.scores.mean() - np.array([part.scores.mean() for part in curve])
    return rising, _in_labels(inverse(means, x, p_values if len(look.seeds) > 1 else None), labels)


def _negative(values: Values) -> Values:
    return Values(-values.scores, -values.values)


def _between(curve: Sequence[Values], x: Floats, at: float) -> Values:
    """Read a curve between two of its points, along the line."""
    i = int(np.clip(np.searchsorted(x, at, side="right") - 1, 0, max(0, len(x) - 2)))
    if len(x) == 1:
        return curve[0]
    a, b, w = curve[i], curve[i + 1], (at - x[i]) / (x[i + 1] - x[i])
    return Values(a.scores + w * (b.scores - a.scores), a.values + w * (b.values - a.values))


def _in_labels(at: Inverse, labels: Sequence[int]) -> Inverse:
    """Turn logarithms of labels into labels: exactly the number that was measured where it is that of one."""

    def count(x: float) -> float:
        return float(next((n for n in labels if abs(math.log(n) - x) < 1e-9), math.exp(x)))

    low, high = (None if end is None else count(end) for end in (at.low, at.high))
    return at._replace(estimate=count(at.estimate), low=low, high=high)


def _sentence(first: str, second: str, at: Inverse, labels: Sequence[int], money: str, over_looks: str) -> str:
    """Say `full overtakes tfidf at about 110 labels (44 EUR; 95 % interval 80 to 160)`.

    It is said to be probable where the interval reaches to the other side of what is said.
    """
    if len(labels) == 1:
        return f"where {first} and {second} break even takes two numbers of labels or more (--budgets)"
    ends = words.measured_interval(at.low, at.high, at.low_open, at.high_open, words.number)
    if at.low_open and at.high_open:
        return f"whether {first} or {second} is ahead is open from {labels[0]:,} to {labels[-1]:,} labels"
    sure = at.low is None or at.low == at.high
    probably = "" if sure else "probably "
    if at.censored is Censored.BELOW:
        return f"{first} is {probably}ahead of {second} with {labels[0]:,} labels already ({ends}{over_looks})"
    if at.censored is Censored.ABOVE:
        return f"{first} {probably}does not overtake {second} with up to {labels[-1]:,} labels ({ends}{over_looks})"
    does = "may overtake" if at.high_open else "overtakes"
    return f"{first} {does} {second} at about {words.number(at.estimate)} labels ({money}{ends}{over_looks})"
