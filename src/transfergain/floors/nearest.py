"""Predict the translation of the nearest source sentence in train, by TF-IDF of character n-grams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transfergain.data.draws import Drawn
from transfergain.floors.base import Floor, Predict
from transfergain.types import Example

BATCH_EXAMPLES = 512
"""Examples compared with train at once; their similarities to all of train are held in memory."""


def fit(drawn: Drawn, text: Callable[[Example], str], seed: int) -> Predict:
    """Predict the target of the train example with the largest cosine; the first one drawn among equals."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    memory = vectorizer.fit_transform([text(e) for e in drawn.train])
    targets = [e.target for e in drawn.train]

    def predict(examples: Sequence[Example]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(examples), BATCH_EXAMPLES):
            queries = vectorizer.transform([text(e) for e in examples[start : start + BATCH_EXAMPLES]])
            similar = (queries @ memory.T).toarray()  # rows have length 1, so this is the cosine
            found += [targets[i] for i in similar.round(9).argmax(axis=1)]  # equals stay equal in floating point
        return found

    return predict


NEAREST = Floor(
    "nearest",
    "nearest translation in train",
    fit,
    "Nagao 1984, translation by analogy; Pedregosa et al. 2011, scikit-learn's TfidfVectorizer",
)
