"""Where a learning curve reaches a score, with an interval: tests of "the curve at x scores as much" inverted over x.

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
from transfergain.analysis.stats import Floats, Values

POINTS = 32
"""Of a segment between two measured points, at which the test is tried first; bisection then finds the ends."""


class Inverse(NamedTuple):
    """Where the curve reaches the target, on the curve's own x. `low` and `high` are None with one seed."""

    estimate: float
    censored: str
    """`above`: the target lies above the whole curve, and `estimate` is its end. `below`: below its beginning."""
    low: float | None
    high: float | None
    low_open: bool
    high_open: bool
    """True where the interval does not end within the measured range; `low` or `high` is the range's end then."""


def isotonic(y: Floats) -> tuple[Floats, list[list[int]]]:
    """The non-decreasing values closest to y in least squares, and the blocks of points that share one.

    Pool adjacent violators (Ayer et al. 1955), all weights equal.
    """
    blocks: list[list[int]] = []
    means: list[float] = []
    for i, value in enumerate(np.asarray(y, dtype=np.float64).tolist()):
        blocks.append([i])
        means.append(value)
        while len(means) > 1 and means[-2] > means[-1]:
            right, left = blocks.pop(), blocks.pop()
            means = [*means[:-2], float(np.mean([y[j] for j in left + right]))]
            blocks.append(left + right)
    return np.repeat(means, [len(block) for block in blocks]), blocks


def smoothed(curve: Sequence[Values]) -> list[Values]:
    """The curve with points pooled so that its means do not decrease; a point's values are the average of its block's."""
    _, blocks = isotonic(np.array([part.scores.mean() for part in curve]))
    pooled = []
    for block in blocks:
        part = Values(np.mean([curve[i].scores for i in block], axis=0), np.mean([curve[i].values for i in block], axis=0))
        pooled += [part] * len(block)
    return pooled


def invert(target: Values, curve: Sequence[Values], x: Sequence[float], level: float = 0.95) -> Inverse:
    """Where `curve`, measured at the increasing `x` and linear between them, reaches the mean score of `target`.

    All parts have the same seeds and clusters. The curve is smoothed isotonically first. Where it reaches the target on a
    whole level stretch, the estimate is where the stretch begins.
    """
    points = np.asarray(x, dtype=np.float64)
    differences = [target.minus(part) for part in smoothed(curve)]
    estimate, censored = _crossing(np.array([d.scores.mean() for d in differences]), points)
    if len(target.scores) < 2:
        return Inverse(estimate, censored, None, None, False, False)
    p_value = _tests(differences, points)
    grid = np.unique(np.concatenate([*_between(points), [estimate]]))
    means = np.interp(grid, points, [d.scores.mean() for d in differences])
    kept = np.flatnonzero([p_value(at) >= 1 - level for at in grid])
    if not len(kept):  # the curve does not pass the target, and is nowhere close
        at, beyond = (float(points[-1]), True) if means[-1] > 0 else (float(points[0]), False)
        return Inverse(at, censored, at, at, not beyond, beyond)
    first, last = int(kept[0]), int(kept[-1])
    low = grid[0] if first == 0 else _bisect(p_value, grid[first], grid[first - 1], 1 - level)
    high = grid[-1] if last == len(grid) - 1 else _bisect(p_value, grid[last], grid[last + 1], 1 - level)
    return Inverse(estimate, censored, float(low), float(high), first == 0, last == len(grid) - 1)


def _crossing(differences: Floats, x: Floats) -> tuple[float, str]:
    """Where target - curve, which does not increase, becomes 0; the end of x and the side where it does not."""
    if differences[-1] > 0:
        return float(x[-1]), "above"
    if differences[0] < 0:
        return float(x[0]), "below"
    i = int(np.flatnonzero(differences <= 0)[0])
    if i == 0:
        return float(x[0]), ""
    share = differences[i - 1] / (differences[i - 1] - differences[i])
    return float(x[i - 1] + share * (x[i] - x[i - 1])), ""


def _between(x: Floats) -> list[Floats]:
    if len(x) == 1:
        return [x]
    return [np.linspace(a, b, POINTS + 1) for a, b in itertools.pairwise(x)]


def _tests(differences: Sequence[Values], x: Floats) -> Callable[[float], float]:
    """P of "no difference" at any x. Mean squares are quadratic between two points, so three of them give all."""
    seeds, clusters = differences[0].values.shape
    squares = [np.array(stats.mean_squares(part.values)) for part in differences]
    middles = [np.array(stats.mean_squares((a.values + b.values) / 2)) for a, b in itertools.pairwise(differences)]
    means = [float(part.scores.mean()) for part in differences]

    def p_value(at: float) -> float:
        i = min(int(np.searchsorted(x, at, side="right")) - 1, len(x) - 2)
        if i < 0 or len(x) == 1:
            return stats.p_value(means[0], stats.mean_variance(squares[0].tolist(), seeds, clusters), seeds, clusters)
        w = (at - x[i]) / (x[i + 1] - x[i])
        bend = 2 * (squares[i] + squares[i + 1] - 2 * middles[i])
        found = np.maximum(squares[i] + w * (squares[i + 1] - squares[i] - bend) + w * w * bend, 0.0)
        mean = (1 - w) * means[i] + w * means[i + 1]
        return stats.p_value(mean, stats.mean_variance(found.tolist(), seeds, clusters), seeds, clusters)

    return p_value


def _bisect(p_value: Callable[[float], float], inside: float, outside: float, alpha: float) -> float:
    """The end of the interval between a point in it and a neighbour outside."""
    for _ in range(40):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if p_value(middle) >= alpha else (inside, middle)
    return inside
