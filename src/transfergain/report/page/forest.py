"""Draw the forest plot of the first screen: a row a data set and arm, with the gain and its interval on one common axis."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from transfergain.analysis.findings import Findings
from transfergain.report.page.figures import (
    Column,
    Figure,
    RowGroup,
    TextTable,
    axis,
    gain_text,
    interval_text,
    layout,
    line,
    rule,
    styles,
)
from transfergain.report.page.svg import padded, round_numbers


class Line(NamedTuple):
    """A row of the plot; places are per cent of its width."""

    dataset: str
    arm: str
    colour: str
    gain: str
    verdict: str
    low: float | None
    middle: float
    high: float | None


class Forest(NamedTuple):
    """The rows, the place of no gain and of the margin, and the axis below."""

    lines: Sequence[Line]
    zero: float
    margin: float
    ticks: Sequence[tuple[float, str]]


def forest(findings: Findings) -> Forest | None:
    """Place the gains that answer the question, on the test sets; None without any."""
    rows = findings.headline()
    if not rows:
        return None
    margin, drawn = findings.study.margin, styles(findings)
    ends = [v for row in rows for v in (row.low, row.estimate, row.high) if v is not None]
    low, high = padded(min(0.0, *ends), max(margin, *ends))

    def place(value: float | None) -> Any:
        return None if value is None else round(100 * (value - low) / (high - low), 2)

    lines = [
        Line(row.dataset, row.arm, drawn[row.arm].colour, gain_text(row),
             row.verdict, place(row.low), place(row.estimate), place(row.high))
        for row in rows
    ]  # fmt: skip
    ticks = [(place(value), f"{value:+g}" if value else "0") for value, _ in round_numbers(low, high)]
    return Forest(lines, place(0.0), place(margin), ticks)


def figure(findings: Findings) -> Figure | None:
    """Draw the same as a figure, to be exported."""
    rows = findings.headline()
    if not rows:
        return None
    drawn, traces = styles(findings), []
    names = [f"{row.dataset}, {row.arm}" for row in rows]
    for arm in dict.fromkeys(row.arm for row in rows):
        mine = [(i, row) for i, row in enumerate(rows) if row.arm == arm]
        xs: list[float | None] = [v for _, row in mine for v in (row.low, row.high, None)]
        ys: list[float | None] = [v for i, _ in mine for v in (-i, -i, None)]
        traces.append(line(arm, drawn[arm], xs, ys, mode="lines") | {"showlegend": False})
        estimates, places, hover = [r.estimate for _, r in mine], [-i for i, _ in mine], [r.sentence for _, r in mine]
        traces.append(line(arm, drawn[arm], estimates, places, hover, "markers"))
    traces.insert(0, rule("no gain", [0, 0], [0.6, -len(rows) + 0.4], "no gain", "dot"))
    y_axis = {"tickvals": [-i for i in range(len(rows))], "ticktext": [escape(name) for name in names]}
    title = f"Gain over scratch on the test set, {findings.study.model}"
    body = [[name, f"{r.estimate:+z.3f}", interval_text(r, "+"), r.verdict] for name, r in zip(names, rows, strict=True)]
    columns = (Column("data set, arm"), Column("gain", True), Column("95 % interval", True), Column("verdict"))
    drawn_layout = layout("", axis("gain in score"))
    drawn_layout["yaxis"] |= y_axis
    words = "A point a data set and arm; the line is the 95 % interval over seeds and test examples."
    return Figure("forest", title, words, traces, drawn_layout, TextTable(title, columns, [RowGroup("", body)]))
