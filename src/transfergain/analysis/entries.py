"""Read what a store says of its study and of its data sets, as typed values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transfergain.analysis.flat import Flat
from transfergain.analysis.sequential import Looks
from transfergain.arms import REFERENCE
from transfergain.course import Course, courses


@dataclass(frozen=True, kw_only=True)
class DatasetEntry(Flat):
    """One data set of a study."""

    task: str
    title: str
    """Of the task, in words."""
    metric: str
    """The primary one."""
    signatures: Mapping[str, str] = field(default_factory=dict)
    """Metric -> how exactly it was computed, as sacrebleu writes it; of metrics that have such a signature."""
    chance: float
    """The primary score of a guess that knows only how frequent the labels are."""
    labels: Sequence[str]
    notes: Sequence[str] = ()
    """What was read, dropped and carved."""
    fingerprint: str = ""
    n_train: int = 0
    n_dev: int = 0
    n_test: int = 0
    shifts: Mapping[str, int] = field(default_factory=dict)
    """Shift -> its test examples."""
    targets: Mapping[str, int] = field(default_factory=dict)
    """Shift -> labelled examples of its domain, to adapt with."""
    reference: str = REFERENCE
    """What gains are taken over: scratch, or in a study without it the floor to beat; see `analysis.reference`."""
    looks: Sequence[int] = ()
    """Counts of seeds at which the results are looked at; one number, or none in an older store: a fixed number of seeds."""
    most_before: Sequence[int] = ()
    """The most seeds that earlier runs asked for, ascending, where results had been seen before the number was raised."""
    predictions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Name of predictions that were made elsewhere -> the fingerprint of each file of them."""


@dataclass(frozen=True)
class StudyRequest:
    """What the user asked for."""

    model: str
    revision: str
    arms: Sequence[str]
    """In the order given; `scratch` need not be among them."""
    seeds: Sequence[int]
    """What the data sets of the study ask for, each number once, ascending; so are the next two. Of `auto`, the fewest and
    the most."""
    epochs: Sequence[int]
    min_steps: Sequence[int]
    tune: int
    margin: float
    """The smallest gain that matters."""
    keep_models: str
    request: Mapping[str, Any]
    """All of it by name, as stored and as findings.json prints it."""
    forecast: Sequence[int] = ()
    """Numbers of labels to forecast scores for."""
    target_error: float | None = None
    """The error whose labels are wanted."""
    label_cost: float | None = None
    currency: str = ""
    courses: Sequence[Course] = ()
    """What arms that are pretrained on text read; the first is what they are named for."""

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> StudyRequest:
        """Read a request as stored."""
        entries = request["tasks"] or [request]
        seeds = tuple(sorted({count for entry in entries for count in _planned_seeds(entry)}))
        epochs, min_steps = (tuple(sorted({int(entry[key]) for entry in entries})) for key in ("epochs", "min_steps"))
        return cls(
            model=request["model"],
            revision=request.get("revision") or "",
            arms=tuple(request["arms"]),
            seeds=seeds,
            epochs=epochs,
            min_steps=min_steps,
            tune=request["tune"],
            margin=request["margin"],
            keep_models=request["keep_models"],
            request=request,
            forecast=tuple(request.get("forecast") or ()),
            target_error=request.get("target_error"),
            label_cost=request.get("label_cost"),
            currency=request.get("currency") or "",
            courses=_courses(request),
        )


def _courses(request: Mapping[str, Any]) -> Sequence[Course]:
    """Read the courses of pretraining; a study of an earlier version had one length, and one text."""
    steps = request.get("pretrain_steps", 1)
    return courses(steps if isinstance(steps, list) else [steps], request.get("unlabelled") or ())


def _planned_seeds(entry: Mapping[str, Any]) -> Sequence[int]:
    """Read how many seeds a data set asks for: the fewest and the most."""
    if entry["seeds"] != "auto":
        return [int(entry["seeds"])]
    counts = Looks.auto(entry["max_seeds"]).counts
    return counts[0], counts[-1]
