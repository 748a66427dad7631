"""Ways to adapt a trained model to another domain, the same for every arm that it may have been trained by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from transfergain.arms.full import FULL
from transfergain.arms.lora import LORA, wrap
from transfergain.errors import Declined
from transfergain.split import Split, adapted
from transfergain.types import Recipe


@dataclass(frozen=True)
class Method:
    """What trains on the labels of the target domain."""

    description: str
    learning_rate: float
    """The default of the arm that trains the same parameters: adaptation is not tuned."""
    prepare: Callable[[Any, int], Any]
    """(trained model, replicate) -> the same weights, with gradients where they are to train. Raises Declined."""


def _head(model: Any, replicate: int) -> Any:
    from transfergain.arms.weights import head_names, train_only

    names = head_names(model)
    if not names:
        raise Declined("the model has no head of the task's own that could be trained alone")
    train_only(model, names)
    return model


def _lora(model: Any, replicate: int) -> Any:
    from transfergain.arms.weights import head_names

    return wrap(model, head_names(model), replicate)


def _full(model: Any, replicate: int) -> Any:
    model.requires_grad_(True)
    return model


HEAD_RATE = 3e-3
"""Of heads alone, which take a higher rate than whole models."""

METHODS: dict[str, Method] = {
    "head": Method("the head alone", HEAD_RATE, _head),
    "lora": Method("low-rank updates and the head", LORA.default_learning_rate, _lora),
    "full": Method("all weights", FULL.default_learning_rate, _full),
}


ADAPTATION_LABELS = (16, 64, 256)
"""Numbers of target labels to adapt with, dev included; zero is the shift itself."""
SHORTER = 5
"""Adapting warms up in a fifth of the study's steps and has a fifth of its least cap: a trained model has less to learn."""


class Adaptation(NamedTuple):
    """One adaptation to the domain of a shift."""

    shift: str
    labels: int
    method: str

    @property
    def split(self) -> Split:
        """Name the split that it is evaluated on: the shift after adaptation."""
        return adapted(self.shift, self.labels, self.method)

    @classmethod
    def of(cls, split: Split) -> Adaptation:
        """Read the adaptation from an adapted split."""
        return cls(split.name, split.labels, split.method)

    def recipe(self, recipe: Recipe) -> Recipe:
        """Give the study's recipe the method's learning rate, and fewer steps."""
        return replace(
            recipe,
            learning_rate=METHODS[self.method].learning_rate,
            min_steps=max(1, recipe.min_steps // SHORTER),
            warmup_steps=recipe.warmup_steps // SHORTER,
        )
