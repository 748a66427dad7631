"""Leave out, double or confuse punctuation marks, and add stray commas."""

from __future__ import annotations

import re

import numpy as np

from transfergain.perturbations.base import Edit, Perturbation, draw_places, pick

MARKS = re.compile(r"(?:(?<=[\w\s\"'”’)\]])|^)[.,;:!?…]+(?=[\s\"'”’]|$)(?!\s?[()\[\]])")
"""Marks at the end of words, or on their own: none within words and numbers, and none of a smiley."""
WORD_END = re.compile(r"(?<=\w)(?=\s)")
CONFUSED = {".": ",;", ",": ".;", ";": ",:", ":": ";,"}
"""Never a question mark or an exclamation mark, which mean something."""
STRAY_COMMA_RATIO = 0.1
"""The share of words that get a stray comma, over the share of marks that are changed."""


def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Drop marks, double them or replace them by another, and insert commas where none belong."""
    marks = [match.span() for match in MARKS.finditer(text)]
    ends = [match.start() for match in WORD_END.finditer(text)]
    changed = [Edit(*marks[i], _mark(text[slice(*marks[i])], choice)) for i, choice in draw_places(len(marks), share, rng)]
    stray = [Edit(ends[i], ends[i], ",") for i, _ in draw_places(len(ends), STRAY_COMMA_RATIO * share, rng)]
    return sorted(changed + stray)


def _mark(mark: str, choice: float) -> str:
    options: list[str] = ["", mark * 2, *CONFUSED.get(mark, "")]
    return pick(options, choice)


PUNCTUATION = Perturbation(
    name="punctuation",
    title="punctuation noise",
    edits=edits,
    unit="punctuation marks, and a tenth of that of words get a stray comma",
    step=0.15,
    citation="Náplava et al. 2021, Understanding model robustness to user-generated noisy texts (punctuation)",
)
