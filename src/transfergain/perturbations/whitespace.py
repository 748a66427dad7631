"""Leave out spaces between words, and insert some within them."""

from __future__ import annotations

import re

import numpy as np

from transfergain.perturbations.base import Edit, Perturbation, draw_places, pick
from transfergain.types import Target

WORD = re.compile(r"\S+")


def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Join words to the next or, as likely, split them between two letters; leave numbers whole and apart."""
    words = [match.span() for match in WORD.finditer(text)]
    found = []
    for i, choice in draw_places(len(words), share, rng):
        start, end = words[i]
        if choice < 0.5:
            after = words[i + 1][0] if i + 1 < len(words) else end
            if end < after and not (text[end - 1].isdigit() and text[after].isdigit()):
                found.append(Edit(end, after, ""))
        elif places := [k for k in range(start + 1, end) if text[k - 1].isalpha() and text[k].isalpha()]:
            place = pick(places, 2 * choice - 1)
            found.append(Edit(place, place, " "))
    return found


WHITESPACE = Perturbation(
    name="whitespace",
    title="white space noise",
    spoils=frozenset({Target.TAGS}),  # the words are given
    edits=edits,
    unit="words",
    step=0.04,
    citation="Rychalska et al. 2019, Models in the wild: on corruption robustness of neural NLP systems (white spaces)",
)
