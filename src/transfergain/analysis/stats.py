"""Intervals and tests for paired comparisons over seeds and test examples. numpy, and scipy's special functions.

The model: the score difference of two arms varies with the seed (subset, order, initialisation), with the test cluster
(an example; an article for question answering), and with both together. A percentile bootstrap over a handful of seeds is
too narrow and a crossed one too wide (docs/methods.md has the figures), so the interval here is that of a two-way
random-effects analysis of variance on jackknife pseudo-values, with Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]
Finish = Callable[[NDArray[Any]], Floats]


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
    degrees: float
    """Satterthwaite's degrees of freedom of the variance of the mean."""

    def variance(self, seeds: int, clusters: int) -> float:
        """Of the mean over `seeds` seeds and `clusters` test clusters."""
        return self.seed / seeds + self.cluster / clusters + self.residual / (seeds * clusters)


def pseudo_values(counts: NDArray[Any], finish: Finish) -> tuple[Floats, Floats]:
    """(scores (S,), jackknife pseudo-values (S, N)) of counts (S, N, k) (Efron and Tibshirani 1993, chapter 11).

    For a mean, such as accuracy, the pseudo-value of an example is its own score.
    """
    total = counts.sum(axis=1)
    scores = finish(total)
    n = counts.shape[1]
    if n < 2:
        raise ValueError("at least two test clusters are needed")
    without = np.stack([finish(total[s] - counts[s]) for s in range(len(counts))])
    return scores, n * scores[:, None] - (n - 1) * without


def two_way(values: Floats) -> tuple[Components, float]:
    """Components of values (S, N) and the variance of their mean. Needs S >= 2 and N >= 2.

    Expected mean squares of the two-way random-effects model without replication (Searle, Casella and McCulloch 1992,
    chapter 4): MS_seed = residual + N seed, MS_cluster = residual + S cluster. A negative component counts as 0.
    """
    s, n = values.shape
    grand = values.mean()
    by_seed, by_cluster = values.mean(axis=1), values.mean(axis=0)
    ms_seed = n * float(((by_seed - grand) ** 2).sum()) / (s - 1)
    ms_cluster = s * float(((by_cluster - grand) ** 2).sum()) / (n - 1)
    rest = values - by_seed[:, None] - by_cluster[None, :] + grand
    ms_rest = float((rest**2).sum()) / ((s - 1) * (n - 1))
    seed, cluster = max(0.0, (ms_seed - ms_rest) / n), max(0.0, (ms_cluster - ms_rest) / s)
    total = ms_seed + ms_cluster - ms_rest
    if total >= max(ms_seed, ms_cluster):
        squares = (
            ms_seed**2 / (s - 1)
            + ms_cluster**2 / (n - 1)
            + ms_rest**2 / ((s - 1) * (n - 1))
        )  # fmt: skip
    else:  # a component came out negative: keep the larger mean square alone
        total = max(ms_seed, ms_cluster)
        squares = total**2 / ((s - 1) if ms_seed >= ms_cluster else (n - 1))
    degrees = total**2 / squares if squares > 0 else float(s - 1)
    return Components(seed, cluster, ms_rest, s, n, degrees), total / (s * n)


def interval(scores: Floats, values: Floats, level: float = 0.95) -> Estimate:
    """The mean of scores (S,) with a two-way interval from their pseudo-values (S, N), Student's t.

    With one seed there is no interval. With no variance at all the interval has zero width, and p is 0 or 1.
    """
    estimate = float(scores.mean())
    if len(scores) < 2:
        return Estimate(estimate, None, None, None, None)
    components, variance = two_way(values)
    # Differences below this are rounding of sums of counts, not variance.
    if variance <= 1e-24:
        return Estimate(estimate, estimate, estimate, 1.0 if abs(estimate) < 1e-12 else 0.0, components)
    error = math.sqrt(variance)
    half = float(stdtrit(components.degrees, 0.5 + level / 2)) * error
    p_value = 2 * float(stdtr(components.degrees, -abs(estimate) / error))
    return Estimate(estimate, estimate - half, estimate + half, p_value, components)


def score_interval(counts: NDArray[Any], finish: Finish) -> Estimate:
    """One arm's mean score over seeds, counts (S, N, k)."""
    return interval(*pseudo_values(counts, finish))


def paired_interval(treated: NDArray[Any], reference: NDArray[Any], finish: Finish) -> Estimate:
    """The mean score difference treated - reference, paired by seed and cluster; counts (S, N, k) both."""
    if treated.shape != reference.shape:
        raise ValueError(f"unpaired counts: {treated.shape} against {reference.shape}")
    scores_t, values_t = pseudo_values(treated, finish)
    scores_r, values_r = pseudo_values(reference, finish)
    return interval(scores_t - scores_r, values_t - values_r)


def sign_flip(differences: Sequence[float]) -> float:
    """Exact two-sided p of the mean of paired differences under all 2^n sign flips (Fisher's randomisation test).

    Exact up to 20 differences; raises ValueError beyond, and on none.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not 1 <= len(d) <= 20:
        raise ValueError("between 1 and 20 differences")
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(d))))
    sums = np.abs(signs @ d)
    return float((sums >= abs(d.sum()) - 1e-12).mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values (Holm 1979), in the order given."""
    m = len(p_values)
    adjusted, running = [0.0] * m, 0.0
    for rank, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (m - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


def detectable(components: Components, seeds: int, clusters: int, power: float = 0.8, level: float = 0.95) -> float:
    """The smallest true difference that a test at this level finds with this power (the minimum detectable effect)."""
    degrees = components.degrees if seeds == components.seeds else max(components.degrees, seeds - 1.0)
    quantiles = float(stdtrit(degrees, 0.5 + level / 2)) + float(stdtrit(degrees, power))
    return quantiles * math.sqrt(components.variance(seeds, clusters))


def needed(components: Components, effect: float) -> tuple[int | None, int | None]:
    """(seeds, test clusters) with which `effect` would be detectable, the other kept; None where 1,000 seeds, or a
    thousand times the test set, would not do.
    """
    seeds = next(
        (s for s in range(components.seeds + 1, 1001) if detectable(components, s, components.clusters) <= effect), None
    )
    sizes = (round(components.clusters * 1.1**k) for k in range(1, 73))
    clusters = next((n for n in sizes if detectable(components, components.seeds, n) <= effect), None)
    return seeds, clusters
