"""Classify by logistic regression on TF-IDF of words and word pairs (scikit-learn), its strength tuned on dev."""

from __future__ import annotations

from collections.abc import Callable

from transfergain.data.draws import Drawn
from transfergain.errors import Declined
from transfergain.floors.base import Floor, Predict
from transfergain.types import Example

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Inverse regularisation C; the one with the best dev accuracy is used, the smallest among equals."""
MOST_COEFFICIENTS = 50_000_000
"""The most coefficients, or probabilities of training examples: more would take gigabytes and hours."""


def fit(drawn: Drawn, text: Callable[[Example], str], seed: int) -> Predict:
    """Learn from train, choose C on dev. Raises Declined when there are too many classes for it."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, targets = [text(e) for e in drawn.train], [e.target for e in drawn.train]
    if len(set(targets)) < 2:
        return lambda examples: [targets[0]] * len(examples)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    classes, features = len(set(targets)), len(vectorizer.fit(texts).vocabulary_)
    if classes > 2 and classes * max(features, len(texts)) > MOST_COEFFICIENTS:
        raise Declined(f"{classes:,} classes with {features:,} words and word pairs are too many for logistic regression")
    best, best_score = None, -1.0
    for strength in STRENGTHS:
        model = make_pipeline(vectorizer, LogisticRegression(C=strength, max_iter=2000, random_state=seed % 2**32))
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
    fit,
    "Pedregosa et al. 2011, scikit-learn; Wang and Manning 2012, Baselines and bigrams",
)
