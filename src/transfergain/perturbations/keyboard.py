"""Keyboard typos: letters replaced by a neighbour on a QWERTY keyboard."""

from __future__ import annotations

import numpy as np

from transfergain.perturbations.base import Edit, Perturbation, draw, pick

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """Letter -> the letters beside, above and below it; each row is shifted half a key to the right of the one above."""
    found: dict[str, str] = {}
    for r, row in enumerate(ROWS):
        for c, letter in enumerate(row):
            around = [(r, c - 1), (r, c + 1), (r - 1, c), (r - 1, c + 1), (r + 1, c - 1), (r + 1, c)]
            found[letter] = "".join(ROWS[i][j] for i, j in around if 0 <= i < len(ROWS) and 0 <= j < len(ROWS[i]))
    return found | {letter.upper(): near.upper() for letter, near in found.items()}


NEIGHBOURS = _neighbours()


def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Letters a to z replaced by a neighbour of the same case."""
    hits = draw(len(text), share, rng)
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
