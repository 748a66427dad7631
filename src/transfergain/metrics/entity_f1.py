"""Entity precision, recall and F1: (true positives, predicted, actual) of each type.

An entity counts as found when its type, first and last word are all right. Entities are read strictly as BIO: only a B-
begins one, and an I- that follows nothing of its type belongs to none. This is seqeval's mode="strict", scheme=IOB2 with
micro average and zero_division=0 (Nakayama 2018), after the CoNLL shared task (Tjong Kim Sang and De Meulder 2003).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Span = tuple[str, int, int]
"""Type, first word, word after the last."""


def counts(
    predictions: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], labels: Sequence[str]
) -> NDArray[np.int64]:
    """Count per example the entities of each type that are (right, predicted, actual), shape (examples, 3 * types).

    Predictions and targets are indices into `labels` ("O", "B-LOC", "I-LOC", ...), one a word. Types are in the order of
    their B- labels. Raises ValueError when the lengths differ, ZeroDivisionError on no examples: the score of no entities
    is 0, so the sums would not show that there was nothing to score.
    """
    if len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")
    if not targets:
        raise ZeroDivisionError("entity F1 of no examples")
    place = {kind: i for i, kind in enumerate(types(labels))}
    rows = np.zeros((len(targets), 3, len(place)), dtype=np.int64)
    for row, predicted, actual in zip(rows, predictions, targets, strict=True):
        if len(predicted) != len(actual):
            raise ValueError(f"{len(predicted)} predicted tags for {len(actual)} words")
        guessed, true = spans(predicted, labels), spans(actual, labels)
        for part, found in enumerate((guessed & true, guessed, true)):
            for kind, _, _ in found:
                row[part, place[kind]] += 1
    return rows.reshape(len(targets), -1)


def types(labels: Sequence[str]) -> list[str]:
    """List the entity types in the order of their B- labels."""
    return [label[2:] for label in labels if label.startswith("B-")]


def spans(tags: Sequence[int], labels: Sequence[str]) -> set[Span]:
    """Find the entities of one sentence, read strictly."""
    found: set[Span] = set()
    kind, start = "", 0
    for i, tag in enumerate([*tags, None]):
        label = "O" if tag is None else labels[tag]
        if kind and label != f"I-{kind}":
            found.add((kind, start, i))
            kind = ""
        if label.startswith("B-"):
            kind, start = label[2:], i
    return found


def finish(total: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sums (..., 3 * types) into micro F1 (...); 0 where nothing is predicted and nothing is there, as in seqeval."""
    right, predicted, actual = _summed(total)
    return _ratio(2 * right, predicted + actual)


def finish_precision(total: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sums (..., 3 * types) into micro precision (...); 0 where nothing is predicted."""
    right, predicted, _ = _summed(total)
    return _ratio(right, predicted)


def finish_recall(total: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sums (..., 3 * types) into micro recall (...); 0 where nothing is there."""
    right, _, actual = _summed(total)
    return _ratio(right, actual)


def breakdown(total: NDArray[Any], labels: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
    """Break a sum of counts (3 * types,) down by type: precision, recall, f1, and support (actual entities) of each."""
    right, predicted, actual = np.asarray(total, dtype=np.float64).reshape(3, -1)
    figures = {
        "precision": _ratio(right, predicted),
        "recall": _ratio(right, actual),
        "f1": _ratio(2 * right, predicted + actual),
        "support": actual,
    }
    return {kind: {name: float(column[i]) for name, column in figures.items()} for i, kind in enumerate(types(labels))}


def _summed(total: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
    """Sum counts (..., 3 * types) over all types, into three arrays (...): right, predicted, actual."""
    return tuple(part.sum(axis=-1) for part in np.split(np.asarray(total, dtype=np.float64), 3, axis=-1))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    part, whole = np.asarray(part), np.asarray(whole)
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
