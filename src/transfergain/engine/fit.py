"""The one training loop: AdamW, warm-up - stable - decay, best dev score, the same patience for everyone.

The learning rate is constant once warm, until neither the dev score nor the dev loss has improved for `patience`
evaluations or the step cap is near; then it decays to zero over the last fifth of the run. So an arm that learns fast
stops early, an arm that learns slowly gets the steps it needs, and a run that reaches the cap while still improving is
marked *not converged*.
AdamW with bias correction, warm-up and clipping follow Mosbach et al. 2021 and Zhang et al. 2021; warm-up-stable-decay
is Hu et al. 2024 (MiniCPM).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import torch

from transfergain.engine.batching import training_batches
from transfergain.engine.flops import StepFlops
from transfergain.engine.predict import Predicted, predict
from transfergain.engine.schedule import Patience, Schedule, evaluation_steps
from transfergain.engine.shortcuts import ALL_SHORTCUTS, Shortcuts
from transfergain.engine.step import Step
from transfergain.engine.training import Fitted, Training, TrainingCost
from transfergain.engine.weights import Best, Weights
from transfergain.seeds import seed
from transfergain.types import CurvePhase, CurvePoint

Progress = Callable[[int, int, float | None], None]
"""(step, step cap, best dev score so far)."""


def silent(step: int, cap: int, dev_score: float | None) -> None:
    """Report no progress."""


Score = Callable[[Predicted], float]
"""Computes the dev score of what `predict` returns."""


def fit(
    model: Any, training: Training, score: Score, progress: Progress = silent, shortcuts: Shortcuts = ALL_SHORTCUTS
) -> Fitted:
    """Train the parameters that require gradients and leave the model with its best weights on dev."""
    recipe, train, pad = training.recipe, training.train, training.pad_token_id
    flops = StepFlops(model, train, pad)

    def evaluate() -> tuple[float, float]:
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
        while run.goes_on:
            rows = [train[i] for i in next(batches)]
            with spent:
                loss = step(rows, run.schedule.learning_rate(run.steps))
            run.count(loss)
            if run.diverged:
                break
            spent.add(len(rows), flops(rows))
            if run.is_due:
                run.take(*evaluate(), spent)
                if not run.diverged:
                    progress(run.steps, run.schedule.max_steps, run.best.score)
        run.best.restore()
        # A run that diverged before its first evaluation is left with its initial weights, and has their score.
        return _fitted(run.best.score if run.best.step else evaluate()[0], run, spent, step)


def _fitted(dev_score: float, run: Run, spent: Spent, step: Step) -> Fitted:
    return Fitted(
        dev_score=dev_score,
        best_step=run.best.step,
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
        self.schedule = Schedule(recipe, len(training.train))
        self.best = Best(weights)
        self.steps = 0
        self.curve: list[CurvePoint] = []
        self.converged = self.diverged = False
        self._patience, self._most_stale, self._stop_at = Patience(), recipe.patience, training.stop_at
        self._every = max(1, self.schedule.max_steps // recipe.evaluations)
        self._early = evaluation_steps(self._every)

    @property
    def end(self) -> int:
        """Tell the last step, as far as it is known now."""
        return min(self.schedule.end, self._stop_at or self.schedule.end)

    @property
    def goes_on(self) -> bool:
        """Tell whether another step is taken."""
        return self.steps < self.end and not self.diverged

    @property
    def is_due(self) -> bool:
        """Tell whether dev is evaluated after this step."""
        return not self.steps % self._every or self.steps in self._early or self.steps == self.end

    def count(self, loss: float) -> None:
        """Count a step, unless its loss is not finite: such a step changed no weight, and the run has diverged."""
        self.diverged = not math.isfinite(loss)
        self.steps += not self.diverged

    def take(self, score: float, loss: float, spent: Spent) -> None:
        """Record a dev evaluation: keep the weights if they are the best, and begin the decay when patience has run out."""
        if not math.isfinite(loss):
            self.diverged = True
            return
        step, schedule = self.steps, self.schedule
        stable = step <= schedule.decay_from
        phase = CurvePhase.STABLE if stable else CurvePhase.DECAY
        self.curve.append(CurvePoint(step, score, loss, phase, spent.examples, spent.flops, spent.seconds))
        self.best.offer(step, score, loss)
        if step not in self._early:  # a lucky early score must not end the run sooner
            self._patience.see(score, loss)
        if stable and not self.converged and self._patience.stale >= self._most_stale and step > schedule.warmup:
            self.converged = True
            schedule.decay_now(step)
