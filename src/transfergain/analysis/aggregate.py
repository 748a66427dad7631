"""Over the data sets of a study: interquartile mean, probability of improvement, and on how many the gain is supported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from transfergain.analysis import words
from transfergain.analysis.bootstrap import percentile, resampled_scores
from transfergain.analysis.gain import Cell
from transfergain.analysis.performance import normalised
from transfergain.analysis.stats import Floats
from transfergain.analysis.verdict import ALPHA
from transfergain.analysis.view import Row, View, common
from transfergain.arms import REFERENCE
from transfergain.metrics import METRICS
from transfergain.seeds import generator

DRAWS = 2000


class Task(NamedTuple):
    """One data set's scores, chance-normalised: as they are (S,), and resampled (draws, S), of the arm and of scratch."""

    arm: Floats
    reference: Floats
    arm_draws: Floats
    reference_draws: Floats


def interquartile_mean(scores: Floats) -> Floats:
    """The mean of the middle half of scores (..., n) of all runs on all tasks together (Agarwal et al. 2021, section 4.3).

    The lowest and the highest floor(n / 4) are left out, as `scipy.stats.trim_mean` does with .25.
    """
    ranked = np.sort(scores, axis=-1)
    cut = ranked.shape[-1] // 4
    return np.asarray(ranked[..., cut : ranked.shape[-1] - cut].mean(axis=-1))


def probability_of_improvement(arm: Floats, reference: Floats) -> Floats:
    """P(X > Y) of a run of the arm (..., S) against a run of the reference (..., R) on one task; a tie counts half.

    The Mann-Whitney statistic over S R; the mean over tasks is that of Agarwal et al. 2021, section 4.3.
    """
    a, b = arm[..., :, None], reference[..., None, :]
    return np.asarray(((a > b) + 0.5 * (a == b)).mean(axis=(-2, -1)))


def partial_conjunction(p_values: Sequence[float], alpha: float = ALPHA) -> int:
    """On at least how many of the N hypotheses there is an effect (Dror et al. 2017; Benjamini and Heller 2008).

    The largest u such that all p_{v/N} = (N - v + 1) p_(v), v <= u, are at most alpha: Bonferroni's combination, which holds
    however the tests depend on each other.
    """
    ranked, n = sorted(p_values), len(p_values)
    u = 0
    while u < n and (n - u) * ranked[u] <= alpha:
        u += 1
    return u


def rows(views: Sequence[View], gains: Sequence[Mapping[str, Any]]) -> list[Row]:
    """For every pretrained arm, over the data sets where it and scratch finished at the largest budget; none for one."""
    arms = list(dict.fromkeys(arm for view in views for arm in view.treated))
    found = []
    for arm in arms:
        pairs = [(view, pair) for view in views if (pair := _top(view, arm)) is not None]
        if len(pairs) > 1:
            found += _of_arm(arm, pairs, gains)
    return found


def _top(view: View, arm: str) -> tuple[Cell, Cell] | None:
    budget = max(view.reference, default=None)
    cell = view.treated.get(arm, {}).get(budget) if budget is not None else None
    return (cell, view.reference[budget]) if cell and budget is not None and common([cell, view.reference[budget]]) else None


def _task(view: View, pair: tuple[Cell, Cell]) -> Task:
    """Seeds and test clusters are resampled within the data set (stratified), alike in both arms."""
    seeds, finish = common(pair), METRICS[view.metric].finish
    rng = generator("bootstrap", dataset=view.dataset)
    counts = np.concatenate([cell.counts("test", view.metric, seeds) for cell in pair])
    known = normalise(finish(counts.sum(axis=1)), view.chance)
    drawn = normalise(resampled_scores(counts, finish, DRAWS, rng), view.chance)
    chosen = rng.integers(0, len(seeds), size=(DRAWS, len(seeds)))
    halves = drawn[:, : len(seeds)], drawn[:, len(seeds) :]
    mine, theirs = (np.take_along_axis(half, chosen, axis=1) for half in halves)
    return Task(known[: len(seeds)], known[len(seeds) :], mine, theirs)


def normalise(scores: Floats, chance: float) -> Floats:
    """Chance-normalised scores (see `performance.normalised`); as they are where chance is perfect."""
    return np.asarray(normalised(scores, chance)) if chance < 1 else scores  # type: ignore[arg-type]


def _of_arm(arm: str, pairs: Sequence[tuple[View, tuple[Cell, Cell]]], gains: Sequence[Mapping[str, Any]]) -> list[Row]:
    tasks = [_task(view, pair) for view, pair in pairs]
    n = len(tasks)
    blank = pairs[0][0].row("", pairs[0][1][0], "test", task="", dataset="", metric="", budget=0)
    blank |= {"n_seeds": min(len(task.arm) for task in tasks), "n_tasks": n}
    several = blank["n_seeds"] > 1
    found = []
    for name, draws, scores in (
        (arm, [t.arm_draws for t in tasks], [t.arm for t in tasks]),
        (REFERENCE, [t.reference_draws for t in tasks], [t.reference for t in tasks]),
    ):
        estimate = float(interquartile_mean(np.concatenate(scores)))
        low, high = percentile(interquartile_mean(np.concatenate(draws, axis=1))) if several else (None, None)
        text = f"Over {n} data sets the interquartile mean of {name}, chance as 0, is {words.plain(estimate, low, high)}."
        found.append(
            blank | {"measure": "iqm", "arm": name, "estimate": estimate, "low": low, "high": high, "sentence": text,
                     "reference": "" if name == REFERENCE else REFERENCE, "against": arm}
        )  # fmt: skip
    better = [float(probability_of_improvement(t.arm, t.reference)) for t in tasks]
    estimate = float(np.mean(better))
    low = high = None
    if several:
        low, high = percentile(np.mean([probability_of_improvement(t.arm_draws, t.reference_draws) for t in tasks], axis=0))
    chance = words.plain(estimate, low, high)
    text = f"A run of {arm} beats one of {REFERENCE} with probability {chance}, over {n} data sets."
    found.append(
        blank | {"measure": "probability_of_improvement", "arm": arm, "estimate": estimate, "low": low, "high": high,
                 "verdict": _over_half(low, high), "sentence": text}
    )  # fmt: skip
    return [*found, blank | _supported(arm, pairs, gains)]


def _over_half(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "inconclusive"
    return "supported" if low > 0.5 else "negative transfer" if high < 0.5 else "inconclusive"


def _supported(arm: str, pairs: Sequence[tuple[View, tuple[Cell, Cell]]], gains: Sequence[Mapping[str, Any]]) -> Row:
    """`tasks_supported`: u of N. A gain that is void, or not above 0, counts as p = 1."""
    budgets = {view.dataset: (view.metric, pair[0].budget) for view, pair in pairs}
    p_values = [
        1.0 if gain["p_value"] is None or gain["estimate"] <= 0 or gain["verdict"] == "void" else gain["p_value"]
        for gain in gains
        if gain["arm"] == arm and gain["split"] == "test"
        and budgets.get(gain["dataset"]) == (gain["metric"], gain["budget"])
    ]  # fmt: skip
    u, n = partial_conjunction(p_values), len(p_values)
    text = f"{arm} gains over {REFERENCE} on at least {u} of {n} data sets (partial conjunction, {100 * (1 - ALPHA):.0f} %)."
    verdict = "supported" if u == n else "inconclusive"
    return {"measure": "tasks_supported", "arm": arm, "estimate": u, "of": n, "verdict": verdict, "sentence": text}
