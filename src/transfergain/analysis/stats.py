"""Compare paired scores over seeds and test examples: intervals and tests, by numpy and scipy's special functions.

The model: the score difference of two arms varies with the seed (subset, order, initialisation), with the test cluster
(an example; an article for question answering), and with both together. A percentile bootstrap over a handful of seeds is
too narrow and a crossed one too wide, so the variance here is that of a two-way random-effects analysis of variance on
jackknife pseudo-values. Its seed part rests on a few seeds and its cluster part on many clusters; the test averages the
Student's t tails of the two, weighted by their parts of the variance. docs/methods.md has the measured coverage, and that
of the methods it was chosen over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]
Finish = Callable[[NDArray[Any]], Floats]
ROUNDING = 1e-12
"""Differences of scores that are no larger are none."""
ROUNDING_VARIANCE = 1e-24
"""Variances of scores in [0, 1] at or below this are rounding of sums of counts."""


@dataclass(frozen=True)
class Estimate:
    """An estimate with its interval; `low`, `high` and `p_value` are None where one seed leaves the variance unknown."""

    estimate: float
    low: float | None
    high: float | None
    p_value: float | None
    """Two-sided, of the hypothesis that the truth is 0; the inversion of the interval."""
    components: Components | None
    """Variance components, for power; None with one seed."""


@dataclass(frozen=True)
class Components:
    """Variance of a difference by source: seeds, clusters, both together; and the sizes they were estimated with."""

    seed: float
    cluster: float
    residual: float
    seeds: int
    clusters: int

    def variance(self, seeds: int, clusters: int) -> float:
        """Compute the variance of the mean over so many seeds and test clusters."""
        return self.seed / seeds + self.cluster / clusters + self.residual / (seeds * clusters)

    def seed_share(self, seeds: int, clusters: int) -> float:
        """Compute the part of that variance that only more seeds reduce, and more test clusters do not."""
        variance = self.variance(seeds, clusters)
        return (self.seed + self.residual / clusters) / seeds / variance if variance > 0 else 1.0


class Design(Hashable, Protocol):
    """When a study looks at its results, as far as a test must know (analysis/sequential.py); None is a single look."""

    def p_values(self, p: Floats, seeds: int) -> Floats:
        """Correct p-values over so many seeds for the looks before."""
        ...

    def begun(self, seeds: int) -> bool:
        """Tell whether so many seeds are enough for the first look."""
        ...


class MeanVariance(NamedTuple):
    """The variance of a mean over seeds and clusters, by which of the two it is estimated from."""

    seeds: float
    """From the spread of seed means, the residual included: seeds - 1 degrees of freedom."""
    clusters: float
    """What clusters add to it."""

    @property
    def total(self) -> float:
        """Add the two parts."""
        return self.seeds + self.clusters


class Values(NamedTuple):
    """What an interval is made of: scores (S,) by seed and their jackknife pseudo-values (S, N) by test cluster."""

    scores: Floats
    values: Floats

    def minus(self, other: Values) -> Values:
        """Subtract, paired by seed and cluster. Raises ValueError where the shapes differ."""
        if self.values.shape != other.values.shape:
            raise ValueError(f"unpaired values: {self.values.shape} against {other.values.shape}")
        return Values(self.scores - other.scores, self.values - other.values)


def pseudo_values(counts: NDArray[Any], finish: Finish) -> Values:
    """Compute scores (S,) and jackknife pseudo-values (S, N) of counts (S, N, k) (Efron and Tibshirani 1993, chapter 11).

    For a mean, such as accuracy, the pseudo-value of an example is its own score.
    """
    total = counts.sum(axis=1)
    scores = finish(total)
    n = counts.shape[1]
    if n < 2:
        raise ValueError("at least two test clusters are needed")
    without = np.stack([finish(total[s] - counts[s]) for s in range(len(counts))])
    return Values(scores, n * scores[:, None] - (n - 1) * without)


def two_way(values: Floats) -> tuple[Components, MeanVariance]:
    """Estimate components of values (S, N) and the variance of their mean. Needs S >= 2 and N >= 2.

    Expected mean squares of the two-way random-effects model without replication (Searle, Casella and McCulloch 1992,
    chapter 4): MS_seed = residual + N seed, MS_cluster = residual + S cluster, MS_rest = residual. The mean's variance is
    (MS_seed + MS_cluster - MS_rest) / SN. A negative component counts as 0, a negative cluster part too.
    """
    s, n = values.shape
    squares = ms_seed, ms_cluster, ms_rest = mean_squares(values)
    seed, cluster = max(0.0, (ms_seed - ms_rest) / n), max(0.0, (ms_cluster - ms_rest) / s)
    return Components(seed, cluster, ms_rest, s, n), mean_variance(squares, s, n)


def mean_squares(values: Floats) -> tuple[float, float, float]:
    """Compute mean squares of values (S, N): between seeds, between clusters, and of the rest. Needs S >= 2 and N >= 2."""
    s, n = values.shape
    grand = values.mean()
    by_seed, by_cluster = values.mean(axis=1), values.mean(axis=0)
    ms_seed = n * float(((by_seed - grand) ** 2).sum()) / (s - 1)
    ms_cluster = s * float(((by_cluster - grand) ** 2).sum()) / (n - 1)
    rest = values - by_seed[:, None] - by_cluster[None, :] + grand
    return ms_seed, ms_cluster, float((rest**2).sum()) / ((s - 1) * (n - 1))


def mean_variance(squares: Sequence[float], seeds: int, clusters: int) -> MeanVariance:
    """Estimate the variance of the mean from `mean_squares`, in its two parts; see `two_way`."""
    ms_seed, ms_cluster, ms_rest = squares
    # Scores are multiples of 1 / N, so a few seeds may tie by chance; the variance of their means is not 0 for that, and
    # its expectation is at least the residual's.
    by_seeds = ms_seed if ms_seed > 1e-12 * ms_rest else ms_rest
    return MeanVariance(by_seeds / (seeds * clusters), max(0.0, ms_cluster - ms_rest) / (seeds * clusters))


def p_value(mean: float, variance: MeanVariance, seeds: int, clusters: int, looks: Design | None = None) -> float:
    """Test two-sided that the truth is 0. Without any variance it is 1 for a mean of 0, and else 0."""
    if variance.total <= ROUNDING_VARIANCE:
        return 1.0 if abs(mean) < ROUNDING else 0.0
    return tail(abs(mean) / math.sqrt(variance.total), variance.seeds / variance.total, seeds, clusters, looks)


def p_values(means: Floats, squares: Floats, seeds: int, clusters: int, looks: Design | None = None) -> Floats:
    """Compute `p_value` of many means (n,) with their mean squares (n, 3), all over as many seeds and clusters."""
    ms_seed, ms_cluster, ms_rest = squares.T
    by_seed = np.where(ms_seed > 1e-12 * ms_rest, ms_seed, ms_rest) / (seeds * clusters)
    total = by_seed + np.maximum(0.0, ms_cluster - ms_rest) / (seeds * clusters)
    varies = total > ROUNDING_VARIANCE
    safe = np.where(varies, total, 1.0)
    x, share = np.abs(means) / np.sqrt(safe), by_seed / safe
    tails = share * _seeds_tail(x, seeds, looks) + (1 - share) * 2 * stdtr(clusters - 1, -x)
    return np.asarray(np.where(varies, tails, np.where(np.abs(means) < ROUNDING, 1.0, 0.0)))


def _seeds_tail(x: Floats, seeds: int, looks: Design | None) -> Floats:
    plain = np.asarray(2 * stdtr(seeds - 1, -x))
    return plain if looks is None else looks.p_values(plain, seeds)


def tail(x: float, seed_share: float, seeds: int, clusters: int, looks: Design | None = None) -> float:
    """Compute the two-sided p of a mean `x` >= 0 standard errors from the hypothesis.

    The tails of Student's t with seeds - 1 and with clusters - 1 degrees of freedom, each weighted by its part of the
    variance. Cochran and Cox (1950) weight the critical values of two variances in this way; weighting the tails gives p
    without inversion, and intervals a little shorter. Satterthwaite's degrees of freedom, the usual choice, reject too
    often with few seeds (docs/methods.md). Of several looks only the seeds' tail is corrected: the test set stays the same.
    """
    by_seed, by_cluster = float(_seeds_tail(np.array(x), seeds, looks)), 2 * float(stdtr(clusters - 1, -x))
    return seed_share * by_seed + (1 - seed_share) * by_cluster


def quantile(p: float, seed_share: float, seeds: int, clusters: int, looks: Design | None = None) -> float:
    """Find the x whose two-sided `tail` is p, by bisection between the two Student's t quantiles; beyond, with looks."""
    ends = [float(stdtrit(degrees, 1 - p / 2)) for degrees in (seeds - 1, clusters - 1)]
    low, high = min(ends), max(ends)
    while looks is not None and tail(high, seed_share, seeds, clusters, looks) > p * (1 + 1e-9):
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if tail(middle, seed_share, seeds, clusters, looks) > p else (low, middle)
    return high


def interval(scores: Floats, values: Floats, level: float = 0.95, looks: Design | None = None) -> Estimate:
    """Estimate the mean of scores (S,) with a two-way interval from their pseudo-values (S, N).

    With one seed there is no interval. With no variance at all the interval has zero width, and p is 0 or 1.
    """
    estimate = float(scores.mean())
    if len(scores) < 2:
        return Estimate(estimate, None, None, None, None)
    components, variance = two_way(values)
    return _around(estimate, variance, components, values.shape, level, looks)


def _around(
    found: float,
    variance: MeanVariance,
    components: Components | None,
    sizes: tuple[int, int],
    level: float,
    looks: Design | None,
) -> Estimate:
    seeds, clusters = sizes
    p = p_value(found, variance, seeds, clusters, looks)
    if variance.total <= ROUNDING_VARIANCE:
        return Estimate(found, found, found, p, components)
    half = quantile(1 - level, variance.seeds / variance.total, seeds, clusters, looks) * math.sqrt(variance.total)
    return Estimate(found, found - half, found + half, p, components)


def sum_interval(estimate: float, parts: Sequence[Values], level: float = 0.95, looks: Design | None = None) -> Estimate:
    """Put an interval around `estimate`, a sum of terms with the seeds in common and each a test set of its own.

    The variance between seeds is that of the seeds' sums of `scores`; each test set adds its clusters' part. For a function
    of several scores that is no sum, the parts are its linear approximation (the delta method): scores and values times the
    partial derivatives. No power components.
    """
    seeds = len(parts[0].scores)
    if seeds < 2:
        return Estimate(estimate, None, None, None, None)
    by_seed = float(np.sum([part.scores for part in parts], axis=0).var(ddof=1)) / seeds
    ways = [two_way(part.values)[1] for part in parts]
    floor = sum(mean_squares(part.values)[2] / part.values.size for part in parts)
    by_seed = by_seed if by_seed > 1e-12 * floor else floor
    variance = MeanVariance(by_seed, sum(way.clusters for way in ways))
    sizes = seeds, min(part.values.shape[1] for part in parts)
    return _around(estimate, variance, None, sizes, level, looks)


def score_interval(counts: NDArray[Any], finish: Finish) -> Estimate:
    """Estimate one arm's mean score over seeds, counts (S, N, k); its interval is cut at 0 and 1."""
    return of_score(pseudo_values(counts, finish))


def of_score(values: Values) -> Estimate:
    """Estimate a mean score; its interval is cut at 0 and 1."""
    found = interval(*values)
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))


def possible_gain(found: Estimate, reference: float) -> Estimate:
    """Cut the interval of a gain over the mean score `reference` at what is possible: no score is below 0 or above 1."""
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(found.low, -reference), high=min(found.high, 1 - reference))


def paired_interval(treated: NDArray[Any], reference: NDArray[Any], finish: Finish) -> Estimate:
    """Estimate the mean score difference treated - reference, paired by seed and cluster; counts (S, N, k) both."""
    if treated.shape != reference.shape:
        raise ValueError(f"unpaired counts: {treated.shape} against {reference.shape}")
    return interval(*pseudo_values(treated, finish).minus(pseudo_values(reference, finish)))


def sign_flip(differences: Sequence[float]) -> float:
    """Compute the exact two-sided p of the mean of paired differences under all 2^n sign flips (Fisher's randomisation).

    Exact up to 20 differences; raises ValueError beyond, and on none.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not 1 <= len(d) <= 20:
        raise ValueError("between 1 and 20 differences")
    sums = d[:1]  # the first sign fixed: the other half of all flips is the mirror image
    for step in d[1:]:
        sums = np.concatenate([sums + step, sums - step])
    return float((np.abs(sums) >= abs(d.sum()) - 1e-12).mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values by Holm's step-down (Holm 1979), in the order given."""
    m = len(p_values)
    adjusted, running = [0.0] * m, 0.0
    for rank, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (m - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted
