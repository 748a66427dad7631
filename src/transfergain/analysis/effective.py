"""Measure effective robustness: is an arm better under shift than its score at home lets expect? (Taori et al. 2020)

They fit logit(ood) ~ logit(id) over many models, and ask by how much a model lies above the line. Here the line is that of
both arms over all budgets, and the arm's distance from scratch's line is estimated with it: logit(ood) ~ logit(id) + arm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import expit, logit

from transfergain.analysis import stats, words
from transfergain.analysis.endless import Reading
from transfergain.analysis.gain import Cell
from transfergain.analysis.rows import Measure, RobustnessRow, Verdict
from transfergain.analysis.stats import Floats, Values
from transfergain.analysis.trials import DatasetTrials, common
from transfergain.analysis.verdict import judge_sign
from transfergain.arms import REFERENCE
from transfergain.split import TEST, Split

SPLITS_OF_FIT = 2
"""The test set and the shift."""


def effective_robustness(trials: DatasetTrials, cells: Mapping[int, Cell], split: Split) -> RobustnessRow:
    """Measure one arm on one shift. The estimate is in logits; the sentence gives it in points of score."""
    groups = [list(cells.values()), list(trials.reference.values())]
    top = groups[0][-1]
    look = trials.look_at(common([c for group in groups for c in group], split) if all(groups) else [])
    seeds = look.seeds
    row = RobustnessRow(
        **trials.place(top, split),
        measure=Measure.EFFECTIVE_ROBUSTNESS,
        reference=REFERENCE,
        n_seeds=len(seeds),
        points=_points(trials, groups, split),
        verdict=Verdict.NOT_MEASURED,
        level=look.level,
    )
    parts = [[[trials.values(c, at, seeds) for at in (TEST, split)] for c in group] for group in groups] if seeds else []
    problem = _problem(parts, (top.arm, REFERENCE))
    if problem:
        start = f"{trials.dataset}: how much of the gain of {top.arm} on {split.title} comes from its better score at home"
        return replace(row, sentence=f"{start} cannot be told: {problem}.")
    mine = np.repeat([1.0, 0.0], [len(group) for group in parts])
    found, (slope, intercept, at) = _estimate([cell for group in parts for cell in group], mine, look.design)
    verdict = judge_sign(found.low, found.high, begun=look.begun)
    more = [words.in_percent(_apart(at, x), "+") for x in (found.estimate, found.low, found.high) if x is not None]
    interval = f" (95 %: {more[1]} to {more[2]}{look.clause})" if len(more) > 1 else ""
    said = {Verdict.SUPPORTED: "more robust", Verdict.NEGATIVE_TRANSFER: "less robust"}
    sentence = (
        f"{trials.dataset}: with the same score at home, {top.arm} would score {more[0]} points on {split.title} "
        f"against {REFERENCE}{interval}: {said.get(verdict, 'not shown to be more robust')}"
    )
    fit = replace(row, slope=slope, intercept=intercept, identifiable=True, verdict=verdict)
    fit = replace(fit, estimate=found.estimate, low=found.low, high=found.high)
    if (read := trials.endless(groups[0], groups[1], look)).reading is not Reading.SAME:  # more training moves both scores
        fit, sentence = replace(fit, endless=replace(read, reading=Reading.OPEN)), f"{sentence}; more training may change it"
    return replace(fit, sentence=f"{sentence}.")


def _apart(at: float, logits: float) -> float:
    """Turn a distance in logits into one of scores, around the logit `at`."""
    return float(expit(at + logits / 2) - expit(at - logits / 2))


def _points(trials: DatasetTrials, groups: Sequence[Sequence[Cell]], split: Split) -> list[tuple[float, float, str]]:
    """List each trial's (score at home, score on the shift, arm)."""
    return [
        (float(trials.values(c, TEST, [r]).scores[0]), float(trials.values(c, split, [r]).scores[0]), c.arm)
        for group in groups for c in group for r in common([c], split)
    ]  # fmt: skip


def _problem(groups: Sequence[Sequence[Sequence[Values]]], arms: Sequence[str]) -> str:
    """Say why the arm's effect and the slope cannot be told apart; empty where they can."""
    if not groups:
        return "no seed finished in both arms at every budget"
    if few := [arm for arm, group in zip(arms, groups, strict=True) if len(group) < 2]:
        return f"it takes two numbers of labels in both arms, and {' and '.join(few)} ran with one"
    ranges = [sorted(float(cell[0].scores.mean()) for cell in group) for group in groups]
    if min(r[-1] for r in ranges) <= max(r[0] for r in ranges):
        mine, theirs = (words.from_to(r[0], r[-1]) for r in ranges)
        return f"the scores at home do not overlap ({arms[0]} {mine}, {arms[1]} {theirs})"
    if max(r[-1] for r in ranges) - min(r[0] for r in ranges) < 1e-9:
        return "all scores at home are the same"
    return ""


def _logits(scores: Floats, clusters: int) -> Floats:
    """Return logits of scores, those of 0 and 1 as half a test cluster away from them."""
    edge = 0.5 / clusters
    return np.asarray(logit(np.clip(scores, edge, 1 - edge)))


def _estimate(
    cells: Sequence[Sequence[Values]], mine: Floats, looks: stats.Design | None = None
) -> tuple[stats.Estimate, tuple[float, float, float]]:
    """Fit the arm's coefficient with its interval, and (slope, intercept, fitted logit halfway between the arms).

    The fit is over the cells' means over seeds: with single seeds, their noise at home would flatten the slope, and credit
    the difference to the better arm. Between seeds the variance is the jackknife's (one seed left out of all cells: the
    pairing); between test clusters it is the delta method's, from numerical derivatives.
    """
    scores = np.array([[part.scores for part in cell] for cell in cells])  # (cells, splits, seeds)
    sizes = [cells[0][j].values.shape[1] for j in range(SPLITS_OF_FIT)]

    def fit(means: Floats) -> Floats:
        y = [_logits(means[:, j], sizes[j]) for j in range(SPLITS_OF_FIT)]
        design = np.stack([np.ones(len(means)), y[0], mine], axis=1)
        return np.asarray(np.linalg.lstsq(design, y[1], rcond=None)[0])

    means, s = scores.mean(axis=2), scores.shape[2]
    intercept, slope, effect = (float(x) for x in fit(means))
    at = intercept + slope * float(_logits(means[:, 0], sizes[0]).mean()) + effect / 2
    if s < 2:
        return stats.Estimate(effect, None, None, None, None), (slope, intercept, at)
    without = np.array([fit(np.delete(scores, r, axis=2).mean(axis=2))[2] for r in range(s)])
    pseudo = s * effect - (s - 1) * without
    derivatives = _derivatives(lambda m: float(fit(m)[2]), means)
    parts = []
    for j in range(SPLITS_OF_FIT):
        values = np.sum([derivatives[i, j] * cell[j].values for i, cell in enumerate(cells)], axis=0)
        parts.append(Values(pseudo if j == 0 else np.zeros(s), values))
    return stats.sum_interval(effect, parts, looks=looks), (slope, intercept, at)


def _derivatives(of: Callable[[Floats], float], at: Floats) -> Floats:
    """Take central differences of a function of an array."""
    step, found = 1e-5, np.zeros_like(at)
    for place in np.ndindex(at.shape):
        moved = np.zeros_like(at)
        moved[place] = step
        found[place] = (of(at + moved) - of(at - moved)) / (2 * step)
    if not all(math.isfinite(x) for x in found.ravel()):
        raise ArithmeticError("a fit without derivatives")
    return found
