"""Hold the frozen values that all parts share. Imports only `split` of the package."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

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
