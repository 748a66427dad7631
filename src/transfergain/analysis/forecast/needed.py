"""Invert a forecast over the number of labels: how many a score takes, and from where on more of them bring little."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from transfergain.analysis.forecast.fit import LEVEL, Ensemble
from transfergain.analysis.rows import Censored
from transfergain.analysis.stats import Floats

POINTS = 25
"""Numbers of labels, even in their logarithm, at which the forecast is read."""


class Needed(NamedTuple):
    """Labels, with an interval, in the names of `MeasureRow`; bounded by what may be forecast."""

    estimate: float
    low: float | None
    high: float | None
    censored: Censored
    low_open: bool
    high_open: bool


def needed(ensemble: Ensemble, score: float, ends: tuple[int, int], alone: bool) -> Needed:
    """Find the fewest labels between two ends that reach a score: by the median, and with an interval unless `alone`.

    The interval's ends are where the forecast's own interval first touches the score, and where it lies above it.
    """
    x = np.linspace(np.log(ends[0]), np.log(ends[1]), POINTS)
    reached = np.array([mixture.below(1 - score) for mixture in ensemble.at(np.exp(x))])
    reached = np.maximum.accumulate(reached)
    estimate, side = _first(x, reached, 0.5)
    if alone:
        return Needed(estimate, None, None, side, False, False)
    low, below = _first(x, reached, (1 - LEVEL) / 2)
    high, above = _first(x, reached, (1 + LEVEL) / 2)
    return Needed(estimate, low, high, side, below is Censored.BELOW, above is Censored.ABOVE)


def diminishing(ensemble: Ensemble, per: int, gained: float, ends: tuple[int, int]) -> Needed:
    """Find the fewest labels between two ends beyond which `per` more never bring so much, by the medians."""
    x = np.linspace(ends[0], ends[1] - per, POINTS)
    before, after = (np.array([each.median for each in ensemble.at(n)]) for n in (x, x + per))
    brings = before - after - gained
    still = np.flatnonzero(brings >= 0)
    if not len(still):
        return Needed(float(x[0]), None, None, Censored.BELOW, False, False)
    i = int(still[-1])
    if i == POINTS - 1:
        return Needed(float(ends[1]), None, None, Censored.ABOVE, False, False)
    share = brings[i] / (brings[i] - brings[i + 1])
    return Needed(float(x[i] + share * (x[i + 1] - x[i])), None, None, Censored.NO, False, False)


def _first(x: Floats, reached: Floats, p: float) -> tuple[float, Censored]:
    """Find where the probability to have reached the score becomes p; the end of x and the side where it does not."""
    if reached[-1] < p:
        return float(np.exp(x[-1])), Censored.ABOVE
    i = int(np.flatnonzero(reached >= p)[0])
    if i == 0:
        return float(np.exp(x[0])), Censored.BELOW if reached[0] > p else Censored.NO
    share = (p - reached[i - 1]) / (reached[i] - reached[i - 1])
    return float(np.exp(x[i - 1] + share * (x[i] - x[i - 1]))), Censored.NO
