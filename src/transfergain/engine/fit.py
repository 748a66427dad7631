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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from transfergain.engine.batching import Feature, training_batches
from transfergain.engine.flops import StepFlops
from transfergain.engine.predict import Predicted, predict
from transfergain.engine.shortcuts.attention import attention_by_parts
from transfergain.engine.shortcuts.dropout import cheap_dropout
from transfergain.engine.shortcuts.weights import Weights
from transfergain.engine.step import Step
from transfergain.seeds import seed
from transfergain.types import CurvePoint, Recipe

Progress = Callable[[int, int, float | None], None]
"""(step, step cap, last dev score)."""


@dataclass(frozen=True)
class Fitted:
    """What training did; the model is left with the weights of the best dev evaluation."""

    dev_score: float
    best_step: int
    steps: int
    max_steps: int
    curve: tuple[CurvePoint, ...]
    converged: bool
    diverged: bool
    flops: float
    """Floating-point operations of all training steps, forward and backward, and of stored features."""
    train_seconds: float = field(compare=False)
    """Of training alone, evaluations left out."""
    micro_batch: int = 0
    """Examples of a batch that were computed at once: fewer than its size where memory ran out."""
    checkpointing: bool = False
    """Whether activations were computed anew in the backward pass, as memory ran out."""


class Schedule:
    """Learning rate by step: linear warm-up, constant, linear decay to zero over the last `recipe.decay` of the run."""

    def __init__(self, recipe: Recipe, n_train: int) -> None:
        self.recipe = recipe
        self.max_steps = recipe.max_steps(n_train)
        self.warmup = max(1, math.ceil(recipe.warmup * self.max_steps))
        self.end = self.max_steps
        self.decay_from = self.end - math.ceil(recipe.decay * self.end)

    def decay_now(self, step: int) -> None:
        """Begin the decay at `step`: the run then ends after decay / (1 - decay) * step more steps."""
        self.decay_from = step
        more = step * self.recipe.decay / (1 - self.recipe.decay)
        self.end = min(self.max_steps, step + math.ceil(more - 1e-9))  # 9.000000000000002 steps are 9

    def learning_rate(self, step: int) -> float:
        """For optimiser step `step`, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup)
        left = min(1.0, (self.end - step) / max(1, self.end - self.decay_from))
        return self.recipe.learning_rate * min(warm, left)


class Best:
    """Remembers the trained weights of the best dev evaluation: highest score, then lowest loss."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.key = (-math.inf, -math.inf)
        self.step = 0
        self._keep()

    def _keep(self) -> None:
        self._kept = [p.detach().clone() for p in self._weights.masters]

    def offer(self, step: int, score: float, loss: float) -> None:
        """Keep the weights if this evaluation is the best so far."""
        if (score, -loss) > self.key:
            self.key, self.step = (score, -loss), step
            self._keep()

    def restore(self) -> None:
        """Put the best weights back."""
        self._weights.put(self._kept)


class Patience:
    """Counts regular dev evaluations that brought nothing new: no higher score, at an equal score no lower loss, and no
    loss lower than any before by a hundredth.

    A score can stand still for long while a model learns: a classifier at chance, a translator that writes the same
    sentence for every source. Ending the stable phase there would end the arm that learns more slowly, so the loss has a
    say too.
    """

    LESS = 0.01
    """Smaller improvements of the loss, as a share of it, are a plateau's noise."""

    def __init__(self) -> None:
        self.stale = 0
        self._best, self._lowest = (-math.inf, -math.inf), math.inf

    def see(self, score: float, loss: float) -> None:
        """Take an evaluation in."""
        lower = loss < self._lowest * (1 - self.LESS)
        self.stale = 0 if lower or (score, -loss) > self._best else self.stale + 1
        self._best = max(self._best, (score, -loss))
        if lower:
            self._lowest = loss


class Spent:
    """What training has cost so far; as a context, its seconds run."""

    def __init__(self, before: tuple[int, float]) -> None:
        self.examples = 0
        self.flops, self.seconds = before

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._since


def evaluation_steps(every: int) -> frozenset[int]:
    """The steps before the first regular evaluation at which the dev score is read too: an arm may be there by then."""
    return frozenset(every // part for part in (2, 4, 8)) - {0, every}


def fit(
    model: Any,
    train: Sequence[Feature],
    dev: Sequence[Feature],
    recipe: Recipe,
    replicate: int,
    pad_token_id: int,
    score: Callable[[Predicted], float],
    progress: Progress = lambda step, cap, dev_score: None,
    fields: Sequence[str] = ("logits",),
    stop_at: int | None = None,
    rates: Mapping[str, float] | None = None,
    before: tuple[int, float] = (0, 0.0),
) -> Fitted:
    """Train the parameters that require gradients and leave the model with its best weights on dev.

    `score` judges what `predict` returns for dev, with the named `fields` of the model's output. A run that has come to
    step `stop_at` is evaluated and ends there; up to there it has the numbers of one that goes on. `rates` says, by
    name, which parameters move at how many times the learning rate. `before` is what the training features have cost
    already, in operations and seconds: it counts as spent.
    """
    device = next(model.parameters()).device
    flops = StepFlops(model, train, pad_token_id)
    with attention_by_parts(model, train, pad_token_id), cheap_dropout(device):
        weights = Weights(model, recipe, rates)
        step = Step(model, weights, recipe, pad_token_id, device)

        def evaluate() -> tuple[float, float]:
            predicted = predict(model, dev, pad_token_id, recipe.precision, fields)
            return score(predicted), predicted.loss

        try:
            torch.manual_seed(seed("dropout", replicate=replicate))
            model.train()
            schedule = Schedule(recipe, len(train))
            batches = training_batches(train, recipe.batch_size, replicate)
            return _train(step, weights, schedule, batches, train, flops, evaluate, progress, stop_at, before)
        finally:
            step.close()
            weights.close()


def _train(
    step: Step,
    weights: Weights,
    schedule: Schedule,
    batches: Iterator[list[int]],
    train: Sequence[Feature],
    flops: StepFlops,
    evaluate: Callable[[], tuple[float, float]],
    progress: Progress,
    stop_at: int | None,
    before: tuple[int, float],
) -> Fitted:
    """The loop: steps and evaluations until the schedule ends. `evaluate` returns the dev score and loss."""
    recipe, every = schedule.recipe, max(1, schedule.max_steps // schedule.recipe.evaluations)
    early = evaluation_steps(every)
    best, spent, curve = Best(weights), Spent(before), list[CurvePoint]()
    patience, done, stopped, diverged = Patience(), 0, False, False
    while done < (end := min(schedule.end, stop_at or schedule.end)):
        rows = [train[i] for i in next(batches)]
        with spent:
            diverged = not math.isfinite(step(rows, schedule.learning_rate(done)))
        if diverged:
            break
        done += 1
        spent.examples += len(rows)
        spent.flops += flops(rows)
        if done % every and done not in early and done != end:
            continue
        value, loss = evaluate()
        if diverged := not math.isfinite(loss):
            break
        stable = done <= schedule.decay_from
        phase = "stable" if stable else "decay"
        curve.append(CurvePoint(done, value, loss, phase, spent.examples, spent.flops, spent.seconds))
        best.offer(done, value, loss)
        if done not in early:  # a lucky early score must not end the run sooner
            patience.see(value, loss)
        progress(done, schedule.max_steps, best.key[0])
        if stable and not stopped and patience.stale >= recipe.patience and done > schedule.warmup:
            stopped = True
            schedule.decay_now(done)
    best.restore()
    # A run that diverged before its first evaluation is left with its initial weights, and has their score.
    final = best.key[0] if best.step else evaluate()[0]
    return Fitted(
        final,
        best.step,
        done,
        schedule.max_steps,
        tuple(curve),
        stopped,
        diverged,
        spent.flops,
        spent.seconds,
        step.micro_batch,
        step.checkpointing,
    )
