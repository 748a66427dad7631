"""Keyboard typos: letters replaced by a neighbour on a QWERTY keyboard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transfergain.types import Example

CITATION = "Belinkov and Bisk 2018, Synthetic and natural noise both break neural machine translation (key noise)"

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SHARE = 0.02
"""Share of letters replaced per step of severity: 2 % to 10 %."""


def _neighbours() -> dict[str, str]:
    """Letter -> the letters beside, above and below it; each row is shifted half a key to the right of the one above."""
    found: dict[str, str] = {}
    for r, row in enumerate(ROWS):
        for c, letter in enumerate(row):
            around = [(r, c - 1), (r, c + 1), (r - 1, c), (r - 1, c + 1), (r + 1, c - 1), (r + 1, c)]
            found[letter] = "".join(ROWS[i][j] for i, j in around if 0 <= i < len(ROWS) and 0 <= j < len(ROWS[i]))
    return found


NEIGHBOURS = _neighbours()


def apply(example: Example, severity: int, rng: np.random.Generator) -> Example:
    """The example with each letter replaced, with probability 2 % x severity, by a neighbour of the same case."""
    text = str(example.inputs["text"])
    return replace(example, inputs={**example.inputs, "text": "".join(_typo(c, SHARE * severity, rng) for c in text)})


def _typo(character: str, probability: float, rng: np.random.Generator) -> str:
    around = NEIGHBOURS.get(character.lower())
    if around is None or rng.random() >= probability:
        return character
    hit = around[int(rng.integers(len(around)))]
    return hit.upper() if character.isupper() else hit
