"""Read the level that a run of scratch sets off its dev curve, and when a run reaches one (docs/methods.md, convergence)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from transfergain.analysis.inversion import isotonic
from transfergain.outcome import CurvePoint, Outcome

LEVEL_SHARE = 0.95
"""Share of scratch's gain over chance that counts as its level."""
STUCK_SHARE = 0.25
"""A run of scratch that gained less over chance than this share of what its runs gain on average has set no level."""


class Crossing(NamedTuple):
    """When a run reached the target."""

    time: float | None
    """Linear between two evaluations; at the first evaluation, that evaluation's own. None: never."""
    at_first: bool
    """Reached by the first evaluation already: `time` is an upper bound."""
    horizon: float
    """Of the last evaluation: what an unreached target takes at least."""


def stable(outcome: Outcome) -> list[CurvePoint]:
    """List the evaluations with a score."""
    return [point for point in outcome.curve if math.isfinite(point.score)]


def plateau(scores: Sequence[float]) -> float:
    """Read the level that a curve ends at: the last value of its isotonic smoothing, its final points' highest mean."""
    return float(isotonic(np.array(scores, dtype=np.float64))[0][-1])


def goal(level: float, chance: float) -> float:
    """Set the target by a level of scratch."""
    return chance + LEVEL_SHARE * (level - chance)


def targets_of(curves: Sequence[Sequence[CurvePoint]], chance: float) -> list[float]:
    """Set the target of each seed by the level of its own run; by the mean of all where its run stayed at chance.

    A level of chance would be reached by anything at once. The run that is stuck there never reaches the mean.
    """
    levels = [plateau([point.score for point in curve]) for curve in curves]
    usual = sum(levels) / len(levels)
    stuck = [level - chance < STUCK_SHARE * (usual - chance) for level in levels]
    return [goal(usual if alone else level, chance) for level, alone in zip(levels, stuck, strict=True)]


def crossing(points: Sequence[CurvePoint], target: float, unit: str = "step") -> Crossing:
    """Find where the isotonic smoothing of a run reaches the target; `unit` is a field of CurvePoint.

    The level that scratch sets is read off the same smoothing, so no run misses its own level by the luck of two readings.
    """
    at = [float(getattr(point, unit)) for point in points]
    smooth = isotonic(np.array([point.score for point in points], dtype=np.float64))[0].tolist()
    first = next((i for i, score in enumerate(smooth) if score >= target), None)
    if first is None:
        return Crossing(None, False, at[-1])
    if first == 0:
        return Crossing(at[0], True, at[-1])
    before, after = smooth[first - 1], smooth[first]
    return Crossing(at[first - 1] + (target - before) / (after - before) * (at[first] - at[first - 1]), False, at[-1])
