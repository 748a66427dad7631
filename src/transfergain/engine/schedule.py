"""Decide when a training warms up, decays and ends."""

from __future__ import annotations

import math

from transfergain.types import Recipe

LEAST_IMPROVEMENT = 0.01
"""Improvements of the loss by less than this share of it count as noise."""


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
        """Compute the learning rate of optimiser step `step`, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup)
        left = min(1.0, (self.end - step) / max(1, self.end - self.decay_from))
        return self.recipe.learning_rate * min(warm, left)


class Patience:
    """Count regular dev evaluations in a row without progress: no higher score, at an equal score no lower loss, and no
    loss lower than any before by LEAST_IMPROVEMENT.

    A score can stand still for long while a model learns: a classifier at chance, a translator that writes the same
    sentence for every source. Ending the stable phase there would end the arm that learns more slowly, so the loss
    counts too.
    """

    def __init__(self) -> None:
        self.stale = 0
        self._best, self._lowest = (-math.inf, -math.inf), math.inf

    def see(self, score: float, loss: float) -> None:
        """Take an evaluation in."""
        lower = loss < self._lowest * (1 - LEAST_IMPROVEMENT)
        self.stale = 0 if lower or (score, -loss) > self._best else self.stale + 1
        self._best = max(self._best, (score, -loss))
        if lower:
            self._lowest = loss


def evaluation_steps(every: int) -> frozenset[int]:
    """List the steps before the first regular evaluation at which dev is evaluated too: a fast arm may be done by then."""
    return frozenset(every // part for part in (2, 4, 8)) - {0, every}
