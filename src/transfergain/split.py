"""Name a set of examples of a data set. Imports nothing of the package."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a split is."""

    TEST = "test"
    """The data set's own sealed test set."""
    SHIFT = "shift"
    """A sealed test set of another domain."""
    PERTURBED = "perturbed"
    """The test set with one corruption at one severity."""
    ADAPTED = "adapted"
    """A shift, after the trained model was adapted to its domain with a few of its labels."""
    TRAIN = "train"
    """The pool that budgets draw from; this and the next two are no sealed splits, so no trial's spec holds them."""
    DEV = "dev"
    """The dev set, which curves are read on."""
    TARGET = "target"
    """Labelled examples of a shift's domain, to adapt to it with."""


@dataclass(frozen=True)
class Split:
    """One split: its kind, and what tells it from others of the kind.

    Its text, as stored and exported: `test`, `shift:tweets`, `perturbed:keyboard@3`, `adapted:tweets@64/lora`.
    """

    kind: Kind
    name: str = ""
    """Of the shift, which its target shares, or of the perturbation."""
    severity: int = 0
    """Of a perturbation, from 1 to 5."""
    labels: int = 0
    """Of the target domain, that an adaptation learned from, dev included."""
    method: str = ""
    """By which an adaptation trained."""

    def __str__(self) -> str:
        if self.kind is Kind.PERTURBED:
            return f"{self.kind}:{self.name}@{self.severity}"
        if self.kind is Kind.ADAPTED:
            return f"{self.kind}:{self.name}@{self.labels}/{self.method}"
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)

    @classmethod
    def parse(cls, text: str) -> Split:
        """Read a split's text, the inverse of `str`. Raises ValueError for any other text."""
        word, _, rest = text.partition(":")
        kind = Kind(word)
        if kind is Kind.PERTURBED:
            name, _, severity = rest.rpartition("@")
            return cls(kind, name, severity=int(severity))
        if kind is Kind.ADAPTED:
            name, _, setting = rest.rpartition("@")
            labels, _, method = setting.partition("/")
            return cls(kind, name, labels=int(labels), method=method)
        if bool(rest) != (kind in (Kind.SHIFT, Kind.TARGET)):
            raise ValueError(f'"{text}" is no split')
        return cls(kind, rest)

    @property
    def natural(self) -> bool:
        """Tell whether people wrote its texts as they stand, and no adaptation followed: the test set, and shifts."""
        return self.kind in (Kind.TEST, Kind.SHIFT)

    @property
    def title(self) -> str:
        """Name it in words: `the test set`, `tweets`, `keyboard at severity 3`, `tweets after 64 of its labels (lora)`."""
        if self.kind is Kind.PERTURBED:
            return f"{self.name} at severity {self.severity}"
        if self.kind is Kind.ADAPTED:
            return f"{self.name} after {self.labels:,} of its labels ({self.method})"
        return self.name or f"the {self.kind} set"


TEST = Split(Kind.TEST)
TRAIN = Split(Kind.TRAIN)
DEV = Split(Kind.DEV)


def shift(name: str) -> Split:
    """Name the test set of another domain."""
    return Split(Kind.SHIFT, name)


def target(name: str) -> Split:
    """Name the labelled examples of a shift's domain."""
    return Split(Kind.TARGET, name)


def perturbed(name: str, severity: int) -> Split:
    """Name the test set as a perturbation leaves it."""
    return Split(Kind.PERTURBED, name, severity=severity)


def adapted(name: str, labels: int, method: str) -> Split:
    """Name a shift after an adaptation to it."""
    return Split(Kind.ADAPTED, name, labels=labels, method=method)
