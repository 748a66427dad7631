"""Show calibration: how often predictions made with a given confidence are right."""

from __future__ import annotations

from transfergain.analysis.rows import Measure
from transfergain.analysis.words import in_percent
from transfergain.counts import counted
from transfergain.report.page.figures import Column, Figure, RowGroup, TextTable, Trace, axis, layout, line, rule
from transfergain.report.page.panels.base import DatasetView, Panel, leading, rows_table
from transfergain.split import TEST, Split

DIAGRAMS = {Measure.ECE: "raw", Measure.ECE_SCALED: "temperature fitted on dev"}
"""Measure with a reliability diagram -> what the probabilities are."""


def build(view: DatasetView) -> Panel:
    """Draw reliability diagrams of the test set, raw and scaled; of the shifts for the reader who wants them."""
    rows = view.of(view.findings.calibration)
    splits = list(dict.fromkeys(row.split for row in rows))
    drawn = {(split, m): figure for split in splits for m in DIAGRAMS if (figure := reliability_diagram(view, split, m))}
    missing = "" if rows else "Calibration: not measured (the task has no class probabilities, or nothing has finished)."
    return Panel(
        leading(rows, view),
        [figure for (split, _), figure in drawn.items() if split == TEST],
        [figure for (split, _), figure in drawn.items() if split != TEST],
        rows_table(f"Calibration on {view.dataset}", rows),
        missing,
    )


def reliability_diagram(view: DatasetView, split: Split, measure: Measure) -> Figure | None:
    """Draw accuracy against mean confidence in bins, an arm a line, at the largest budget; None without bins."""
    rows = [
        row for row in view.of(view.findings.calibration)
        if (row.split, row.measure, row.budget) == (split, measure, view.top) and row.bins
    ]  # fmt: skip
    if not rows:
        return None
    traces: list[Trace] = [rule("perfect", [0, 100], [0, 100], "as often right as confident", "dot")]
    body = []
    for row in rows:
        bins = [b for b in row.bins if b[2] and b[0] is not None and b[1] is not None]
        style = view.styles.get(row.arm)
        if bins and style:
            hover = [
                f"{row.arm}: confidence {in_percent(c)} %, right {in_percent(a)} %, {counted(round(n), 'case')}"
                for c, a, n in bins
            ]
            traces.append(line(row.arm, style, [100 * b[0] for b in bins], [100 * b[1] for b in bins], hover))
            body += [[row.arm, in_percent(c), in_percent(a), f"{n:,.0f}"] for c, a, n in bins]
    where = "the test set" if split == TEST else str(split)
    title = f"{view.dataset}: reliability on {where}, {DIAGRAMS[measure]}, with {view.top:,} labels"
    words = "Share of right predictions against mean confidence, in 15 bins; below the diagonal is overconfident."
    columns = (Column("arm"), Column("mean confidence, %", True), Column("right, %", True), Column("cases", True))
    drawn = layout("right, %", axis("confidence, %", range=[0, 102]))
    table = TextTable(title, columns, [RowGroup("", body)])
    return Figure(view.name(f"reliability-{str(split).replace(':', '-')}-{measure}"), title, words, traces, drawn, table)
