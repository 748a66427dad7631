"""Show transfer to a new domain: scores after adaptation with k labels of it."""

from __future__ import annotations

from transfergain.analysis.rows import Measure, ScoreRow
from transfergain.report.page import figures
from transfergain.report.page.figures import MISSING, Column, Figure, RowGroup, Style, TextTable, Trace, axis, curve, layout
from transfergain.report.page.panels.base import DatasetView, Panel, leading, rows_table
from transfergain.split import Kind, shift

METHOD_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def build(view: DatasetView) -> Panel:
    """Draw a figure a target domain, and list the rows of adaptation without those of the ladder."""
    rows = [row for row in view.of(view.findings.adaptation) if row.measure is not Measure.LADDER]
    names = dict.fromkeys(row.split.name for row in view.of(view.findings.scores) if row.split.kind is Kind.ADAPTED)
    drawn = [figure for name in names if (figure := scores_after_adaptation(view, name))]
    missing = "" if names or rows else "Adaptation to another domain: not measured (no --adapt)."
    return Panel(leading(rows, view), drawn, (), rows_table(f"Adaptation from {view.dataset}", rows), missing)


def scores_after_adaptation(view: DatasetView, name: str) -> Figure | None:
    """Draw the score on a domain against its labels that the source-trained model was given, a line an arm and method."""
    found: dict[tuple[str, str], list[tuple[int, ScoreRow]]] = {}
    for row in view.of(view.findings.scores):
        split = row.split
        if (split.kind, split.name, row.metric, row.budget) == (Kind.ADAPTED, name, view.metric, view.top):
            found.setdefault((row.arm, split.method), []).append((split.labels, row))
    if not found:
        return None
    start = {row.arm: row for row in view.scores(shift(name), view.top)}
    methods = list(dict.fromkeys(method for _, method in found))
    traces, cells = list[Trace](), dict[tuple[int, str], str]()
    for (arm, method), points in found.items():
        points = ([(0, start[arm])] if arm in start else []) + sorted(points, key=lambda p: p[0])
        style = view.styles.get(arm, Style("#808080", "circle", "solid"))
        label = f"{arm}, {method}"
        hover = [f"{label}, {k:,} labels of {name}: {figures.score_text(row)} %" for k, row in points]
        dashed = style._replace(dash=METHOD_DASHES[methods.index(method) % len(METHOD_DASHES)])
        traces += curve(label, dashed, [f"{k:,}" for k, _ in points], [row for _, row in points], hover, bar=True)
        cells |= {(k, label): figures.score_text(row) for k, row in points}
    title = f"{view.dataset}: {view.score} in % on {name} after adaptation, from models trained with {view.top:,} labels"
    words = f"A line an arm and way of adapting ({', '.join(methods)}); 0 is the model as it is. Bars are 95 % intervals."
    ks, labels = sorted({k for k, _ in cells}), list(dict.fromkeys(label for _, label in cells))
    body = [[f"{k:,}", *(cells.get((k, label), MISSING) for label in labels)] for k in ks]
    table = TextTable(title, [Column(f"labels of {name}", True), *(Column(x, True) for x in labels)], [RowGroup("", body)])
    order = [f"{k:,}" for k in ks]
    x_axis = axis(f"labels of {name}", type="category", categoryorder="array", categoryarray=order)
    drawn = layout(f"{view.score} on {name}, %", x_axis)
    return Figure(view.name(f"adapted-{name}"), title, words, traces, drawn, table)
