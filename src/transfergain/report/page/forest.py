"""Draw the forest plot as a figure to be exported: a row a data set and arm, with the gain and its interval."""

from __future__ import annotations

from html import escape

from transfergain.analysis.findings import Findings
from transfergain.analysis.words import in_percent
from transfergain.report.page.figures import (
    Column,
    Figure,
    RowGroup,
    TextTable,
    axis,
    interval_text,
    layout,
    line,
    rule,
    styles,
)
from transfergain.report.reading import rivals


def figure(findings: Findings) -> Figure | None:
    """Draw the gains that answer the question, on the test sets; None without any."""
    rows = [*findings.headline(), *findings.beside()]
    if not rows:
        return None
    drawn, traces = styles(findings), []
    names = [findings.pair_name(row) for row in rows]
    for arm in dict.fromkeys(row.arm for row in rows):
        mine = [(i, row) for i, row in enumerate(rows) if row.arm == arm]
        ends = [v for _, row in mine for v in (row.low, row.high, None)]
        xs = [None if v is None else 100 * v for v in ends]
        ys: list[float | None] = [v for i, _ in mine for v in (-i, -i, None)]
        traces.append(line(arm, drawn[arm], xs, ys, mode="lines") | {"showlegend": False})
        estimates, places, hover = [100 * r.estimate for _, r in mine], [-i for i, _ in mine], [r.sentence for _, r in mine]
        traces.append(line(arm, drawn[arm], estimates, places, hover, "markers"))
    traces.insert(0, rule("no gain", [0, 0], [0.6, -len(rows) + 0.4], "no gain", "dot"))
    y_axis = {"tickvals": [-i for i in range(len(rows))], "ticktext": [escape(name) for name in names]}
    title = f"Gain over {rivals(row.reference for row in findings.headline())} on the test set, {findings.study.model}"
    body = [
        [name, in_percent(r.estimate, "+"), interval_text(r, "+"), r.verdict] for name, r in zip(names, rows, strict=True)
    ]
    columns = (Column("data set, arm"), Column("gain, points", True), Column("95 % interval", True), Column("verdict"))
    drawn_layout = layout("", axis("gain, points"))
    drawn_layout["yaxis"] |= y_axis
    words = "A point a data set and arm; the line is the 95 % interval over seeds and test examples."
    return Figure("forest", title, words, traces, drawn_layout, TextTable(title, columns, [RowGroup("", body)]))
