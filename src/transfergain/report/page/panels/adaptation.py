"""Transfer to a new domain: scores after adaptation with k labels of it."""

from __future__ import annotations

from transfergain.report.page.figures import (
    MISSING,
    Column,
    Figure,
    Group,
    Row,
    Style,
    Table,
    Trace,
    axis,
    curve,
    interval,
    layout,
)
from transfergain.report.page.panels.base import Panel, View, leading, rows_table

PREFIX = "adapted:"
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def build(view: View) -> Panel:
    """A figure a target domain, and the rows of adaptation without those of the ladder."""
    rows = [row for row in view.of(view.findings.adaptation) if row.get("measure") != "ladder"]
    names = list(dict.fromkeys(found[0] for row in view.of(view.findings.scores) if (found := parse(row["split"]))))
    figures = [figure for name in names if (figure := adapted(view, name))]
    missing = "" if names or rows else "Adaptation to another domain: not measured (no --adapt)."
    return Panel(leading(rows, view), figures, (), rows_table(f"Adaptation from {view.dataset}", rows), missing)


def parse(split: str) -> tuple[str, int, str] | None:
    """(domain, labels, method) of a split `adapted:NAME@K/METHOD`; None for other splits."""
    if not split.startswith(PREFIX):
        return None
    name, _, rest = split.removeprefix(PREFIX).rpartition("@")
    k, _, method = rest.partition("/")
    return (name, int(k), method) if k.isdigit() else None


def adapted(view: View, name: str) -> Figure | None:
    """The score on a domain against the labels of it that the source-trained model was given, a line an arm and method."""
    found: dict[tuple[str, str], list[tuple[int, Row]]] = {}
    for row in view.of(view.findings.scores, metric=view.metric, budget=view.top):
        split = parse(row["split"])
        if split and split[0] == name:
            found.setdefault((row["arm"], split[2]), []).append((split[1], row))
    if not found:
        return None
    start = {row["arm"]: row for row in view.scores(f"shift:{name}", view.top)}
    methods = list(dict.fromkeys(method for _, method in found))
    traces, cells = list[Trace](), dict[tuple[int, str], str]()
    for (arm, method), points in found.items():
        points = ([(0, start[arm])] if arm in start else []) + sorted(points, key=lambda p: p[0])
        style = view.styles.get(arm, Style("#808080", "circle", "solid"))
        label = f"{arm}, {method}"
        hover = [f"{label}, {k:,} labels of {name}: {row['mean']:.3f} {interval(row)}" for k, row in points]
        dashed = style._replace(dash=DASHES[methods.index(method) % len(DASHES)])
        traces += curve(label, dashed, [f"{k:,}" for k, _ in points], [row for _, row in points], hover, bar=True)
        cells |= {(k, label): f"{row['mean']:.3f} {interval(row)}" for k, row in points}
    title = f"{view.dataset}: {view.metric} on {name} after adaptation, from models trained with {view.top:,} labels"
    words = f"A line an arm and way of adapting ({', '.join(methods)}); 0 is the model as it is. Bars are 95 % intervals."
    ks, labels = sorted({k for k, _ in cells}), list(dict.fromkeys(label for _, label in cells))
    body = [[f"{k:,}", *(cells.get((k, label), MISSING) for label in labels)] for k in ks]
    table = Table(title, [Column(f"labels of {name}", True), *(Column(x, True) for x in labels)], [Group("", body)])
    order = [f"{k:,}" for k in ks]
    x_axis = axis(f"labels of {name}", type="category", categoryorder="array", categoryarray=order)
    drawn = layout(f"{view.metric} on {name}", x_axis)
    return Figure(view.name(f"adapted-{name}"), title, words, traces, drawn, table)
