"""Put several studies side by side: checkpoints, or dates, on the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfergain.analysis import gain, stats, words
from transfergain.analysis.findings import Findings
from transfergain.arms import REFERENCE
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.report.page import ASSETS
from transfergain.report.page.figures import MISSING
from transfergain.split import TEST

COMPARISON_COLUMNS = (
    "study",
    "model",
    "labels",
    "arm",
    "error",
    "gain over scratch [95 %]",
    "against the first [95 %]",
    "in words",
)
UNPAIRED = "not paired"


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
    gain_low: float | None = None
    gain_high: float | None = None
    difference: float | None = None
    """The score minus that of the first study's same arm; None where `note` says why not."""
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    n_seeds: int = 0
    note: str = ""

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
                    rows.append(replace(row, note="the one that others are compared with"))
                else:
                    rows.append(_against(row, cell, first.cells.get((arm, budget)), first.label))
    return rows


def _cells(findings: Findings, dataset: str) -> dict[tuple[str, int], gain.Cell]:
    """Group the finished trials of the arms by (arm, budget)."""
    pretrained = {arm: arm != REFERENCE for arm in findings.study.arms}
    trials = [trial for trial in findings.rows if trial.spec.dataset == dataset]
    return {(c.arm, c.budget): c for c in gain.cells(trials, pretrained, {}) if not c.is_floor}


def _bare(study: Sharing) -> ComparisonRow:
    """Make the row of a study without any figure."""
    asked = study.findings.study
    metric = study.findings.data[study.dataset].metric
    return ComparisonRow(study=study.label, model=asked.model, revision=asked.revision, dataset=study.dataset, metric=metric)


def _row(study: Sharing, cell: gain.Cell) -> ComparisonRow:
    """Make the row of an arm: its score, and its gain over scratch where it has one."""
    row, findings = _bare(study), study.findings
    place = (study.dataset, cell.arm, cell.budget, TEST, row.metric)
    score = next(r.mean for r in findings.scores if (r.dataset, r.arm, r.budget, r.split, r.metric) == place)
    gained = next((r for r in findings.gains if (r.dataset, r.arm, r.budget, r.split, r.metric) == place), None)
    row = replace(row, budget=cell.budget, arm=cell.arm, score=score, n_seeds=len(cell.outcomes))
    return replace(row, gain=gained.estimate, gain_low=gained.low, gain_high=gained.high) if gained else row


def _against(row: ComparisonRow, cell: gain.Cell, other: gain.Cell | None, first: str) -> ComparisonRow:
    """Add the difference from the same arm of the first study, over the seeds that both have finished."""
    if other is None:
        return replace(row, note=f"{UNPAIRED}: {first} has no {cell.arm} at this budget")
    seeds = [seed for seed in cell.outcomes if seed in other.outcomes]
    if not seeds:
        return replace(row, note=f"{UNPAIRED}: no seed in common with {first}")
    mine, theirs = (c.counts(TEST, row.metric, seeds) for c in (cell, other))
    if mine.shape != theirs.shape:
        sizes = f"{mine.shape[1]:,} and {theirs.shape[1]:,}"
        return replace(row, note=f"{UNPAIRED}: the test sets have {sizes} examples")
    found = stats.paired_interval(mine, theirs, METRICS[row.metric].finish)
    return replace(
        row,
        difference=found.estimate,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        n_seeds=len(seeds),
        note=_note(cell.arm, found, first, len(seeds)),
    )


def _note(arm: str, found: stats.Estimate, first: str, seeds: int) -> str:
    if found.low is None or found.high is None:
        return f"one seed in common with {first}: no interval"
    word = "better than" if found.low > 0 else "worse than" if found.high < 0 else "not told apart from"
    return f"{arm} is {word} {first}'s, {seeds} seeds; not corrected for the number of studies"


def cells_of(row: ComparisonRow) -> list[str]:
    """Write the cells of a row, one for each of COMPARISON_COLUMNS."""
    return [
        row.study,
        row.model,
        MISSING if row.budget is None else f"{row.budget:,}",
        row.arm or MISSING,
        MISSING if row.score is None else f"{1 - row.score:.3f}",
        _signed(row.gain, row.gain_low, row.gain_high),
        _signed(row.difference, row.low, row.high),
        row.note,
    ]


def _signed(estimate: float | None, low: float | None, high: float | None) -> str:
    if estimate is None:
        return MISSING
    return words.signed(estimate, low, high) + (f" {MISSING}" if low is None or high is None else "")


def show(rows: Sequence[ComparisonRow], console: Console) -> None:
    """Print a table a data set."""
    for (dataset, metric), mine in _by_dataset(rows).items():
        console.print(Text(f"{dataset}, {metric} on the test set", style="bold"), soft_wrap=True)
        table = Table(box=None, pad_edge=False)
        for column in COMPARISON_COLUMNS:
            table.add_column(column, overflow="fold")
        for row in mine:
            table.add_row(*map(Text, cells_of(row)))
        console.print(table)
        console.print()


def page(rows: Sequence[ComparisonRow]) -> str:
    """Write the same as one offline HTML page."""
    style = (ASSETS / "style.css").read_text("utf-8")
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in COMPARISON_COLUMNS)
    tables = "".join(
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(dataset)} (table)"><table>'
        f"<caption>{escape(dataset)}, {escape(metric)} on the test set</caption><thead><tr>{head}</tr></thead><tbody>"
        + "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells_of(row))}</tr>" for row in mine)
        + "</tbody></table></div>"
        for (dataset, metric), mine in _by_dataset(rows).items()
    )
    explanation = (
        "Each difference is paired by seed with the first study of its table; the interval is over seeds and test examples."
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><meta name="color-scheme" content="light dark">'
        f"<title>Studies side by side</title><style>{style}</style></head><body><main><h1>Studies side by side</h1>"
        f"<p>{explanation}</p>{tables}</main></body></html>\n"
    )


def _by_dataset(rows: Sequence[ComparisonRow]) -> dict[tuple[str, str], list[ComparisonRow]]:
    found: dict[tuple[str, str], list[ComparisonRow]] = {}
    for row in rows:
        found.setdefault((row.dataset, row.metric), []).append(row)
    return found
