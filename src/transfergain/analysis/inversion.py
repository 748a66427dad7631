"""Find where a learning curve reaches a score, with an interval: tests of "the curve at x scores as much" inverted over x.

The ends of a ratio such as a label-equivalent are not normal, and beyond the measured range there is no estimate at all, so
no standard error or resampling of the estimate serves. But at any given x the question is one of a difference of means,
which `stats` answers with the right level from three seeds on. The x at which it finds no difference are the interval
(Fieller 1954, for a ratio of means; here along a piecewise linear curve).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from transfergain.analysis import stats
from transfergain.analysis.rows import Censored
from transfergain.analysis.stats import Floats, Values

ALPHA = 0.05
GRID_POINTS, REFINING_STEPS = 32, 16
"""Points of a segment between two measured ones at which the test is tried first; steps that refine the interval's ends."""
RESOLUTION = 1e-8
"""How near the ends of an interval are found, as a share of the curve's length."""


Test = Callable[[Floats], Floats]
"""Points on the curve's x -> the p-values of "no difference" there."""


class Inverse(NamedTuple):
    """Where the curve reaches the target, on the curve's own x. `low` and `high` are None with one seed."""

    estimate: float
    censored: Censored
    """`above`: the target lies above the whole curve, and `estimate` is its end. `below`: below its beginning."""
    low: float | None
    high: float | None
    low_open: bool
    high_open: bool
    """True where the interval does not end within the measured range; `low` or `high` is the range's end then. Where the
    two are the same and one end alone is open, all of the interval lies beyond it.
    """


def isotonic(y: Floats) -> tuple[Floats, list[list[int]]]:
    """Find the non-decreasing values closest to y in least squares, and the blocks of points that share one.

    Pool adjacent violators (Ayer et al. 1955), all weights equal.
    """
    blocks: list[tuple[float, int]] = []  # (sum, points) of each
    for value in np.asarray(y, dtype=np.float64).tolist():
        total, points = value, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / points:
            before, more = blocks.pop()
            total, points = before + total, more + points
        blocks.append((total, points))
    sizes = [points for _, points in blocks]
    ends = itertools.accumulate(sizes)
    shared = [list(range(end - points, end)) for end, points in zip(ends, sizes, strict=True)]
    return np.repeat([total / points for total, points in blocks], sizes), shared


def smoothed(curve: Sequence[Values]) -> list[Values]:
    """Pool points so that the curve's means do not decrease; a point's values are the average of its block's."""
    _, blocks = isotonic(np.array([part.scores.mean() for part in curve]))
    pooled = []
    for block in blocks:
        part = Values(np.mean([curve[i].scores for i in block], axis=0), np.mean([curve[i].values for i in block], axis=0))
        pooled += [part] * len(block)
    return pooled


def invert(target: Values, curve: Sequence[Values], x: Sequence[float], looks: stats.Design | None = None) -> Inverse:
    """Find where `curve`, measured at the increasing `x` and linear between them, reaches the mean score of `target`.

    All parts have the same seeds and clusters. The curve is smoothed isotonically first. Where it reaches the target on a
    whole level stretch, the estimate is where the stretch begins.
    """
    points = np.asarray(x, dtype=np.float64)
    differences = [target.minus(part) for part in smoothed(curve)]
    means = np.array([part.scores.mean() for part in differences])
    return inverse(means, points, _tests(differences, points, looks) if len(target.scores) > 1 else None)


def inverse(differences: Floats, points: Floats, p_values: Test | None) -> Inverse:
    """Find where a target minus a smoothed curve becomes 0, and the points at which `p_values` finds no difference.

    `p_values` is None where one seed says nothing of the variance: then there is no interval.
    """
    estimate, censored = _crossing(differences, points)
    if p_values is None:
        return Inverse(estimate, censored, None, None, False, False)
    grid = np.unique(np.concatenate([*_between(points), [estimate]]))
    kept = np.flatnonzero(p_values(grid) >= ALPHA)
    if not len(kept):  # the curve does not pass the target, and is nowhere close
        beyond = differences[-1] > 0
        at = float(points[-1] if beyond else points[0])
        return Inverse(at, censored, at, at, not beyond, bool(beyond))
    # The hull of what is kept, and of what lies beyond the curve where the target does: a noisy point far from there
    # may be kept while the end next to it is not.
    first = 0 if censored is Censored.BELOW else int(kept[0])
    last = len(grid) - 1 if censored is Censored.ABOVE else int(kept[-1])
    low = float(grid[0] if first == 0 else _end(p_values, grid[first], grid[first - 1], ALPHA))
    high = float(grid[-1] if last == len(grid) - 1 else _end(p_values, grid[last], grid[last + 1], ALPHA))
    low_open, high_open = first == 0, last == len(grid) - 1
    if high - low <= RESOLUTION * (points[-1] - points[0]):
        low = high  # a tie; at an end of the curve nothing was measured to one side of it
        low_open = high_open = low_open or high_open
    return Inverse(estimate, censored, low, high, low_open, high_open)


def _crossing(differences: Floats, x: Floats) -> tuple[float, Censored]:
    """Find where target - curve, which does not increase, becomes 0; the end of x and the side where it does not."""
    if differences[-1] > 0:
        return float(x[-1]), Censored.ABOVE
    if differences[0] < 0:
        return float(x[0]), Censored.BELOW
    i = int(np.flatnonzero(differences <= 0)[0])
    if i == 0:
        return float(x[0]), Censored.NO
    share = differences[i - 1] / (differences[i - 1] - differences[i])
    return float(x[i - 1] + share * (x[i] - x[i - 1])), Censored.NO


def _between(x: Floats) -> list[Floats]:
    if len(x) == 1:
        return [x]
    return [np.linspace(a, b, GRID_POINTS + 1) for a, b in itertools.pairwise(x)]


def _tests(differences: Sequence[Values], x: Floats, looks: stats.Design | None) -> Test:
    """Test "no difference" at any x. Mean squares are quadratic between two points, so three of them give all."""
    seeds, clusters = differences[0].values.shape
    ends = [*differences, differences[-1]] if len(x) == 1 else list(differences)
    places = np.array([x[0], x[0] + 1]) if len(x) == 1 else x
    squares = np.array([stats.mean_squares(part.values) for part in ends])
    middles = np.array([stats.mean_squares((a.values + b.values) / 2) for a, b in itertools.pairwise(ends)])
    bends = 2 * (squares[:-1] + squares[1:] - 2 * middles)
    means = np.array([part.scores.mean() for part in ends])

    def p_values(at: Floats) -> Floats:
        i = np.clip(np.searchsorted(places, at, side="right") - 1, 0, len(places) - 2)
        w = ((at - places[i]) / (places[i + 1] - places[i]))[:, None]
        found = squares[i] + w * (squares[i + 1] - squares[i] - bends[i]) + w * w * bends[i]
        mean = means[i] + w[:, 0] * (means[i + 1] - means[i])
        return stats.p_values(mean, np.maximum(found, 0.0), seeds, clusters, looks)

    return p_values


def _end(p_values: Test, inside: float, outside: float, alpha: float) -> float:
    """Search the end of the interval between a point in it and one outside, to a hundred-millionth of their distance."""
    for _ in range(7):
        grid = np.linspace(inside, outside, REFINING_STEPS + 1)
        out = np.flatnonzero(p_values(grid) < alpha)
        first = int(out[0]) if len(out) else REFINING_STEPS
        if first == 0:
            break
        inside, outside = float(grid[first - 1]), float(grid[first])
    return inside
