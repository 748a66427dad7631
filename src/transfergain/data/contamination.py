"""Count test texts that share a 13-gram with train, the usual sign of a leak (Brown et al. 2020, appendix C)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain import scripts

NGRAM_WORDS = 13
"""Words of an n-gram that is looked up."""
BATCH_NGRAMS = 1_000_000
"""13-grams of train that are looked up at a time."""
AROUND_WORDS = ".,;:!?\"'()[]«»“”’…-。、，！？；：「」『』（）《》"
"""Punctuation that is no part of a word."""
HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)
HASH_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Overlap(NamedTuple):
    """`shared` of the `checked` test texts with at least 13 words share a 13-gram with train; `total` texts in all."""

    shared: int
    checked: int
    total: int


def normalised_words(text: str) -> list[str]:
    """Split a text into words in lower case, without punctuation at their ends."""
    return [word for raw in scripts.split(text.casefold()) if (word := raw.strip(AROUND_WORDS))]


def overlap(train: Iterable[str], test: Iterable[str]) -> Overlap:
    """Count test texts that share a 13-gram with any train text.

    13-grams are compared by 64-bit hashes that are the same in every run; with 10^8 of them on either side, the chance of
    one false match is about 1 in 2,000. Memory: 16 bytes a 13-gram of test, however long train is.
    """
    numbers: dict[str, int] = {}
    hashed = [_hashes(text, numbers) for text in test]
    held = [h for h in hashed if h.size]
    if not held:
        return Overlap(0, 0, len(hashed))
    known, which = np.unique(np.concatenate(held), return_inverse=True)
    seen = np.zeros(known.size, dtype=bool)
    for grams in _batches(train, numbers):
        at = np.minimum(np.searchsorted(known, grams), known.size - 1)
        seen[at[known[at] == grams]] = True
    starts = np.cumsum([0, *(h.size for h in held[:-1])])
    return Overlap(int(np.logical_or.reduceat(seen[which], starts).sum()), len(held), len(hashed))


def sharing(texts: Iterable[str], test: Iterable[str]) -> list[bool]:
    """Tell of each text whether it shares a 13-gram with any test text."""
    numbers: dict[str, int] = {}
    held = [h for h in (_hashes(text, numbers) for text in test) if h.size]
    known = np.unique(np.concatenate(held)) if held else np.zeros(1, dtype=np.uint64)

    def shares(grams: NDArray[np.uint64]) -> bool:
        return bool((known[np.minimum(np.searchsorted(known, grams), known.size - 1)] == grams).any())

    return [shares(_hashes(text, numbers)) for text in texts]


def _batches(texts: Iterable[str], numbers: dict[str, int]) -> Iterator[NDArray[np.uint64]]:
    waiting, size = list[NDArray[np.uint64]](), 0
    for text in texts:
        waiting.append(_hashes(text, numbers))
        size += waiting[-1].size
        if size >= BATCH_NGRAMS:
            yield np.concatenate(waiting)
            waiting, size = [], 0
    if waiting:
        yield np.concatenate(waiting)


def _hashes(text: str, numbers: dict[str, int]) -> NDArray[np.uint64]:
    """Hash every 13-gram of a text: a polynomial in its words' scrambled numbers (Steele et al. 2014, SplitMix64)."""
    found = [numbers.setdefault(word, len(numbers) + 1) for word in normalised_words(text)]
    count = len(found) - NGRAM_WORDS + 1
    if count < 1:
        return np.zeros(0, dtype=np.uint64)
    z = np.array(found, dtype=np.uint64) * HASH_FACTOR
    z = (z ^ (z >> np.uint64(30))) * HASH_MULTIPLIERS[0]
    z = (z ^ (z >> np.uint64(27))) * HASH_MULTIPLIERS[1]
    z ^= z >> np.uint64(31)
    total = np.zeros(count, dtype=np.uint64)
    for place in range(NGRAM_WORDS):
        total = total * HASH_FACTOR + z[place : place + count]
    return total
