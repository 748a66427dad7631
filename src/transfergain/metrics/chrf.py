"""chrF: overlap of character n-grams with the reference, as sacrebleu counts and scores it.

Character orders 1 to 6, no word n-grams, spaces left out, beta 2 (recall weighs twice). Popović 2015, chrF: character n-gram
F-score for automatic MT evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NGRAM_ORDER = 6
RECALL_BETA = 2


def counts(predictions: Sequence[str], targets: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Count per example (n-grams of the prediction, of the reference, shared) for each order, and 1: shape (examples, 19).

    Raises ValueError when the lengths differ.
    """
    if len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")
    rows = [[*row, 1] for row in _statistics(predictions, targets)]
    return np.asarray(rows, dtype=np.int64).reshape(len(rows), 3 * NGRAM_ORDER + 1)


def _statistics(predictions: Sequence[str], targets: Sequence[str]) -> list[list[int]]:
    """Take the counts from a private function of sacrebleu, which has no public one for them."""
    return list(_reference()._extract_corpus_statistics(predictions, [targets])) if targets else []


def _reference() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(char_order=NGRAM_ORDER, word_order=0, beta=RECALL_BETA)


def finish(total: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sums (..., 19) into chrF (...). Raises ZeroDivisionError on no examples.

    Precision and recall are means over the orders that both sides have n-grams of; without any, or without a match, it is 0.
    """
    total = np.asarray(total, dtype=np.float64)
    if np.any(total[..., -1] == 0):
        raise ZeroDivisionError("chrF of no examples")
    predicted, actual, shared = np.moveaxis(total[..., :-1].reshape(*total.shape[:-1], NGRAM_ORDER, 3), -1, 0)
    counted = (predicted > 0) & (actual > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    precision = np.divide(shared, predicted, out=np.zeros_like(shared), where=counted).sum(axis=-1) / orders
    recall = np.divide(shared, actual, out=np.zeros_like(shared), where=counted).sum(axis=-1) / orders
    below = RECALL_BETA**2 * precision + recall
    above = (1 + RECALL_BETA**2) * precision * recall
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below > 0), dtype=np.float64)


def signature() -> str:
    """Give the signature of sacrebleu: its options and version."""
    metric = _reference()
    metric.corpus_score(["a"], [["a"]])  # the signature names the number of references, known only after a score
    return str(metric.get_signature())
