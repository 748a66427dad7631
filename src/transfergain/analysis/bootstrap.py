"""Resample seeds and test clusters (a two-stage bootstrap), for aggregates that have no formula for their interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.analysis.stats import Finish, Floats

DRAWS_AT_A_TIME = 250
"""So many draws' weights of 10,000 clusters are 10 MB."""
EXACT_IN_FLOAT32 = 2**24
"""Every integer up to here is exact in float32."""


def seed_weights(seeds: int, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw seeds with replacement: (draws, seeds), how often each is drawn."""
    return rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)


def resampled_scores(counts: NDArray[Any], finish: Finish, draws: int, rng: np.random.Generator) -> Floats:
    """Score every seed on resampled clusters, the same for all seeds: counts (S, N, k) -> (draws, S).

    A draw's weights are how often each of N clusters comes in N draws with replacement; the sums of counts are one matrix
    product of weights (draws, N) and counts (N, S k).
    """
    s, n, k = counts.shape
    flat = np.moveaxis(counts, 0, 1).reshape(n, s * k)
    varying = np.flatnonzero((flat != flat[0]).any(axis=0))  # the others sum to N times themselves in any draw
    whole = np.issubdtype(flat.dtype, np.integer) and n * int(np.abs(flat).max(initial=0)) < EXACT_IN_FLOAT32
    matrix = np.ascontiguousarray(flat[:, varying], dtype=np.float32 if whole else np.float64)
    index = np.uint16 if n <= 2**16 else np.uint32
    found, weights = np.empty((draws, s)), np.empty((DRAWS_AT_A_TIME, n), matrix.dtype)
    for start in range(0, draws, DRAWS_AT_A_TIME):
        size = min(DRAWS_AT_A_TIME, draws - start)
        drawn = rng.integers(0, n, size=(size, n), dtype=index)
        for row, indices in zip(weights, drawn, strict=False):
            row[:] = np.bincount(indices, minlength=n)
        total = np.tile(flat[0].astype(np.float64) * n, (size, 1))
        total[:, varying] = weights[:size] @ matrix
        found[start : start + size] = finish(total.reshape(size, s, k))
    return found


def two_stage(counts: NDArray[Any], finish: Finish, draws: int, rng: np.random.Generator) -> Floats:
    """Average scores over resampled seeds on resampled clusters: counts (S, N, k) -> (draws,)."""
    scores = resampled_scores(counts, finish, draws, rng)
    weights = seed_weights(counts.shape[0], draws, rng)
    return np.asarray((scores * weights).sum(axis=1) / counts.shape[0])


def percentile(draws: Sequence[float] | Floats, level: float = 0.95) -> tuple[float, float]:
    """Take the percentile interval of bootstrap draws."""
    low, high = np.quantile(np.asarray(draws), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
