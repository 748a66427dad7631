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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from transfergain.engine.batching import Feature, collate, training_batches
from transfergain.engine.flops import StepFlops
from transfergain.engine.precision import autocast
from transfergain.engine.predict import Predicted, predict
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
    """Floating-point operations of all training steps, forward and backward."""
    train_seconds: float = field(compare=False)
    """Of training alone, evaluations left out."""


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
    """Remembers the trainable weights of the best dev evaluation: highest score, then lowest loss."""

    def __init__(self, model: Any) -> None:
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.key = (-math.inf, -math.inf)
        self.step = 0
        self.keep()

    def keep(self) -> None:
        """Copy the weights as they are."""
        self.weights = [p.detach().clone() for p in self.parameters]

    def offer(self, step: int, score: float, loss: float) -> None:
        """Keep the weights if this evaluation is the best so far."""
        if (score, -loss) > self.key:
            self.key, self.step = (score, -loss), step
            self.keep()

    def restore(self) -> None:
        """Put the best weights back."""
        with torch.no_grad():
            for parameter, weights in zip(self.parameters, self.weights, strict=True):
                parameter.copy_(weights)


class Patience:
    """Counts regular dev evaluations that brought nothing new: no higher score, and no loss lower by a hundredth.

    A score can stand still for long while a model learns: a classifier at chance, a translator that writes the same
    sentence for every source. Ending the stable phase there would end the arm that learns more slowly, so the loss has a
    say too.
    """

    LESS = 0.01
    """Smaller improvements of the loss, as a share of it, are a plateau's noise."""

    def __init__(self) -> None:
        self.stale = 0
        self._highest, self._lowest = -math.inf, math.inf

    def see(self, score: float, loss: float) -> None:
        """Take an evaluation in."""
        better = score > self._highest or loss < self._lowest * (1 - self.LESS)
        self.stale = 0 if better else self.stale + 1
        self._highest = max(score, self._highest)
        if loss < self._lowest * (1 - self.LESS):
            self._lowest = loss


class Spent:
    """What training has cost so far."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.examples = 0
        self.flops = 0
        self.seconds = 0.0
        self._since = 0.0

    def resume(self) -> None:
        """Training goes on."""
        self._since = self._now()

    def pause(self) -> None:
        """Something else begins."""
        self.seconds += self._now() - self._since

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


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
) -> Fitted:
    """Train the parameters that require gradients and leave the model with its best weights on dev.

    `score` judges what `predict` returns for dev, with the named `fields` of the model's output. A run that has come to
    step `stop_at` is evaluated and ends there; up to there it has the numbers of one that goes on.
    """
    device = next(model.parameters()).device
    schedule = Schedule(recipe, len(train))
    every = max(1, schedule.max_steps // recipe.evaluations)
    early = evaluation_steps(every)
    flops = StepFlops(model, train, pad_token_id)
    optimizer = _optimizer(model, recipe)
    parameters = [p for p in model.parameters() if p.requires_grad]
    batches = training_batches(train, recipe.batch_size, replicate)
    best, spent, curve = Best(model), Spent(device), list[CurvePoint]()
    patience, step, stopped, diverged = Patience(), 0, False, False
    torch.manual_seed(seed("dropout", replicate=replicate))
    model.train()
    spent.resume()
    while step < (end := min(schedule.end, stop_at or schedule.end)):
        rows = [train[i] for i in next(batches)]
        batch = collate(rows, pad_token_id, device)
        with autocast(recipe.precision, device):
            loss = model(**batch).loss
        if not torch.isfinite(loss):
            diverged = True
            break
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate(step)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        spent.examples += len(rows)
        spent.flops += flops(rows)
        if step % every and step not in early and step != end:
            continue
        spent.pause()
        predicted = predict(model, dev, pad_token_id, recipe.precision, fields)
        if not math.isfinite(predicted.loss):
            diverged = True
            break
        value = score(predicted)
        stable = step <= schedule.decay_from
        phase = "stable" if stable else "decay"
        curve.append(CurvePoint(step, value, predicted.loss, phase, spent.examples, spent.flops, spent.seconds))
        best.offer(step, value, predicted.loss)
        if step not in early:  # a lucky early score must not end the run sooner
            patience.see(value, predicted.loss)
        progress(step, schedule.max_steps, best.key[0])
        if stable and not stopped and patience.stale >= recipe.patience and step > schedule.warmup:
            stopped = True
            schedule.decay_now(step)
        spent.resume()
    best.restore()
    # A run that diverged before its first evaluation is left with its initial weights, and has their score.
    final = best.key[0] if best.step else score(predict(model, dev, pad_token_id, recipe.precision, fields))
    return Fitted(final, best.step, step, schedule.max_steps, tuple(curve), stopped, diverged, spent.flops, spent.seconds)


def _optimizer(model: Any, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; weight decay on matrices only, not on biases, norms and embeddings."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    trained = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.ndim >= 2 and id(p) not in embeddings]
    kept = [p for p in trained if p.ndim < 2 or id(p) in embeddings]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    fused = trained[0].device.type in {"cpu", "cuda"}
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=recipe.learning_rate, fused=fused)
