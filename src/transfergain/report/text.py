"""Findings for the terminal: one table a data set, one sentence a finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from transfergain.analysis.findings import Findings

COLOURS = {
    "supported": "bold green",
    "negative transfer": "bold red",
    "not supported": "bold red",
    "inconclusive": "bold yellow",
    "void": "bold yellow",
}


def show(findings: Findings, console: Console) -> None:
    """Print the tables, the headline sentences, the warnings and where things lie."""
    for dataset in findings.data:
        console.print(_table(findings, dataset))
    console.print()
    for row in findings.headline():
        console.print(_sentence(row), soft_wrap=True)
    for row in findings.primary(findings.gains):
        if row["split"].startswith("shift:") and row["budget"] == _top(findings, row["dataset"]):
            console.print(_sentence(row), soft_wrap=True)
    if findings.warnings:
        console.print()
        for warning in findings.warnings:
            console.print(Text("warning  ", style="yellow") + Text(warning), soft_wrap=True)


def _top(findings: Findings, dataset: str) -> int:
    return max((row["budget"] for row in findings.scores if row["dataset"] == dataset), default=0)


def _sentence(row: Mapping[str, Any]) -> Text:
    label = Text(f"{row['verdict'].upper():<18}", style=COLOURS[row["verdict"]])
    return label + Text(row["sentence"])


def _table(findings: Findings, dataset: str) -> RenderableType:
    entry = findings.data[dataset]
    title = f"{entry['title']} on {dataset}, {findings.study['model']}, {entry['metric']}, test {entry['n_test']:,}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    headers = ("labels", "arm", "error", "gain over scratch (95 %)", "Holm p", "verdict")
    for header in headers:
        justify: JustifyMethod = "right" if header in ("labels", "error", "Holm p") else "left"
        table.add_column(header, justify=justify, no_wrap=True)
    gains = {(r["budget"], r["arm"]): r for r in findings.primary(findings.gains)
             if r["dataset"] == dataset and r["split"] == "test"}  # fmt: skip
    scores = [r for r in findings.primary(findings.scores) if r["dataset"] == dataset and r["split"] == "test"]
    previous = None
    for score in scores:
        if previous not in (None, score["budget"]):
            table.add_row()
        labels = f"{score['budget']:,}" if score["budget"] != previous else ""
        previous = score["budget"]
        table.add_row(labels, score["arm"], f"{1 - score['mean']:.3f}", *_gain_cells(gains.get((previous, score["arm"]))))
    if not scores:
        return Group(Text(f"\n{title}", style="bold"), Text("  no trial has finished"))
    return Padding(table, (1, 0, 0, 0))


def _gain_cells(row: Mapping[str, Any] | None) -> list[RenderableType]:
    if row is None:
        return []
    gain = f"{row['estimate']:+.3f}"
    if row["low"] is not None:
        gain += f" [{row['low']:+.3f}, {row['high']:+.3f}]"
    p = "" if row["p_holm"] is None else "< .001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}".lstrip("0")
    return [gain, p, Text(row["verdict"], style=COLOURS[row["verdict"]])]
