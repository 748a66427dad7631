"""The page's figures as plain data: plotly's JSON without plotly's Python objects, and the same numbers as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

from transfergain.analysis.findings import Findings
from transfergain.arms import REFERENCE

ARM_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, told apart by the colour-blind; those that hold on white and on black first."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
FLOOR_COLOUR = "#808080"
FLOOR_DASHES = ("dot", "dash", "dashdot", "longdash")
SEED_COLOUR = "#8C8C8C"
MISSING = "–"

Row = Mapping[str, Any]


class Column(NamedTuple):
    """A column's heading, and whether it holds numbers."""

    title: str
    numeric: bool = False


class Group(NamedTuple):
    """Rows of a table under a heading of their own (none where empty); the first cell of a row names it."""

    title: str
    rows: list[list[str]]


class Table(NamedTuple):
    """A table of text, ready to be laid out."""

    caption: str
    columns: Sequence[Column]
    groups: Sequence[Group]


@dataclass(frozen=True)
class Figure:
    """A plotly figure as JSON-ready data, what it shows in words, and its numbers."""

    title: str
    description: str
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    table: Table


class Style(NamedTuple):
    """How an arm or floor is drawn, the same in every figure."""

    colour: str
    symbol: str
    dash: str


def styles(findings: Findings) -> dict[str, Style]:
    """Name -> style of the study's arms, in their order, and of the floors, in the order of the scores."""
    arms = list(findings.study["arms"])
    floors = [name for name in dict.fromkeys(row["arm"] for row in findings.scores) if name not in arms]
    drawn = {name: Style(FLOOR_COLOUR, "circle-open", FLOOR_DASHES[i % len(FLOOR_DASHES)]) for i, name in enumerate(floors)}
    return drawn | {
        name: Style(ARM_COLOURS[i % len(ARM_COLOURS)], SYMBOLS[i % len(SYMBOLS)], "solid") for i, name in enumerate(arms)
    }


def top_budget(findings: Findings, dataset: str) -> int | None:
    """The largest budget with a gain, else with a score; None while nothing has finished."""
    for rows in (findings.gains, findings.scores):
        if found := [row["budget"] for row in rows if row["dataset"] == dataset]:
            return int(max(found))
    return None


def interval(row: Row, sign: str = "") -> str:
    """`[low, high]` of a row of scores or (with `sign` "+") of gains; a dash where one seed leaves it unknown."""
    return MISSING if row["low"] is None else f"[{row['low']:{sign}.3f}, {row['high']:{sign}.3f}]"


def learning_curve(findings: Findings, dataset: str, split: str) -> Figure | None:
    """The primary score against the label budget, on a log axis, for every arm and floor; None without scores.

    With a single budget there is no curve: then the arms stand side by side.
    """
    rows = [r for r in findings.primary(findings.scores) if r["dataset"] == dataset and r["split"] == split]
    if not rows:
        return None
    metric, budgets = rows[0]["metric"], sorted({row["budget"] for row in rows})
    drawn = {name: style for name, style in styles(findings).items() if any(r["arm"] == name for r in rows)}
    traces: list[dict[str, Any]] = []
    labels = {name: name if name in findings.study["arms"] else f"{name} (floor)" for name in drawn}
    for name, style in drawn.items():
        mine = sorted((r for r in rows if r["arm"] == name), key=lambda r: int(r["budget"]))
        traces += _curve_traces(labels[name], style, mine, single=len(budgets) == 1)
    if len(budgets) > 1:
        ticks = {"tickvals": budgets, "ticktext": [f"{b:,}" for b in budgets]}
        x_axis: dict[str, Any] = {"type": "log", "title": {"text": "labels (train and dev together), log scale"}, **ticks}
    else:
        x_axis = {"type": "category", "title": {"text": f"{budgets[0]:,} labels (train and dev together)"}}
    layout = _layout(metric, x_axis)
    where = "the test set" if split == "test" else f"the shift {split.removeprefix('shift:')}"
    by = "by label budget" if len(budgets) > 1 else f"with {budgets[0]:,} labels"
    title = f"{dataset}: {metric} on {where} {by}, mean of the seeds with 95 % interval"
    cells = {(row["budget"], row["arm"]): f"{row['mean']:.3f} {interval(row)}" for row in rows}
    body = [[f"{b:,}", *(cells.get((b, name), MISSING) for name in drawn)] for b in budgets]
    columns = [Column("labels", True), *(Column(name, True) for name in labels.values())]
    return Figure(title, _curve_words(labels.values()), traces, layout, Table(title, columns, [Group("", body)]))


def _curve_words(names: Iterable[str]) -> str:
    return f"One line each for {', '.join(names)}; the band or bar is the 95 % interval over seeds and test examples."


def _curve_traces(name: str, style: Style, rows: Sequence[Row], single: bool) -> list[dict[str, Any]]:
    """The band and the line of one arm or floor; error bars in place of a band around a lone point."""
    shown = escape(name)
    known = [row for row in rows if row["low"] is not None]
    line: dict[str, Any] = {
        "x": [shown if single else row["budget"] for row in rows],
        "y": [row["mean"] for row in rows],
        "text": [f"{shown}, {row['budget']:,} labels: {row['mean']:.3f} {interval(row)}" for row in rows],
        "hoverinfo": "text",
        "mode": "lines+markers",
        "name": shown,
        "legendgroup": shown,
        "line": {"color": style.colour, "dash": style.dash, "width": 2},
        "marker": _marker(style, 9),
    }
    if len(known) < 2:
        if known:
            line["error_y"] = {
                "type": "data",
                "symmetric": False,
                "array": [0 if r["high"] is None else r["high"] - r["mean"] for r in rows],
                "arrayminus": [0 if r["low"] is None else r["mean"] - r["low"] for r in rows],
                "color": style.colour,
            }
        return [line]
    band = {
        "x": [row["budget"] for row in known] + [row["budget"] for row in reversed(known)],
        "y": [row["high"] for row in known] + [row["low"] for row in reversed(known)],
        "mode": "lines",
        "fill": "toself",
        "fillcolor": _faded(style.colour, 0.12),
        "line": {"width": 1, "color": _faded(style.colour, 0.35)},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": shown,
    }
    return [band, line]


def paired(findings: Findings, dataset: str, trials: Sequence[Row]) -> Figure | None:
    """Each seed's primary test score, scratch beside every pretrained arm, at the largest budget; None without a pair.

    `trials` is `findings.table("trials")`, which takes time to make.
    """
    budget, column = top_budget(findings, dataset), f"test {findings.data[dataset]['metric']}"
    reported = [r for r in trials if (r["dataset"], r["budget"], r["phase"]) == (dataset, budget, "report")]
    gains = [r for r in findings.headline() if r["dataset"] == dataset]
    found = _by_seed(reported, column)
    panels = [row for row in gains if _pairs(found, row["arm"])]
    if budget is None or not panels:
        return None
    drawn, metric = styles(findings), findings.data[dataset]["metric"]
    traces = _seed_lines(found, [row["arm"] for row in panels])
    for name in (REFERENCE, *(row["arm"] for row in panels)):
        at = [i for i, row in enumerate(panels) if name in (REFERENCE, row["arm"])]
        traces += _dots(name, drawn[name], found, [(3 * i + (name != REFERENCE), panels[i]["arm"]) for i in at])
    ends = [-0.6, 3 * len(panels) - 1.4]
    floors = [r for r in findings.primary(findings.scores)
              if r["arm"] not in findings.study["arms"]
              and (r["dataset"], r["budget"], r["split"]) == (dataset, budget, "test")]  # fmt: skip
    traces += [_floor_line(row["arm"], drawn[row["arm"]], row["mean"], ends) for row in floors]
    layout = _layout(metric, _panel_axis([row["arm"] for row in panels], ends))
    layout["annotations"] = [_gain_note(3 * i + 0.5, row["estimate"]) for i, row in enumerate(panels)]
    title = f"{dataset}: {metric} on the test set, seed by seed, with {budget:,} labels"
    words = (
        "Each line joins the two scores of one seed, scratch on the left and the pretrained arm on the right; "
        "a dashed line is a seed in which the pretrained arm did no better. The bars are means, the level lines floors."
    )
    return Figure(title, words, traces, layout, _seed_table(title, reported, column, drawn, floors))


def _by_seed(reported: Sequence[Row], column: str) -> dict[str, dict[int, float]]:
    """Arm -> seed -> score of the trials that have one."""
    found: dict[str, dict[int, float]] = {}
    for row in reported:
        if row.get(column) is not None:
            found.setdefault(row["arm"], {})[row["seed"]] = row[column]
    return found


def _pairs(found: Mapping[str, Mapping[int, float]], arm: str) -> list[int]:
    """The seeds that both scratch and the arm have finished."""
    return sorted(set(found.get(REFERENCE, {})) & set(found.get(arm, {})))


def _seed_lines(found: Mapping[str, Mapping[int, float]], arms: Sequence[str]) -> list[dict[str, Any]]:
    """One line a seed and panel: solid where the arm is better, dashed where it is not."""
    lines: dict[str, tuple[list[float | None], list[float | None]]] = {"solid": ([], []), "dash": ([], [])}
    for i, arm in enumerate(arms):
        for seed in _pairs(found, arm):
            before, after = found[REFERENCE][seed], found[arm][seed]
            x, y = lines["solid" if after > before else "dash"]
            x += [3 * i, 3 * i + 1, None]
            y += [before, after, None]
    return [
        {"x": x, "y": y, "mode": "lines", "line": {"color": SEED_COLOUR, "width": 1.3, "dash": dash},
         "hoverinfo": "skip", "showlegend": False}
        for dash, (x, y) in lines.items() if x
    ]  # fmt: skip


def _dots(
    name: str, style: Style, found: Mapping[str, Mapping[int, float]], places: Sequence[tuple[int, str]]
) -> list[dict[str, Any]]:
    """The paired seeds of an arm as dots at (x, panel's arm) places, and a bar at the mean of each place."""
    shown = escape(name)
    points = [(x, seed, found[name][seed]) for x, arm in places for seed in _pairs(found, arm)]
    means = [(x, [found[name][seed] for seed in _pairs(found, arm)]) for x, arm in places]
    dots = {
        "x": [x for x, _, _ in points],
        "y": [score for _, _, score in points],
        "text": [f"{shown}, seed {seed}: {score:.3f}" for _, seed, score in points],
        "hoverinfo": "text",
        "mode": "markers",
        "name": shown,
        "legendgroup": shown,
        "marker": _marker(style, 10) | {"opacity": 0.85},
    }
    bars = {
        "x": [x for x, _ in means],
        "y": [sum(scores) / len(scores) for _, scores in means],
        "text": [f"{shown}, mean: {sum(scores) / len(scores):.3f}" for _, scores in means],
        "hoverinfo": "text",
        "mode": "markers",
        "showlegend": False,
        "legendgroup": shown,
        "marker": {"symbol": "line-ew-open", "size": 40, "color": style.colour, "line": {"width": 3}},
    }
    return [bars, dots]


def _floor_line(name: str, style: Style, score: float, ends: Sequence[float]) -> dict[str, Any]:
    shown = f"{escape(name)} (floor)"
    return {
        "x": list(ends),
        "y": [score, score],
        "text": [f"{shown}: {score:.3f}"] * 2,
        "hoverinfo": "text",
        "mode": "lines",
        "name": shown,
        "line": {"color": style.colour, "dash": style.dash, "width": 2},
    }


def _seed_table(title: str, reported: Sequence[Row], column: str, names: Iterable[str], floors: Sequence[Row]) -> Table:
    """The scores behind `paired`; a trial without a score shows what became of it."""
    cells = {
        (row["seed"], row["arm"]): row["status"] if row.get(column) is None else f"{row[column]:.4f}" for row in reported
    }
    shown = [name for name in names if any(arm == name for _, arm in cells)]
    floor_names = {row["arm"] for row in floors}
    body = [[str(seed), *(cells.get((seed, name), "not run") for name in shown)] for seed in sorted({s for s, _ in cells})]
    columns = [Column(f"{name} (floor)" if name in floor_names else name, True) for name in shown]
    return Table(title, [Column("seed", True), *columns], [Group("", body)])


def _panel_axis(arms: Sequence[str], ends: Sequence[float]) -> dict[str, Any]:
    return {
        "tickvals": [3 * i + side for i in range(len(arms)) for side in (0, 1)],
        "ticktext": [escape(name) for arm in arms for name in (REFERENCE, arm)],
        "range": list(ends),
        "showgrid": False,
    }


def _gain_note(x: float, gain: float) -> dict[str, Any]:
    text = f"gain {gain:+.3f}"
    return {"x": x, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False, "text": text}


def _layout(metric: str, x_axis: dict[str, Any]) -> dict[str, Any]:
    """What all figures share. The page adds the colours of text and grid, for light and dark."""
    return {
        "height": 450,
        "margin": {"l": 64, "r": 16, "t": 32, "b": 56},
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "closest",
        "dragmode": False,
        "legend": {"orientation": "h", "x": 0, "yref": "container", "y": 0, "yanchor": "bottom"},
        "xaxis": {"zeroline": False, "automargin": True} | x_axis,
        "yaxis": {"title": {"text": escape(metric)}, "zeroline": False, "automargin": True},
    }


def _marker(style: Style, size: int) -> dict[str, Any]:
    return {"symbol": style.symbol, "size": size, "color": style.colour}


def _faded(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
