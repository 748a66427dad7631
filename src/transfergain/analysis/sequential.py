"""Look at results after some seeds and stop when they are clear: levels, p-values and futility of such a study.

A study that tests at 5 % after each seed and stops at the first success finds something in one of six studies of equal
arms. So each look has a stricter level of its own: the 5 % are spent over the looks (Lan and DeMets 1983), by a spending
function that is fixed before the first seed. The intervals are repeated confidence intervals (Jennison and Turnbull 1989):
together they hold the truth in 95 % of studies, whatever stops the study, be it success, futility or a clock.

Only the seeds are drawn one after another; the test set is the same at every look. `stats.tail` weights the tails of the
two, and it is the seeds' tail alone that `Looks` corrects there. docs/decisions/0040-looks-at-seeds.md has the simulations.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from transfergain.analysis.stats import Components, quantile

Floats = NDArray[np.float64]
ALPHA = 0.05
COUNTS = (3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 30)
"""Seeds at which `--seeds auto` looks, as far as its most."""
FIRST, POWER = 1 / 5, 2
"""The part of alpha that the first look spends, and the power of log seeds at which the looks after it spend the rest."""
SMALL = 1e-5
"""Repeated p-values below this are bounds: the p-value over what the look alone spends."""
FUTILE = 0.05
"""A study stops when the chance that its last look decides is below this."""
CELLS, FARTHEST = 80, 7.0
"""Cells of the recursion, and how far they reach, in standard normal deviates."""


@dataclass(frozen=True)
class Looks:
    """The counts of seeds at which a study looks at its results, ascending."""

    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse counts that no study can have."""
        ascending = all(a < b for a, b in zip(self.counts, self.counts[1:], strict=False))
        if not self.counts or self.counts[0] < (1 if len(self.counts) == 1 else 2) or not ascending:
            raise ValueError(f"no ascending counts of seeds: {self.counts}")

    @classmethod
    def fixed(cls, seeds: int) -> Looks:
        """Plan one look: the plain 95 % interval and p."""
        return cls((seeds,))

    @classmethod
    def auto(cls, most: int) -> Looks:
        """Plan looks from 3 seeds on, up to `most`."""
        return cls((*(count for count in COUNTS if count < most), most))

    def reached(self, seeds: int) -> int:
        """Find the largest count within so many seeds; `seeds` itself below the first look."""
        passed = bisect_right(self.counts, seeds)
        return self.counts[passed - 1] if passed else seeds

    def begun(self, seeds: int) -> bool:
        """Tell whether so many seeds are enough for the first look; before it nothing is decided."""
        return seeds >= self.counts[0]

    def following(self, seeds: int) -> int | None:
        """Find the count after `seeds`; None at the last."""
        return next((count for count in self.counts if count > seeds), None)

    def level(self, seeds: int) -> float:
        """Give the level of Student's t interval over seeds at the look reached: .95 for one look."""
        return self._look(seeds).level

    def p_value(self, p: float, seeds: int) -> float:
        """Correct a p-value; see `p_values`."""
        return float(self.p_values(np.array(p), seeds))

    def p_values(self, p: Floats, seeds: int) -> Floats:
        """Correct p-values at the look reached: the smallest alpha whose looks would reject here.

        Below .05 exactly where p < 1 - level. In proportion above .05, and below it on a straight line, in logarithms, to
        the bound p / (part of alpha that this look spends), which holds for any alpha and is close for small ones.
        """
        if len(self.counts) == 1:
            return p
        level, spends = self._look(seeds)
        nominal = 1 - level
        slope = math.log(ALPHA / SMALL) / math.log(nominal / (SMALL * spends))
        below = np.minimum(ALPHA * (p / nominal) ** slope, np.nextafter(ALPHA, 0))
        below = np.where(p < SMALL * spends, p / spends, below)
        return np.asarray(np.where(p < nominal, below, np.clip(p * (ALPHA / nominal), ALPHA, 1.0)))

    def _look(self, seeds: int) -> _Look:
        return _looks(self.counts)[max(0, bisect_right(self.counts, seeds) - 1)]


class _Look(NamedTuple):
    level: float
    spends: float


@functools.lru_cache
def _looks(counts: tuple[int, ...]) -> tuple[_Look, ...]:
    parts = spending(counts)
    levels = nominal_levels(counts, ALPHA * parts)
    return tuple(_Look(1 - nominal, part) for nominal, part in zip(levels, parts.tolist(), strict=True))


def spending(counts: tuple[int, ...]) -> Floats:
    """Give the part of alpha that each look spends: by the end of it, from FIRST to 1 with log seeds to the POWER."""
    if len(counts) == 1:
        return np.ones(1)
    time = np.log(np.array(counts) / counts[0]) / math.log(counts[-1] / counts[0])
    return np.diff(FIRST + (1 - FIRST) * time**POWER, prepend=0.0)


def nominal_levels(counts: tuple[int, ...], spends: Floats, cells: int = CELLS) -> list[float]:
    """Find the level of Student's t test at each look with which it is the first to reject in `spends` of equal arms.

    By recursion, exact but for the width of the cells. The correlation r = sum / sqrt(n sum of squares) of n values with a
    constant is the t statistic in other terms. Where the truth is 0 it does not depend on the sum of squares, so with each
    further value it moves as a Markov chain in one dimension. The chain is kept folded at 0 and as a histogram over
    |z|, the normal deviate with the p-value of r, of the studies that no look has stopped yet.
    """
    found = [float(spends[0])]
    edges = np.linspace(0, -ndtri(found[0] / 2), cells + 1)
    mass = np.diff(2 * ndtr(edges))
    for seeds in range(counts[0] + 1, counts[-1] + 1):
        before = _correlation((edges[1:] + edges[:-1]) / 2, seeds - 1)
        end = FARTHEST
        if seeds in counts:
            end = _boundary(mass, before, seeds, float(spends[len(found)]))
            found.append(2 * float(ndtr(-end)))
        edges = np.linspace(0, end, cells + 1)
        mass = np.diff(mass @ _within(edges, before, seeds))
    return found


def _boundary(mass: Floats, before: Floats, seeds: int, spends: float) -> float:
    low, high = 0.0, FARTHEST
    for _ in range(40):
        middle = (low + high) / 2
        out = mass.sum() - float(mass @ _within(np.array([middle]), before, seeds)[:, 0])
        low, high = (middle, high) if out > spends else (low, middle)
    return high


def _correlation(z: Floats, seeds: int) -> Floats:
    """Compute the correlation of so many values with a constant whose p-value is that of the normal deviate z >= 0."""
    t = -stdtrit(seeds - 1, ndtr(-z))
    return np.asarray(t / np.sqrt(seeds - 1 + t * t))


def _within(z: Floats, before: Floats, seeds: int) -> Floats:
    """Compute the chance (before, z) that |z| stays within each z at so many seeds, given the correlation one seed before.

    With u = the new value over the root of the sum of squares before, a Student's t over the root of its degrees of
    freedom, and angle = arctan u, the new correlation is length x cos(angle - turn).
    """
    along, across = np.sqrt((seeds - 1) / seeds) * before[:, None], 1 / math.sqrt(seeds)
    length, turn = np.hypot(along, across), np.arctan2(across, along)

    def below(angle: Floats) -> Floats:
        inside = np.clip(angle, -np.pi / 2, np.pi / 2)
        return np.asarray(stdtr(seeds - 1, math.sqrt(seeds - 1) * np.tan(inside)))

    def above(correlation: Floats) -> Floats:
        reach = np.arccos(np.clip(correlation / length, -1, 1))
        return below(turn + reach) - below(turn - reach)

    bound = _correlation(z, seeds)[None, :]
    return above(-bound) - above(bound)


def futile(
    estimate: float,
    low: float,
    high: float,
    margin: float,
    looks: Looks,
    seeds: int,
    components: Components | None = None,
) -> bool:
    """Say whether to stop because the last look would hardly decide. It may only stop a study, never decide a question.

    Without components, such as for the logarithm of a speed-up, all variance counts as the seeds'.
    """
    return conditional_power(estimate, components or of_interval(low, high, looks, seeds), looks, margin) < FUTILE


def of_interval(low: float, high: float, looks: Looks, seeds: int) -> Components:
    """Find the components behind a Student's t interval over seeds."""
    error = (high - low) / 2 / float(stdtrit(seeds - 1, (1 + looks.level(seeds)) / 2))
    return Components(seeds * error**2, 0.0, 0.0, seeds, 2)


def conditional_power(estimate: float, components: Components, looks: Looks, margin: float = 0.0) -> float:
    """Compute the chance that the interval of the last look lies above 0 or below the margin, as things look now.

    The estimate moves until then as the mean of further seeds does around a truth that is known as well as it is now
    (predictive power; Spiegelhalter, Freedman and Blackburn 1986). The test clusters stay.
    """
    seeds, clusters, last = components.seeds, components.clusters, max(components.seeds, looks.counts[-1])
    share, error = components.seed_share(last, clusters), math.sqrt(components.variance(last, clusters))
    half = error * quantile(ALPHA, share, last, clusters, looks)
    moves = math.sqrt((components.seed + components.residual / clusters) * (1 / seeds - 1 / last))
    if moves == 0:
        return float(estimate > half or estimate < margin - half)
    return min(1.0, float(ndtr((estimate - half) / moves) + ndtr((margin - half - estimate) / moves)))
