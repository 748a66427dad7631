"""Swap neighbouring letters inside words."""

from __future__ import annotations

import numpy as np

from transfergain.perturbations.base import LONG_WORD, Edit, Perturbation, draw_places, pick


def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Swap two different neighbours in words of four letters or more; the first and last letter stay in place."""
    words = [match.span() for match in LONG_WORD.finditer(text)]
    found = []
    for i, choice in draw_places(len(words), share, rng):
        start, end = words[i]
        if places := [k for k in range(start + 1, end - 2) if text[k] != text[k + 1]]:
            place = pick(places, choice)
            found.append(Edit(place, place + 2, text[place + 1] + text[place]))
    return found


SWAP = Perturbation(
    name="swap",
    title="swapped letters",
    edits=edits,
    unit="words of four letters or more",
    step=0.08,
    citation="Belinkov and Bisk 2018, Synthetic and natural noise both break neural machine translation (swap noise)",
)
