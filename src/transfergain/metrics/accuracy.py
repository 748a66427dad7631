"""Accuracy: (hits, examples)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def counts(predictions: Sequence[int], targets: Sequence[int], labels: Sequence[str]) -> NDArray[np.int64]:
    """Count per example (hit, 1), shape (examples, 2). Raises ValueError when the lengths differ."""
    if len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")
    hits = np.asarray(predictions) == np.asarray(targets)
    return np.stack([hits, np.ones_like(hits)], axis=1).astype(np.int64)


def finish(total: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sums (..., 2) into accuracy (...). Raises ZeroDivisionError on no examples."""
    hits, examples = total[..., 0], total[..., 1]
    if np.any(examples == 0):
        raise ZeroDivisionError("accuracy of no examples")
    return np.asarray(hits / examples, dtype=np.float64)
