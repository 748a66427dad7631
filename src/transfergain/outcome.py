"""Hold what became of a trial: its predictions and their counts, its curve, and what is known of it beside these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.split import Split
from transfergain.types import Status

CALIBRATION = ("confidence", "confidence_scaled", "brier", "brier_scaled", "hit")
"""Of each case: the largest probability, raw and with the temperature fitted on dev; the Brier score, the sum over classes
of (probability - truth)^2, of both; and whether the prediction is right."""


@dataclass(frozen=True)
class Evaluated:
    """Predictions of one trial on one sealed split, and their counts by metric, one row an example."""

    predictions: tuple[Any, ...]
    counts: Mapping[str, NDArray[Any]]
    """Metric name -> array of shape (examples, k), in the smallest integers that hold it; see `metrics`."""
    clusters: NDArray[np.int64] | None = None
    """(examples,) number of the cluster (the article) each example belongs to; None where each is its own."""
    calibration: NDArray[np.float32] | None = None
    """(cases, 5), the columns of CALIBRATION; a case is an example, or a word in ner. None where the task's predictions
    have no probability."""


class DevScore(NamedTuple):
    """A score on the dev set, and its standard error: what another dev set of that size might say."""

    score: float
    error: float = 0.0


@dataclass(frozen=True)
class CurvePoint:
    """One dev evaluation during training."""

    step: int
    score: float
    loss: float
    examples: int = 0
    """Training examples seen up to here, repeats counted."""
    flops: float = 0.0
    """Floating-point operations of forward and backward passes of training up to here."""
    seconds: float = field(default=0.0, compare=False)
    """Of training up to here, evaluations left out; measured, so no part of findings that must repeat."""


@dataclass(frozen=True)
class AdaptationDetails:
    """How a trained model was adapted to the domain of a shift. None is what is not known."""

    steps: int | None = None
    best_step: int | None = None
    max_steps: int | None = None
    trained_parameters: int | None = None
    curve: tuple[tuple[int, float], ...] = ()
    """(step, dev score) of each dev evaluation."""
    declined: str = ""
    """Why the method does not apply to the model; nothing else is known then."""


@dataclass(frozen=True)
class Choice:
    """What dev chose for an arm that takes no steps."""

    reads: str
    """Which tokens and which layer, in words."""
    strength: float
    """Of L2."""
    tried: int
    """Settings of both that were fitted."""

    def __str__(self) -> str:
        return f"{self.reads}; L2 {self.strength:g}; of {self.tried} settings"


@dataclass(frozen=True)
class Details:
    """What is known of a trial beside its scores: checks, steps, costs. None is what is not known.

    A floor trains nothing, and all of it is unknown; a store of an earlier version may lack some.
    """

    setting: Any = None
    """The task's own, fitted on dev (`Task.calibrate`); JSON."""
    temperature: float | None = None
    """Of probabilities, fitted on dev."""
    choice: Choice | None = None
    """None where steps are taken."""
    checks: Mapping[str, Any] = field(default_factory=dict)
    """What the arm checked about the weights it prepared; JSON."""
    steps: int | None = None
    best_step: int | None = None
    max_steps: int | None = None
    """The step cap."""
    diverged: bool = False
    flops: float | None = None
    """Floating-point operations of training, forward and backward."""
    train_seconds: float | None = field(default=None, compare=False)
    """Of training alone, evaluations left out; measured, so no two trials agree in it."""
    micro_batch: int | None = None
    checkpointing: bool | None = None
    """What it took to fit into memory: see `engine.step`."""
    parameters: int | None = None
    trained_parameters: int | None = None
    frozen_features: bool | None = None
    """Whether the frozen part of the model was run once and its output stored."""
    tokens_kept: int | str | None = None
    """The size of the vocabulary in training, or why it was whole."""
    read_as_test: tuple[Split, ...] = ()
    """Perturbed splits in which the model reads the very tokens of the test set."""
    adapted: Mapping[Split, AdaptationDetails] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of a trial."""

    status: Status
    error: str = ""
    dev_score: float | None = None
    curve: tuple[CurvePoint, ...] = ()
    converged: bool | None = None
    """Whether the run ended by itself: False for one that the step cap cut short, None for floors."""
    evaluated: Mapping[Split, Evaluated] = field(default_factory=dict)
    details: Details = field(default_factory=Details)
    seconds: float = 0.0
