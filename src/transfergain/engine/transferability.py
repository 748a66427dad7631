"""Score features for a labelled task without training on them: LogME, and the H-score with shrinkage. Pure functions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

MOST_ROUNDS = 500
PRECISION = 1e-10
"""Relative change of the ratio of both precisions at which LogME's fixed point is taken as reached."""
FARTHEST = 1e100
"""How far from 1 that ratio may go, where it has no end."""

Rows = NDArray[np.float64]


def log_me(rows: Rows, hits: NDArray[np.bool_]) -> float:
    """Compute LogME (You et al. 2021): mean log evidence an example of a Bayesian linear model, a class against the rest.

    `hits` (examples, classes) say which class, or which labels, an example has.

    The prior's precision and the noise's are those that the evidence is largest at (MacKay's fixed point).
    """
    left, singular, _ = np.linalg.svd(rows, full_matrices=False)
    return float(np.mean([_evidence(left, singular**2, hit, rows.shape[1]) for hit in hits.T]))


def _evidence(left: Rows, eigenvalues: Rows, hits: NDArray[np.bool_], width: int) -> float:
    """Compute the largest log evidence of one target, an example.

    With fewer examples than features the fixed point may lie at no noise at all, and without a signal at no weights: the
    evidence has a limit there, which is reached long before the ratio of both precisions ends.
    """
    y = hits.astype(np.float64)
    n, projected = len(y), (left.T @ y) ** 2
    outside = max(0.0, float(y @ y - projected.sum())) if len(eigenvalues) < n else 0.0
    alpha = beta = moved = 1.0
    for _ in range(MOST_ROUNDS):
        ratio = moved
        used, free, weight, residual = _terms(eigenvalues, projected, outside, ratio)
        alpha, beta = used / max(weight, 1e-300), (n - len(eigenvalues) + free) / max(residual, 1e-300)
        moved = min(max(alpha / beta, 1 / FARTHEST), FARTHEST)
        if abs(moved - ratio) <= PRECISION * ratio:
            break
    _, _, weight, residual = _terms(eigenvalues, projected, outside, alpha / beta)
    determinant = np.log(alpha + beta * eigenvalues).sum() + (width - len(eigenvalues)) * math.log(alpha)
    evidence = width * math.log(alpha) + n * math.log(beta) - n * math.log(2 * math.pi)
    return float((evidence - beta * residual - alpha * weight - determinant) / (2 * n))


def _terms(eigenvalues: Rows, projected: Rows, outside: float, ratio: float) -> tuple[float, float, float, float]:
    """Compute what a ratio of prior to noise leaves: (parameters used, left free; squared norm of weights, of residuals).

    Both counts are sums of their own: a difference would be nothing where the other is nearly all.
    """
    kept = eigenvalues / (eigenvalues + ratio)
    lost = ratio / (eigenvalues + ratio)
    weight, residual = (kept * projected / (eigenvalues + ratio)).sum(), (lost**2 * projected).sum() + outside
    return float(kept.sum()), float(lost.sum()), float(weight), float(residual)


def h_score(rows: Rows, targets: NDArray[np.int64]) -> float:
    """Compute the H-score (Bao et al. 2019) with a shrunken covariance (Ibrahim et al. 2021; Ledoit and Wolf 2004).

    The trace of the inverse covariance of all features times the covariance of the classes' means, which is shrunk alike.
    """
    from sklearn.covariance import ledoit_wolf

    centred = rows - rows.mean(axis=0)
    covariance, shrinkage = ledoit_wolf(centred, assume_centered=True)
    means = np.zeros_like(centred)
    for c in np.unique(targets):
        means[targets == c] = centred[targets == c].mean(axis=0)
    between = means.T @ means / len(means)
    return float((1 - shrinkage) * np.trace(np.linalg.solve(covariance, between)))
