"""Describe figures and tables as plain data: a part of plotly's JSON, which the page's script and `svg.draw` both read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple, Protocol

from transfergain.analysis.findings import Findings
from transfergain.analysis.words import in_percent

ARM_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, told apart by the colour-blind; those that hold on white and on black first."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
FLOOR_COLOUR = "#808080"
FLOOR_DASHES = ("dot", "dash", "dashdot", "longdash")
QUIET_COLOUR = "#8C8C8C"
MISSING = "–"

Trace = dict[str, Any]


class Interval(Protocol):
    """What has a 95 % interval, or None at both ends."""

    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


class Scored(Interval, Protocol):
    """A mean score with its interval."""

    @property
    def mean(self) -> float: ...


class Gained(Interval, Protocol):
    """A difference of scores with its interval."""

    @property
    def estimate(self) -> float: ...


class Column(NamedTuple):
    """A column's heading, and whether it holds numbers."""

    title: str
    numeric: bool = False


class RowGroup(NamedTuple):
    """Rows of a table under a heading of their own (none where empty); the first cell of a row names it."""

    title: str
    rows: list[list[str]]


class TextTable(NamedTuple):
    """A table of text, ready to be laid out."""

    caption: str
    columns: Sequence[Column]
    groups: Sequence[RowGroup]


@dataclass(frozen=True)
class Figure:
    """A plotly figure as JSON-ready data, what it shows in words, and its numbers.

    Every string in `traces` and `layout` is HTML-escaped, as plotly reads them as HTML. Only what `svg.draw` knows is used:
    traces of lines, markers, text, filled bands and error bars; linear, logarithmic and category axes.
    """

    name: str
    """Part of a file name, the same for the same figure of every study."""
    title: str
    description: str
    traces: list[Trace]
    layout: dict[str, Any]
    table: TextTable


class Style(NamedTuple):
    """How an arm or floor is drawn, the same in every figure."""

    colour: str
    symbol: str
    dash: str


def styles(findings: Findings) -> dict[str, Style]:
    """Give each floor and arm its style, by name: floors in the order of their scores, arms in that of the study."""
    arms = findings.study.arms
    floors = [name for name in dict.fromkeys(row.arm for row in findings.scores) if name not in arms]
    drawn = {name: Style(FLOOR_COLOUR, "circle-open", FLOOR_DASHES[i % len(FLOOR_DASHES)]) for i, name in enumerate(floors)}
    return drawn | {
        name: Style(ARM_COLOURS[i % len(ARM_COLOURS)], SYMBOLS[i % len(SYMBOLS)], "solid") for i, name in enumerate(arms)
    }


def interval_text(row: Interval, sign: str = "") -> str:
    """Write `[low, high]` of a score in per cent or (with `sign` "+") of a gain in points; a dash where it is unknown."""
    low, high = row.low, row.high
    return MISSING if low is None or high is None else f"[{in_percent(low, sign)}, {in_percent(high, sign)}]"


def score_text(row: Scored) -> str:
    """Write a score in per cent: `87.4 [85.1, 89.7]`."""
    return f"{in_percent(row.mean)} {interval_text(row)}"


def gain_text(row: Gained) -> str:
    """Write a gain in points: `+9.3 [+7.1, +11.5]`."""
    return f"{in_percent(row.estimate, '+')} {interval_text(row, '+')}"


def curve(
    name: str, style: Style, x: Sequence[Any], rows: Sequence[Scored], hover: Sequence[str], bar: bool = False
) -> list[Trace]:
    """Draw the line of one arm or floor through `mean` of rows, with a band from `low` to `high`, in per cent.

    A lone point, and with `bar` every point, gets an error bar in place of the band.
    """
    shown, means = escape(name), [100 * row.mean for row in rows]
    known = [
        (at, 100 * row.low, 100 * row.high)
        for at, row in zip(x, rows, strict=True)
        if row.low is not None and row.high is not None
    ]
    main = line(name, style, x, means, hover)
    if len(known) < 2 or bar:
        if known:
            main["error_y"] = bars(means, rows, style.colour)
        return [main]
    band = {
        "x": [at for at, _, _ in known] + [at for at, _, _ in reversed(known)],
        "y": [high for _, _, high in known] + [low for _, low, _ in reversed(known)],
        "mode": "lines",
        "fill": "toself",
        "fillcolor": faded(style.colour, 0.12),
        "line": {"width": 1, "color": faded(style.colour, 0.35)},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": shown,
    }
    return [band, main]


def bars(means: Sequence[float], rows: Sequence[Interval], colour: str) -> dict[str, Any]:
    """Draw error bars from `low` to `high` of rows around means in per cent; none where a row has no interval."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [0 if r.high is None else 100 * r.high - m for m, r in zip(means, rows, strict=True)],
        "arrayminus": [0 if r.low is None else m - 100 * r.low for m, r in zip(means, rows, strict=True)],
        "color": colour,
    }


def line(
    name: str, style: Style, x: Sequence[Any], y: Sequence[Any], hover: Sequence[str] = (), mode: str = "lines+markers"
) -> Trace:
    """Draw a named line, markers, or both. `hover` are plain words, one a point."""
    return {
        "x": [escape(v) if isinstance(v, str) else v for v in x],
        "y": list(y),
        **({"text": [escape(words) for words in hover], "hoverinfo": "text"} if hover else {"hoverinfo": "skip"}),
        "mode": mode,
        "name": escape(name),
        "legendgroup": escape(name),
        "line": {"color": style.colour, "dash": style.dash, "width": 2},
        "marker": marker(style, 9),
    }


def rule(name: str, x: Sequence[Any], y: Sequence[Any], hover: str, dash: str = "dash", colour: str = QUIET_COLOUR) -> Trace:
    """Draw a quiet line that stands for no arm, such as a threshold or a diagonal."""
    return line(name, Style(colour, "circle", dash), x, y, [hover] * len(x), "lines") | {
        "line": {"color": colour, "dash": dash, "width": 1.5}
    }


def quiet(trace: Trace, group: str = "") -> Trace:
    """Keep a trace without an entry of its own in the legend; shown and hidden with `group`, if given."""
    return trace | {"showlegend": False} | ({"legendgroup": escape(group)} if group else {})


def note(text: str, x: Any, y: float, position: str = "top center", group: str = "") -> Trace:
    """Write words at a point, in the colour of text, which every arm's colour is not dark enough for."""
    trace = {"x": [x], "y": [y], "mode": "text", "text": [escape(text)], "textposition": position, "hoverinfo": "skip"}
    return quiet(trace, group)


def layout(y_title: str, x_axis: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Lay a figure out as all are. The page adds the colours of text and grid, for light and dark.

    The room above is that of plotly's buttons, with a line of notes below them.
    """
    return {
        "height": 450,
        "margin": {"l": 64, "r": 16, "t": 60, "b": 56},
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "closest",
        "dragmode": False,
        "showlegend": False,
        "xaxis": {"zeroline": False, "automargin": True} | dict(x_axis),
        "yaxis": {"title": {"text": escape(y_title)}, "zeroline": False, "automargin": True},
    } | more


def axis(title: str, log: bool = False, **more: Any) -> dict[str, Any]:
    """Describe a numeric axis."""
    ticks = {} if "tickvals" in more else {"dtick": "D2", "exponentformat": "power"}
    return {"title": {"text": escape(title)}} | ({"type": "log"} | ticks if log else {}) | more


def at_values(values: Sequence[int]) -> dict[str, Any]:
    """Put ticks at these values alone."""
    return {"tickvals": list(values), "ticktext": [f"{value:,}" for value in values]}


def marker(style: Style, size: int) -> dict[str, Any]:
    """Draw a point of an arm or floor."""
    return {"symbol": style.symbol, "size": size, "color": style.colour}


def faded(colour: str, alpha: float) -> str:
    """Make a `#rrggbb` colour `alpha` opaque."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
