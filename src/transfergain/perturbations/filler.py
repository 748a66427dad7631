"""Insert English filler words around the words of a text, as in speech."""

from __future__ import annotations

import re

import numpy as np

from transfergain.perturbations.base import Edit, Perturbation, draw_places, pick
from transfergain.types import Target

FILLERS = ("um", "uh", "er", "hmm", "you know", "I mean", "you see", "so to speak", "as it were", "let's see")
"""Phrases without an opinion, a name or a topic."""
WORD = re.compile(r"\S+")


def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Insert fillers before words, and after the last."""
    places = [match.start() for match in WORD.finditer(text)]
    if not places:
        return []
    end = len(text.rstrip())
    hits = draw_places(len(places) + 1, share, rng)
    return [
        Edit(places[i], places[i], f"{pick(FILLERS, choice)} ")
        if i < len(places)
        else Edit(end, end, f" {pick(FILLERS, choice)}")
        for i, choice in hits
    ]


FILLER = Perturbation(
    name="filler",
    title="filler words",
    spoils=frozenset({Target.TEXT}),  # a translation would hold the fillers, too
    edits=edits,
    unit="gaps before, between and after words",
    step=0.04,
    citation="Dhole et al. 2021, NL-Augmenter: a framework for task-sensitive natural language augmentation (filler words)",
)
