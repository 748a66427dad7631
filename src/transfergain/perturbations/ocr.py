"""Confuse characters as optical character recognition does: with others of a similar shape."""

from __future__ import annotations

import numpy as np

from transfergain.perturbations.base import Edit, Perturbation, draw_places, pick

CONFUSED: dict[str, tuple[str, ...]] = {
    "rn": ("m",),
    "cl": ("d",),
    "vv": ("w",),
    "ri": ("n",),
    "m": ("rn",),
    "d": ("cl",),
    "w": ("vv",),
    "a": ("o",),
    "b": ("h",),
    "c": ("e",),
    "e": ("c",),
    "f": ("t",),
    "g": ("q", "9"),
    "h": ("b",),
    "i": ("l", "1"),
    "l": ("1", "I", "i"),
    "n": ("u",),
    "o": ("0",),
    "q": ("g",),
    "s": ("5",),
    "t": ("f",),
    "u": ("n",),
    "v": ("y",),
    "y": ("v",),
    "z": ("2",),
    "B": ("8",),
    "D": ("O",),
    "G": ("6", "C"),
    "I": ("l", "1"),
    "O": ("0", "Q"),
    "Q": ("O",),
    "S": ("5",),
    "Z": ("2",),
    "0": ("O",),
    "1": ("l", "I"),
    "5": ("S",),
    "8": ("B",),
}
"""A digit is read as a letter, never as another digit: that would be another number."""
CONFUSED_PAIRS = {seen for seen in CONFUSED if len(seen) == 2}


def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Replace characters, or pairs, by look-alikes; the two of a pair are never replaced singly."""
    found = []
    for i, choice in draw_places(len(text), share, rng):
        seen = next((part for part in (text[i : i + 2], text[i]) if part in CONFUSED), "")
        if seen and text[max(i - 1, 0) : i + 1] not in CONFUSED_PAIRS:
            found.append(Edit(i, i + len(seen), pick(CONFUSED[seen], choice)))
    return found


OCR = Perturbation(
    name="ocr",
    title="OCR confusions",
    edits=edits,
    unit="letters and digits that resemble others",
    step=0.02,
    citation="van Strien et al. 2020, Assessing the impact of OCR quality on downstream NLP tasks",
)
