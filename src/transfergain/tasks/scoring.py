"""Compare predictions with the truth, for the scores and counts that a trial stores."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.metrics import METRICS
from transfergain.outcome import DevScore, Evaluated
from transfergain.tasks.base import Task
from transfergain.types import Example


def score(task: Task, predictions: Sequence[Any], rows: Sequence[Example], labels: Sequence[str]) -> DevScore:
    """Compute the primary score of predictions, with its standard error by the jackknife (Efron and Tibshirani 1993)."""
    metric, n = METRICS[task.metrics[0]], len(rows)
    counts = metric.counts(predictions, [e.target for e in rows], labels)
    total = counts.sum(axis=0)
    without = metric.finish(total - counts)
    error = math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum())) if n > 1 else 0.0
    return DevScore(float(metric.finish(total)), error)


def narrow(counts: NDArray[Any]) -> NDArray[Any]:
    """Store counts in the smallest signed integers that hold them. Sum them as int64.

    Most counts are 0 and 1, and the analysis holds those of many classes and trials at once.
    """
    if counts.dtype.kind != "i" or not counts.size:
        return counts
    low, high = int(counts.min()), int(counts.max())
    fits = (kind for kind in (np.int8, np.int16, np.int32) if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return counts.astype(next(fits, np.int64))


def number_clusters(task: Task, rows: Sequence[Example]) -> NDArray[np.int64] | None:
    """Number the clusters of examples, such as questions on one article, as they come; None where a task has none."""
    if task.cluster is None:
        return None
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(task.cluster(example), len(numbers)) for example in rows])


def evaluate(
    task: Task,
    predictions: Sequence[Any],
    rows: Sequence[Example],
    labels: Sequence[str],
    calibration: NDArray[np.float32] | None = None,
) -> Evaluated:
    """Count predictions for every metric of the task, and keep the cluster of each and the `calibration` if given."""
    targets = [e.target for e in rows]
    clusters = number_clusters(task, rows)
    counts = {m: narrow(METRICS[m].counts(predictions, targets, labels)) for m in task.metrics}
    return Evaluated(tuple(predictions), counts, clusters, calibration)
