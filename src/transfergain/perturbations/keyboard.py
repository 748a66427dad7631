"""Replace letters by a neighbour on a QWERTY keyboard."""

from __future__ import annotations

import numpy as np

from transfergain.perturbations.base import Edit, Perturbation, draw_places, pick

KEYBOARD_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """Map each letter to those beside, above and below it; each row is shifted half a key to the right of the one above."""
    found: dict[str, str] = {}
    for r, row in enumerate(KEYBOARD_ROWS):
        for c, letter in enumerate(row):
            around = [(r, c - 1), (r, c + 1), (r - 1, c), (r - 1, c + 1), (r + 1, c - 1), (r + 1, c)]
            there = ((i, j) for i, j in around if 0 <= i < len(KEYBOARD_ROWS) and 0 <= j < len(KEYBOARD_ROWS[i]))
            found[letter] = "".join(KEYBOARD_ROWS[i][j] for i, j in there)
    return found | {letter.upper(): near.upper() for letter, near in found.items()}


NEIGHBOURS = _neighbours()


def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Replace letters a to z by a neighbour of the same case."""
    hits = draw_places(len(text), share, rng)
    return [Edit(i, i + 1, pick(NEIGHBOURS[text[i]], choice)) for i, choice in hits if text[i] in NEIGHBOURS]


KEYBOARD = Perturbation(
    name="keyboard",
    title="keyboard typos",
    edits=edits,
    unit="letters",
    step=0.02,
    citation="Belinkov and Bisk 2018, Synthetic and natural noise both break neural machine translation (key noise)",
    version=2,
)
