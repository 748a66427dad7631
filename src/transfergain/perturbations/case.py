"""Change the case of letters: words in lower case, words in capitals, letters of the wrong case.

A checkpoint whose tokenizer lower-cases reads the same as before.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from transfergain.perturbations.base import Edit, Perturbation, draw_places
from transfergain.types import Target

WORD = re.compile(r"\S+")


def _words(change: Callable[[str], str]) -> Callable[[str, float, np.random.Generator], list[Edit]]:
    def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
        words = [match.span() for match in WORD.finditer(text)]
        chosen = [Edit(*words[i], _each(text[slice(*words[i])], change)) for i, _ in draw_places(len(words), share, rng)]
        return [edit for edit in chosen if edit.new != text[edit.start : edit.end]]

    return edits


def _each(text: str, change: Callable[[str], str]) -> str:
    """Change a text letter by letter, but leave letters that would become several, as "ß" in capitals."""
    whole = change(text)
    return whole if len(whole) == len(text) else "".join(new if len(new := change(c)) == 1 else c for c in text)


def letters(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Put letters into the other case."""
    hits = (Edit(i, i + 1, _each(text[i], str.swapcase)) for i, _ in draw_places(len(text), share, rng))
    return [edit for edit in hits if edit.new != text[edit.start]]


LOWERCASE = Perturbation(
    name="lowercase",
    title="lower case",
    edits=_words(str.lower),
    unit="words",
    step=0.2,
    citation="Bodapati, Yun and Al-Onaizan 2019, Robustness to capitalization errors in named entity recognition",
)
UPPERCASE = Perturbation(
    name="uppercase",
    title="capitals",
    spoils=frozenset({Target.TEXT}),  # the translation of a text in capitals is in capitals
    edits=_words(str.upper),
    unit="words",
    step=0.2,
    citation="Bodapati, Yun and Al-Onaizan 2019, Robustness to capitalization errors in named entity recognition",
)
RANDOMCASE = Perturbation(
    name="randomcase",
    title="random case",
    edits=letters,
    unit="letters",
    step=0.1,
    citation="Náplava et al. 2021, Understanding model robustness to user-generated noisy texts (casing)",
)
