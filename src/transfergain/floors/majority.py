"""Predict one answer for all: the majority class, or the labels that are best for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from transfergain.data.draws import Drawn
from transfergain.floors.base import Floor, Predict
from transfergain.metrics import label_sets
from transfergain.types import Example


def fit(drawn: Drawn, text: Callable[[Example], str], seed: int) -> Predict:
    """Predict the class seen most often in train, the smallest index among equals; or the labels of the best micro F1."""
    if isinstance(drawn.train[0].target, tuple):
        shares = np.mean([e.target for e in drawn.train], axis=0)
        labels = (shares >= label_sets.best_constant(shares)[0]).astype(int).tolist()
        return lambda examples: [labels] * len(examples)
    counts = Counter(e.target for e in drawn.train)
    winner = min(counts, key=lambda c: (-counts[c], c))
    return lambda examples: [winner] * len(examples)


MAJORITY = Floor("majority", "majority class", fit, "scikit-learn's DummyClassifier")
