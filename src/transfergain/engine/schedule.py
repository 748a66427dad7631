"""Decide how fast a training moves, when its dev set is read, and when it ends by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping

from transfergain.outcome import DevScore
from transfergain.types import Recipe

LEAST_IMPROVEMENT = 0.01
"""Improvements of the loss by less than this share of it count as noise."""
GROWTH = 0.25
"""Distance between two dev evaluations, as a share of the steps so far: runs of any length are read equally often."""
PERFECT = 1.0
"""The highest score of every metric."""
BEGUN = 0.9
"""A run whose training loss is above this share of its first has not begun to learn."""
WARMUPS_TO_BEGIN = 10
"""A run that has not begun to learn is given so many times its warm-up."""


class Schedule:
    """Learning rate by step: linear warm-up, then constant. It needs no decay, as the weights are averaged."""

    def __init__(self, recipe: Recipe, n_train: int) -> None:
        self.max_steps = recipe.max_steps(n_train)
        self.warmup = max(1, min(recipe.warmup_steps, self.max_steps // 2))
        """Half the cap at most, so that a run with a cap that near trains at its rate, too."""
        self._rate = recipe.learning_rate

    def learning_rate(self, step: int) -> float:
        """Compute the learning rate of optimiser step `step`, counted from 0."""
        return self._rate * min(1.0, (step + 1) / self.warmup)


class Progress:
    """Tells since when a run has made no progress on dev, against the noise of the dev set.

    Progress is a score above the last mark by more than its standard error, or a loss below the last mark by more than
    LEAST_IMPROVEMENT of it. Small steps add up, as the mark stays where it is until they do. A score can stand still for
    long while a model learns (a classifier at chance, a translator that writes the same sentence for every source), so
    the loss counts too, but not where the score is perfect: the loss of such a dev set may fall for ever.

    A model that starts from random weights may stand still for long before it begins to learn. It is waited for, within
    limits, as long as its training loss has hardly fallen, its training texts being as new to it as dev; and as long as its
    score has not risen though its dev loss has fallen, as that of a tagger that still says O to every word.
    """

    def __init__(self, warmup: int) -> None:
        self.since = warmup
        """The step of the last progress; the warm-up counts as such."""
        self._may_begin = WARMUPS_TO_BEGIN * warmup
        self._score, self._loss = -math.inf, math.inf
        self._first_training, self._first_loss = math.nan, math.inf
        self._risen = False
        """Whether the score has ever been above its first."""

    def see(self, step: int, dev: DevScore, loss: float, training_loss: float) -> None:
        """Take an evaluation in; `training_loss` is the mean since the last one."""
        if math.isnan(self._first_training):
            self._first_training, self._first_loss = training_loss, loss
        better = dev.score > self._score + dev.error
        lower = dev.score < PERFECT and loss < self._loss * (1 - LEAST_IMPROVEMENT)
        self._risen |= better and math.isfinite(self._score)
        learns = training_loss <= BEGUN * self._first_training and (self._risen or loss >= self._first_loss)
        begun = learns or step >= self._may_begin
        if better:
            self._score = dev.score
        if lower:
            self._loss = loss
        if better or lower or not begun:
            self.since = max(self.since, step)

    def state(self) -> dict[str, float]:
        """Gather the marks, to be saved."""
        return dict(vars(self))

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from a state that was saved."""
        vars(self).update(state)

    def is_old(self, step: int, patience: float) -> bool:
        """Tell whether the last progress is older than the share `patience` of the run so far."""
        return step - self.since >= patience * step


def next_evaluation(step: int, apart: int) -> int:
    """Find the step of the next dev evaluation after `step`: distances grow with the run, and are at least `apart`."""
    return step + max(1, math.ceil(GROWTH * step), apart)


def evaluations(steps: int, n_dev: int, batch_size: int) -> int:
    """Count the dev evaluations of a run of so many steps."""
    count, step, apart = 0, 0, least_apart(n_dev, batch_size)
    while step < steps:
        step = next_evaluation(step, apart)
        count += 1
    return count


def least_apart(n_dev: int, batch_size: int, reading: int = 1) -> int:
    """Compute the least distance between two dev evaluations: a step takes three passes of a batch, so reading dev takes a
    third of the time of training at most. `reading` is what a dev example costs, in passes.
    """
    return n_dev * reading // batch_size
