"""The whole story of one trial. The file to read first."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfergain.arms import ARMS
from transfergain.data.splits import Drawn, draw
from transfergain.errors import Declined
from transfergain.floors import FLOORS
from transfergain.metrics import METRICS
from transfergain.perturbations import PREFIX, perturbed
from transfergain.seeds import seed
from transfergain.tasks import TASKS
from transfergain.tasks.base import Encoded, Task
from transfergain.types import Checkpoint, Dataset, Evaluated, Example, Outcome, TrialSpec

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
    from transfergain.engine.predict import Predicted, generate, predict
    from transfergain.engine.vocabulary import Vocabulary

    recipe, checkpoint = spec.recipe, bench.checkpoint
    assert recipe is not None
    tokenizer = _tokenizer(checkpoint)
    config = load_config(checkpoint, tokenizer, data.labels, task.auto_class)
    prepared = ARMS[spec.arm].prepare(checkpoint, task.auto_class, config, spec.replicate)
    parameters = [(p.numel(), p.requires_grad) for p in prepared.model.parameters()]
    options = dict(recipe.options) | {"max_length": recipe.max_length}
    options["decoder_start_token_id"] = getattr(config, "decoder_start_token_id", None)
    arguments = task.generation(options, tokenizer) if task.generation else None
    rows = {"train": drawn.train, "dev": drawn.dev} | {name: sealed(data, name) for name, _ in spec.splits}
    encoded = {name: task.encode(part, tokenizer, options) for name, part in rows.items()}
    if arguments:  # references of sealed splits must not decide what the model can generate
        encoded |= {name: _without_labels(encoded[name]) for name, _ in spec.splits}
    vocabulary = Vocabulary(int(tokenizer.pad_token_id), arguments)
    if recipe.vocabulary == "seen":
        seen = list(encoded.values())
        if arguments:  # nor must the budget: the softmax is the same at every point of a learning curve
            seen += [task.encode(data.train, tokenizer, options), task.encode(data.dev, tokenizer, options)]
        features_seen = [feature for part in seen for feature in part.features]
        specials = tokenizer.all_special_ids
        vocabulary = Vocabulary.shrink(prepared.model, features_seen, specials, vocabulary.pad_token_id, arguments)
    pad = vocabulary.pad_token_id
    model = prepared.model.to(pick_device(bench.device))
    features = {name: vocabulary.features(part.features) for name, part in encoded.items()}
    module = model
    cached = frozen.head_only(model, features["train"], pad, task.outputs) if frozen.only_head_trains(model) else None
    if cached:
        module, position = cached
        features = {name: frozen.run_base(model, part, pad, position, recipe.precision) for name, part in features.items()}

    def run(name: str, beams: int) -> Sequence[Any]:
        if vocabulary.generation is None:
            return predict(module, features[name], pad, recipe.precision, task.outputs).outputs
        ids = generate(module, features[name], pad, recipe.precision, vocabulary.generation | {"num_beams": beams})
        return [vocabulary.widen(row) for row in ids]

    def answer(name: str, outputs: Sequence[Any], setting: Any) -> list[Any]:
        return task.decode(outputs, encoded[name], rows[name], setting, tokenizer)

    def calibrated(outputs: Sequence[Any]) -> Any:
        return task.calibrate(outputs, encoded["dev"], drawn.dev) if task.calibrate else None

    def dev_score(predicted: Predicted) -> float:
        outputs = run("dev", beams=1) if arguments else predicted.outputs
        return score(task, answer("dev", outputs, calibrated(outputs)), drawn.dev, data.labels)

    stop_at = recipe.steps_to(spec.rung, len(features["train"])) if spec.rung < 1 else None
    fitted = fit(
        *(module, features["train"], features["dev"], recipe, spec.replicate, pad, dev_score, progress, task.outputs),
        stop_at=stop_at,
    )
    setting = calibrated(run("dev", beams=1)) if task.calibrate and spec.splits else None
    beams = int(options.get("num_beams", 1))
    evaluated = {
        name: evaluate(task, answer(name, run(name, beams), setting), rows[name], data.labels) for name, _ in spec.splits
    }
    vocabulary.restore()
    details = {
        "setting": setting,
        "checks": dict(prepared.checks),
        "steps": fitted.steps,
        "best_step": fitted.best_step,
        "max_steps": fitted.max_steps,
        "diverged": fitted.diverged,
        "parameters": sum(size for size, _ in parameters),
        "trained_parameters": sum(size for size, trains in parameters if trains),
        "frozen_features": bool(cached),
        "tokens_kept": len(vocabulary.kept) or vocabulary.why_whole,
    }
    if save_to is not None:
        whole = prepared.finish(model)
        if arguments:
            _remember(whole, arguments)
        whole.save_pretrained(save_to)
        tokenizer.save_pretrained(save_to)
    return Outcome(
        "done",
        dev_score=fitted.dev_score,
        curve=fitted.curve,
        converged=fitted.converged,
        evaluated=evaluated,
        details=details,
    )


def _without_labels(encoded: Encoded) -> Encoded:
    return Encoded([{k: v for k, v in f.items() if k != "labels"} for f in encoded.features], encoded.windows)


def _remember(model: Any, arguments: Mapping[str, Any]) -> None:
    """Save the arguments of `generate` with the model, so that it answers as it did here."""
    for name, value in arguments.items():
        setattr(model.generation_config, name, value)
    model.generation_config.max_length = None  # max_new_tokens says it


def sealed(data: Dataset, split: str) -> tuple[Example, ...]:
    """The rows of a sealed split by its name in findings: `test`, `shift:NAME` or `perturbed:NAME@SEVERITY`."""
    return perturbed(data.test, split) if split.startswith(PREFIX) else data.splits()[split]


def score(task: Task, predictions: Sequence[Any], rows: Sequence[Example], labels: Sequence[str]) -> float:
    """The primary score of predictions."""
    metric = METRICS[task.metrics[0]]
    return float(metric.finish(metric.counts(predictions, [e.target for e in rows], labels).sum(axis=0)))


def evaluate(task: Task, predictions: Sequence[Any], rows: Sequence[Example], labels: Sequence[str]) -> Evaluated:
    """Predictions with their counts for every metric of the task, and the cluster of each."""
    targets = [e.target for e in rows]
    clusters = None
    if task.cluster:
        numbers: dict[Hashable, int] = {}
        clusters = np.array([numbers.setdefault(task.cluster(e), len(numbers)) for e in rows])
    counts = {m: METRICS[m].counts(predictions, targets, labels) for m in task.metrics}
    return Evaluated(tuple(predictions), counts, clusters)


@functools.lru_cache(maxsize=1)
def _tokenizer(checkpoint: Checkpoint) -> Any:
    from transfergain.checkpoint import load_tokenizer

    return load_tokenizer(checkpoint)
