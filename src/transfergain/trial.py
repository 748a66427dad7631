"""The whole story of one trial. The file to read first."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergain.arms import ARMS
from transfergain.data.splits import Drawn, draw
from transfergain.errors import Declined
from transfergain.floors import FLOORS
from transfergain.metrics import METRICS
from transfergain.perturbations import PREFIX, perturbed
from transfergain.seeds import seed
from transfergain.tasks import TASKS
from transfergain.tasks.base import Task
from transfergain.types import Checkpoint, Dataset, Evaluated, Example, Outcome, TrialSpec

Progress = Callable[[int, int, float | None], None]


@dataclass(frozen=True)
class Bench:
    """What all trials of a study share, shipped once to every worker."""

    datasets: Mapping[str, Dataset]
    checkpoint: Checkpoint
    device: str
    threads: int


def run_trial(spec: TrialSpec, bench: Bench, save_to: Path | None = None, progress: Progress | None = None) -> Outcome:
    """Run one trial; a trial that does not apply is `skipped`. Other exceptions are the caller's to record as `failed`."""
    start = time.perf_counter()
    data, task = bench.datasets[spec.dataset], TASKS[spec.task]
    drawn = draw(data, spec.budget, spec.replicate, task.stratum)
    try:
        if spec.recipe is None:
            outcome = _run_floor(spec, data, task, drawn)
        else:
            outcome = _run_arm(spec, bench, data, task, drawn, save_to, progress or (lambda *_: None))
    except Declined as reason:
        outcome = Outcome("skipped", error=str(reason))
    return Outcome(**{**vars(outcome), "seconds": time.perf_counter() - start})


def _run_floor(spec: TrialSpec, data: Dataset, task: Task, drawn: Drawn) -> Outcome:
    floor = FLOORS[spec.arm]
    predict = floor.fit(drawn, task.text, seed("floor", replicate=spec.replicate))
    return Outcome(
        "done",
        dev_score=score(task, predict(drawn.dev), drawn.dev, data.labels),
        evaluated={
            name: evaluate(task, predict(rows), rows, data.labels)
            for name, rows in ((name, sealed(data, name)) for name, _ in spec.splits)
        },
    )


def _run_arm(
    spec: TrialSpec, bench: Bench, data: Dataset, task: Task, drawn: Drawn, save_to: Path | None, progress: Progress
) -> Outcome:
    from transfergain.checkpoint import load_config
    from transfergain.engine import frozen
    from transfergain.engine.fit import fit
    from transfergain.engine.precision import pick_device
    from transfergain.engine.predict import Predicted, predict

    recipe, checkpoint = spec.recipe, bench.checkpoint
    assert recipe is not None
    tokenizer = _tokenizer(checkpoint)
    config = load_config(checkpoint, tokenizer, data.labels)
    prepared = ARMS[spec.arm].prepare(checkpoint, task.auto_class, config, spec.replicate)
    model = prepared.model.to(pick_device(bench.device))
    pad = int(tokenizer.pad_token_id)

    def encode(rows: Sequence[Example]) -> list[dict[str, Any]]:
        return task.encode(rows, tokenizer, recipe.max_length)

    module, features = model, encode
    cached = frozen.head_only(model, encode(drawn.train), pad) if frozen.only_head_trains(model) else None
    if cached:
        module, position = cached

        def features(rows: Sequence[Example]) -> list[dict[str, Any]]:
            return frozen.run_base(model, encode(rows), pad, position, recipe.precision)

    def dev_score(predicted: Predicted) -> float:
        return score(task, task.decode(predicted.logits), drawn.dev, data.labels)

    fitted = fit(module, features(drawn.train), features(drawn.dev), recipe, spec.replicate, pad, dev_score, progress)
    evaluated = {}
    for name, _ in spec.splits:
        rows = sealed(data, name)
        predictions = task.decode(predict(module, features(rows), pad, recipe.precision).logits)
        evaluated[name] = evaluate(task, predictions, rows, data.labels)
    details = {
        "checks": dict(prepared.checks),
        "steps": fitted.steps,
        "best_step": fitted.best_step,
        "max_steps": fitted.max_steps,
        "diverged": fitted.diverged,
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "frozen_features": bool(cached),
    }
    if save_to is not None:
        prepared.finish(model).save_pretrained(save_to)
        tokenizer.save_pretrained(save_to)
    return Outcome(
        "done",
        dev_score=fitted.dev_score,
        curve=fitted.curve,
        converged=fitted.converged,
        evaluated=evaluated,
        details=details,
    )


def sealed(data: Dataset, split: str) -> tuple[Example, ...]:
    """The rows of a sealed split by its name in findings: `test`, `shift:NAME` or `perturbed:NAME@SEVERITY`."""
    return perturbed(data.test, split) if split.startswith(PREFIX) else data.splits()[split]


def score(task: Task, predictions: Sequence[Any], rows: Sequence[Example], labels: Sequence[str]) -> float:
    """The primary score of predictions."""
    metric = METRICS[task.metrics[0]]
    return float(metric.finish(metric.counts(predictions, [e.target for e in rows], labels).sum(axis=0)))


def evaluate(task: Task, predictions: Sequence[Any], rows: Sequence[Example], labels: Sequence[str]) -> Evaluated:
    """Predictions with their counts for every metric of the task."""
    targets = [e.target for e in rows]
    return Evaluated(tuple(predictions), {m: METRICS[m].counts(predictions, targets, labels) for m in task.metrics})


@functools.lru_cache(maxsize=1)
def _tokenizer(checkpoint: Checkpoint) -> Any:
    from transfergain.checkpoint import load_tokenizer

    return load_tokenizer(checkpoint)
