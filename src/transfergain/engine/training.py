"""The values that `fit` takes beside a model, and the one it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from transfergain.engine.batching import Feature
from transfergain.outcome import CurvePoint
from transfergain.types import Recipe


class TrainingCost(NamedTuple):
    """Floating-point operations and seconds."""

    flops: int
    seconds: float


NO_COST = TrainingCost(0, 0.0)


@dataclass(frozen=True)
class Training:
    """What to train on, by which recipe, and how far."""

    train: Sequence[Feature]
    dev: Sequence[Feature]
    """These features choose the best weights and when to stop."""
    recipe: Recipe
    replicate: int
    """Fixes the order of the data and the dropout masks."""
    pad_token_id: int
    fields: Sequence[str] = ("logits",)
    """Fields of the model's output on dev that the score is computed from."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Parameter name -> factor of its learning rate, where that is not 1."""
    stop_at: int | None = None
    """Step after which the run is evaluated and ends, with the numbers of a whole run up to there; None: by itself."""
    reading: int = 1
    """What reading a dev example costs, in forward passes: more than one where the model generates."""
    spent: TrainingCost = NO_COST
    """What it has already cost to compute the training features."""


@dataclass(frozen=True)
class Fitted:
    """What a training did; the model is left with the weights that were kept (`engine.weights.Kept`)."""

    dev_score: float
    """Of the weights that were kept."""
    best_step: int
    """Their step; 0 for the initial ones."""
    steps: int
    max_steps: int
    curve: tuple[CurvePoint, ...]
    converged: bool
    """Whether the run ended by itself."""
    diverged: bool
    flops: float
    """Floating-point operations of all training steps, forward and backward, and of stored features."""
    train_seconds: float = field(compare=False)
    """Seconds of training alone, without evaluations."""
    micro_batch: int
    """How many examples were computed at once: fewer than the batch size where memory ran out."""
    checkpointing: bool
    """Whether activations were computed anew in the backward pass, because memory ran out."""
