"""Measure how much sooner an arm reaches scratch's own level in training (docs/methods.md, convergence)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from transfergain.analysis import words
from transfergain.analysis.endless import Endless, Reading, cut_short
from transfergain.analysis.gain import Cell
from transfergain.analysis.levels import Crossing, crossing, stable, targets_of
from transfergain.analysis.look import Look, settled
from transfergain.analysis.rows import Censored, ConvergenceRow, Measure, Verdict
from transfergain.analysis.trials import DatasetTrials, common
from transfergain.analysis.verdict import judge_ratio
from transfergain.arms import REFERENCE
from transfergain.outcome import CurvePoint
from transfergain.split import DEV

FEWEST_ALIKE = 3
"""Seeds that must all say the same where there is no interval to judge by."""
UNITS = {"step": "steps", "examples": "examples", "flops": "flops"}
"""Field of CurvePoint -> unit. Seconds are measured, and kept apart (`timings`)."""


class Speedup(NamedTuple):
    """Ratio of the reference's times to the arm's; None where nothing can be said."""

    estimate: float | None
    censored: Censored
    low: float | None
    high: float | None
    low_open: bool
    high_open: bool


def speed_up(arm: Sequence[Crossing], reference: Sequence[Crossing], level: float = 0.95) -> Speedup:
    """Take the geometric mean over seeds of reference time / arm time, with Student's t interval of the log ratios.

    A run that never got there enters with its horizon, one that was there at the first evaluation with that: bounds. Where
    all bounds point one way, so does the result, and the interval is open on that side. A pair in which both runs are
    bounded alike says nothing; where that is more than half of the pairs, or where bounds point both ways, no figure does.
    """
    logs, up, down, silent = [], False, False, 0
    for a, r in zip(arm, reference, strict=True):
        above, below = a.at_first or r.time is None, r.at_first or a.time is None
        if above and below:
            silent += 1
            continue
        up, down = up or above, down or below
        logs.append(math.log((r.horizon if r.time is None else r.time) / (a.horizon if a.time is None else a.time)))
    if not logs or 2 * silent > len(arm) or (up and down):
        return Speedup(None, Censored.NO, None, None, False, False)
    estimate = float(np.exp(np.mean(logs)))
    censored = Censored.ABOVE if up else Censored.BELOW if down else Censored.NO
    if len(logs) < 2:
        return Speedup(estimate, censored, None, None, False, False)
    half = _half_width(np.array(logs), level)
    low, high = estimate * math.exp(-half), estimate * math.exp(half)
    return Speedup(estimate, censored, low, high, down, up)


def rows(trials: DatasetTrials) -> tuple[list[ConvergenceRow], list[ConvergenceRow]]:
    """Measure one data set, every arm and budget in every unit recorded: (rows for findings, rows in seconds)."""
    found, timed = list[ConvergenceRow](), list[ConvergenceRow]()
    for cell, reference in trials.pairs():
        compared = _Compared.settled(trials, cell, reference)
        found += [compared.row(field, unit) for field, unit in UNITS.items() if field == "step" or compared.has(field)]
        if compared.has("seconds"):
            timed.append(compared.row("seconds", "seconds"))
    return found, timed


@dataclass(frozen=True)
class _Compared:
    """The dev curves of one arm and of scratch at one budget, by seed, and the levels to reach.

    The target is that of the seed: seeds have dev sets of their own, some easier than others, and half of scratch's runs
    would never reach the level of all of them.
    """

    trials: DatasetTrials
    cell: Cell
    against: Cell
    look: Look
    arm: list[list[CurvePoint]]
    reference: list[list[CurvePoint]]
    targets: list[float]
    flat: str
    """What keeps scratch from setting a level, so that the arm sets it; empty where scratch does."""
    problem: str
    """Why nothing can be compared; empty where it can."""

    @classmethod
    def settled(cls, trials: DatasetTrials, cell: Cell, reference: Cell) -> _Compared:
        """Compare at the look that decided the speed-up in steps, else at the last."""
        both = [r for r in common([cell, reference]) if all(stable(c.outcomes[r]) for c in (cell, reference))]
        steps = ("step", UNITS["step"])
        return settled(trials.look_at(both), partial(cls.of, trials, cell, reference), lambda at: at.row(*steps).verdict)

    @classmethod
    def of(cls, trials: DatasetTrials, cell: Cell, reference: Cell, look: Look) -> _Compared:
        """Gather the curves of a look's seeds, and set the level: scratch's own, or where it has none the arm's."""
        mine, theirs = ([stable(c.outcomes[r]) for r in look.seeds] for c in (cell, reference))
        known = (trials, cell, reference, look, mine, theirs)
        if not look.seeds:
            return cls(*known, [], "", "no seed has dev evaluations of both arms")
        flat = _flat(theirs, trials.chance)
        if flat and _flat(mine, trials.chance):
            return cls(*known, [], flat, f"{REFERENCE} {flat}, and neither did {cell.arm}")
        return cls(*known, targets_of(mine if flat else theirs, trials.chance), flat, "")

    def has(self, field: str) -> bool:
        """Say whether the unit was recorded throughout."""
        return bool(self.arm) and all(getattr(curve[-1], field) > 0 for curve in (*self.arm, *self.reference))

    def row(self, field: str, unit: str) -> ConvergenceRow:
        """Measure the speed-up in one unit."""
        row = ConvergenceRow(
            **self.trials.place(self.cell, DEV),
            measure=Measure.SPEED_UP,
            reference=REFERENCE,
            unit=unit,
            target=float(np.mean(self.targets)) if self.targets else None,
            targets=self.targets,
            n_seeds=len(self.arm),
            verdict=Verdict.INCONCLUSIVE,
            level=self.look.level,
        )
        if self.problem:
            where = f"{self.trials.dataset}: with {self.cell.budget:,} labels"
            return replace(row, sentence=f"{where} no speed can be compared: {self.problem}.")
        mine, theirs = (
            [crossing(curve, target, field) for curve, target in zip(curves, self.targets, strict=True)]
            for curves in (self.arm, self.reference)
        )
        row = replace(_measured(row, mine, theirs, self.look.level), endless=self._endless(mine))
        if self.flat:
            ended = [bool(self.against.outcomes[r].converged) for r in self.look.seeds]
            row = replace(row, verdict=_judge_bounds(mine, theirs, ended))
            return replace(row, sentence=_beyond(row, self.flat, mine, theirs, all(ended), self.look.clause))
        row = replace(row, verdict=_judge(row, self.look.begun))
        return replace(row, sentence=_sentence(row, mine, theirs, self.look.clause))

    def _endless(self, mine: Sequence[Crossing]) -> Endless:
        """Read endless training: the level that scratch sets may still rise; an arm that is there needs no more steps."""
        found = self.trials.endless([self.cell], [self.against], self.look)
        late = cut_short(found.unfinished_arm, found.of) and any(c.time is None for c in mine)
        if cut_short(found.unfinished, found.of):
            return replace(found, reading=Reading.OPEN if late or not self.flat else Reading.UPPER_BOUND)
        return replace(found, reading=Reading.LOWER_BOUND if late else Reading.SAME)


def _flat(curves: Sequence[Sequence[CurvePoint]], chance: float) -> str:
    """Say that curves, one a seed, rise to nothing that could be reached; empty where they do.

    `plateau` would be above chance for noise, too.
    """
    late = np.array([np.mean([point.score for point in curve[len(curve) // 2 :]]) for curve in curves])
    first = np.array([curve[0].score for curve in curves])
    if not _above(late - chance):
        return f"never clearly left chance ({words.score(chance)}) on dev"
    if not _above(late - first):  # untrained answers may have some score: words that they share with the right ones
        return f"never clearly rose above its first dev score ({words.score(float(first.mean()))})"
    return ""


def _measured(row: ConvergenceRow, mine: Sequence[Crossing], theirs: Sequence[Crossing], level: float) -> ConvergenceRow:
    """Fill in when the runs reached their targets, and the speed-up."""
    reached, reached_reference = (float(np.mean([c.time is not None for c in part])) for part in (mine, theirs))
    return replace(
        row,
        **speed_up(mine, theirs, level)._asdict(),
        reached=reached,
        reached_reference=reached_reference,
        times=[c.time for c in mine],
        times_reference=[c.time for c in theirs],
        horizons=[c.horizon for c in mine],
        horizons_reference=[c.horizon for c in theirs],
        horizon=max(c.horizon for c in (*mine, *theirs)),
        at_first=float(np.mean([c.at_first for c in mine])),
    )


def _half_width(values: np.ndarray, level: float = 0.95) -> float:
    """Return half the width of Student's t interval of the mean; values (seeds,), two or more."""
    return float(stdtrit(len(values) - 1, (1 + level) / 2)) * float(values.std(ddof=1)) / math.sqrt(len(values))


def _above(values: np.ndarray) -> bool:
    """Say whether the mean over seeds is above 0: by Student's t at 5 %, one-sided, where there are two seeds or more."""
    return bool(values.mean() - (_half_width(values, level=0.9) if len(values) > 1 else 0.0) > 0)


def _judge(row: ConvergenceRow, begun: bool) -> Verdict:
    """Judge a speed-up: not supported where the arm gets there less often; slower takes runs that all got there."""
    assert row.reached is not None and row.reached_reference is not None
    if begun and row.reached < row.reached_reference:
        return Verdict.NOT_SUPPORTED
    return judge_ratio(row.low, row.high, row.low_open, row.high_open, begun=begun)


def _judge_bounds(mine: Sequence[Crossing], theirs: Sequence[Crossing], ended: Sequence[bool]) -> Verdict:
    """Judge how soon an arm reaches its own level where scratch has none: supported when every seed, at least 3, says so.

    A run of scratch that ended by itself without getting there would not get there with more steps either.
    """

    def at(run: Crossing, over: bool) -> float:
        return run.time if run.time is not None else math.inf if over else run.horizon

    sooner = [
        a.time is not None and at(r, over) > a.time and not r.at_first
        for a, r, over in zip(mine, theirs, ended, strict=True)
    ]
    return Verdict.SUPPORTED if len(sooner) >= FEWEST_ALIKE and all(sooner) else Verdict.INCONCLUSIVE


def _mean(times: Sequence[Crossing]) -> str:
    known = [c.time for c in times if c.time is not None]
    return words.number(float(np.exp(np.mean(np.log(known))))) if known else ""


def _sentence(row: ConvergenceRow, mine: Sequence[Crossing], theirs: Sequence[Crossing], over_looks: str) -> str:
    of = f"of {words.seeds(row.n_seeds)}"
    start, level = f"{row.dataset}: with {row.budget:,} labels {row.arm}", f"dev {_target(row)}"
    counts = [sum(c.time is not None for c in part) for part in (mine, theirs)]
    aside = [] if row.estimate is None and not all(counts) else [_ratio(row, over_looks)]
    if not counts[0]:
        held = f"holds in {counts[1]} {of}" if counts[1] else "does not hold either"
        text = f"{start} never reaches scratch's level ({level}), which scratch {held}"
    elif not counts[1]:
        text = f"{start} reaches {level} in {words.of_unit(_mean(mine), row.unit)}; scratch holds it in no seed"
    else:
        text = f"{start} reaches scratch's level ({level}) in {words.of_unit(_mean(mine), row.unit)}"
        # The ratio counts the seeds that never got there as later than they were watched; a mean cannot.
        text += f" instead of {_mean(theirs)}" + (" where scratch does" if counts[1] < row.n_seeds else "")
    if counts[0] and counts != [row.n_seeds] * 2:
        aside.append(f"reached in {counts[0]} {of}, by scratch in {counts[1]}")
    text += f" ({'; '.join(aside)})" * bool(aside) + ", pretraining not counted"
    if row.verdict is Verdict.NOT_SUPPORTED and counts[0] < counts[1]:
        text += "; it gets there less often"
    text += f": {row.verdict}"
    if row.endless and row.endless.reading is Reading.OPEN:  # what scratch has not reached yet, no arm was timed to
        return f"{text}; with endless training {REFERENCE}'s level may still rise: {row.endless.late()}."
    return f"{text}{words.with_endless(row)}."


def _beyond(
    row: ConvergenceRow, flat: str, mine: Sequence[Crossing], theirs: Sequence[Crossing], ended: bool, over_looks: str
) -> str:
    """Say how soon the arm was where scratch never came. A bound of the ratio below 1 says nothing, and is not said."""
    bounded = row.estimate is None or row.estimate >= 1
    watched = words.of_unit(words.number(_horizon(theirs)), row.unit)
    watched += ", and ended by itself" if ended and not bounded else ""
    start = f"{row.dataset}: with {row.budget:,} labels {REFERENCE} {flat} in {watched}"
    ratio = f" ({_ratio(row, over_looks)})" if bounded else ""
    there = f"{row.arm} reaches dev {_target(row)} in {words.of_unit(_mean(mine), row.unit)}{ratio}"
    return f"{start}; {there}, pretraining not counted: {row.verdict}{words.with_endless(row)}."


def _target(row: ConvergenceRow) -> str:
    assert row.target is not None
    return words.score(row.target)


def _horizon(runs: Sequence[Crossing]) -> float:
    return float(np.exp(np.mean(np.log([run.horizon for run in runs]))))


def _ratio(row: ConvergenceRow, over_looks: str) -> str:
    if row.estimate is None:
        return "too many runs were there before the first evaluation or never, to say how much faster"
    return words.bounded_ratio(row) + over_looks
