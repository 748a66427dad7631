"""Compare studies of checkpoints, or dates, on the same data; `side_by_side` shows the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from transfergain.analysis import gain, stats
from transfergain.analysis.findings import Findings
from transfergain.arms import ARMS
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.split import TEST

UNPAIRED = "not paired"
FIRST_NOTE = "the one that others are compared with"
SHARED_ERROR = 0.05
"""Chance that any interval of the distances from the best study is wrong, shared by all of them (Bonferroni)."""


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One pretrained arm of one study on one data set, beside the same arm of the first study."""

    study: str
    model: str
    revision: str
    dataset: str
    metric: str
    budget: int | None = None
    """None where the studies share no budget; so are the figures."""
    arm: str | None = None
    score: float | None = None
    gain: float | None = None
    """Over `reference`."""
    gain_low: float | None = None
    gain_high: float | None = None
    reference: str = ""
    """Scratch, or in a study without it a floor; empty where there is no gain."""
    difference: float | None = None
    """The score minus that of the first study's same arm; None where `note` says why not."""
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    n_seeds: int = 0
    note: str = ""
    behind: float | None = None
    """The score of the best study's same arm minus its own; None for the best, and where the two are not paired."""
    behind_low: float | None = None
    behind_high: float | None = None
    """Of an interval that holds together with those of the other studies."""
    behind_seeds: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Write the row as JSON."""
        return asdict(self)


class Sharing(NamedTuple):
    """A study that holds a data set, under its short name, with the finished trials of its arms."""

    label: str
    findings: Findings
    dataset: str
    cells: Mapping[tuple[str, int], gain.Cell]
    """(arm, budget) -> trials."""


def compare(found: Sequence[Findings]) -> list[ComparisonRow]:
    """Compare studies on the test set at the largest budget that all share: a row a study, data set and pretrained arm.

    Differences are paired by seed, with a 95 % interval over seeds and test examples. Rows of data sets that fewer than two
    studies hold under the same name and fingerprint are left out. Raises UserError for fewer than two studies, and where
    nothing compares.
    """
    if len(found) < 2:
        raise UserError("compare needs two output folders or more")
    labels = names(found)
    rows = [row for dataset in _shared(found) for row in _rows(found, labels, *dataset)]
    if not rows:
        held = "; ".join(f"{label}: {', '.join(f.data) or 'none'}" for label, f in zip(labels, found, strict=True))
        raise UserError(f"nothing to compare: no data set of the same name and fingerprint in two of the studies ({held})")
    return rows


def names(found: Sequence[Findings]) -> list[str]:
    """Give each study a short name: its folder's, the whole path where two are alike, a number where even those are."""
    short = [Path(f.folder).name or f"study {i}" for i, f in enumerate(found, 1)]
    if len(set(short)) == len(short):
        return short
    whole = [f.folder or f"study {i}" for i, f in enumerate(found, 1)]
    return whole if len(set(whole)) == len(whole) else [f"{name} ({i})" for i, name in enumerate(whole, 1)]


def _shared(found: Sequence[Findings]) -> list[tuple[str, str]]:
    """List the (data set, fingerprint) pairs that two studies or more hold, in the order of their first appearance."""
    held = [(name, entry.fingerprint) for f in found for name, entry in f.data.items()]
    return [pair for pair in dict.fromkeys(held) if held.count(pair) > 1]


def _rows(found: Sequence[Findings], labels: Sequence[str], name: str, fingerprint: str) -> list[ComparisonRow]:
    """Compare the studies that hold one data set."""
    chosen = [
        Sharing(label, findings, name, _cells(findings, name))
        for label, findings in zip(labels, found, strict=True)
        if name in findings.data and findings.data[name].fingerprint == fingerprint
    ]
    budgets = set.intersection(*({budget for _, budget in study.cells} for study in chosen))
    if not budgets:
        return [replace(_bare(study), note="no label budget in common") for study in chosen]
    first, budget = chosen[0], max(budgets)
    rows = []
    for study in chosen:
        for (arm, size), cell in study.cells.items():
            if size == budget and cell.pretrained:
                row = _row(study, cell)
                if study is first:
                    rows.append(replace(row, note=FIRST_NOTE))
                else:
                    rows.append(_against(row, cell, first.cells.get((arm, budget)), first.label))
    return _behind(rows, {(study.label, arm): study.cells[arm, budget] for study in chosen for arm, _ in study.cells})


def _behind(rows: Sequence[ComparisonRow], cells: Mapping[tuple[str, str | None], gain.Cell]) -> list[ComparisonRow]:
    """Add to each row its distance from the best study's same arm."""
    found = []
    for row in rows:
        rivals = [other for other in rows if other.arm == row.arm]
        best = max(rivals, key=lambda other: other.score or 0.0)
        pair = _paired(cells[best.study, row.arm], cells[row.study, row.arm], row.metric, best.study)
        if row is not best and isinstance(pair, Paired):
            it = pair.interval(1 - SHARED_ERROR / (len(rivals) - 1))
            row = replace(row, behind=it.estimate, behind_low=it.low, behind_high=it.high, behind_seeds=pair.seeds)
        found.append(row)
    return found


def _cells(findings: Findings, dataset: str) -> dict[tuple[str, int], gain.Cell]:
    """Group the finished trials of the arms by (arm, budget)."""
    pretrained = {arm: ARMS[arm].pretrained for arm in findings.study.arms}
    trials = [trial for trial in findings.rows if trial.spec.dataset == dataset]
    return {(c.arm, c.budget): c for c in gain.cells(trials, pretrained, {}) if c.is_arm}


def _bare(study: Sharing) -> ComparisonRow:
    """Make the row of a study without any figure."""
    asked = study.findings.study
    metric = study.findings.data[study.dataset].metric
    return ComparisonRow(study=study.label, model=asked.model, revision=asked.revision, dataset=study.dataset, metric=metric)


def _row(study: Sharing, cell: gain.Cell) -> ComparisonRow:
    """Make the row of an arm: its score, and its gain where it has one."""
    row, findings = _bare(study), study.findings
    place = (study.dataset, cell.arm, cell.budget, TEST, row.metric)
    score = next(r.mean for r in findings.scores if (r.dataset, r.arm, r.budget, r.split, r.metric) == place)
    gained = next((r for r in findings.gains if (r.dataset, r.arm, r.budget, r.split, r.metric) == place), None)
    row = replace(row, budget=cell.budget, arm=cell.arm, score=score, n_seeds=len(cell.outcomes))
    if gained is None:
        return row
    row = replace(row, gain=gained.estimate, gain_low=gained.low, gain_high=gained.high)
    return replace(row, reference=gained.reference)


class Paired(NamedTuple):
    """The differences of two cells on the seeds that both have finished."""

    differences: stats.Values
    reference: float
    """Mean score of the cell that is subtracted."""
    seeds: int

    def interval(self, level: float = 0.95) -> stats.Estimate:
        """Estimate the mean difference."""
        return stats.possible_gain(stats.interval(*self.differences, level), self.reference)


def _paired(cell: gain.Cell, other: gain.Cell, metric: str, name: str) -> Paired | str:
    """Pair two cells by seed, the second of the study `name`; in words where that cannot be done."""
    seeds = [seed for seed in cell.outcomes if seed in other.outcomes]
    if not seeds:
        return f"{UNPAIRED}: no seed in common with {name}"
    mine, theirs = (c.counts(TEST, metric, seeds) for c in (cell, other))
    if mine.shape != theirs.shape:
        return f"{UNPAIRED}: the test sets have {mine.shape[1]:,} and {theirs.shape[1]:,} examples"
    treated, reference = (stats.pseudo_values(counts, METRICS[metric].finish) for counts in (mine, theirs))
    return Paired(treated.minus(reference), float(reference.scores.mean()), len(seeds))


def _against(row: ComparisonRow, cell: gain.Cell, other: gain.Cell | None, first: str) -> ComparisonRow:
    """Add the difference from the same arm of the first study, over the seeds that both have finished."""
    if other is None:
        return replace(row, note=f"{UNPAIRED}: {first} has no {cell.arm} at this budget")
    pair = _paired(cell, other, row.metric, first)
    if isinstance(pair, str):
        return replace(row, note=pair)
    found = pair.interval()
    return replace(
        row,
        difference=found.estimate,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        n_seeds=pair.seeds,
        note=_note(cell.arm, found, first, pair.seeds),
    )


def _note(arm: str, found: stats.Estimate, first: str, seeds: int) -> str:
    if found.low is None or found.high is None:
        return f"one seed in common with {first}: no interval"
    word = "better than" if found.low > 0 else "worse than" if found.high < 0 else "not told apart from"
    return f"{arm} is {word} {first}'s, {seeds} seeds; not corrected for the number of studies"
