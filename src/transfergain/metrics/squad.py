"""SQuAD's exact match and token F1: (sum of the examples' scores, examples).

Both follow the official evaluation script of SQuAD 2.0, which gives what the one of v1.1 gives wherever every gold answer
holds a word: answers are compared in lower case without punctuation, articles and surplus white space; gold answers of
which nothing is left do not count; a question without gold answers is right where nothing is answered; else the best of
the gold answers counts.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARTICLES = re.compile(r"\b(?:a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def words(answer: str) -> list[str]:
    """Split an answer into compared words: first lower-cased, then without ASCII punctuation, then without articles."""
    return ARTICLES.sub(" ", answer.lower().translate(PUNCTUATION)).split()


def f1(prediction: str, golds: Sequence[str]) -> float:
    """Compute token F1 with the best gold answer: 2 * shared / (predicted + gold words).

    That is the harmonic mean of precision and recall. "" is no answer.
    Where either side is without words, 1 if both are, else 0.
    """
    said = words(prediction)
    return max(_overlap(said, gold) for gold in _gold_words(golds))


def exact(prediction: str, golds: Sequence[str]) -> bool:
    """Tell whether the prediction equals a gold answer word for word, or both are without words."""
    return words(prediction) in _gold_words(golds)


def f1_counts(
    predictions: Sequence[str], targets: Sequence[Mapping[str, Any]], labels: Sequence[str]
) -> NDArray[np.float64]:
    """Count per example (token F1, 1), shape (examples, 2); targets hold gold answers as `text`.

    Raises ValueError when the lengths differ.
    """
    return _counts(f1, predictions, targets)


def exact_counts(
    predictions: Sequence[str], targets: Sequence[Mapping[str, Any]], labels: Sequence[str]
) -> NDArray[np.int64]:
    """Count per example (exact match, 1), shape (examples, 2); else as `f1_counts`."""
    return _counts(exact, predictions, targets).astype(np.int64)


def finish(total: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sums (..., 2) into the mean over examples (...), in [0, 1]. Raises ZeroDivisionError on no examples."""
    score, examples = total[..., 0], total[..., 1]
    if np.any(examples == 0):
        raise ZeroDivisionError("mean over no examples")
    return np.asarray(score / examples, dtype=np.float64)


def _counts(
    score: Callable[[str, Sequence[str]], float], predictions: Sequence[str], targets: Sequence[Mapping[str, Any]]
) -> NDArray[np.float64]:
    if len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")
    pairs = zip(predictions, targets, strict=True)
    return np.array([(score(said, target["text"]), 1) for said, target in pairs], dtype=np.float64).reshape(-1, 2)


def _gold_words(golds: Sequence[str]) -> list[list[str]]:
    return [gold for gold in map(words, golds) if gold] or [[]]


def _overlap(said: list[str], gold: list[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    shared = (Counter(said) & Counter(gold)).total()
    return 2 * shared / (len(said) + len(gold))
