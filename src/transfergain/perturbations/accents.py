"""Accents left out, as on a keyboard without them."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from transfergain.perturbations.base import Edit, Perturbation, draw

LATIN = "A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ"
ACCENTED = re.compile(rf"[{LATIN}][\u0300-\u036f]+|[À-ÖØ-öø-ɏḀ-ỿ]")
"""Latin letters with an accent, as one character or several. In other scripts such marks are no accents but letters."""


def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Accented Latin letters without their accents."""
    if text.isascii():
        return []
    found = [Edit(*m.span(), bare) for m in ACCENTED.finditer(text) if (bare := _bare(m.group())) != m.group()]
    return [found[i] for i, _ in draw(len(found), share, rng)]


def _bare(letter: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", letter) if not unicodedata.combining(c))


ACCENTS = Perturbation(
    name="accents",
    title="accents removed",
    edits=edits,
    unit="accented Latin letters",
    step=0.2,
    citation="Náplava et al. 2021, Understanding model robustness to user-generated noisy texts (diacritics)",
)
