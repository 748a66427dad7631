"""Hold the frozen values that all parts share. Imports only `split` of the package."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.split import TEST, Split, shift

SCHEMA_VERSION = 5
"""Enters every trial's id: raise it whenever a change of code changes the numbers of a trial."""


class Phase(StrEnum):
    """What a trial is run for."""

    TUNE = "tune"
    """It only helps to choose a recipe, and never sees the test set."""
    REPORT = "report"
    """Its scores enter the findings."""
    PRETRAIN = "pretrain"
    """It makes a checkpoint of unlabelled text, from which trials of other phases start; its seed is one of pretraining."""


class Status(StrEnum):
    """How a trial that was run has ended."""

    DONE = "done"
    FAILED = "failed"
    """It raised, or its worker died; it is tried again by the next run."""
    SKIPPED = "skipped"
    """It does not apply: `Outcome.error` says why."""


class WarningKind(StrEnum):
    """What a warning is about, so that nobody has to look for words in it."""

    CONTAMINATION = "contamination"
    """Test texts may be known: to the train split, or to the checkpoint."""
    DATA = "data"
    DESIGN = "design"
    """Few seeds, few labels, and the like: known before the first trial."""
    CHECKPOINT = "checkpoint"
    PENDING = "pending"
    FAILED = "failed"
    """Trials that failed, with the reason."""
    SKIPPED = "skipped"
    """Trials that were not for the task or the checkpoint, with the reason."""
    UNFINISHED = "unfinished"
    """Runs that reached the step cap before they ended by themselves."""
    DIVERGED = "diverged"
    COLLAPSED = "collapsed"
    """Seeds at or below chance."""
    UNSEEN_PERTURBATION = "unseen perturbation"
    """The tokenizer undoes it, so the model reads the test set again."""
    TUNING_EDGE = "tuning edge"
    OTHER = "other"


@dataclass(frozen=True)
class StudyWarning:
    """Something that a reader must know before believing a figure."""

    kind: WarningKind
    text: str
    """One line; it names the data set where it is about one."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled example: the task's input columns and its target.

    Of one class a text that is its index, of several labels a tuple with 0 or 1 for each.
    """

    inputs: Mapping[str, Any]
    target: Any


class Target(enum.Enum):
    """What the target of an example is in relation to its text."""

    LABEL = "label"
    """One label of the whole text."""
    LABELS = "labels"
    """Several labels of the whole text, or none."""
    TAGS = "tags"
    """A tag for each of its words."""
    SPANS = "spans"
    """Stretches of it."""
    TEXT = "text"
    """A text that follows it, such as its translation."""


LEAST_BUDGET = 10
"""Labels that a budget holds at least."""


class Pools(NamedTuple):
    """The labelled examples that budgets draw from."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]


@dataclass(frozen=True)
class GivenPredictions:
    """Predictions that somebody else made for the sealed texts: those of one file."""

    fingerprint: str
    """sha256 of the predictions in the order of the texts."""
    predictions: Mapping[Split, tuple[Any, ...]]
    """For the test set, and for the shifts that the file knows; in JSON's types, one an example."""


@dataclass(frozen=True)
class Dataset:
    """One labelled data set, ready for trials: cleaned, split, fingerprinted.

    `train` and `dev` are the pools that budgets draw from. `test` and every shift are sealed: they are evaluated once a
    trial and never used to choose anything. `labels[i]` names class i (empty for tasks without classes).
    """

    task: str
    name: str
    labels: tuple[str, ...]
    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    shifts: Mapping[str, tuple[Example, ...]]
    fingerprint: str
    """Of labels, train, dev and test."""
    shift_fingerprints: Mapping[str, str]
    targets: Mapping[str, Pools] = field(default_factory=dict)
    """Shift name -> labelled pools of that domain, to adapt to it with (`--adapt`)."""
    target_fingerprints: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    """An id of each example of a sealed split: the user's own where the data has one, else made of its text."""
    given: Mapping[str, tuple[GivenPredictions, ...]] = field(default_factory=dict)
    """Name -> predictions that somebody else made (`--predictions`), each file a replicate."""
    notes: tuple[str, ...] = ()
    """What was read, dropped and carved, in words for the user."""
    warnings: tuple[StudyWarning, ...] = ()

    def splits(self) -> dict[Split, tuple[Example, ...]]:
        """Collect the sealed splits whose texts stand as they are: the test set, and every shift."""
        return {TEST: self.test} | {shift(name): rows for name, rows in self.shifts.items()}


@dataclass(frozen=True)
class Checkpoint:
    """A pretrained checkpoint at a pinned revision, on disk, verified."""

    name: str
    path: str
    """A private folder with the verified files alone; it goes with the process that resolved the checkpoint."""
    revision: str
    """Commit of the Hub, or `sha256:` and a hash of the folder's config, tokenizer and weights."""
    trained_on: str = ""
    """What the checkpoint is known to have been trained on, in words; empty when unknown."""
    trust_remote_code: bool = False
    within: str = ""
    """Where in the folder that was given the model is; empty: in that folder itself."""
    tensors: int = 0
    """How many tensors its files hold; 0 when unknown."""


@dataclass(frozen=True)
class Recipe:
    """Everything that changes numbers in training. The same for every arm, but for what tuning chose."""

    learning_rate: float
    batch_size: int = 16
    epochs: int = 160
    min_steps: int = 3000
    """The step cap is max(epochs * n_train / batch_size, min_steps): a safety far away, as a run ends by itself."""
    warmup_steps: int = 50
    """Steps of linear warm-up, whatever the cap; the learning rate is constant from there on."""
    patience: float = 0.4
    """Share of the run so far without progress on dev at which the run ends (`engine.schedule.Progress`)."""
    weight_decay: float = 0.01
    clip: float = 1.0
    max_length: int = 128
    precision: str = "fp32"
    vocabulary: str = "seen"
    """`seen`: tokens that the data set does not hold are left out while a model trains. That changes nothing where the model
    reads only; where it generates, they are out of its softmax, in every arm alike. `whole`: no token is left out."""
    options: tuple[tuple[str, Any], ...] = ()
    """(name, value) of the task's own settings, such as the number of beams, or of a pretraining's; sorted by name."""

    def max_steps(self, n_train: int) -> int:
        """Compute the cap on optimiser steps for `n_train` examples."""
        return max(self.epochs * -(-n_train // self.batch_size), self.min_steps)


@dataclass(frozen=True)
class TrialSpec:
    """One training and its evaluation, wholly described. Same spec, same id, same numbers on the same machine."""

    task: str
    dataset: str
    arm: str
    budget: int
    """0 for predictions that a file gives: they cost none of the study's labels."""
    replicate: int
    """Of predictions that a file gives, the number of the file."""
    phase: Phase
    recipe: Recipe | None
    """None for floors, which train no transformer, and for predictions that a file gives."""
    splits: tuple[tuple[Split, str], ...]
    """(split, fingerprint) of the sealed splits to evaluate; none in tuning."""
    data_fingerprint: str
    checkpoint_revision: str
    """Of predictions that a file gives, the fingerprint of these; empty for floors."""
    stop_at: int | None = None
    """Step after which the trial ends, if it has not before: in the early rounds of tuning alone."""

    @property
    def id(self) -> str:
        """Identify the trial: sha256 of the canonical JSON of the spec and the schema version."""
        text = json.dumps([SCHEMA_VERSION, self._plain()], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> TrialSpec:
        """Read a spec from JSON, the inverse of `to_json`."""
        raw = json.loads(text)
        recipe = None
        if raw["recipe"]:
            options = tuple((name, value) for name, value in raw["recipe"]["options"])
            recipe = Recipe(**raw["recipe"] | {"options": options})
        splits = tuple((Split.parse(split), mark) for split, mark in raw["splits"])
        return cls(**raw | {"recipe": recipe, "splits": splits, "phase": Phase(raw["phase"])})

    def to_json(self) -> str:
        """Write the spec as canonical JSON, as stored."""
        return json.dumps(self._plain(), sort_keys=True, separators=(",", ":"))

    def _plain(self) -> dict[str, Any]:
        return asdict(self) | {"splits": [(str(split), mark) for split, mark in self.splits]}

    @property
    def is_given(self) -> bool:
        """Tell whether its predictions come from a file: nothing is trained."""
        return self.budget == 0 and self.phase is not Phase.PRETRAIN

    def describe(self) -> str:
        """Name the trial in few words, for progress lines and errors."""
        if self.is_given:
            return f"{self.dataset} · {self.arm} · predictions given, file {self.replicate + 1}"
        tuning = f"tuning lr {self.recipe.learning_rate:.1e}" if self.phase == Phase.TUNE and self.recipe else ""
        if self.stop_at:
            tuning += f" to step {self.stop_at:,}"
        if self.phase == Phase.PRETRAIN:
            return f"{self.dataset} · {self.arm} · pretraining · seed {self.replicate}"
        return f"{self.dataset} · {self.arm} · {self.budget:,} labels · {tuning or f'seed {self.replicate}'}"


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
