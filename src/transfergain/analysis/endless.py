"""Read what training without an end could make of a figure that was measured at equal training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from transfergain.analysis.flat import Flat
from transfergain.arms import REFERENCE
from transfergain.counts import counted
from transfergain.outcome import Outcome

Runs = Mapping[int, Outcome]
"""Seed -> the finished run of one arm at one budget."""


class Reading(StrEnum):
    """How the figure with endless training lies to the one at equal training."""

    SAME = "same"
    """Most runs of both arms ended by themselves."""
    UPPER_BOUND = "upper bound"
    """Scratch was cut short: more steps could only help it."""
    LOWER_BOUND = "lower bound"
    """The pretrained arm alone was cut short."""
    OPEN = "open"
    """Both were cut short."""


@dataclass(frozen=True, kw_only=True)
class Endless(Flat):
    """What training without an end could make of a figure. An arm is cut short when its cap ended half of its runs."""

    reading: Reading
    unfinished: int
    """Runs of scratch that had not ended by themselves."""
    unfinished_arm: int
    of: int
    """Seeds."""
    to_gain: float | None = None
    """What scratch would still have to gain for the gain to vanish; None where it was not cut short, or is not behind."""
    last_doubling: float | None = None
    """What its last doubling of steps gave on dev, mean over its unfinished runs; None as `to_gain`, or without curves."""

    def clause(self, arm: str) -> str:
        """Say the reading: `with endless training at most that: scratch had not ended by itself in 2 of 3 seeds`."""
        start = "with endless training"
        if self.reading is Reading.SAME:
            return f"{start} the same"
        if self.reading is Reading.LOWER_BOUND:
            return f"{start} maybe more: {self.late_arm(arm)}"
        if self.reading is Reading.OPEN:
            both = f"{self.late()}, nor {arm} in {self.unfinished_arm}"
            return f"{start} more or less: {both}{self._tipping(REFERENCE)}"
        least = "maybe less" if self.to_gain is None else "at most that"
        return f"{start} {least}: {self.late()}{self._tipping('it')}"

    @property
    def cut_short(self) -> bool:
        """Tell whether scratch was cut short, so that the figure is of equal training alone."""
        return self.reading in (Reading.UPPER_BOUND, Reading.OPEN)

    @property
    def arm_cut_short(self) -> bool:
        """Tell whether the pretrained arm was cut short, so that it may be better than it looks."""
        return self.reading in (Reading.LOWER_BOUND, Reading.OPEN)

    def may_shrink(self, gain: float) -> bool:
        """Tell whether more training may make a gain smaller, and not larger."""
        return self.reading is Reading.UPPER_BOUND and gain > 0

    def late(self) -> str:
        """Say in how many seeds scratch was cut short."""
        return f"{REFERENCE} had not ended by itself in {self.unfinished} of {counted(self.of, 'seed')}"

    def late_arm(self, arm: str) -> str:
        """Say in how many seeds the pretrained arm was cut short."""
        return f"{arm} had not ended by itself in {self.unfinished_arm} of {counted(self.of, 'seed')}"

    def _tipping(self, who: str) -> str:
        if self.to_gain is None:
            return ""
        text = f"; {who} would have to gain {_points(self.to_gain)} more points"
        if self.last_doubling is None:
            return text
        return f"{text}, and its last doubling of steps gave {_points(self.last_doubling)} on dev"


def _points(score: float) -> str:
    points = 100 * score
    return f"{points:z.0f}" if abs(points) >= 9.95 else f"{points:z.1f}"


def cut_short(unfinished: int, of: int) -> bool:
    """Say whether so many runs that their cap ended are half or more."""
    return unfinished > 0 and 2 * unfinished >= of


def unfinished(runs: Runs, seeds: Sequence[int]) -> list[int]:
    """List the seeds whose run had not ended by itself when its steps ran out."""
    return [seed for seed in seeds if runs[seed].converged is False]


def read(arm: Sequence[Runs], reference: Sequence[Runs], seeds: Sequence[int], gain: float | None = None) -> Endless:
    """Read a figure made of these runs; of several budgets, the one with the most unfinished runs counts.

    `gain` is a gain in score on the primary metric, for which there is a tipping point.
    """
    mine = max((len(unfinished(runs, seeds)) for runs in arm), default=0)
    worst = max(reference, key=lambda runs: len(unfinished(runs, seeds)), default={})
    late = unfinished(worst, seeds) if worst else []
    short, short_arm = cut_short(len(late), len(seeds)), cut_short(mine, len(seeds))
    reading = {
        (False, False): Reading.SAME,
        (True, False): Reading.UPPER_BOUND,
        (False, True): Reading.LOWER_BOUND,
        (True, True): Reading.OPEN,
    }[short, short_arm]
    found = Endless(reading=reading, unfinished=len(late), unfinished_arm=mine, of=len(seeds))
    if not short or gain is None or gain <= 0:
        return found
    gave = [x for seed in late if (x := last_doubling(worst[seed])) is not None]
    return Endless(**vars(found) | {"to_gain": gain, "last_doubling": float(np.mean(gave)) if gave else None})


def last_doubling(run: Outcome) -> float | None:
    """Return the dev score at the end of a run's curve minus that at half as many steps; None where it begins later."""
    points = [(point.step, point.score) for point in run.curve if math.isfinite(point.score)]
    if not points or 2 * points[0][0] > points[-1][0]:
        return None
    steps, scores = zip(*points, strict=True)
    return float(scores[-1] - np.interp(steps[-1] / 2, steps, scores))
