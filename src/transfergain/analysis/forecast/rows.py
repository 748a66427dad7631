"""Hold a forecast as typed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transfergain.analysis.rows import MeasureRow


@dataclass(frozen=True, kw_only=True)
class ForecastRow(MeasureRow):
    """What more labels buy an arm or floor: a score with `budget` labels, or the labels that a score takes.

    `forecast`: the estimate is the median of the score with `budget` labels. `next_point`: labels beyond the largest budget
    that bring one point more, by the median. `labels_needed`: all labels that the score `target` takes.
    """

    largest: int
    """The most labels that were measured."""
    score: float
    """With so many; measured."""
    points: int
    """Numbers of labels that were measured."""
    target: float | None = None
    """The score to reach; None where a score is forecast."""
    cost: float | None = None
    """What the labels beyond `largest` cost; None without a price."""
    falls: Sequence[int] = ()
    """Two numbers of labels between which the measured curve clearly falls; empty where it does not."""
    missing: Sequence[int] = ()
    """Numbers of labels that would make a forecast possible, where there is none."""
