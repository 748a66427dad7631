"""Leave out accents, as on a keyboard without them."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from transfergain.perturbations.base import Edit, Perturbation, draw_places

LATIN_RANGES = "A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ"
ACCENTED_LETTER = re.compile(rf"[{LATIN_RANGES}][\u0300-\u036f]+|[À-ÖØ-öø-ɏḀ-ỿ]")
"""Latin letters with an accent, as one character or several. In other scripts such marks are no accents but letters."""


def edits(text: str, share: float, rng: np.random.Generator) -> list[Edit]:
    """Replace accented Latin letters by the bare ones."""
    if text.isascii():
        return []
    found = [Edit(*m.span(), bare) for m in ACCENTED_LETTER.finditer(text) if (bare := _bare(m.group())) != m.group()]
    return [found[i] for i, _ in draw_places(len(found), share, rng)]


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
