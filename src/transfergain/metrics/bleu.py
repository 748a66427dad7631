"""BLEU of a corpus, as sacrebleu counts and scores it.

Words as its tokeniser 13a splits them, orders 1 to 4, exponential smoothing, mixed case. Papineni et al. 2002, BLEU: a
method for automatic evaluation of machine translation; Post 2018, A call for clarity in reporting BLEU scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NGRAM_ORDER = 4


def counts(predictions: Sequence[str], targets: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Count per example what BLEU sums, shape (examples, 11).

    Columns: words of the prediction and of the reference, shared n-grams by order, predicted n-grams by order, and 1.
    Raises ValueError when the lengths differ.
    """
    if len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")
    rows = [[*row, 1] for row in _statistics(predictions, targets)]
    return np.asarray(rows, dtype=np.int64).reshape(len(rows), 2 * NGRAM_ORDER + 3)


def _statistics(predictions: Sequence[str], targets: Sequence[str]) -> list[list[int]]:
    """Take the counts from a private function of sacrebleu, which has no public one for them."""
    return list(_reference()._extract_corpus_statistics(predictions, [targets])) if targets else []


def _reference() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize="13a", smooth_method="exp", max_ngram_order=NGRAM_ORDER, force=True)


def finish(total: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sums (..., 11) into BLEU (...). Raises ZeroDivisionError on no examples.

    An order without a match counts as half a match, the next such order as a quarter, and so on. No match at all, or no
    n-gram of some order in any prediction, is 0.
    """
    total = np.asarray(total, dtype=np.float64)
    if np.any(total[..., -1] == 0):
        raise ZeroDivisionError("BLEU of no examples")
    predicted, actual = total[..., 0], total[..., 1]
    shared, possible = total[..., 2 : 2 + NGRAM_ORDER], total[..., 2 + NGRAM_ORDER : 2 + 2 * NGRAM_ORDER]
    defined = np.asarray((shared > 0).any(axis=-1) & (possible > 0).all(axis=-1))
    missed = shared == 0
    smoothed = np.where(missed, 0.5 ** missed.cumsum(axis=-1), shared)
    precision = np.where(defined[..., None], smoothed / np.maximum(possible, 1), 1.0)
    short = defined & (predicted < actual)
    brevity = np.where(short, np.exp(1 - np.where(short, actual, 1) / np.where(short, predicted, 1)), 1.0)
    return np.asarray(np.where(defined, brevity * np.exp(np.log(precision).mean(axis=-1)), 0.0), dtype=np.float64)


def signature() -> str:
    """Give the signature of sacrebleu: its options and version."""
    metric = _reference()
    metric.corpus_score(["a"], [["a"]])  # the signature names the number of references, known only after a score
    return str(metric.get_signature())
