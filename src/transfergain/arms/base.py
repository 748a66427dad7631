"""What an arm is. Importing an arm imports no torch; preparing one does."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from transfergain.errors import Declined
from transfergain.sharing import Memo
from transfergain.types import Checkpoint


@dataclass(frozen=True)
class Blueprint:
    """What an arm builds a model from."""

    checkpoint: Checkpoint
    auto_class: str
    """Name of the `transformers` auto class with the task's head."""
    config: Any
    replicate: int
    memo: Memo = field(default_factory=Memo, compare=False)
    """Holds fresh draws that an earlier model of the same blueprint has made."""


@dataclass(frozen=True)
class Prepared:
    """A model ready to train, and what was checked about it."""

    model: Any
    """A `transformers` model, or peft's wrapper of one; parameters that require gradients are the ones that train."""
    checks: Mapping[str, Any]
    finish: Callable[[Any], Any] = lambda model: model
    """Turns the trained model into a standard `transformers` model, to be saved."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Parameter name -> factor of the recipe's learning rate, where that is not 1."""
    solved: bool = False
    """Whether what trains is a linear layer on the frozen rest, solved for without steps (`engine.probing`)."""
    contrasts: bool = False
    """Whether the rest is tuned on pairs of labelled texts before that layer is solved for (`engine.contrast`)."""


class Start(enum.StrEnum):
    """What an arm's own pretraining starts from."""

    FRESH = "fresh"
    CHECKPOINT = "checkpoint"

    @property
    def learning_rate(self) -> float:
        """Give the rate of pretraining an encoder: weights drawn afresh want more than those that are good."""
        return {Start.FRESH: 2.5e-4, Start.CHECKPOINT: 1e-4}[self]


@dataclass(frozen=True)
class Arm:
    """How a model is obtained from a checkpoint. Arms differ in `prepare` only."""

    name: str
    title: str
    description: str
    pretrained: bool
    default_learning_rate: float
    """Used without tuning (`--tune 0`), from each method's usual practice; 0 where no steps are taken: nothing to tune."""
    prepare: Callable[[Blueprint], Prepared]
    """Builds the model, of a task that the arm is for. Raises Declined where it does not apply to the checkpoint."""
    citation: str
    adapts: bool = False
    """Whether models that it trained are adapted to the domain of a shift (`--adapt`): the two ends of the comparison."""
    by_default: bool = True
    """Whether a study that names no arms runs it."""
    pretrains: Start | None = None
    """Where the arm is pretrained on unlabelled text first: from what; `prepare` is given the checkpoint that came out."""
    declines: Callable[[str], str] = lambda auto_class: ""
    """(auto class) -> why the arm is not for tasks with that head; empty where it is."""
    as_costly_as: str = ""
    """Name of an arm whose pretraining this one is given the operations of, as further steps of fine-tuning."""

    def build(self, blueprint: Blueprint) -> Prepared:
        """Prepare the model. Raises Declined where the arm is not for the task, or does not apply to the checkpoint."""
        if reason := self.declines(blueprint.auto_class):
            raise Declined(reason)
        return self.prepare(blueprint)

    @property
    def takes_steps(self) -> bool:
        """Tell whether it trains by steps, at a learning rate that may be tuned; an arm that is solved for does not."""
        return self.default_learning_rate > 0
