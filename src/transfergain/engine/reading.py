"""How a model reads the examples of a trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from transfergain.engine.batching import Feature
from transfergain.engine.material import Material, PartName, Rows
from transfergain.outcome import DevScore
from transfergain.sharing import Memo
from transfergain.tasks.base import Encoded, Task
from transfergain.tasks.scoring import score
from transfergain.types import Example, Recipe

ORIGIN_SETTINGS = ("is_local", "local_files_only")
"""What `transformers` keeps with a tokenizer of where it came from: the same model is the same files, offline or not."""


@dataclass(frozen=True)
class Part:
    """Examples, and how the model reads them."""

    examples: Sequence[Example]
    encoded: Encoded
    features: Sequence[Feature]
    """Of `encoded`, with the vocabulary's numbers; or what the head alone reads in their place."""


@dataclass(frozen=True)
class Reader:
    """Turns a task's examples into a model's inputs."""

    task: Task
    labels: Sequence[str]
    tokenizer: Any
    tokenizer_revision: str
    recipe: Recipe
    decoder_start_token_id: int | None
    """Of models that generate; None for others."""
    memo: Memo
    """Holds examples that an earlier trial has encoded."""

    @cached_property
    def options(self) -> dict[str, Any]:
        """Gather the options of the task's `encode` and `generation`."""
        given = {"max_length": self.recipe.max_length, "decoder_start_token_id": self.decoder_start_token_id}
        return dict(self.recipe.options) | given

    @cached_property
    def generation(self) -> dict[str, Any] | None:
        """Build the arguments of the model's `generate`; None where the task does not generate."""
        return self.task.generation(self.options, self.tokenizer) if self.task.generation else None

    def encode(self, rows: Rows) -> Encoded:
        """Encode examples, or take them from the memo."""
        options = repr(sorted(self.options.items()))
        key = ("encoded", self.task.name, self.tokenizer_revision, options, rows.key)
        return self.memo.get(key, lambda: self.task.encode(rows.examples, self.tokenizer, self.options))

    def encode_all(self, material: Material) -> dict[PartName, Encoded]:
        """Encode all parts; where the model generates, the references of sealed ones are left out."""
        encoded = {name: self.encode(rows) for name, rows in material.parts().items()}
        if self.generation is not None:
            encoded |= {name: _without_labels(encoded[name]) for name in material.sealed}
        return encoded

    def setting(self, dev: Part, outputs: Sequence[Any]) -> Any:
        """Fit the task's own setting on dev; None where it has none."""
        calibrate = self.task.calibrate
        return calibrate(outputs, dev.encoded, dev.examples) if calibrate else None

    def answers(self, part: Part, outputs: Sequence[Any], setting: Any) -> list[Any]:
        """Turn outputs into predictions, one an example."""
        return self.task.decode(outputs, part.encoded, part.examples, setting, self.tokenizer)

    def score(self, dev: Part, outputs: Sequence[Any]) -> DevScore:
        """Score outputs on dev."""
        return score(self.task, self.answers(dev, outputs, self.setting(dev, outputs)), dev.examples, self.labels)

    def save_tokenizer(self, folder: Path) -> None:
        """Save the tokenizer beside a model."""
        for name in ORIGIN_SETTINGS:
            self.tokenizer.init_kwargs.pop(name, None)
        self.tokenizer.save_pretrained(folder)


def _without_labels(encoded: Encoded) -> Encoded:
    return Encoded([{k: v for k, v in f.items() if k != "labels"} for f in encoded.features], encoded.windows)
