"""Compute scores of arms and floors, and the gain of every pretrained arm over the reference, paired by seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.analysis import endless, pairing, power, stats
from transfergain.analysis.cells import Cell as Cell
from transfergain.analysis.cells import cells as cells
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.pairing import Pair
from transfergain.analysis.rows import GainRow, ScoreRow
from transfergain.analysis.said import sentence
from transfergain.analysis.verdict import judge
from transfergain.metrics import METRICS
from transfergain.outcome import Outcome
from transfergain.split import Split


def scores(found: Sequence[Cell]) -> list[ScoreRow]:
    """Score each cell on each split by each metric: the mean with an interval over seeds and test examples."""
    return [_score(cell, split, metric) for cell in found for split in cell.splits() for metric in cell.metrics()]


def _score(cell: Cell, split: Split, metric: str) -> ScoreRow:
    counts = cell.counts(split, metric, cell.outcomes)
    values = stats.pseudo_values(counts, METRICS[metric].finish)
    result = pairing.score(values) if cell.given else stats.of_score(values)
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
        per_seed=[float(score) for score in values.scores],
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
    pair: Pair


def gains(
    found: Sequence[Cell], score_rows: Sequence[ScoreRow], margin: float, data: Mapping[str, DatasetEntry]
) -> list[GainRow]:
    """Compare every pretrained cell with the reference, each split and metric: paired, tested, corrected and judged."""
    reference = _references(found, data)
    pairs = [(c, reference[c.dataset, c.budget]) for c in found if c.pretrained and (c.dataset, c.budget) in reference]
    return _rows(pairs, found, score_rows, margin, data)


def given(
    found: Sequence[Cell], score_rows: Sequence[ScoreRow], margin: float, data: Mapping[str, DatasetEntry]
) -> list[GainRow]:
    """Compare predictions that files give with the arms: every pretrained cell over them, and them over the reference."""
    reference, pairs = _references(found, data), list[tuple[Cell, Cell]]()
    for theirs in (cell for cell in found if cell.given):
        here = [cell for cell in found if (cell.dataset, cell.budget) == (theirs.dataset, theirs.budget)]
        pairs += [(cell, theirs) for cell in here if cell.pretrained]
        pairs += [(theirs, cell) for cell in here if cell is reference.get((theirs.dataset, theirs.budget))]
    return _rows(pairs, found, score_rows, margin, data)


def _references(found: Sequence[Cell], data: Mapping[str, DatasetEntry]) -> dict[tuple[str, int], Cell]:
    return {(c.dataset, c.budget): c for c in found if c.arm == data[c.dataset].reference}


def _rows(
    pairs: Sequence[tuple[Cell, Cell]],
    found: Sequence[Cell],
    score_rows: Sequence[ScoreRow],
    margin: float,
    data: Mapping[str, DatasetEntry],
) -> list[GainRow]:
    """Compare, correct and judge pairs of cells on all splits and metrics that both have."""
    compared = [
        _Compared(cell, against, split, metric, pair)
        for cell, against in pairs
        for split in cell.splits() if split in against.splits()
        for metric in cell.metrics()
        if (pair := pairing.answer(cell.side(split, metric), against.side(split, metric), data[cell.dataset].looks, margin))
    ]  # fmt: skip
    scratch = {id(against): against for _, against in pairs if against.is_arm}
    known = _Known(
        margin,
        _best_floors(found, score_rows),
        {
            (cell.dataset, cell.arm, cell.budget): cell.at_chance(data[cell.dataset].metric, data[cell.dataset].chance)
            for cell in scratch.values()
        },
    )
    return [_judged(c, p_holm, known) for c, p_holm in zip(compared, _corrected(compared), strict=True)]


def _corrected(compared: Sequence[_Compared]) -> list[float | None]:
    """Correct p by Holm over the data sets of the study; None where there is no p.

    One family an arm, kind of split, metric and rank of the budget from the top; of adaptations, one a k and method; of
    comparisons with predictions that files give, one a name of these.
    """
    budgets: dict[str, set[int]] = defaultdict(set)
    for c in compared:
        budgets[c.cell.dataset].add(c.cell.budget)
    families: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for i, c in enumerate(compared):
        if c.pair.result.p_value is not None:
            rank = sorted(budgets[c.cell.dataset], reverse=True).index(c.cell.budget)
            setting = (c.split.labels, c.split.method)
            given = c.reference.arm if c.reference.given else ""
            families[c.cell.arm, given, c.split.kind, *setting, c.metric, rank].append(i)
    corrected: list[float | None] = [None] * len(compared)
    for family in families.values():
        tested = [p for i in family if (p := compared[i].pair.result.p_value) is not None]
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
    at_chance: Mapping[tuple[str, str, int], set[int]]
    """(data set, scratch, budget) -> the replicates in which scratch scored not clearly above chance."""


def _judged(compared: _Compared, p_holm: float | None, known: _Known) -> GainRow:
    """Judge a comparison."""
    cell, reference, split, metric, (look, mine, theirs, result) = compared
    n, error, reference_error = len(look.seeds), 1 - float(mine.scores.mean()), 1 - float(theirs.scores.mean())
    alone = cell.given or reference.given
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
        p_sign_flip=stats.sign_flip((mine.scores - theirs.scores).tolist()) if 6 <= n <= 20 and not alone else None,
        prob_better=compared.pair.better,
        n_seeds=n,
        n_test=cell.examples(split),
        n_clusters=mine.values.shape[1],
        mde=power.detectable(components, components.seeds, components.clusters, looks=look.design) if components else None,
        error=error,
        reference_error=reference_error,
        verdict=judgement.verdict,
        why=judgement.why,
        seeds_needed=judgement.seeds,
        endless=endless.read(_runs(cell), _runs(reference), look.seeds, primary),
        reference_at_chance=len(
            known.at_chance.get((cell.dataset, reference.arm, cell.budget), set()).intersection(look.seeds)
        ),
        below_floor=floor[1] if floor and 1 - error <= floor[0] else None,
        level=look.level,
    )
    return replace(row, sentence=sentence(row, look.clause))


def _runs(cell: Cell) -> list[Mapping[int, Outcome]]:
    """Return the runs that more training may change: none of predictions that files give."""
    return [] if cell.given else [cell.outcomes]
