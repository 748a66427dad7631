"""Classify by logistic regression on TF-IDF of words and word pairs (scikit-learn), its strength tuned on dev."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.data.draws import Drawn
from transfergain.errors import Declined
from transfergain.floors.base import Floor, Predict
from transfergain.floors.words import Text, Words
from transfergain.metrics import label_sets

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Inverse regularisation C; the one with the best dev accuracy is used, the smallest among equals."""
MOST_COEFFICIENTS = 50_000_000
"""The most coefficients, or probabilities of training examples: more would take gigabytes and hours."""


def fit(drawn: Drawn, text: Text, seed: int) -> Predict:
    """Learn from train, choose C on dev. Raises Declined when there are too many classes for it."""
    targets = [e.target for e in drawn.train]
    if len(set(targets)) < 2:
        return lambda examples: [_plain(targets[0])] * len(examples)
    words = Words(drawn.train, text)
    several = isinstance(targets[0], tuple)
    classes = len(targets[0]) if several else len(set(targets))
    if (classes > 2 or several) and classes * max(words.count, len(targets)) > MOST_COEFFICIENTS:
        raise Declined(f"{classes:,} classes with {words.count:,} words and word pairs are too many for logistic regression")
    return (_several if several else _one)(drawn, words, seed)


def _one(drawn: Drawn, words: Words, seed: int) -> Predict:
    """Fit one regression on all classes."""
    train, dev, best = words(drawn.train), words(drawn.dev), (-1.0, None)
    for strength in STRENGTHS:
        model = _regression(strength, seed).fit(train, [e.target for e in drawn.train])
        score = model.score(dev, [e.target for e in drawn.dev])
        if score > best[0]:
            best = score, model
    chosen: Any = best[1]
    return lambda examples: [int(c) for c in chosen.predict(words(examples))]


def _several(drawn: Drawn, words: Words, seed: int) -> Predict:
    """Fit a regression a label, and choose on dev from which probability on a label is given (by micro F1)."""
    train, dev = words(drawn.train), words(drawn.dev)
    hits, wanted = (np.array([e.target for e in rows], dtype=bool) for rows in (drawn.train, drawn.dev))
    tried = []
    for strength in STRENGTHS:
        models = [_regression(strength, seed).fit(train, hit) if 0 < hit.sum() < len(hit) else None for hit in hits.T]
        threshold, score = label_sets.best_threshold(_probabilities(models, hits, dev), wanted)
        tried.append((score, threshold, models))
    _, threshold, chosen = max(tried, key=lambda found: found[0])
    return lambda examples: (_probabilities(chosen, hits, words(examples)) >= threshold).astype(int).tolist()


def _probabilities(models: list[Any], hits: NDArray[np.bool_], rows: Any) -> NDArray[np.float64]:
    """Give each label's probability; of one that all or none of train have, its share of them."""
    known = [
        hit.mean() if model is None else model.predict_proba(rows)[:, 1] for model, hit in zip(models, hits.T, strict=True)
    ]
    return np.stack([np.broadcast_to(column, rows.shape[0]) for column in known], axis=1)


def _regression(strength: float, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=2000, random_state=seed % 2**32)


def _plain(target: Any) -> Any:
    return list(target) if isinstance(target, tuple) else target


TFIDF = Floor(
    "tfidf",
    "TF-IDF + logistic regression",
    fit,
    "Pedregosa et al. 2011, scikit-learn; Wang and Manning 2012, Baselines and bigrams",
)
