"""The whole story of one trial. The file to read first."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergain.arms import ARMS
from transfergain.arms.adapt import PREFIX as ADAPTED
from transfergain.arms.adapt import Adaptation
from transfergain.data.draws import Drawn, draw
from transfergain.engine.kept import KEPT
from transfergain.errors import Declined
from transfergain.floors import FLOORS
from transfergain.perturbations import PREFIX, perturbed
from transfergain.seeds import seed
from transfergain.tasks import TASKS
from transfergain.tasks.base import Task
from transfergain.tasks.scoring import evaluate, score
from transfergain.types import Checkpoint, Dataset, Evaluated, Example, Outcome, Status, TrialSpec

if TYPE_CHECKING:
    from transfergain.engine.learner import Learner

Progress = Callable[[int, int, float | None], None]


@dataclass(frozen=True)
class Bench:
    """What all trials of a study share, shipped once to every worker."""

    datasets: Mapping[str, Dataset]
    checkpoint: Checkpoint
    device: str
    threads: int
    per_gpu: int = 1
    """Trials that share a GPU."""


def run_trial(spec: TrialSpec, bench: Bench, save_to: Path | None = None, progress: Progress | None = None) -> Outcome:
    """Run one trial; a trial that does not apply is `skipped`. Other exceptions are the caller's to record as `failed`."""
    start = time.perf_counter()
    data, task = bench.datasets[spec.dataset], TASKS[spec.task]
    drawn = draw(data, spec.budget, spec.replicate, task.stratum)
    try:
        with KEPT.sharing():
            if spec.recipe is None:
                outcome = _run_floor(spec, data, task, drawn)
            else:
                outcome = _run_arm(spec, bench, data, task, drawn, save_to, progress or (lambda *_: None))
    except Declined as reason:
        outcome = Outcome(Status.SKIPPED, error=str(reason))
    return Outcome(**{**vars(outcome), "seconds": time.perf_counter() - start})


def _run_floor(spec: TrialSpec, data: Dataset, task: Task, drawn: Drawn) -> Outcome:
    floor = FLOORS[spec.arm]
    predict = floor.fit(drawn, task.text, seed("floor", replicate=spec.replicate))
    return Outcome(
        Status.DONE,
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
    from transfergain.engine.learner import Learner
    from transfergain.engine.precision import pick_device

    recipe, tokenizer = spec.recipe, _tokenizer(bench.checkpoint)
    assert recipe is not None
    config = load_config(bench.checkpoint, tokenizer, data.labels, task.auto_class)
    prepared = ARMS[spec.arm].prepare(bench.checkpoint, task.auto_class, config, spec.replicate)
    parameters = [(p.numel(), p.requires_grad) for p in prepared.model.parameters()]
    splits = [name for name, _ in spec.splits if not name.startswith(ADAPTED)]
    adaptations = [Adaptation.parse(name) for name, _ in spec.splits if name.startswith(ADAPTED)]
    learned = {"train": drawn.train, "dev": drawn.dev} | _target_labels(data, adaptations, spec.replicate, task)
    pools = (data.train, data.dev, *(rows for a in adaptations for rows in data.targets[a.shift]))
    learner = Learner(prepared, task, tokenizer, data.labels, recipe)
    learner.read(learned, {name: sealed(data, name) for name in splits}, pools, pick_device(bench.device))
    KEPT.drop()
    fitted = learner.train("train", "dev", recipe, spec.replicate, progress, spec.rung)
    evaluated = dict[str, Evaluated]()
    if splits:
        learner.settle("dev")
        evaluated = {name: learner.evaluate(name) for name in splits}
    details = {
        "setting": learner.setting,
        "temperature": learner.temperature,
        "checks": dict(prepared.checks),
        "steps": fitted.steps,
        "best_step": fitted.best_step,
        "max_steps": fitted.max_steps,
        "diverged": fitted.diverged,
        "flops": fitted.flops,
        "train_seconds": fitted.train_seconds,
        "micro_batch": fitted.micro_batch,
        "checkpointing": fitted.checkpointing,
        "parameters": sum(size for size, _ in parameters),
        "trained_parameters": sum(size for size, trains in parameters if trains),
        "frozen_features": learner.frozen_features,
        "tokens_kept": learner.tokens_kept(),
        "read_as_test": [name for name in splits if name.startswith(PREFIX) and learner.same(name, "test")],
        "adapted": {},
    }
    for adaptation in adaptations:
        _adapt(adaptation, learner, spec, evaluated, details["adapted"])
    learner.save(prepared.finish, save_to)
    return Outcome(
        Status.DONE,
        dev_score=fitted.dev_score,
        curve=fitted.curve,
        converged=fitted.converged,
        evaluated=evaluated,
        details=details,
    )


def _target_labels(
    data: Dataset, adaptations: Sequence[Adaptation], replicate: int, task: Task
) -> dict[str, tuple[Example, ...]]:
    """The labelled examples of the target domain that each size of adaptation draws, by the name of their part."""
    found: dict[str, tuple[Example, ...]] = {}
    for a in adaptations:
        few = draw(data.targets[a.shift], a.labels, replicate, task.stratum)
        found |= {f"{a.shift}@{a.labels} train": few.train, f"{a.shift}@{a.labels} dev": few.dev}
    return found


def _adapt(
    adaptation: Adaptation, trained: Learner, spec: TrialSpec, evaluated: dict[str, Evaluated], details: dict[str, Any]
) -> None:
    """Adapt a copy of the trained model to the shift's domain, and evaluate it there; the trained model is left alone."""
    assert spec.recipe is not None
    shift, size, method = adaptation
    try:
        learner = trained.adapted(method, spec.replicate)
    except Declined as reason:
        details[str(adaptation)] = {"declined": str(reason)}
        return
    parts = (f"{shift}@{size} train", f"{shift}@{size} dev")
    fitted = learner.train(*parts, adaptation.recipe(spec.recipe), spec.replicate, lambda *_: None)
    learner.settle(parts[1])
    evaluated[str(adaptation)] = learner.evaluate(f"shift:{shift}")
    details[str(adaptation)] = {
        "steps": fitted.steps,
        "best_step": fitted.best_step,
        "max_steps": fitted.max_steps,
        "trained_parameters": sum(p.numel() for p in learner.model.parameters() if p.requires_grad),
        "curve": [[point.step, point.score] for point in fitted.curve],
    }


def sealed(data: Dataset, split: str) -> tuple[Example, ...]:
    """The rows of a sealed split by its name in findings: `test`, `shift:NAME` or `perturbed:NAME@SEVERITY`."""
    if not split.startswith(PREFIX):
        return data.splits()[split]
    return KEPT.get(("perturbed", split, id(data.test)), lambda: perturbed(data.test, split), data.test)


@functools.lru_cache(maxsize=1)
def _tokenizer(checkpoint: Checkpoint) -> Any:
    from transfergain.checkpoint import load_tokenizer

    return load_tokenizer(checkpoint)
