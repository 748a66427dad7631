"""Measure what the last labels brought an arm: the nearest that was measured to what the next ones would buy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transfergain.analysis import stats
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.gain import Cell
from transfergain.analysis.look import Look
from transfergain.analysis.rows import Row, Verdict
from transfergain.analysis.verdict import judge
from transfergain.metrics import METRICS
from transfergain.split import TEST


@dataclass(frozen=True, kw_only=True)
class LastLabelsRow(Row):
    """What an arm's score gained on the test set from its last budget but one to its last, paired by seed."""

    fewer: int
    """The budget below `budget`."""
    score_fewer: float
    """Mean over the seeds that finished at both; so is `score`."""
    score: float
    estimate: float
    low: float | None
    high: float | None
    n_seeds: int
    verdict: Verdict
    """*Supported*: the labels brought something; *not supported*: nothing that matters."""


def rows(found: Sequence[Cell], data: Mapping[str, DatasetEntry], margin: float) -> list[LastLabelsRow]:
    """Measure every arm that finished with two numbers of labels."""
    by_arm: dict[tuple[str, str], dict[int, Cell]] = {}
    for cell in found:
        if cell.is_arm:
            by_arm.setdefault((cell.dataset, cell.arm), {})[cell.budget] = cell
    pairs = [[cells[budget] for budget in sorted(cells)[-2:]] for cells in by_arm.values() if len(cells) > 1]
    steps = (_row(fewer, more, data[more.dataset], margin) for fewer, more in pairs)
    return [row for row in steps if row is not None]


def _row(fewer: Cell, more: Cell, entry: DatasetEntry, margin: float) -> LastLabelsRow | None:
    """Measure one arm; None without a seed that finished with both."""
    look = Look.of(entry.looks, [seed for seed in more.outcomes if seed in fewer.outcomes])
    if not look.seeds:
        return None
    before, after = (
        stats.pseudo_values(cell.counts(TEST, entry.metric, look.seeds), METRICS[entry.metric].finish)
        for cell in (fewer, more)
    )
    gained = stats.possible_gain(look.interval(after.minus(before)), float(before.scores.mean()))
    return LastLabelsRow(
        task=more.task,
        dataset=more.dataset,
        arm=more.arm,
        budget=more.budget,
        split=TEST,
        metric=entry.metric,
        fewer=fewer.budget,
        score_fewer=float(before.scores.mean()),
        score=float(after.scores.mean()),
        estimate=gained.estimate,
        low=gained.low,
        high=gained.high,
        n_seeds=len(look.seeds),
        verdict=judge(gained, gained.p_value, margin, look.design).verdict,
    )
