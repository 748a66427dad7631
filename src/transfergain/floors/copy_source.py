"""Predict the source sentence itself, which shows what names, numbers and words that both languages share are worth."""

from __future__ import annotations

from collections.abc import Callable

from transfergain.data.draws import Drawn
from transfergain.floors.base import Floor, Predict
from transfergain.types import Example


def fit(drawn: Drawn, text: Callable[[Example], str], seed: int) -> Predict:
    """Learn nothing; predict every source as it is."""
    return lambda examples: [text(e) for e in examples]


COPY_SOURCE = Floor("copy_source", "source copied", fit, "the usual lower bound of chrF and BLEU")
