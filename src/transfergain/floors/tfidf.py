"""TF-IDF over words and word pairs with logistic regression (scikit-learn), its strength tuned on dev."""

from __future__ import annotations

from collections.abc import Callable

from transfergain.data.splits import Drawn
from transfergain.floors.base import Floor, Predict
from transfergain.types import Example

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Inverse regularisation C; the one with the best dev accuracy is used, the smallest among equals."""


def fit(drawn: Drawn, text: Callable[[Example], str], seed: int) -> Predict:
    """Learns from train, chooses C on dev."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, targets = [text(e) for e in drawn.train], [e.target for e in drawn.train]
    if len(set(targets)) < 2:
        return lambda examples: [targets[0]] * len(examples)
    best, best_score = None, -1.0
    for strength in STRENGTHS:
        model = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"),
            LogisticRegression(C=strength, max_iter=2000, random_state=seed % 2**32),
        )
        model.fit(texts, targets)
        score = model.score([text(e) for e in drawn.dev], [e.target for e in drawn.dev])
        if score > best_score:
            best, best_score = model, score
    assert best is not None
    chosen = best
    return lambda examples: [int(c) for c in chosen.predict([text(e) for e in examples])]


TFIDF = Floor(
    "tfidf",
    "TF-IDF + logistic regression",
    ("sentiment", "classification"),
    fit,
    "Pedregosa et al. 2011, scikit-learn; Wang and Manning 2012, Baselines and bigrams",
)
