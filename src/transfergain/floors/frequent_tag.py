"""Predict the tag that each word has most often in the labelled sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from transfergain.data.draws import Drawn
from transfergain.floors.base import Floor, Predict
from transfergain.types import Example


def fit(drawn: Drawn, text: Callable[[Example], str], seed: int) -> Predict:
    """Predict each word's commonest tag in train, else that of its lower-cased form, else O; the first among equals.

    Tags are the task's class indices: 0 for O, then two a type, B- odd and I- even. An I- that follows nothing of its
    type is made a B-, so that it counts as the entity it was meant for.
    """
    exact = _commonest((word, tag) for word, tag in _pairs(drawn))
    lowered = _commonest((word.lower(), tag) for word, tag in _pairs(drawn))

    def predict(examples: Sequence[Example]) -> list[list[int]]:
        return [_repaired([exact.get(w, lowered.get(w.lower(), 0)) for w in e.inputs["tokens"]]) for e in examples]

    return predict


def _pairs(drawn: Drawn) -> list[tuple[str, int]]:
    return [pair for e in drawn.train for pair in zip(e.inputs["tokens"], e.target, strict=True)]


def _commonest(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    seen: dict[str, Counter[int]] = defaultdict(Counter)
    for word, tag in pairs:
        seen[word][tag] += 1
    return {word: min(tags, key=lambda tag: (-tags[tag], tag)) for word, tags in seen.items()}


def _repaired(tags: Sequence[int]) -> list[int]:
    fixed: list[int] = []
    for tag in tags:
        inside = tag > 0 and tag % 2 == 0
        goes_on = bool(fixed) and fixed[-1] in (tag - 1, tag)
        fixed.append(tag - 1 if inside and not goes_on else tag)
    return fixed


FREQUENT_TAG = Floor(
    "frequent_tag",
    "commonest tag of each word",
    fit,
    "Tjong Kim Sang and De Meulder 2003, the shared task's baseline is of this kind",
)
