"""Metrics as per-example counts and a function of their sum; one file and one line each.

A metric never sees a whole test set: `counts` turns one split into an integer array of shape (examples, k), and `finish`
turns sums of its rows, of any shape (..., k), into scores of shape (...). So one vectorised resampling or jackknife serves
every metric, and `finish(counts.sum(0))` equals the reference implementation to 1e-9 (tests/conformance).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.metrics import accuracy, macro_f1


@dataclass(frozen=True)
class Metric:
    """A score in [0, 1], higher is better; its error is 1 - score."""

    title: str
    counts: Callable[[Sequence[Any], Sequence[Any], Sequence[str]], NDArray[np.int64]]
    """(predictions, targets, labels) -> (examples, k)."""
    finish: Callable[[NDArray[Any]], NDArray[np.float64]]
    """Sums of counts (..., k) -> scores (...)."""
    citation: str


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", accuracy.counts, accuracy.finish, "share of examples whose class is predicted"),
    "macro_f1": Metric("macro F1", macro_f1.counts, macro_f1.finish, "mean over classes of F1, as scikit-learn's"),
}
