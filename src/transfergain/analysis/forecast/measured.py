"""Read a learning curve off its trials: mean errors, and how far seeds and test examples make them uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfergain.analysis import stats
from transfergain.analysis.stats import Floats, Values

LUCK = 0.1
"""Standard deviation of a seed's score, in log odds, where one seed is all there is."""
LUCK_FALLS = 0.25
"""Power of the number of labels that this standard deviation falls by."""
DRAWN = 3
"""Degrees of freedom that the spread of all counts for beside a cell's own."""


@dataclass(frozen=True)
class Measured:
    """A learning curve that was measured: mean errors by number of labels, and how far they can be trusted."""

    labels: Sequence[int]
    errors: Floats
    covariance: Floats
    """Of the mean errors, over seeds and test examples."""
    examples: int
    """Test clusters; errors are known to a part of one."""


def of(labels: Sequence[int], cells: Sequence[Values]) -> Measured:
    """Measure a curve whose cells have their seeds and test clusters in common.

    The covariance of the means is that of the two-way model of `stats`: a part by seeds and a part by test clusters.
    """
    values = np.stack([cell.values for cell in cells])
    clusters = values.shape[2]
    errors = 1 - np.array([cell.scores.mean() for cell in cells])
    by_cluster = values.mean(axis=1) - values.mean(axis=(1, 2))[:, None]
    by_cluster_covariance = by_cluster @ by_cluster.T / (clusters - 1) / clusters
    inside = (errors * clusters + 0.5) / (clusters + 1)
    steepness = inside * (1 - inside)
    by_seed = values.mean(axis=2) - values.mean(axis=(1, 2))[:, None]
    noise = np.array([_noise(cell) for cell in values]) / steepness**2
    luck = _luck(labels, by_seed / steepness[:, None], noise)
    return Measured(labels, errors, by_cluster_covariance + luck * np.outer(steepness, steepness), clusters)


def learns(cells: Sequence[Values]) -> bool:
    """Tell whether the last labels changed any answer: a floor that always says the same has no curve."""
    return not np.array_equal(cells[-1].values, cells[-2].values)


def _noise(values: Floats) -> float:
    """Give the variance of one seed's mean that is no luck of the seed: the part by clusters has it already."""
    return stats.mean_squares(values)[2] / values.shape[1] if len(values) > 1 else 0.0


def _luck(labels: Sequence[int], by_seed: Floats, noise: Floats) -> Floats:
    """Estimate the covariance (k, k) of mean log odds over seeds from their deviations (k, seeds), `noise` taken off.

    Three seeds say little of the spread with one number of labels. So each is drawn towards that of all, whose standard
    deviation falls by LUCK_FALLS: the labels that a seed draws differ less in what they teach, the more they are.
    """
    k, seeds = by_seed.shape
    usual = (np.array(labels) / labels[0]) ** -LUCK_FALLS
    if seeds < 2:
        return np.asarray(LUCK**2 * np.eye(k))
    alike = by_seed / usual[:, None]
    own, of_all = (alike**2).sum(axis=1) / (seeds - 1), float((alike**2).sum()) / (k * (seeds - 1))
    drawn = usual**2 * (own * (seeds - 1) + of_all * DRAWN) / (seeds - 1 + DRAWN)
    spread = np.sqrt(np.maximum(drawn - noise, 0.1 * drawn))
    of_sums = float((alike.sum(axis=0) ** 2).sum()) / (seeds - 1)
    together = min(max((of_sums - k * of_all) / (k * (k - 1)), 0.0), of_all) / of_all if of_all > 0 else 0.0
    return np.asarray(np.outer(spread, spread) * (together + (1 - together) * np.eye(k)) / seeds)
