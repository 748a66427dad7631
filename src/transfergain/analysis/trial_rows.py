"""Score single trials: what the table of trials, model cards and paired figures show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from transfergain.metrics import METRICS
from transfergain.outcome import Outcome
from transfergain.split import Split
from transfergain.store import StoredTrial

HASHED = "sha256:"
"""What the revision of a local checkpoint begins with."""


def trial_score(outcome: Outcome, split: Split, metric: str) -> float | None:
    """Score one trial on one split; None where it was not evaluated there, or not with this metric."""
    evaluated = outcome.evaluated.get(split)
    if evaluated is None or metric not in evaluated.counts:
        return None
    return float(METRICS[metric].finish(evaluated.counts[metric].sum(axis=0)))


def trial_scores(outcome: Outcome) -> dict[Split, dict[str, float]]:
    """Score one trial on all: split -> metric -> score, in the order of its evaluation."""
    return {
        split: {metric: score for metric in evaluated.counts if (score := trial_score(outcome, split, metric)) is not None}
        for split, evaluated in outcome.evaluated.items()
    }


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One trial, whatever became of it."""

    id: str
    """The first 12 characters."""
    task: str
    dataset: str
    arm: str
    budget: int
    seed: int
    phase: str
    starts_from: str
    """The checkpoint's revision, shortened, or the `id` of the pretraining that made it; empty of floors."""
    learning_rate: float | None
    """None where no steps are taken."""
    choice: str
    """What dev chose in place of steps, such as `mean of tokens, all layers; L2 0.1; of 14 settings`; empty where steps are
    taken, and for floors."""
    status: str
    error: str
    dev_score: float | None
    converged: bool | None
    steps: int | None
    best_step: int | None
    trained_parameters: int | None
    flops: float | None
    """Floating-point operations of training."""
    seconds: float
    scores: Mapping[Split, Mapping[str, float]]
    """Split -> metric -> score."""

    @classmethod
    def of(cls, trial: StoredTrial) -> TrialRow:
        """Make the row of a stored trial."""
        spec, outcome, details = trial.spec, trial.outcome, trial.outcome.details
        return cls(
            id=spec.id[:12],
            task=spec.task,
            dataset=spec.dataset,
            arm=spec.arm,
            budget=spec.budget,
            seed=spec.replicate,
            phase=spec.phase,
            starts_from=_short(spec.checkpoint_revision),
            learning_rate=(spec.recipe.learning_rate or None) if spec.recipe else None,
            choice=str(details.choice or ""),
            status=outcome.status,
            error=outcome.error,
            dev_score=outcome.dev_score,
            converged=outcome.converged,
            steps=details.steps,
            best_step=details.best_step,
            trained_parameters=details.trained_parameters,
            flops=details.flops,
            seconds=round(outcome.seconds, 2),
            scores=trial_scores(outcome),
        )

    def to_dict(self) -> dict[str, Any]:
        """Flatten the row, each score under `SPLIT METRIC`."""
        flat = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "scores"}
        return flat | {f"{split} {metric}": score for split, found in self.scores.items() for metric, score in found.items()}


def _short(revision: str) -> str:
    """Shorten a revision to twelve signs of its hash, `sha256:` before it where it has that."""
    return revision[: 12 + len(HASHED) if revision.startswith(HASHED) else 12]
