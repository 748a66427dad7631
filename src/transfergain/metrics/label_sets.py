"""Scores of sets of labels: a prediction and a target hold 0 or 1 for each label.

Micro F1 counts (tp, predicted, actual) over all labels, macro F1 of each label; both are scikit-learn's of label indicators.
A label that is neither predicted nor present has F1 = 0 there, and so it has here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sets = Sequence[Sequence[int]]


def counts(predictions: Sets, targets: Sets, labels: Sequence[str]) -> NDArray[np.int64]:
    """Count per example tp, predicted and actual of each label, shape (examples, 3 * labels).

    Raises ValueError when the lengths differ, ZeroDivisionError on no examples: the score of no labels is 0, so the sums
    would not show that there was nothing to score.
    """
    given, wanted = _sets(predictions, targets, labels)
    return np.concatenate([given & wanted, given, wanted], axis=1)


def micro(total: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sums (..., 3 * labels) into micro F1 (...); 0 where nothing is predicted and nothing is there."""
    right, predicted, actual = (part.sum(axis=-1) for part in _parts(total))
    return _ratio(2 * right, predicted + actual)


def macro(total: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sums (..., 3 * labels) into macro F1 (...)."""
    right, predicted, actual = _parts(total)
    return np.asarray(_ratio(2 * right, predicted + actual).mean(axis=-1), dtype=np.float64)


def breakdown(total: NDArray[Any], labels: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
    """Break a sum of counts (3 * labels,) down by label: precision, recall, f1, and support (texts that have it)."""
    right, predicted, actual = _parts(total)
    figures = {
        "precision": _ratio(right, predicted),
        "recall": _ratio(right, actual),
        "f1": _ratio(2 * right, predicted + actual),
        "support": actual,
    }
    return {label: {name: float(column[i]) for name, column in figures.items()} for i, label in enumerate(labels)}


def subset_counts(predictions: Sets, targets: Sets, labels: Sequence[str]) -> NDArray[np.int64]:
    """Count per example (the whole set is right, 1), shape (examples, 2). Raises ValueError when the lengths differ."""
    given, wanted = _sets(predictions, targets, labels)
    right = (given == wanted).all(axis=1)
    return np.stack([right, np.ones_like(right)], axis=1).astype(np.int64)


def best_threshold(probabilities: NDArray[Any], wanted: NDArray[Any]) -> tuple[float, float]:
    """Find the probability from which on labels are given, for the best micro F1: (threshold, micro F1).

    One threshold for all labels: where probabilities are right, it is the same for each (Lipton et al. 2014), and one for
    each would be fitted to a handful of dev examples. Both arrays are (examples, labels). The threshold is half-way between
    two probabilities; among equals it is the nearest to 1/2, which is also the answer where no example has a label.
    """
    order = np.argsort(-probabilities.ravel(), kind="stable")
    sorted_down = probabilities.ravel().astype(np.float64)[order]
    right = np.cumsum(wanted.ravel().astype(np.int64)[order])
    if not len(right) or not right[-1]:
        return 0.5, 0.0
    scores = 2 * right / (np.arange(1, len(right) + 1) + right[-1])
    halfway = (sorted_down + np.append(sorted_down[1:], 0.0)) / 2
    possible = np.append(sorted_down[:-1] > sorted_down[1:], True)
    best = scores[possible].max()
    among = halfway[possible & (scores == best)]
    return float(among[np.argmin(np.abs(among - 0.5))]), float(best)


def best_constant(shares: NDArray[Any]) -> tuple[float, float]:
    """Find the same labels for every text with the best micro F1: (the share from which on a label is among them, micro F1).

    `shares` are those of the texts that have each label.
    """
    falling = np.sort(np.asarray(shares, dtype=np.float64))[::-1]
    if not falling.sum():
        return 1.0, 0.0
    scores = 2 * np.cumsum(falling) / (np.arange(1, len(falling) + 1) + falling.sum())
    return float(falling[scores.argmax()]), float(scores.max())


def _sets(predictions: Sets, targets: Sets, labels: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")
    if not targets:
        raise ZeroDivisionError("labels of no examples")
    given, wanted = (np.asarray(sets, dtype=np.int64).reshape(len(sets), len(labels)) for sets in (predictions, targets))
    return given, wanted


def _parts(total: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Divide sums (..., 3 * labels) into right, predicted and actual, (..., labels) each."""
    return list(np.split(np.asarray(total, dtype=np.float64), 3, axis=-1))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    part, whole = np.asarray(part), np.asarray(whole)
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
