"""Macro F1: (true positives, predicted, actual) of each class, then the mean of the classes' F1.

A class that is neither predicted nor present counts as F1 = 0 in scikit-learn only when it is listed in `labels`; like its
default, the mean here is over the classes that occur in predictions or targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def counts(predictions: Sequence[int], targets: Sequence[int], labels: Sequence[str]) -> NDArray[np.int64]:
    """Count per example one-hot (tp, predicted, actual) by class, shape (examples, 3 * len(labels)).

    Raises ValueError when the lengths differ.
    """
    if len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")
    classes = np.arange(len(labels))
    predicted = np.asarray(predictions)[:, None] == classes
    actual = np.asarray(targets)[:, None] == classes
    return np.concatenate([predicted & actual, predicted, actual], axis=1).astype(np.int64)


def finish(total: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sums (..., 3 * classes) into macro F1 (...). Raises ZeroDivisionError on no examples."""
    hits, predicted, actual = np.split(np.asarray(total, dtype=np.float64), 3, axis=-1)
    seen = predicted + actual > 0
    if not np.all(seen.any(axis=-1)):
        raise ZeroDivisionError("macro F1 of no examples")
    f1 = np.divide(2 * hits, predicted + actual, out=np.zeros_like(hits), where=seen)
    return np.asarray(f1.sum(axis=-1) / seen.sum(axis=-1), dtype=np.float64)
