"""Sum up the data sets of a study: interquartile mean, probability of improvement, and how many have a gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from transfergain.analysis import words
from transfergain.analysis.bootstrap import percentile, resampled_scores
from transfergain.analysis.gain import Cell
from transfergain.analysis.performance import normalised
from transfergain.analysis.rows import AggregateRow, GainRow, Measure, Verdict
from transfergain.analysis.stats import Floats
from transfergain.analysis.trials import DatasetTrials, common
from transfergain.analysis.verdict import ALPHA, judge_sign
from transfergain.counts import counted
from transfergain.metrics import METRICS
from transfergain.seeds import generator
from transfergain.split import TEST

BOOTSTRAP_DRAWS = 2000
BEST_FLOOR = "the best floor"
"""What an arm is compared with where data sets have floors of different names."""


class Pair(NamedTuple):
    """The cell of an arm and that of its reference at the largest budget of one data set."""

    trials: DatasetTrials
    arm: Cell
    reference: Cell


class Resampled(NamedTuple):
    """One data set's scores, chance-normalised: as they are (S,), and resampled (draws, S), of an arm and its reference."""

    arm: Floats
    reference: Floats
    arm_draws: Floats
    reference_draws: Floats
    level: float
    """Of an interval over these seeds."""


def interquartile_mean(scores: Floats) -> Floats:
    """Take the mean of the middle half of scores (..., n) of all runs on all tasks (Agarwal et al. 2021, section 4.3).

    The lowest and the highest floor(n / 4) are left out, as `scipy.stats.trim_mean` does with .25.
    """
    ranked = np.sort(scores, axis=-1)
    cut = ranked.shape[-1] // 4
    return np.asarray(ranked[..., cut : ranked.shape[-1] - cut].mean(axis=-1))


def probability_of_improvement(arm: Floats, reference: Floats) -> Floats:
    """Estimate P(X > Y): a run of the arm (..., S) against a run of the reference (..., R) on one task; a tie counts half.

    The Mann-Whitney statistic over S R; the mean over tasks is that of Agarwal et al. 2021, section 4.3.
    """
    a, b = arm[..., :, None], reference[..., None, :]
    return np.asarray(((a > b) + 0.5 * (a == b)).mean(axis=(-2, -1)))


def partial_conjunction(p_values: Sequence[float], alpha: float = ALPHA) -> int:
    """Count the fewest of the N hypotheses that hold an effect (Dror et al. 2017; Benjamini and Heller 2008).

    The largest u such that all p_{v/N} = (N - v + 1) p_(v), v <= u, are at most alpha: Bonferroni's combination, which holds
    however the tests depend on each other.
    """
    ranked, n = sorted(p_values), len(p_values)
    u = 0
    while u < n and (n - u) * ranked[u] <= alpha:
        u += 1
    return u


def rows(known: Sequence[DatasetTrials], gains: Sequence[GainRow]) -> list[AggregateRow]:
    """Sum up every pretrained arm over the data sets where it and its reference finished at the largest budget.

    Rows need two data sets or more.
    """
    arms = list(dict.fromkeys(arm for trials in known for arm in trials.treated))
    found = list[AggregateRow]()
    for arm in arms:
        pairs = [pair for trials in known if (pair := _at_top(trials, arm)) is not None]
        if len(pairs) > 1:
            found += _of_arm(arm, pairs, gains)
    return found


def _at_top(trials: DatasetTrials, arm: str) -> Pair | None:
    budget = max(trials.against, default=0)
    cell, reference = trials.treated.get(arm, {}).get(budget), trials.against.get(budget)
    if cell is None or reference is None or not common([cell, reference]):
        return None
    return Pair(trials, cell, reference)


def _resampled(pair: Pair) -> Resampled:
    """Resample seeds and test clusters within the data set (stratified), alike in both arms."""
    trials, cells = pair.trials, (pair.arm, pair.reference)
    look, finish = trials.look(cells), METRICS[trials.metric].finish
    seeds = look.seeds
    rng = generator("bootstrap", dataset=trials.dataset)
    counts = np.concatenate([cell.counts(TEST, trials.metric, seeds) for cell in cells])
    known = normalise(finish(counts.sum(axis=1)), trials.chance)
    drawn = normalise(resampled_scores(counts, finish, BOOTSTRAP_DRAWS, rng), trials.chance)
    chosen = rng.integers(0, len(seeds), size=(BOOTSTRAP_DRAWS, len(seeds)))
    halves = drawn[:, : len(seeds)], drawn[:, len(seeds) :]
    mine, theirs = (np.take_along_axis(half, chosen, axis=1) for half in halves)
    return Resampled(known[: len(seeds)], known[len(seeds) :], mine, theirs, look.level)


def normalise(scores: Floats, chance: float) -> Floats:
    """Set scores against chance (see `performance.normalised`); as they are where chance is perfect."""
    return np.asarray(normalised(scores, chance)) if chance < 1 else scores  # type: ignore[arg-type]


def _of_arm(arm: str, pairs: Sequence[Pair], gains: Sequence[GainRow]) -> list[AggregateRow]:
    known = [_resampled(pair) for pair in pairs]
    seeds, level = min(len(one.arm) for one in known), max(one.level for one in known)
    names = {pair.reference.arm for pair in pairs}
    reference = names.pop() if len(names) == 1 else BEST_FLOOR
    row = AggregateRow(
        task="", dataset="", arm=arm, budget=0, split=TEST, metric="", measure=Measure.IQM, reference=reference,
        n_seeds=seeds, n_tasks=len(known), level=level,
    )  # fmt: skip
    return [
        _interquartile(replace(row, against=arm), [one.arm for one in known], [one.arm_draws for one in known]),
        _interquartile(
            replace(row, against=arm, arm=reference, reference=""),
            [one.reference for one in known],
            [one.reference_draws for one in known],
        ),
        _improvement(row, known),
        _supported(row, pairs, gains),
    ]


def _interquartile(row: AggregateRow, scores: Sequence[Floats], draws: Sequence[Floats]) -> AggregateRow:
    estimate = float(interquartile_mean(np.concatenate(scores)))
    several = row.n_seeds > 1
    low, high = percentile(interquartile_mean(np.concatenate(draws, axis=1)), row.level) if several else (None, None)
    over = f"Over {row.n_tasks} data sets the middle half of the runs of {row.arm} goes"
    way = f"{words.scored(estimate, low, high)} of the way from chance to a perfect score, on average"
    return replace(row, estimate=estimate, low=low, high=high, sentence=f"{over} {way}.")


def _improvement(row: AggregateRow, known: Sequence[Resampled]) -> AggregateRow:
    estimate = float(np.mean([float(probability_of_improvement(one.arm, one.reference)) for one in known]))
    low = high = None
    if row.n_seeds > 1:
        draws = [probability_of_improvement(one.arm_draws, one.reference_draws) for one in known]
        low, high = percentile(np.mean(draws, axis=0), row.level)
    share = words.scored(estimate, low, high)
    sentence = f"Over {row.n_tasks} data sets a run of {row.arm} beats one of {row.reference} in {share} of all pairs."
    row = replace(row, measure=Measure.PROBABILITY_OF_IMPROVEMENT, estimate=estimate, low=low, high=high)
    return replace(row, verdict=judge_sign(low, high, no_effect=0.5), sentence=sentence)


def _supported(row: AggregateRow, pairs: Sequence[Pair], gains: Sequence[GainRow]) -> AggregateRow:
    """Count the data sets with a gain: u of N. A gain that is not above 0 counts as p = 1."""
    tops = {pair.trials.dataset: (pair.trials.metric, pair.arm.budget) for pair in pairs}
    p_values = [
        1.0 if gain.p_value is None or gain.estimate <= 0 else gain.p_value
        for gain in gains
        if gain.arm == row.arm and gain.split == TEST and tops.get(gain.dataset) == (gain.metric, gain.budget)
    ]
    u, n = partial_conjunction(p_values), len(p_values)
    surely = f"at least {u} of {counted(n, 'data set')} (partial conjunction, {100 * (1 - ALPHA):.0f} %)"
    return replace(
        row,
        measure=Measure.TASKS_SUPPORTED,
        estimate=u,
        of=n,
        verdict=Verdict.SUPPORTED if u == n else Verdict.INCONCLUSIVE,
        sentence=f"{row.arm} gains over {row.reference} on {surely}.",
    )
