"""The search space of tuning: which learning rates are tried, and how far each of them runs."""

from __future__ import annotations

from collections.abc import Sequence

LEARNING_RATES = (1e-5, 3e-3)
"""The smallest and the largest tried, log-uniform between them, the same for every arm."""
RUNGS = (300, 600)
"""Steps: every learning rate runs to the first, the better half of them to the second, which decides."""
FEWEST_RATES_TO_HALVE = 4
"""Tuning halves only with at least so many learning rates: of fewer, too few would be left to choose from."""
GOLDEN_RATIO = 0.3819660112501051
"""2 minus the golden ratio (1.618...): as the step of an additive sequence it spreads any number of points evenly."""


def learning_rates(count: int) -> list[float]:
    """Spread `count` learning rates evenly over the log of the search space: the additive golden-ratio sequence from the
    middle upwards.

    A longer list starts with the shorter one, so that raising `--tune` keeps the trials already run.
    """
    low, high = LEARNING_RATES
    points = [(0.5 + k * GOLDEN_RATIO) % 1 for k in range(count)]
    return [float(f"{low * (high / low) ** u:.3g}") for u in points]


def rungs(count: int) -> tuple[int | None, ...]:
    """Name the steps to which the rounds of tuning `count` rates run, the same for every arm; None: until a run ends."""
    return RUNGS if count >= FEWEST_RATES_TO_HALVE else (None,)


def at_edge(learning_rate: float, tried: Sequence[float]) -> bool:
    """Tell whether the chosen rate is the smallest or largest of three or more tried: a better one may lie outside."""
    return len(tried) > 2 and learning_rate in (min(tried), max(tried))
