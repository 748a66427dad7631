"""13-gram overlap of test with train (Brown et al. 2020, appendix C, use 13-grams): the usual sign of a leak."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

N = 13


class Overlap(NamedTuple):
    """`shared` of the `checked` test texts with at least 13 words share a 13-gram with train; `total` texts in all."""

    shared: int
    checked: int
    total: int


def ngrams(text: str, n: int = N) -> set[tuple[str, ...]]:
    """The word n-grams of a text: lower case, split at white space, punctuation stripped from both ends of a word."""
    words = [w for w in (raw.strip(".,;:!?\"'()[]«»“”’…-") for raw in text.casefold().split()) if w]
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def overlap(train: Iterable[str], test: Iterable[str]) -> Overlap:
    """Count test texts that share a 13-gram with any train text."""
    seen: set[tuple[str, ...]] = set()
    for text in train:
        seen |= ngrams(text)
    grams = [ngrams(text) for text in test]
    return Overlap(sum(bool(g & seen) for g in grams), sum(bool(g) for g in grams), len(grams))
