"""Compute scores of arms and floors, and the Transfer Gain of every pretrained arm over scratch, paired by seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.analysis import stats, words
from transfergain.analysis.rows import GainRow, ScoreRow
from transfergain.analysis.verdict import judge
from transfergain.arms import REFERENCE
from transfergain.metrics import METRICS
from transfergain.split import Split
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

    def unconverged(self, replicates: Iterable[int]) -> int:
        """Count the runs among these replicates that were still improving at the step cap."""
        return sum(self.outcomes[r].converged is False for r in replicates)

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
    seeds: Sequence[int]
    mine: NDArray[Any]
    """Scores by seed, and the reference's."""
    theirs: NDArray[Any]
    clusters: int
    result: stats.Estimate


def gains(found: Sequence[Cell], score_rows: Sequence[ScoreRow], margin: float) -> list[GainRow]:
    """Compare every pretrained cell with scratch on each split by each metric: paired, tested, corrected and judged."""
    reference = {(c.dataset, c.budget): c for c in found if c.arm == REFERENCE}
    pairs = [(c, reference[c.dataset, c.budget]) for c in found if c.pretrained and (c.dataset, c.budget) in reference]
    compared = [
        _compare(cell, against, split, metric)
        for cell, against in pairs if set(cell.outcomes) & set(against.outcomes)
        for split in cell.splits() if split in against.splits()
        for metric in cell.metrics()
    ]  # fmt: skip
    corrected, floors = _corrected(compared), _best_floors(found, score_rows)
    return [_judged(c, p_holm, margin, floors) for c, p_holm in zip(compared, corrected, strict=True)]


def _compare(cell: Cell, reference: Cell, split: Split, metric: str) -> _Compared:
    seeds = [r for r in cell.outcomes if r in reference.outcomes]
    finish = METRICS[metric].finish
    treated, against = cell.counts(split, metric, seeds), reference.counts(split, metric, seeds)
    result = stats.paired_interval(treated, against, finish)
    mine, theirs = finish(treated.sum(axis=1)), finish(against.sum(axis=1))
    return _Compared(cell, reference, split, metric, seeds, mine, theirs, treated.shape[1], result)


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


def _judged(compared: _Compared, p_holm: float | None, margin: float, floors: Floors) -> GainRow:
    """Judge a comparison."""
    cell, reference, split, metric, seeds, mine, theirs, clusters, result = compared
    n, error, reference_error = len(seeds), 1 - float(mine.mean()), 1 - float(theirs.mean())
    judgement = judge(result, p_holm, margin, reference.unconverged(seeds), n, arm_unconverged=cell.unconverged(seeds))
    floor = floors.get((cell.dataset, cell.budget, split, metric))
    components = result.components
    row = GainRow(
        task=cell.task,
        dataset=cell.dataset,
        arm=cell.arm,
        reference=REFERENCE,
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
        mde=stats.detectable(components, components.seeds, components.clusters) if components else None,
        error=error,
        reference_error=reference_error,
        verdict=judgement.verdict,
        why=judgement.why,
        seeds_needed=judgement.seeds,
        cut_short=judgement.cut_short,
        below_floor=floor[1] if floor and 1 - error <= floor[0] else None,
    )
    return replace(row, sentence=sentence(row))


def sentence(row: GainRow) -> str:
    """Say one gain in words."""
    before, after = f"{100 * row.reference_error:.1f} %", f"{100 * row.error:.1f} %"
    change = "cuts" if row.estimate > 0 else "raises"
    moves = f"leaves the error at {before}" if before == after else f"{change} the error from {before} to {after}"
    numbers = [words.seeds(row.n_seeds)]
    if row.low is not None:
        numbers.append(f"gain {words.signed(row.estimate, row.low, row.high)}")
        numbers.append(f"Holm {format_p(row.p_holm)}")
    text = (
        f"{row.dataset}: {row.arm} {moves} on {row.split.title} with {row.budget:,} labels ({', '.join(numbers)}): "
        f"{row.verdict}"
    )
    text += f"; {row.why}" if row.why else ""
    if row.below_floor:
        text += f"; no recommendation, as the {row.below_floor} floor does as well or better"
    return text + "."


def format_p(p: float | None) -> str:
    """Write `p < .001` or `p = .034`; `p unknown` for None."""
    if p is None:
        return "p unknown"
    return f"p {'' if p < 0.001 else '= '}{words.p_value(p)}"
