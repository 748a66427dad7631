"""Predict the majority class of the labelled examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from transfergain.data.draws import Drawn
from transfergain.floors.base import Floor, Predict
from transfergain.types import Example


def fit(drawn: Drawn, text: Callable[[Example], str], seed: int) -> Predict:
    """Predict the class seen most often in train; the smallest class index among equals."""
    counts = Counter(e.target for e in drawn.train)
    winner = min(counts, key=lambda c: (-counts[c], c))
    return lambda examples: [winner] * len(examples)


MAJORITY = Floor("majority", "majority class", fit, "scikit-learn's DummyClassifier")
