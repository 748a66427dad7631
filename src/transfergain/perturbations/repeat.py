"""Double letters inside words."""

from __future__ import annotations

import numpy as np

from transfergain.perturbations.base import LONG_WORD, Edit, Perturbation, draw_places, pick


def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Double a letter of words of four letters or more, neither the first nor the last."""
    words = [match.span() for match in LONG_WORD.finditer(text)]
    places = (pick(range(words[i][0] + 1, words[i][1] - 1), choice) for i, choice in draw_places(len(words), share, rng))
    return [Edit(place, place + 1, text[place] * 2) for place in places]


REPEAT = Perturbation(
    name="repeat",
    title="repeated letters",
    edits=edits,
    unit="words of four letters or more",
    step=0.08,
    citation="Pruthi, Dhingra and Lipton 2019, Combating adversarial misspellings with robust word recognition (add)",
)
