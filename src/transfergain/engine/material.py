"""The examples of a trial, by part. The key of a part lets the next trial reuse what was made of the same examples."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from transfergain.arms.adapt import Adaptation
from transfergain.data.draws import Drawn, Stratum, draw
from transfergain.perturbations import perturb
from transfergain.sharing import Memo
from transfergain.split import Kind, Split
from transfergain.types import Dataset, Example, TrialSpec

PartName = str | Split
"""`train`, `dev` or a name of `learned_parts` for examples to learn from; the split for sealed ones."""


@dataclass(frozen=True)
class Rows:
    """Examples, and a key of all that they were made from: where keys are equal, examples are."""

    key: Hashable
    examples: Sequence[Example]


@dataclass(frozen=True)
class Material:
    """All examples of a trial, by part."""

    learned: Mapping[str, Rows]
    """Train and dev, and the examples to adapt with."""
    sealed: Mapping[Split, Rows]
    """The sealed splits, whose references the model never sees."""
    pools: Sequence[Rows]
    """The pools that all budgets draw from."""

    def parts(self) -> dict[PartName, Rows]:
        """List what is learned from, then what is sealed."""
        return dict[PartName, Rows]([*self.learned.items(), *self.sealed.items()])


def gather(spec: TrialSpec, data: Dataset, drawn: Drawn, stratum: Stratum, memo: Memo) -> Material:
    """Gather all that a trial reads; `drawn` are its labels, `stratum` is what more labels are stratified by."""
    mark, labels = spec.data_fingerprint, (spec.budget, spec.replicate)
    learned = {"train": Rows((mark, "train", *labels), drawn.train), "dev": Rows((mark, "dev", *labels), drawn.dev)}
    pools = [Rows((mark, "train"), data.train), Rows((mark, "dev"), data.dev)]
    for adaptation, mark in adaptations(spec):
        target = data.targets[adaptation.shift]
        few, key = draw(target, adaptation.labels, spec.replicate, stratum), (adaptation.labels, spec.replicate)
        train, dev = learned_parts(adaptation)
        learned |= {train: Rows((mark, "train", *key), few.train), dev: Rows((mark, "dev", *key), few.dev)}
        pools += [Rows((mark, "train"), target.train), Rows((mark, "dev"), target.dev)]
    return Material(learned, sealed(spec, data, memo), pools)


def sealed(spec: TrialSpec, data: Dataset, memo: Memo) -> dict[Split, Rows]:
    """Find the rows of the sealed splits: the test set, shifts, and the test set perturbed."""
    found: dict[Split, Rows] = {}
    for split, mark in spec.splits:
        key = (spec.data_fingerprint, split, mark)
        if split.kind is Kind.PERTURBED:
            found[split] = Rows(key, memo.get(("perturbed", *key), partial(perturb, data.test, split)))
        elif split.kind is not Kind.ADAPTED:
            found[split] = Rows(key, data.splits()[split])
    return found


def adaptations(spec: TrialSpec) -> list[tuple[Adaptation, str]]:
    """List the trial's adaptations, each with the fingerprint of the labels that it draws from."""
    return [(Adaptation.of(split), mark) for split, mark in spec.splits if split.kind is Kind.ADAPTED]


def learned_parts(adaptation: Adaptation) -> tuple[str, str]:
    """Name the parts (train, dev) that an adaptation learns from, the same for every method."""
    name = f"{adaptation.shift}@{adaptation.labels}"
    return f"{name} train", f"{name} dev"
