"""Define a perturbation: a function that says which stretches of a text to replace by what. `align` does the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from transfergain.types import Target

LETTER_RANGES = "A-Za-zÀ-ÖØ-öø-ɏΆΈ-Ώΐ-ώЀ-ҁҊ-ӿ"
"""Letters of the Latin, Greek and Cyrillic scripts, for character classes; typing errors are made in these alone."""
LONG_WORD = re.compile(rf"(?<!\w)[{LETTER_RANGES}]{{4,}}(?!\w)")
"""Words whose inside, which is all but the first and last letter, can be garbled and still be read."""

T = TypeVar("T")


class Edit(NamedTuple):
    """Replace text[start:end] by `new`; an insertion where start == end."""

    start: int
    end: int
    new: str


@dataclass(frozen=True)
class Perturbation:
    """A corruption that no reader would label, tag, answer or translate differently for."""

    name: str
    title: str
    edits: Callable[[str, float, np.random.Generator], list[Edit]]
    """(text, share, generator) -> edits in the order of the text, none overlapping; a pure function of the three. Each
    place that can be changed is, with probability `share`."""
    unit: str
    """What the places are, in the plural."""
    step: float
    """Share at severity 1."""
    citation: str
    spoils: frozenset[Target] = frozenset()
    """Targets that it would make wrong; it is left out of tasks with these."""
    version: int = 1
    """Enters the ids of trials: raise it when the corruption changes."""

    def keeps(self, target: Target | None) -> bool:
        """Tell whether targets of this kind stay true; of None, an unknown kind, they may not."""
        return target is not None and target not in self.spoils

    def share(self, severity: int) -> float:
        """Give the share of places that are changed: it grows evenly with severity."""
        return self.step * severity

    def editor(self, severity: int, rng: np.random.Generator) -> Callable[[str], list[Edit]]:
        """Make the function of a text alone that gives its edits."""
        share = self.share(severity)
        return lambda text: self.edits(text, share, rng)


def draw_places(places: int, share: float, rng: np.random.Generator) -> list[tuple[int, float]]:
    """Draw which places are hit: (place, choice) in order. `choice`, uniform in [0, 1), decides how a place is changed.

    With a generator in the same state, a larger share hits the same places in the same way, and more.
    """
    level, choice = rng.random((2, places))
    hit = np.flatnonzero(level < share)
    return list(zip(hit.tolist(), choice[hit].tolist(), strict=True))


def pick(options: Sequence[T], choice: float) -> T:
    """Pick one of the options by a uniform number in [0, 1), all equally likely."""
    return options[int(choice * len(options))]


def rewritten(text: str, edits: Iterable[Edit]) -> str:
    """Make the edits in a text; leave it as it is where only white space would be left."""
    parts, at = [], 0
    for start, end, new in edits:
        parts += [text[at:start], new]
        at = end
    new_text = "".join([*parts, text[at:]])
    return new_text if new_text.strip() else text
