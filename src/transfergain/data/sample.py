"""Sample the sealed texts, so that the report can show those that the arms disagree about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transfergain.split import TEST, Split
from transfergain.types import Dataset, Example

SAMPLE_SIZE = 200
"""Texts kept of each split: its first ones, since the order of a sealed split means nothing."""
LONGEST_TEXT = 600
"""Characters kept of a text."""


@dataclass(frozen=True, kw_only=True)
class SampledText:
    """One example of a sealed split, as a reader sees it."""

    dataset: str
    split: Split
    index: int
    """Position of the example in its split, and of its prediction."""
    text: str
    target: int | str
    """A class, or the words of the right answer."""
    perturbed: Mapping[Split, str] = field(default_factory=dict)
    """Perturbed split -> the text as it stands there; empty but for texts of the test set."""

    def to_dict(self) -> dict[str, Any]:
        """Write the text as JSON, for the store."""
        perturbed = {str(split): text for split, text in self.perturbed.items()}
        return vars(self) | {"split": str(self.split), "perturbed": perturbed}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> SampledText:
        """Read a text as the store holds it."""
        perturbed = {Split.parse(name): text for name, text in stored.get("perturbed", {}).items()}
        return cls(**{**stored, "split": Split.parse(stored["split"]), "perturbed": perturbed})


def sample(data: Dataset, perturbed: Mapping[Split, Sequence[Example]]) -> list[SampledText]:
    """Take the first texts of the test set and of every shift; `perturbed` holds those of the test set, perturbed."""
    return [
        SampledText(
            dataset=data.name,
            split=split,
            index=i,
            text=_text(example),
            target=example.target if isinstance(example.target, int | str) else flat(example.target),
            perturbed={other: _text(rows[i]) for other, rows in perturbed.items()} if split == TEST else {},
        )
        for split, examples in data.splits().items()
        for i, example in enumerate(examples[:SAMPLE_SIZE])
    ]


def _text(example: Example) -> str:
    text = " ‖ ".join(flat(value) for value in example.inputs.values() if isinstance(value, str | list | tuple))
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def flat(value: Any) -> str:
    """Join the words of a nested value by spaces."""
    if isinstance(value, Mapping):
        return flat(list(value.values()))
    return " ".join(map(flat, value)) if isinstance(value, list | tuple) else str(value)
