"""Hold a forecast as typed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transfergain.analysis.rows import MeasureRow, Verdict

FEWEST = 3
"""Numbers of labels that a forecast takes."""
FARTHEST = 4
"""Times the most labels that were measured: beyond, nothing is said."""


@dataclass(frozen=True, kw_only=True)
class ForecastRow(MeasureRow):
    """What more labels buy an arm or floor: a score with `budget` labels, or the labels that a score takes.

    `forecast`: the estimate is the median of the score with `budget` labels. `next_point`: labels beyond the largest budget
    that bring one point more, by the median. `diminishing`: labels beyond which `per` more bring less than a point, by the
    median. `labels_needed`: all labels that the score `target` takes.

    The verdict is about `budget` labels, where they are more than the largest: `judge` of the row alone.
    """

    largest: int
    """The most labels that were measured."""
    score: float
    """With so many; measured."""
    fitted: float | None = None
    """With so many, by the whole curve: the median. What more labels bring is read off it, as a measured score may be lucky
    or not. None where there is no forecast."""
    points: int
    """Numbers of labels that were measured."""
    target: float | None = None
    """The score to reach; None where a score is forecast."""
    per: int | None = None
    """Labels at a time, of `diminishing`."""
    cost: float | None = None
    """What the labels beyond `largest` cost, or `per` labels; None without a price."""
    falls: Sequence[int] = ()
    """Two numbers of labels between which the measured curve clearly falls; empty where it does not."""
    missing: Sequence[int] = ()
    """Numbers of labels that would make a forecast possible, where there is none."""


def judge(rows: Sequence[ForecastRow], margin: float) -> Verdict:
    """Tell whether more labels help one of some arms or floors to a score that none of them has yet.

    *Supported* where an interval lies above the best score that there is, by the whole curves, by the margin; *not
    supported* where all of them lie below that.
    """
    ends = [(row.low, row.high) for row in rows if row.low is not None and row.high is not None]
    there = [row.fitted for row in rows if row.fitted is not None]
    if any(row.budget <= row.largest for row in rows) or not len(rows) == len(ends) == len(there):
        return Verdict.NONE
    if any(low >= max(there) + margin for low, _ in ends):
        return Verdict.SUPPORTED
    return Verdict.INCONCLUSIVE if any(high >= max(there) + margin for _, high in ends) else Verdict.NOT_SUPPORTED
