"""What `fit` is given beside a model, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from transfergain.engine.batching import Feature
from transfergain.types import CurvePoint, Recipe


class Cost(NamedTuple):
    """Floating-point operations and seconds."""

    flops: int
    seconds: float


NOTHING = Cost(0, 0.0)


@dataclass(frozen=True)
class Training:
    """A training that is wanted."""

    train: Sequence[Feature]
    dev: Sequence[Feature]
    """Chooses the weights and when to stop."""
    recipe: Recipe
    replicate: int
    """Fixes the order of the data and the dropout masks."""
    pad_token_id: int
    fields: Sequence[str] = ("logits",)
    """Of the model's output on dev, what the score is made from."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Parameter name -> how many times the learning rate it moves at, where that is not once."""
    stop_at: int | None = None
    """The step at which the run is evaluated and ends; up to there it has the numbers of one that goes on."""
    spent: Cost = NOTHING
    """What the training features have cost already."""


@dataclass(frozen=True)
class Fitted:
    """What a training did; the model is left with the weights of the best dev evaluation."""

    dev_score: float
    best_step: int
    steps: int
    max_steps: int
    curve: tuple[CurvePoint, ...]
    converged: bool
    diverged: bool
    flops: float
    """Floating-point operations of all training steps, forward and backward, and of stored features."""
    train_seconds: float = field(compare=False)
    """Of training alone, evaluations left out."""
    micro_batch: int
    """Examples of a batch that were computed at once: fewer than its size where memory ran out."""
    checkpointing: bool
    """Whether activations were computed anew in the backward pass, as memory ran out."""
