"""Label-preserving corruptions of the test set, at severities 1 to 5; one file and one line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from transfergain.perturbations import keyboard
from transfergain.seeds import generator
from transfergain.types import Example

SEVERITIES = (1, 2, 3, 4, 5)
PREFIX = "perturbed:"


@dataclass(frozen=True)
class Perturbation:
    """A corruption that keeps labels, and spans where the task has any, aligned with the text."""

    title: str
    tasks: tuple[str, ...]
    """The task kinds it is valid for."""
    apply: Callable[[Example, int, np.random.Generator], Example]
    """(example, severity, generator) -> example; a pure function of the three."""
    citation: str
    version: int = 1
    """Enters the ids of trials: raise it when the corruption changes."""


PERTURBATIONS: dict[str, Perturbation] = {
    "keyboard": Perturbation("keyboard typos", ("sentiment", "classification"), keyboard.apply, keyboard.CITATION),
}


def split_names(task: str, chosen: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(split name, fingerprint) of the chosen perturbations that are valid for the task, at every severity."""
    return tuple(
        (f"{PREFIX}{name}@{severity}", f"version {PERTURBATIONS[name].version}")
        for name in chosen
        if task in PERTURBATIONS[name].tasks
        for severity in SEVERITIES
    )


def perturbed(rows: Sequence[Example], split: str) -> tuple[Example, ...]:
    """The rows as the split `perturbed:NAME@SEVERITY` has them; each row has a random stream of its own."""
    name, severity = split.removeprefix(PREFIX).split("@")
    entry = PERTURBATIONS[name]
    return tuple(
        entry.apply(row, int(severity), generator("perturbation", name=name, severity=severity, row=i))
        for i, row in enumerate(rows)
    )
