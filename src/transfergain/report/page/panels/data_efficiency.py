"""Show data efficiency: learning curves, with the label-equivalent as an arrow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transfergain.analysis.rows import Censored, Measure, ScoreRow
from transfergain.report.page import figures, forecast
from transfergain.report.page.figures import (
    MISSING,
    Column,
    Figure,
    RowGroup,
    TextTable,
    Trace,
    axis,
    curve,
    layout,
    line,
    note,
)
from transfergain.report.page.panels.base import DatasetView, Panel, floor_label, leading, rows_table
from transfergain.report.reading import BOUNDS
from transfergain.split import TEST, Split, shift


def build(view: DatasetView) -> Panel:
    """Draw the learning curves on test and on every shift."""
    rows = view.of(view.findings.data_efficiency)
    first, *others = [learning_curve(view, split) for split in (TEST, *map(shift, view.entry.shifts))]
    tables = [*rows_table(f"Data efficiency on {view.dataset}", rows), *forecast.tables(view)]
    missing = "" if rows else "Label-equivalents: not measured (they need two budgets or more, with scratch at each)."
    return Panel(leading(rows, view), [first] if first else [], [f for f in others if f], tables, missing)


def learning_curve(view: DatasetView, split: Split, arrow: bool = True) -> Figure | None:
    """Draw the primary score against the label budget, on a log axis, for every arm and floor; None without scores.

    With a single budget there is no curve: then the arms stand side by side. `arrow`: with the label-equivalent.
    """
    rows = view.scores(split)
    if not rows:
        return None
    budgets, arms = sorted({row.budget for row in rows}), view.findings.study.arms
    labels = {n: n if n in arms else floor_label(n) for n in view.styles if any(r.arm == n for r in rows)}
    single, traces = len(budgets) == 1, list[Trace]()
    shaft = _arrow(view, rows) if arrow and split == TEST and not single else []
    for name, label in labels.items():
        mine = sorted((r for r in rows if r.arm == name), key=lambda r: r.budget)
        x = [label if single else row.budget for row in mine]
        hover = [f"{label}, {row.budget:,} labels: {figures.score_text(row)} %" for row in mine]
        traces += curve(label, view.styles[name], x, mine, hover)
    ahead = forecast.bands(view) if split == TEST and not single else []
    if single:
        x_axis: dict[str, Any] = axis(f"{budgets[0]:,} labels (train and dev together)", type="category")
    else:
        title = forecast.axis_title(view, "labels (train and dev together), log scale")
        x_axis = axis(title, log=True, **forecast.label_axis(view, budgets, ahead))
    where = "the test set" if split == TEST else f"the shift {split.name}"
    by = f"with {budgets[0]:,} labels" if single else "by label budget"
    title = f"{view.dataset}: {view.score} in % on {where} {by}, mean of the seeds with 95 % interval"
    cells = {(row.budget, row.arm): figures.score_text(row) for row in rows}
    body = [[f"{b:,}", *(cells.get((b, name), MISSING) for name in labels)] for b in budgets]
    table = TextTable(title, [Column("labels", True), *(Column(n, True) for n in labels.values())], [RowGroup("", body)])
    drawn = layout(f"{view.score}, %", x_axis)
    kind = "learning-curve" if split == TEST else f"learning-curve-{split.name}"
    return Figure(
        view.name(kind), title, _words(labels.values(), bool(shaft), bool(ahead)), ahead + traces + shaft, drawn, table
    )


def _words(names: Iterable[str], arrow: bool, ahead: bool) -> str:
    text = f"One line each for {', '.join(names)}; the band or bar is the 95 % interval over seeds and test examples."
    text += " Dotted, with its 90 % interval: what more labels probably bring." if ahead else ""
    return text + (" The arrow runs from a budget to the labels that scratch needs for the same score." if arrow else "")


def _arrow(view: DatasetView, rows: list[ScoreRow]) -> list[Trace]:
    """Draw an arrow from the leading arm at its smallest budget with a label-equivalent to where scratch scores the same."""
    arm = view.findings.leading_arm
    means = {row.budget: row.mean for row in rows if row.arm == arm}
    found = [
        (row, row.estimate) for row in view.of(view.findings.data_efficiency)
        if (row.arm, row.measure) == (arm, Measure.LABEL_EQUIVALENT)
        and row.estimate is not None and row.estimate > 0 and row.budget in means
    ]  # fmt: skip
    if not found:
        return []
    row, end = min(found, key=lambda pair: (pair[0].censored is not Censored.NO, pair[0].budget))
    start, level, bound = row.budget, 100 * means[row.budget], BOUNDS[row.censored]
    words = f"{arm} with {start:,} labels does what scratch does with {bound}{end:,.0f}"
    style = view.styles[arm]
    shaft = line("label-equivalent", style._replace(symbol="triangle-right" if end >= start else "triangle-left"),
                 [start, end], [level, level], [words] * 2)  # fmt: skip
    shaft["line"] = {"color": style.colour, "dash": "dash", "width": 2.5}
    shaft["marker"] |= {"size": [0, 15]}
    middle = (start * end) ** 0.5
    return [
        shaft,
        note(f"{start:,} → {bound}{end:,.0f}", middle, level, "bottom center", group="label-equivalent"),
    ]
