"""Show what pretraining longer, or on other text, brings: the gain of each course against its operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from transfergain.analysis.courses import CourseRow
from transfergain.analysis.words import in_percent
from transfergain.report.page import figures
from transfergain.report.page.figures import (
    MISSING,
    Column,
    Figure,
    RowGroup,
    TextTable,
    Trace,
    axis,
    bars,
    layout,
    line,
    note,
)
from transfergain.report.page.panels.base import DatasetView, Panel
from transfergain.report.reading import bounds_text, value_text

COLUMNS = (
    *(Column("arm"), Column("text"), Column("steps", True), Column("operations", True), Column("held-out loss", True)),
    *(Column("gain in points [95 % interval]", True), Column("over the first [95 % interval]", True)),
    *(Column("seeds", True), Column("verdict")),
)


def applies(view: DatasetView) -> bool:
    """Tell whether the study asked for other text or other lengths of pretraining."""
    return len(view.findings.study.courses) > 1


def build(view: DatasetView) -> Panel:
    """Draw the gain of every course, and list all."""
    rows = view.of(view.findings.courses)
    if not rows:
        return Panel(missing="Other courses of pretraining: not measured (no trial of one has finished).")
    drawn = [_figure(view, rows)] if all(row.flops for row in rows) else []
    return Panel(rows, drawn, [], [_table(view, rows)])


def _figure(view: DatasetView, rows: Sequence[CourseRow]) -> Figure:
    """Draw a line an arm through its lengths on the study's own text, and a point for every other text."""
    traces = list[Trace]()
    for arm in dict.fromkeys(row.arm for row in rows):
        style = view.styles[arm]
        own = sorted((row for row in rows if row.arm == arm and not row.corpus), key=lambda row: row.steps)
        lone = [[row] for row in rows if row.arm == arm and row.corpus]
        for some in (own, *lone):
            name = f"{arm}, {some[0].corpus}" if some[0].corpus else arm
            x, y = [row.flops for row in some], [100 * (row.estimate or 0.0) for row in some]
            hover = [f"{arm} after {row.course}: {value_text(row)} {bounds_text(row)}" for row in some]
            drawn = line(name, _hollow(style) if some[0].corpus else style, x, y, hover)
            drawn["error_y"] = bars(y, some, style.colour)
            traces += [drawn, note(f"  {name}", x[-1], y[-1], "middle left", group=name)]
    budget, over = rows[0].budget, rows[0].reference
    title = f"{view.dataset}: gain over {over} in points by pretraining, {budget:,} labels"
    said = "A line an arm through its lengths on the study's own text, a point for other text; bars are 95 % intervals."
    body = [[row.arm, row.course.title, f"{row.steps:,}", value_text(row)] for row in rows]
    table = TextTable(
        title, (Column("arm"), Column("text"), Column("steps", True), Column("gain", True)), [RowGroup("", body)]
    )
    x_axis = axis("floating-point operations of pretraining, log scale", log=True)
    return Figure(view.name("pretraining"), title, said, traces, layout("gain, points", x_axis), table)


def _hollow(style: figures.Style) -> figures.Style:
    """Draw another text than the study's own with a hollow sign of the same colour."""
    return style._replace(symbol=f"{style.symbol}-open")


def _table(view: DatasetView, rows: Sequence[CourseRow]) -> TextTable:
    body = [
        [
            row.arm,
            row.course.title,
            f"{row.steps:,}",
            MISSING if row.flops is None else f"{row.flops:.2g}",
            MISSING if row.loss is None else f"{row.loss:.3f}",
            f"{value_text(row)} {bounds_text(row)}",
            _over_first(row),
            str(row.n_seeds),
            row.verdict,
        ]
        for row in rows
    ]
    return TextTable(f"Courses of pretraining on {view.dataset}", COLUMNS, [RowGroup("", body)])


def _over_first(row: CourseRow) -> str:
    if row.over_first is None:
        return MISSING
    ends = replace(row, low=row.over_first_low, high=row.over_first_high)
    return f"{in_percent(row.over_first, '+')} {bounds_text(ends)}"
