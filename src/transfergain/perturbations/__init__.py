"""Register corruptions of the test set that keep its labels true, at severities 1 to 5; one file and one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from transfergain.errors import nearest
from transfergain.perturbations.accents import ACCENTS
from transfergain.perturbations.align import align
from transfergain.perturbations.base import Perturbation
from transfergain.perturbations.case import LOWERCASE, RANDOMCASE, UPPERCASE
from transfergain.perturbations.contractions import CONTRACTIONS
from transfergain.perturbations.drop import DROP
from transfergain.perturbations.filler import FILLER
from transfergain.perturbations.keyboard import KEYBOARD
from transfergain.perturbations.ocr import OCR
from transfergain.perturbations.punctuation import PUNCTUATION
from transfergain.perturbations.repeat import REPEAT
from transfergain.perturbations.swap import SWAP
from transfergain.perturbations.whitespace import WHITESPACE
from transfergain.seeds import generator
from transfergain.split import Kind, Split
from transfergain.types import Example, Target

SEVERITIES = (1, 2, 3, 4, 5)

PERTURBATIONS: dict[str, Perturbation] = {
    "keyboard": KEYBOARD,
    "drop": DROP,
    "swap": SWAP,
    "repeat": REPEAT,
    "lowercase": LOWERCASE,
    "uppercase": UPPERCASE,
    "randomcase": RANDOMCASE,
    "whitespace": WHITESPACE,
    "punctuation": PUNCTUATION,
    "ocr": OCR,
    "contractions": CONTRACTIONS,
    "accents": ACCENTS,
    "filler": FILLER,
}
GROUPS: dict[str, tuple[str, ...]] = {
    "none": (),
    "fast": tuple(f"{name}@{s}" for name in ("keyboard", "drop", "lowercase", "punctuation", "ocr") for s in (1, 3, 5)),
    "all": tuple(PERTURBATIONS),
}
"""Word of `--perturbations` -> what it stands for. Those of `fast` differ in kind (a letter wrong, a letter missing, case,
punctuation, the shape of letters) and are valid for every task, in any language with Latin letters."""


def expand(words: Iterable[str]) -> list[Split]:
    """Read `fast`, `NAME` or `NAME@SEVERITY` as perturbed splits, sorted, each once; ValueError for an unknown one."""
    chosen = set()
    for word in (part for given in words for part in GROUPS.get(given, (given,))):
        name, at, severity = word.partition("@")
        if name not in PERTURBATIONS:
            raise ValueError(f'unknown perturbation "{name}".{nearest(name, [*GROUPS, *PERTURBATIONS])}')
        if at and severity not in map(str, SEVERITIES):
            raise ValueError(f'"{word}" has no severity from {SEVERITIES[0]} to {SEVERITIES[-1]} after the @')
        chosen |= {(name, int(severity))} if at else {(name, s) for s in SEVERITIES}
    order = list(PERTURBATIONS)
    ranked = sorted(chosen, key=lambda pair: (order.index(pair[0]), pair[1]))
    return [Split(Kind.PERTURBED, name, severity=severity) for name, severity in ranked]


def chosen_splits(target: Target | None, chosen: Sequence[str]) -> tuple[tuple[Split, str], ...]:
    """Find the chosen perturbed splits that keep a task's target true, each with its fingerprint; `chosen` as for `expand`.

    The order is that of the registry, so that it does not matter to the ids of trials in which order they were named.
    """
    pairs = ((PERTURBATIONS[split.name], split) for split in expand(chosen))
    return tuple((split, f"version {entry.version}") for entry, split in pairs if entry.keeps(target))


def perturb(rows: Sequence[Example], split: Split) -> tuple[Example, ...]:
    """Corrupt the rows as a perturbed split has them.

    Each row has a random stream of its own, the same at every severity. So each severity makes the changes of the one below,
    and more.
    """
    edit = PERTURBATIONS[split.name].editor
    streams = (generator("perturbation", name=split.name, row=i) for i in range(len(rows)))
    return tuple(align(row, edit(split.severity, stream)) for row, stream in zip(rows, streams, strict=True))
