"""Run one trial from its spec to its outcome. The file to read first."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from transfergain.arms import ARMS
from transfergain.arms.adapt import Adaptation
from transfergain.arms.base import Blueprint, Start
from transfergain.course import Corpus, Course
from transfergain.data.draws import Drawn, draw
from transfergain.data.unlabelled import Unlabelled
from transfergain.engine.material import adaptations, gather, learned_parts, sealed
from transfergain.errors import Declined, UserError
from transfergain.outcome import AdaptationDetails, Details, Evaluated, Outcome
from transfergain.seeds import seed
from transfergain.sharing import Memo, Shared
from transfergain.split import shift
from transfergain.tasks import find
from transfergain.tasks.scoring import evaluate, score
from transfergain.types import Checkpoint, Dataset, Phase, Status, TrialSpec

if TYPE_CHECKING:
    from transfergain.engine.learner import Trained
    from transfergain.engine.probing import Probed

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
    features: Path | None = None
    """The folder that features of frozen encoders are kept in; None: each trial computes its own."""
    unlabelled: Mapping[Corpus, Unlabelled] = field(default_factory=dict)
    """Text without labels, where an arm is pretrained on it."""
    pretrained: Path | None = None
    """The folder of the checkpoints that the study pretrained, each under the id of its trial."""
    shared: Shared = field(default_factory=Shared, compare=False)
    """What a trial made in this process that the next one may reuse."""


def run_trial(
    spec: TrialSpec,
    bench: Bench,
    save_to: Path | None = None,
    progress: Progress | None = None,
    state: Path | None = None,
) -> Outcome:
    """Run one trial; a trial that does not apply is `skipped`. The caller records other exceptions as `failed`.

    A training that takes minutes keeps its state in the file `state`, and goes on from there if it was killed.
    """
    start = time.perf_counter()
    if spec.phase is Phase.PRETRAIN:
        done = _run_pretraining(spec, bench, Ends(save_to, state, progress or (lambda *_: None)))
        return replace(done, seconds=time.perf_counter() - start)
    data = bench.datasets[spec.dataset]
    if spec.is_given:
        return replace(_read_given(spec, data), seconds=time.perf_counter() - start)
    drawn = draw(data, spec.budget, spec.replicate, find(spec.task).stratum)
    with bench.shared.trial() as memo:
        try:
            if spec.recipe is None:
                outcome = _run_floor(spec, data, drawn, memo)
            else:
                outcome = _run_arm(spec, bench, drawn, memo, Ends(save_to, state, progress or (lambda *_: None)))
        except Declined as reason:
            outcome = Outcome(Status.SKIPPED, error=str(reason))
    return replace(outcome, seconds=time.perf_counter() - start)


def _read_given(spec: TrialSpec, data: Dataset) -> Outcome:
    """Score predictions that a file gave."""
    task, found, rows = find(spec.task), data.given[spec.arm][spec.replicate].predictions, data.splits()
    return Outcome(
        Status.DONE,
        evaluated={split: evaluate(task, found[split], rows[split], data.labels) for split, _ in spec.splits},
    )


def _run_floor(spec: TrialSpec, data: Dataset, drawn: Drawn, memo: Memo) -> Outcome:
    task = find(spec.task)
    predict = task.floor(spec.arm).fit(drawn, task.text, seed("floor", replicate=spec.replicate))
    splits = {split: rows.examples for split, rows in sealed(spec, data, memo).items()}
    return Outcome(
        Status.DONE,
        dev_score=score(task, predict(drawn.dev), drawn.dev, data.labels).score,
        evaluated={split: evaluate(task, predict(rows), rows, data.labels) for split, rows in splits.items()},
    )


def _run_pretraining(spec: TrialSpec, bench: Bench, ends: Ends) -> Outcome:
    """Make the checkpoint that trials of an arm start from. It has no score: only its loss on held-out text."""
    from transfergain.engine import pretraining
    from transfergain.engine.saves import Saves

    assert spec.recipe is not None and ends.save_to is not None
    course = Course.of(spec.recipe)
    asked = pretraining.Asked(
        from_scratch=ARMS[spec.arm].pretrains is Start.FRESH,
        steps=course.steps,
        learning_rate=spec.recipe.learning_rate,
        batch_size=spec.recipe.batch_size,
        max_length=spec.recipe.max_length,
        seed=spec.replicate,
        precision=spec.recipe.precision,
        device=bench.device,
    )

    def progress(step: int, steps: int, score: float | None) -> None:
        ends.progress(step, steps, None)

    texts = bench.unlabelled[spec.dataset, course.corpus]
    done = pretraining.pretrain(bench.checkpoint, texts, asked, ends.save_to, progress, Saves(ends.state))
    checks = {name: getattr(done, name) for name in ("objective", "loss", "unigram_loss", "unknown", "tokens", "epochs")}
    details = Details(checks=checks, steps=done.steps, max_steps=done.steps, flops=done.flops, train_seconds=done.seconds)
    return Outcome(Status.DONE, curve=done.curve, details=details)


def _start(spec: TrialSpec, bench: Bench) -> Checkpoint:
    """Find the checkpoint that a trial starts from: the study's, or one that the study pretrained."""
    if spec.checkpoint_revision == bench.checkpoint.revision or bench.pretrained is None:
        return bench.checkpoint
    from transfergain.checkpoint import resolve

    made = bench.pretrained / spec.checkpoint_revision
    if not made.exists():
        raise UserError(
            f"the checkpoint {made.name[:12]} that the study pretrained is no longer in {bench.pretrained.name}/; put it "
            "back, or choose another --output-dir"
        )
    return replace(resolve(str(made)), name=bench.checkpoint.name)


class Ends(NamedTuple):
    """Where the model of a trial is saved, where the state of its training is kept, and who hears of its steps."""

    save_to: Path | None
    state: Path | None
    progress: Progress


def _run_arm(spec: TrialSpec, bench: Bench, drawn: Drawn, memo: Memo, ends: Ends) -> Outcome:
    from transfergain.checkpoint import load_config, load_tokenizer
    from transfergain.engine import learner, probing, reading
    from transfergain.engine.precision import pick_device
    from transfergain.engine.saves import Saves

    assert spec.recipe is not None
    data, task, checkpoint = bench.datasets[spec.dataset], find(spec.task), _start(spec, bench)
    tokenizer = memo.get(("tokenizer", checkpoint.revision), lambda: load_tokenizer(checkpoint))
    config = load_config(checkpoint, tokenizer, data.labels, generates=task.generates, head=task.head)
    prepared = ARMS[spec.arm].build(Blueprint(checkpoint, task.auto_class, config, spec.replicate, memo))
    sizes = [(p.numel(), p.requires_grad) for p in prepared.model.parameters()]

    start_token = getattr(prepared.model.config, "decoder_start_token_id", None)
    reader = reading.Reader(task, data.labels, tokenizer, checkpoint.revision, spec.recipe, start_token, memo)
    material = gather(spec, data, drawn, task.stratum, memo)
    device = pick_device(bench.device)
    untrained = (
        probing.make_probe(prepared, reader, material, device, spec.replicate, bench.features)
        if prepared.solved
        else learner.make_learner(prepared, reader, material, device)
    )
    memo.drop_unused()
    trained = untrained.train("train", "dev", spec.replicate, spec.stop_at, ends.progress, Saves(ends.state))
    outcome = trained.outcome(list(material.sealed))
    adapted = {adaptation.split: _adapt(adaptation, trained, spec) for adaptation, _ in adaptations(spec)}
    if ends.save_to is not None:
        trained.save(prepared.finish, ends.save_to)
    details = replace(
        outcome.details,
        checks=dict(prepared.checks),
        parameters=sum(size for size, _ in sizes),
        trained_parameters=sum(size for size, trains in sizes if trains),
        adapted={split: details for split, (details, _) in adapted.items()},
    )
    there = {split: evaluated for split, (_, evaluated) in adapted.items() if evaluated is not None}
    return replace(outcome, evaluated={**outcome.evaluated, **there}, details=details)


def _adapt(adaptation: Adaptation, trained: Trained | Probed, spec: TrialSpec) -> tuple[AdaptationDetails, Evaluated | None]:
    """Adapt a copy of the trained model to the shift's domain, and evaluate it there; the trained model is left alone."""
    assert spec.recipe is not None
    try:
        learner = trained.adapted(adaptation.method, adaptation.recipe(spec.recipe), spec.replicate)
    except Declined as reason:
        return AdaptationDetails(declined=str(reason)), None
    again, split = learner.train(*learned_parts(adaptation), spec.replicate), shift(adaptation.shift)
    fitted = again.fitted
    details = AdaptationDetails(
        steps=fitted.steps,
        best_step=fitted.best_step,
        max_steps=fitted.max_steps,
        trained_parameters=learner.trained_parameters,
        curve=tuple((point.step, point.score) for point in fitted.curve),
    )
    return details, again.answer([split]).evaluated[split]
