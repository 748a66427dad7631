"""Compute scores of arms and floors, and the gain of every pretrained arm over the reference, paired by seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from transfergain.analysis import endless, power, stats
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.look import Look
from transfergain.analysis.rows import GainRow, ScoreRow
from transfergain.analysis.said import sentence
from transfergain.analysis.verdict import judge
from transfergain.metrics import METRICS
from transfergain.split import TEST, Split
from transfergain.store import StoredTrial
from transfergain.types import Evaluated, Outcome, Phase, Status


@dataclass(frozen=True)
class Cell:
    """The finished trials of one arm or floor at one budget of one data set, by replicate."""

    task: str
    dataset: str
    arm: str
    budget: int
    pretrained: bool
    is_floor: bool
    labels: Sequence[str]
    outcomes: Mapping[int, Outcome]

    def counts(self, split: Split, metric: str, replicates: Iterable[int]) -> NDArray[Any]:
        """Stack counts (seeds, clusters, k) in the order of `replicates`, summed within each cluster of examples."""
        return np.stack([_by_cluster(self.outcomes[r].evaluated[split], metric) for r in replicates])

    def examples(self, split: Split) -> int:
        """Count the examples of a split."""
        return len(next(iter(self.outcomes.values())).evaluated[split].predictions)

    def splits(self) -> list[Split]:
        """List the sealed splits that were evaluated in every seed, the test set first."""
        first, *others = (outcome.evaluated for outcome in self.outcomes.values())
        return [split for split in first if all(split in other for other in others)]

    def at_chance(self, metric: str, chance: float) -> set[int]:
        """Find the replicates whose test score is not clearly above chance: over test clusters, one-sided, 5 %."""
        found = set[int]()
        for r in self.outcomes:
            scores, values = stats.pseudo_values(self.counts(TEST, metric, [r]), METRICS[metric].finish)
            n = values.shape[1]
            if scores[0] - float(stdtrit(n - 1, 0.95)) * values.std(ddof=1) / n**0.5 <= chance:
                found.add(r)
        return found

    def metrics(self) -> list[str]:
        """List the task's metrics, primary first."""
        return list(next(iter(next(iter(self.outcomes.values())).evaluated.values())).counts)


def _by_cluster(evaluated: Evaluated, metric: str) -> NDArray[Any]:
    narrow = evaluated.counts[metric]
    counts = narrow.astype(np.promote_types(narrow.dtype, np.int64))
    if evaluated.clusters is None:
        return counts
    sums = np.zeros((int(evaluated.clusters.max()) + 1, counts.shape[1]), counts.dtype)
    np.add.at(sums, evaluated.clusters, counts)
    return sums


def cells(trials: Sequence[StoredTrial], pretrained: Mapping[str, bool], labels: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Group finished reported trials.

    `pretrained` maps arm names to whether they start from the checkpoint, `labels` data sets to their classes.
    """
    groups: dict[tuple[str, str, int, str], dict[int, Outcome]] = defaultdict(dict)
    for trial in trials:
        if trial.spec.phase == Phase.REPORT and trial.outcome.status == Status.DONE:
            key = (trial.spec.dataset, trial.spec.task, trial.spec.budget, trial.spec.arm)
            groups[key][trial.spec.replicate] = trial.outcome
    order = {arm: i for i, arm in enumerate(pretrained)}
    return [
        Cell(
            task,
            dataset,
            arm,
            budget,
            pretrained.get(arm, False),
            arm not in pretrained,
            labels.get(dataset, ()),
            dict(sorted(found.items())),
        )
        for (dataset, task, budget, arm), found in sorted(
            groups.items(), key=lambda item: (item[0][0], item[0][2], order.get(item[0][3], -1), item[0][3])
        )
    ]


def scores(found: Sequence[Cell]) -> list[ScoreRow]:
    """Score each cell on each split by each metric: the mean with an interval over seeds and test examples."""
    return [_score(cell, split, metric) for cell in found for split in cell.splits() for metric in cell.metrics()]


def _score(cell: Cell, split: Split, metric: str) -> ScoreRow:
    counts = cell.counts(split, metric, cell.outcomes)
    result = stats.score_interval(counts, METRICS[metric].finish)
    return ScoreRow(
        task=cell.task,
        dataset=cell.dataset,
        arm=cell.arm,
        budget=cell.budget,
        split=split,
        metric=metric,
        mean=result.estimate,
        low=result.low,
        high=result.high,
        per_seed=[float(score) for score in METRICS[metric].finish(counts.sum(axis=1))],
        n_seeds=counts.shape[0],
        n_test=cell.examples(split),
        n_clusters=counts.shape[1],
        parts=_parts(cell, metric, counts),
    )


def _parts(cell: Cell, metric: str, counts: NDArray[Any]) -> dict[str, dict[str, float]] | None:
    """Average over seeds the figures of a metric that has parts, such as the precision of an entity type."""
    breakdown = METRICS[metric].breakdown
    if breakdown is None:
        return None
    seeds = [breakdown(total, cell.labels) for total in counts.sum(axis=1)]
    return {
        part: {figure: float(np.mean([seed[part][figure] for seed in seeds])) for figure in figures}
        for part, figures in seeds[0].items()
    }


class _Compared(NamedTuple):
    """A cell against the reference's on one split by one metric, before p is corrected over data sets."""

    cell: Cell
    reference: Cell
    split: Split
    metric: str
    look: Look
    mine: NDArray[Any]
    """Scores by seed, and the reference's."""
    theirs: NDArray[Any]
    clusters: int
    result: stats.Estimate


def gains(
    found: Sequence[Cell], score_rows: Sequence[ScoreRow], margin: float, data: Mapping[str, DatasetEntry]
) -> list[GainRow]:
    """Compare every pretrained cell with the reference, each split and metric: paired, tested, corrected and judged."""
    reference = {(c.dataset, c.budget): c for c in found if c.arm == data[c.dataset].reference}
    pairs = [(c, reference[c.dataset, c.budget]) for c in found if c.pretrained and (c.dataset, c.budget) in reference]
    compared = [
        _compare(cell, against, split, metric, data[cell.dataset].looks)
        for cell, against in pairs if set(cell.outcomes) & set(against.outcomes)
        for split in cell.splits() if split in against.splits()
        for metric in cell.metrics()
    ]  # fmt: skip
    known = _Known(
        margin,
        _best_floors(found, score_rows),
        {
            key: cell.at_chance(data[cell.dataset].metric, data[cell.dataset].chance)
            for key, cell in reference.items()
            if not cell.is_floor
        },
    )
    return [_judged(c, p_holm, known) for c, p_holm in zip(compared, _corrected(compared), strict=True)]


def _compare(cell: Cell, reference: Cell, split: Split, metric: str, looks: Sequence[int]) -> _Compared:
    look = Look.of(looks, [r for r in cell.outcomes if r in reference.outcomes])
    finish = METRICS[metric].finish
    treated, against = (stats.pseudo_values(c.counts(split, metric, look.seeds), finish) for c in (cell, reference))
    result = stats.possible_gain(look.interval(treated.minus(against)), float(against.scores.mean()))
    return _Compared(
        cell, reference, split, metric, look, *(treated.scores, against.scores), treated.values.shape[1], result
    )


def _corrected(compared: Sequence[_Compared]) -> list[float | None]:
    """Correct p by Holm over the data sets of the study; None where there is no p.

    One family an arm, kind of split, metric and rank of the budget from the top; of adaptations, one a k and method.
    """
    budgets: dict[str, set[int]] = defaultdict(set)
    for c in compared:
        budgets[c.cell.dataset].add(c.cell.budget)
    families: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for i, c in enumerate(compared):
        if c.result.p_value is not None:
            rank = sorted(budgets[c.cell.dataset], reverse=True).index(c.cell.budget)
            setting = (c.split.labels, c.split.method)
            families[c.cell.arm, c.split.kind, *setting, c.metric, rank].append(i)
    corrected: list[float | None] = [None] * len(compared)
    for family in families.values():
        tested = [p for i in family if (p := compared[i].result.p_value) is not None]
        for i, p in zip(family, stats.holm(tested), strict=True):
            corrected[i] = p
    return corrected


Floors = Mapping[tuple[str, int, Split, str], tuple[float, str]]
"""(data set, budget, split, metric) -> the best floor's (mean score, name)."""


def _best_floors(found: Sequence[Cell], score_rows: Sequence[ScoreRow]) -> Floors:
    floors = {c.arm for c in found if c.is_floor}
    best: dict[tuple[str, int, Split, str], tuple[float, str]] = {}
    for row in score_rows:
        if row.arm in floors:
            key = (row.dataset, row.budget, row.split, row.metric)
            best[key] = max(best.get(key, (-1.0, "")), (row.mean, row.arm))
    return best


class _Known(NamedTuple):
    """What a comparison is judged by beside its interval."""

    margin: float
    floors: Floors
    at_chance: Mapping[tuple[str, int], set[int]]
    """(data set, budget) -> the replicates in which scratch scored not clearly above chance."""


def _judged(compared: _Compared, p_holm: float | None, known: _Known) -> GainRow:
    """Judge a comparison."""
    cell, reference, split, metric, look, mine, theirs, clusters, result = compared
    n, error, reference_error = len(look.seeds), 1 - float(mine.mean()), 1 - float(theirs.mean())
    judgement = judge(result, p_holm, known.margin, look.design)
    floor = known.floors.get((cell.dataset, cell.budget, split, metric))
    components = result.components
    primary = result.estimate if metric == cell.metrics()[0] else None
    row = GainRow(
        task=cell.task,
        dataset=cell.dataset,
        arm=cell.arm,
        reference=reference.arm,
        budget=cell.budget,
        split=split,
        metric=metric,
        estimate=result.estimate,
        low=result.low,
        high=result.high,
        relative_error_reduction=result.estimate / reference_error if reference_error > 0 else None,
        p_value=result.p_value,
        p_holm=p_holm,
        p_sign_flip=stats.sign_flip((mine - theirs).tolist()) if 6 <= n <= 20 else None,
        prob_better=float(((mine > theirs) + 0.5 * (mine == theirs)).mean()),
        n_seeds=n,
        n_test=cell.examples(split),
        n_clusters=clusters,
        mde=power.detectable(components, components.seeds, components.clusters, looks=look.design) if components else None,
        error=error,
        reference_error=reference_error,
        verdict=judgement.verdict,
        why=judgement.why,
        seeds_needed=judgement.seeds,
        endless=endless.read([cell.outcomes], [reference.outcomes], look.seeds, primary),
        reference_at_chance=len(known.at_chance.get((cell.dataset, cell.budget), set()).intersection(look.seeds)),
        below_floor=floor[1] if floor and 1 - error <= floor[0] else None,
        level=look.level,
    )
    return replace(row, sentence=sentence(row, look.clause))
