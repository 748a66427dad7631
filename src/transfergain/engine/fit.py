"""The one training loop: AdamW, warm-up, then a constant rate; the weights' average is read on dev until it stands still.

A run ends by itself when its last progress on dev is old, measured by the run's own length and against the noise of the dev
set (`schedule.Progress`). So an arm that learns fast ends early, an arm that learns slowly gets the steps it needs, and the
step cap is a safety far away: a run that reaches it is *unfinished*. The same rule holds for every arm.
AdamW with bias correction, warm-up and clipping follow Mosbach et al. 2021 and Zhang et al. 2021.
"""

from __future__ import annotations

import collections
import itertools
import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import astuple
from typing import Any

import torch

from transfergain.engine import schedule
from transfergain.engine.batching import training_batches
from transfergain.engine.flops import StepFlops
from transfergain.engine.predict import Predicted, predict
from transfergain.engine.saves import NO_SAVES, Saves
from transfergain.engine.shortcuts import ALL_SHORTCUTS, Shortcuts
from transfergain.engine.step import Step
from transfergain.engine.training import Fitted, Training, TrainingCost
from transfergain.engine.weights import Average, Kept, Weights
from transfergain.outcome import CurvePoint, DevScore
from transfergain.seeds import seed

Progress = Callable[[int, int, float | None], None]
"""(step, step cap, best dev score so far)."""


def silent(step: int, cap: int, dev_score: float | None) -> None:
    """Report no progress."""


Score = Callable[[Predicted], DevScore]
"""Scores what `predict` returns for dev."""


def fit(
    model: Any,
    training: Training,
    score: Score,
    progress: Progress = silent,
    shortcuts: Shortcuts = ALL_SHORTCUTS,
    saves: Saves = NO_SAVES,
) -> Fitted:
    """Train the parameters that require gradients and leave the model with the weights kept by dev.

    A training that left its state in `saves` goes on from there, with the numbers of one that was never interrupted.
    """
    recipe, train, pad = training.recipe, training.train, training.pad_token_id
    flops = StepFlops(model, train, pad)

    def evaluate() -> tuple[DevScore, float]:
        predicted = predict(model, training.dev, pad, recipe.precision, training.fields)
        return score(predicted), predicted.loss

    with (
        shortcuts.applied(model, training) as weights,
        closing(Step(model, weights, recipe, pad, next(model.parameters()).device)) as step,
    ):
        torch.manual_seed(seed("dropout", replicate=training.replicate))
        model.train()
        batches = training_batches(train, recipe.batch_size, training.replicate)
        run, spent = Run(training, weights), Spent(training.spent)
        if state := saves.load():
            _restore(state, weights, step, run, spent)
            collections.deque(itertools.islice(batches, run.steps), maxlen=0)  # a step takes a batch
        while run.goes_on:
            saves.offer(lambda: _state(weights, step, run, spent))
            rows = [train[i] for i in next(batches)]
            with spent:
                loss = step(rows, run.schedule.learning_rate(run.steps))
                run.count(loss)
            if run.diverged:
                break
            spent.add(len(rows), flops(rows))
            if run.is_due:
                with run.average.in_place():
                    run.take(*evaluate(), spent)
                if not run.diverged:
                    progress(run.steps, run.schedule.max_steps, run.kept.score)
        run.kept.put_back()
        saves.clear()
        # A run that diverged before its first evaluation is left with its initial weights, and has their score.
        return _fitted(run.kept.score if run.kept.step else evaluate()[0].score, run, spent, step)


def _state(weights: Weights, step: Step, run: Run, spent: Spent) -> dict[str, Any]:
    """Gather all that the next steps depend on; the order of the data follows from the number of steps."""
    return {
        "weights": weights.state(),
        "step": step.state(),
        "run": run.state(),
        "spent": (spent.examples, spent.flops, spent.seconds),
    }


def _restore(state: Mapping[str, Any], weights: Weights, step: Step, run: Run, spent: Spent) -> None:
    """Go on from a state that was saved."""
    weights.restore(state["weights"])
    step.restore(state["step"])
    run.restore(state["run"])
    spent.examples, spent.flops, spent.seconds = state["spent"]


def _fitted(dev_score: float, run: Run, spent: Spent, step: Step) -> Fitted:
    return Fitted(
        dev_score=dev_score,
        best_step=run.kept.step,
        steps=run.steps,
        max_steps=run.schedule.max_steps,
        curve=tuple(run.curve),
        converged=run.converged,
        diverged=run.diverged,
        flops=spent.flops,
        train_seconds=spent.seconds,
        micro_batch=step.micro_batch,
        checkpointing=step.checkpointing,
    )


class Spent:
    """What training has cost so far; as a context manager, it adds the seconds of its block."""

    def __init__(self, before: TrainingCost) -> None:
        self.examples = 0
        self.flops, self.seconds = before

    def add(self, examples: int, flops: int) -> None:
        """Count a step."""
        self.examples += examples
        self.flops += flops

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._since


class Run:
    """How far a training has come: its steps, its dev evaluations, and whether it goes on."""

    def __init__(self, training: Training, weights: Weights) -> None:
        recipe = training.recipe
        self.schedule = schedule.Schedule(recipe, len(training.train))
        self.average, self.kept = Average(weights), Kept(weights)
        self.steps = 0
        self.curve: list[CurvePoint] = []
        self.converged = self.diverged = False
        self._end = min(self.schedule.max_steps, training.stop_at or self.schedule.max_steps)
        self._progress, self._patience = schedule.Progress(self.schedule.warmup), recipe.patience
        self._apart = schedule.least_apart(len(training.dev), recipe.batch_size, training.reading)
        self._due = schedule.next_evaluation(0, self._apart)
        self._losses: list[float] = []
        """Of the training steps since the last evaluation."""

    @property
    def goes_on(self) -> bool:
        """Tell whether another step is taken."""
        return self.steps < self._end and not self.diverged and not self.converged

    @property
    def is_due(self) -> bool:
        """Tell whether dev is evaluated after this step."""
        return self.steps in (self._due, self._end)

    def state(self) -> dict[str, Any]:
        """Gather how far the run has come, to be saved."""
        return {
            "average": self.average.state(),
            "kept": self.kept.state(),
            "progress": self._progress.state(),
            "curve": [astuple(point) for point in self.curve],
            "losses": self._losses,
            "steps": (self.steps, self._due),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that was saved."""
        self.average.restore(state["average"])
        self.kept.restore(state["kept"])
        self._progress.restore(state["progress"])
        self.curve = [CurvePoint(*point) for point in state["curve"]]
        self._losses = list(state["losses"])
        self.steps, self._due = state["steps"]

    def count(self, loss: float) -> None:
        """Count a step, unless its loss is not finite: such a step changed no weight, and the run has diverged."""
        self.diverged = not math.isfinite(loss)
        if not self.diverged:
            self.steps += 1
            self._losses.append(loss)
            self.average.take(self.steps)

    def take(self, dev: DevScore, loss: float, spent: Spent) -> None:
        """Record a dev evaluation: keep the weights if they are as good as the best, and end the run if it stands still."""
        if not math.isfinite(loss):
            self.diverged = True
            return
        step = self.steps
        self.curve.append(CurvePoint(step, dev.score, loss, spent.examples, spent.flops, spent.seconds))
        self.kept.offer(step, dev, loss)
        self._progress.see(step, dev, loss, sum(self._losses) / len(self._losses))
        self._losses.clear()
        self.converged = self._progress.is_old(step, self._patience)
        self._due = schedule.next_evaluation(step, self._apart)
