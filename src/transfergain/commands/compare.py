"""Several studies side by side: checkpoints, or dates, on the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfergain.analysis import gain, stats
from transfergain.analysis.findings import Findings
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.report.page import ASSETS
from transfergain.report.page.figures import MISSING, Row, interval

COLUMNS = ("study", "model", "labels", "arm", "error", "gain over scratch [95 %]", "against the first [95 %]", "in words")
UNPAIRED = "not paired"


def compare(found: Sequence[Findings]) -> list[dict[str, Any]]:
    """One row a study, data set and pretrained arm: its score and gain on the test set at the largest budget that all share.

    `difference`, `low`, `high`: the score minus that of the first study's same arm, paired by seed, with a 95 % interval
    over seeds and test examples; None where `note` says why not. Rows of data sets that fewer than two studies hold under
    the same name and fingerprint are left out. Raises UserError for fewer than two studies, and where nothing compares.
    """
    if len(found) < 2:
        raise UserError("compare needs two output folders or more")
    labels = names(found)
    rows = [row for dataset in _shared(found) for row in _rows(found, labels, dataset)]
    if not rows:
        held = "; ".join(f"{label}: {', '.join(f.data) or 'none'}" for label, f in zip(labels, found, strict=True))
        raise UserError(f"nothing to compare: no data set of the same name and fingerprint in two of the studies ({held})")
    return rows


def names(found: Sequence[Findings]) -> list[str]:
    """A short name a study: its folder's, the whole path where two are alike, a number where even those are."""
    short = [Path(f.folder).name or f"study {i}" for i, f in enumerate(found, 1)]
    if len(set(short)) == len(short):
        return short
    whole = [f.folder or f"study {i}" for i, f in enumerate(found, 1)]
    return whole if len(set(whole)) == len(whole) else [f"{name} ({i})" for i, name in enumerate(whole, 1)]


def _shared(found: Sequence[Findings]) -> list[tuple[str, str]]:
    """(data set, fingerprint) pairs that two studies or more hold, in the order of their first appearance."""
    held = [(name, str(entry["fingerprint"])) for f in found for name, entry in f.data.items()]
    return [pair for pair in dict.fromkeys(held) if held.count(pair) > 1]


def _rows(found: Sequence[Findings], labels: Sequence[str], dataset: tuple[str, str]) -> list[dict[str, Any]]:
    name, mark = dataset
    chosen = [(label, f) for label, f in zip(labels, found, strict=True) if f.data.get(name, {}).get("fingerprint") == mark]
    cells = [_cells(f, name) for _, f in chosen]
    shared = set.intersection(*({budget for _, budget in held} for held in cells))
    if not shared:
        return [_bare(label, f, name, "no label budget in common") for label, f in chosen]
    budget = max(shared)
    first = {arm: cell for (arm, b), cell in cells[0].items() if b == budget}
    return [
        _row(label, f, cell, first.get(arm) if i else None, i == 0, chosen[0][0])
        for i, ((label, f), held) in enumerate(zip(chosen, cells, strict=True))
        for (arm, b), cell in held.items()
        if b == budget and cell.pretrained
    ]


def _cells(findings: Findings, dataset: str) -> dict[tuple[str, int], gain.Cell]:
    """(arm, budget) -> its finished trials."""
    pretrained = {arm: arm != _reference(findings) for arm in findings.study["arms"]}
    rows = [row for row in findings.rows if row.spec.dataset == dataset]
    return {(c.arm, c.budget): c for c in gain.cells(rows, pretrained, {}) if not c.is_floor}


def _reference(findings: Findings) -> str:
    from transfergain.arms import REFERENCE

    return next((str(row["reference"]) for row in findings.gains), REFERENCE)


def _bare(label: str, findings: Findings, dataset: str, note: str) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("budget", "arm", "score", "gain", "gain_low", "gain_high", "difference", "low", "high", "p_value")
    )
    known = {"study": label, "model": findings.study["model"], "revision": findings.study.get("revision", "")}
    return known | {"dataset": dataset, "metric": findings.data[dataset]["metric"]} | empty | {"n_seeds": 0, "note": note}


def _row(
    label: str, findings: Findings, cell: gain.Cell, other: gain.Cell | None, is_first: bool, first: str
) -> dict[str, Any]:
    row = _bare(label, findings, cell.dataset, "")
    metric = row["metric"]
    finish = METRICS[metric].finish
    gained = next((g for g in findings.gains if (g["dataset"], g["arm"], g["budget"], g["split"], g["metric"])
                   == (cell.dataset, cell.arm, cell.budget, "test", metric)), {})  # fmt: skip
    row |= {
        "budget": cell.budget,
        "arm": cell.arm,
        "score": float(np.mean(finish(cell.counts("test", metric, cell.outcomes).sum(axis=1)))),
        "gain": gained.get("estimate"),
        "gain_low": gained.get("low"),
        "gain_high": gained.get("high"),
        "n_seeds": len(cell.outcomes),
    }
    return row | ({"note": "the one that others are compared with"} if is_first else _difference(cell, other, metric, first))


def _difference(cell: gain.Cell, other: gain.Cell | None, metric: str, first: str) -> dict[str, Any]:
    """The difference from the same arm of the first study, over the seeds that both have finished."""
    if other is None:
        return {"note": f"{UNPAIRED}: {first} has no {cell.arm} at this budget"}
    seeds = [seed for seed in cell.outcomes if seed in other.outcomes]
    if not seeds:
        return {"note": f"{UNPAIRED}: no seed in common with {first}"}
    mine, theirs = cell.counts("test", metric, seeds), other.counts("test", metric, seeds)
    if mine.shape != theirs.shape:
        return {"note": f"{UNPAIRED}: the test sets have {mine.shape[1]:,} and {theirs.shape[1]:,} examples"}
    result = stats.paired_interval(mine, theirs, METRICS[metric].finish)
    found = {"difference": result.estimate, "low": result.low, "high": result.high, "p_value": result.p_value}
    return found | {"n_seeds": len(seeds), "note": _words(cell.arm, found, first, len(seeds))}


def _words(arm: str, row: Mapping[str, Any], first: str, seeds: int) -> str:
    low, high = row["low"], row["high"]
    if low is None or high is None:
        return f"one seed in common with {first}: no interval"
    word = "better than" if low > 0 else "worse than" if high < 0 else "not told apart from"
    return f"{arm} is {word} {first}'s, {seeds} seeds; not corrected for the number of studies"


def cells_of(row: Row) -> list[str]:
    """A row as COLUMNS words."""
    gained = {"low": row["gain_low"], "high": row["gain_high"]}
    return [
        row["study"],
        row["model"],
        MISSING if row["budget"] is None else f"{row['budget']:,}",
        row["arm"] or MISSING,
        MISSING if row["score"] is None else f"{1 - row['score']:.3f}",
        MISSING if row["gain"] is None else f"{row['gain']:+z.3f} {interval(gained, '+')}",
        MISSING if row["difference"] is None else f"{row['difference']:+z.3f} {interval(row, '+')}",
        row["note"],
    ]


def show(rows: Sequence[Row], console: Console) -> None:
    """Print a table a data set."""
    for (dataset, metric), mine in _by_dataset(rows).items():
        console.print(Text(f"{dataset}, {metric} on the test set", style="bold"), soft_wrap=True)
        table = Table(box=None, pad_edge=False)
        for column in COLUMNS:
            table.add_column(column, overflow="fold")
        for row in mine:
            table.add_row(*map(Text, cells_of(row)))
        console.print(table)
        console.print()


def page(rows: Sequence[Row]) -> str:
    """The same as one offline HTML page."""
    style = (ASSETS / "style.css").read_text("utf-8")
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in COLUMNS)
    tables = "".join(
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(dataset)} (table)"><table>'
        f"<caption>{escape(dataset)}, {escape(metric)} on the test set</caption><thead><tr>{head}</tr></thead><tbody>"
        + "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells_of(row))}</tr>" for row in mine)
        + "</tbody></table></div>"
        for (dataset, metric), mine in _by_dataset(rows).items()
    )
    words = (
        "Each difference is paired by seed with the first study of its table; the interval is over seeds and test examples."
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><meta name="color-scheme" content="light dark">'
        f"<title>Studies side by side</title><style>{style}</style></head><body><main><h1>Studies side by side</h1>"
        f"<p>{words}</p>{tables}</main></body></html>\n"
    )


def _by_dataset(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["dataset"], row["metric"]), []).append(row)
    return found
