"""The loop of pretraining: AdamW, warm-up, then a constant rate; what comes out is the weights' average over the last part.

As in `engine.fit`, no length has to be known beforehand, so that a run may end by steps or by time; the average takes the
place of a decay of the learning rate (Hägele et al. 2024 find the two close). A step's batch and masks follow from its
number alone, so that a run that was killed goes on with the numbers of one that never was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, field
from typing import Any

import torch

from transfergain.counts import counted
from transfergain.engine import schedule
from transfergain.engine.batching import Feature, collate
from transfergain.engine.fit import Progress, silent
from transfergain.engine.precision import autocast
from transfergain.engine.pretraining.model import LabelledPositions, evaluating, on_labelled_positions, step_flops
from transfergain.engine.pretraining.objectives import Alphabet, Objective
from transfergain.engine.pretraining.packing import Packed
from transfergain.engine.saves import NO_SAVES, Saves
from transfergain.engine.shortcuts import ALL_SHORTCUTS, Shortcuts
from transfergain.engine.step import Step, answers
from transfergain.engine.training import Training
from transfergain.engine.weights import Average, Weights
from transfergain.errors import UserError
from transfergain.outcome import CurvePoint
from transfergain.seeds import generator, seed
from transfergain.types import Recipe

HEAD_STEPS = 100
"""Steps, or a tenth of the run if that is less, in which a new head learns alone what the checkpoint's weights say."""
HEAD_RATE_FACTOR = 10.0
"""Factor of the learning rate meanwhile."""
READINGS = 4
"""The held-out text is read at most this many times less often than a batch is trained on, by what it costs."""


@dataclass(frozen=True)
class Pretraining:
    """What to pretrain on, by which recipe, and how far."""

    packed: Packed
    objective: Objective
    alphabet: Alphabet
    recipe: Recipe
    replicate: int
    pad_token_id: int
    steps: int | None
    seconds: float | None = None
    """The run ends with the step in which this much training time is over, if it has not before."""
    new: frozenset[str] = frozenset()
    """Names of a new head's parameters, which learn alone first."""

    def features(self, step: int) -> list[Feature]:
        """Make the batch of a step."""
        rng = generator("masks", replicate=self.replicate, step=step)
        return self.objective.corrupt(self.packed.batch_of(step, self.replicate), self.alphabet, rng)

    def held_out(self) -> list[list[Feature]]:
        """Make the batches of held-out text, the same for every run on it."""
        rng = generator("held-out masks")
        return [self.objective.corrupt(batch, self.alphabet, rng) for batch in self.packed.held_out_batches()]


@dataclass
class Run:
    """How far a pretraining has come."""

    steps: int = 0
    seconds: float = 0.0
    flops: float = 0.0
    losses: list[float] = field(default_factory=list)
    """Of the steps since the last reading of held-out text."""
    curve: list[CurvePoint] = field(default_factory=list)
    """Of held-out losses; the score is exp(-loss), the mean probability of a right token."""
    training_losses: list[float] = field(default_factory=list)
    """The mean of the steps before each reading."""

    def state(self) -> dict[str, Any]:
        """Gather all, to be saved."""
        return {**vars(self), "curve": [astuple(point) for point in self.curve]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that was saved."""
        vars(self).update(state)
        self.curve = [CurvePoint(*point) for point in state["curve"]]


def pretrain(
    model: Any, what: Pretraining, progress: Progress = silent, shortcuts: Shortcuts = ALL_SHORTCUTS, saves: Saves = NO_SAVES
) -> Run:
    """Pretrain a model and leave it with the average of its weights. Raises UserError where the loss is no number."""
    held_out = what.held_out()
    few = [feature for batch in held_out for feature in batch][:4]
    module = on_labelled_positions(model, what.objective, few, what.pad_token_id)
    flops = step_flops(module, what.features(0), what.pad_token_id)
    device = next(model.parameters()).device
    prefix = "model." if isinstance(module, LabelledPositions) else ""
    rates = dict.fromkeys((prefix + name for name in what.new), HEAD_RATE_FACTOR)
    training = Training(few, few, what.recipe, what.replicate, what.pad_token_id, rates=rates)
    with (
        shortcuts.applied(module, training) as weights,
        closing(Step(module, weights, what.recipe, what.pad_token_id, device)) as step,
    ):
        torch.manual_seed(seed("dropout", replicate=what.replicate))
        model.train()
        run, average, head = Run(), Average(weights), _HeadFirst(weights, what)
        if state := saves.load():
            _restore(state, weights, step, run, average)
        due = _next_reading(run, held_out)
        while not _is_over(run, what):
            saves.offer(lambda: _state(weights, step, run, average))
            begun = time.perf_counter()
            features = what.features(run.steps)
            head.before(run.steps)
            loss = step(features, what.recipe.learning_rate * min(1.0, (run.steps + 1) / max(1, what.recipe.warmup_steps)))
            if not math.isfinite(loss):
                rate = f"--learning-rate {what.recipe.learning_rate:g}"
                raise UserError(f"{rate}: after {counted(run.steps, 'step')} the loss is no number; give a lower one")
            run.steps += 1
            run.losses.append(loss)
            average.take(run.steps)
            run.flops += flops(features)
            run.seconds += time.perf_counter() - begun
            if run.steps == due or _is_over(run, what):
                with average.in_place():
                    _read(module, run, held_out, what)
                due = _next_reading(run, held_out)
            progress(run.steps, what.steps or 0, run.curve[-1].score if run.curve else None)
        weights.put(average.state()["values"])
    return run


def _is_over(run: Run, what: Pretraining) -> bool:
    by_steps = what.steps is not None and run.steps >= what.steps
    return by_steps or (what.seconds is not None and run.seconds >= what.seconds)


def _next_reading(run: Run, held_out: Sequence[Sequence[Feature]]) -> int:
    """Find the step after which held-out text is read next: distances grow with the run."""
    last = run.curve[-1].step if run.curve else 0
    return schedule.next_evaluation(last, READINGS * len(held_out))


def _read(module: Any, run: Run, held_out: Sequence[Sequence[Feature]], what: Pretraining) -> None:
    """Compute the loss on held-out text, a mean over its labels."""
    device, total, count = next(module.parameters()).device, 0.0, 0
    with evaluating(module), torch.inference_mode(), autocast(what.recipe.precision, device):
        for features in held_out:
            labels = sum(map(answers, features))
            total += float(module(**collate(features, what.pad_token_id, device)).loss) * labels
            count += labels
    loss = total / count
    examples = run.steps * what.recipe.batch_size
    run.curve.append(CurvePoint(run.steps, math.exp(-loss), loss, examples, run.flops, run.seconds))
    run.training_losses.append(sum(run.losses) / len(run.losses))
    run.losses = []


class _HeadFirst:
    """Lets a new head learn alone in the first steps, at a higher rate; then all weights, at the same rate."""

    def __init__(self, weights: Weights, what: Pretraining) -> None:
        self._optimizer = weights.optimizer
        self._new = [group["times"] == HEAD_RATE_FACTOR for group in self._optimizer.param_groups]
        most = HEAD_STEPS if what.steps is None else min(HEAD_STEPS, what.steps // 10)
        self._steps = most if what.new else 0

    def before(self, step: int) -> None:
        """Set the rates of a step."""
        alone = step < self._steps
        # asked anew each time: a state that is restored has groups of its own
        for group, new in zip(self._optimizer.param_groups, self._new, strict=True):
            group["times"] = (HEAD_RATE_FACTOR if new else 0.0) if alone else 1.0


def _state(weights: Weights, step: Step, run: Run, average: Average) -> dict[str, Any]:
    """Gather all that the next steps depend on."""
    return {
        "weights": weights.state(),
        "step": step.state(),
        "run": run.state(),
        "average": average.state(),
    }


def _restore(state: Mapping[str, Any], weights: Weights, step: Step, run: Run, average: Average) -> None:
    """Go on from a state that was saved."""
    weights.restore(state["weights"])
    step.restore(state["step"])
    run.restore(state["run"])
    average.restore(state["average"])
