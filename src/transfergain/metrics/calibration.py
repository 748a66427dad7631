"""Measure the calibration of probabilities: temperature, expected calibration error, Brier score. numpy and scipy.

It is not in METRICS, since a metric counts predictions and this measures probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

Floats = NDArray[np.float64]
CALIBRATION_BINS = 15
"""Equal-width bins of confidence."""
TEMPERATURE_BOUNDS = (0.05, 20.0)
"""Bounds of a fitted temperature: where every dev example is right, the likelihood alone would make it 0."""


def fit_temperature(logits: NDArray[Any], targets: NDArray[Any]) -> float:
    """Fit the temperature in TEMPERATURE_BOUNDS that makes the true classes of dev likeliest (Guo et al. 2017).

    Logits (cases, classes) and true classes (cases,), of dev alone. The loss is convex in 1 / temperature, so the minimum
    found is the only one. Raises ValueError on no cases, and on logits that are not finite.
    """
    z, truth = _checked(logits, targets)
    rows = np.arange(len(truth))

    def loss(coldness: float) -> float:
        return -float(log_softmax(coldness * z, axis=1)[rows, truth].mean())

    bounds = (1 / TEMPERATURE_BOUNDS[1], 1 / TEMPERATURE_BOUNDS[0])
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    best = min((loss(x), -x) for x in (float(found.x), *bounds))  # the search never tries its bounds; ties go to the colder
    return float(-1 / best[1])


def columns(logits: NDArray[Any], targets: NDArray[Any], temperature: float) -> NDArray[np.float32]:
    """Compute the columns of `types.CALIBRATION`, shape (cases, 5), from logits (cases, classes) and true classes (cases,).

    Brier is the sum over classes of (probability - truth)^2, from 0 to 2 (Brier 1950). No case gives (0, 5). Raises
    ValueError for a temperature that is not positive, and for logits that are not finite.
    """
    if not temperature > 0:
        raise ValueError(f"temperature {temperature}: must be above 0")
    if not len(logits):
        return np.zeros((0, 5), np.float32)
    z, truth = _checked(logits, targets)
    wanted = np.zeros_like(z)
    wanted[np.arange(len(truth)), truth] = 1.0
    raw, scaled = (np.exp(log_softmax(part, axis=1)) for part in (z, z / temperature))
    brier = [((p - wanted) ** 2).sum(axis=1) for p in (raw, scaled)]
    hit = z.argmax(axis=1) == truth
    return np.stack([raw.max(axis=1), scaled.max(axis=1), *brier, hit], axis=1).astype(np.float32)


def _checked(logits: NDArray[Any], targets: NDArray[Any]) -> tuple[Floats, NDArray[np.int64]]:
    z, truth = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.int64)
    if z.ndim != 2 or truth.shape != (len(z),) or not len(z):
        raise ValueError(f"logits {z.shape} for targets {truth.shape}")
    if not np.isfinite(z).all():
        raise ValueError("logits that are not finite")
    return z, truth


def place(confidence: NDArray[Any], bins: int = CALIBRATION_BINS) -> NDArray[np.int64]:
    """Find the equal-width bin (i / bins, (i + 1) / bins] of each confidence; 0 is in the first."""
    # float32 confidences such as 1/3 lie a rounding off the bins' edges; the edges are rounded alike
    edges = (np.arange(1, bins) / bins).astype(np.asarray(confidence).dtype)
    return np.searchsorted(edges, confidence, side="left").astype(np.int64)


def reliability(confidence: NDArray[Any], hit: NDArray[Any], bins: int = CALIBRATION_BINS) -> Floats:
    """Compute mean confidence, accuracy and count of each equal-width bin, shape (bins, 3); zeros where it is empty."""
    where = place(confidence, bins)
    count = np.bincount(where, minlength=bins).astype(np.float64)
    sums = [np.bincount(where, weights=np.asarray(x, dtype=np.float64), minlength=bins) for x in (confidence, hit)]
    means = [np.divide(total, count, out=np.zeros(bins), where=count > 0) for total in sums]
    return np.stack([*means, count], axis=1)


def ece(confidence: NDArray[Any], hit: NDArray[Any], bins: int = CALIBRATION_BINS) -> float:
    """Compute the expected calibration error (Naeini et al. 2015; Guo et al. 2017). Raises ValueError on no cases.

    It is the mean over cases of |accuracy - confidence| of their bin.
    """
    if not len(confidence):
        raise ValueError("calibration error of no cases")
    mean, accuracy, count = reliability(confidence, hit, bins).T
    return float((count * np.abs(accuracy - mean)).sum() / count.sum())
