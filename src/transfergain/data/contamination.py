"""13-gram overlap of test with train (Brown et al. 2020, appendix C, use 13-grams): the usual sign of a leak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N = 13
BATCH = 1_000_000
"""Train 13-grams that are looked up at a time."""
FACTOR = np.uint64(0x9E3779B97F4A7C15)
MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Overlap(NamedTuple):
    """`shared` of the `checked` test texts with at least 13 words share a 13-gram with train; `total` texts in all."""

    shared: int
    checked: int
    total: int


def words(text: str) -> list[str]:
    """Lower case, split at white space, punctuation stripped from both ends of a word."""
    return [w for w in (raw.strip(".,;:!?\"'()[]«»“”’…-") for raw in text.casefold().split()) if w]


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


def _batches(texts: Iterable[str], numbers: dict[str, int]) -> Iterator[NDArray[np.uint64]]:
    waiting, size = list[NDArray[np.uint64]](), 0
    for text in texts:
        waiting.append(_hashes(text, numbers))
        size += waiting[-1].size
        if size >= BATCH:
            yield np.concatenate(waiting)
            waiting, size = [], 0
    if waiting:
        yield np.concatenate(waiting)


def _hashes(text: str, numbers: dict[str, int]) -> NDArray[np.uint64]:
    """A hash of every 13-gram of a text: a polynomial in its words' scrambled numbers (Steele et al. 2014, SplitMix64)."""
    found = [numbers.setdefault(word, len(numbers) + 1) for word in words(text)]
    count = len(found) - N + 1
    if count < 1:
        return np.zeros(0, dtype=np.uint64)
    z = np.array(found, dtype=np.uint64) * FACTOR
    z = (z ^ (z >> np.uint64(30))) * MIX[0]
    z = (z ^ (z >> np.uint64(27))) * MIX[1]
    z ^= z >> np.uint64(31)
    total = np.zeros(count, dtype=np.uint64)
    for place in range(N):
        total = total * FACTOR + z[place : place + count]
    return total
