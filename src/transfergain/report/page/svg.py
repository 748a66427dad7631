"""Draw figures as SVG: they need no script, print, and go into a paper or a pull request."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any, NamedTuple

from transfergain.report.page.controls import without_controls
from transfergain.report.page.figures import Figure, Trace

DASH_PATTERNS = {"dot": "2 4", "dash": "8 5", "dashdot": "8 4 2 4", "longdash": "14 5"}
TEXT_AND_GRID_COLOURS = "text{fill:#1c2024}.grid{stroke:#d5dae0}.axis{stroke:#59636e}"
TEXT_POSITIONS = {
    "top center": ("middle", 0, -9),
    "bottom center": ("middle", 0, 19),
    "middle right": ("start", 12, 4.5),
    "middle left": ("end", -12, 4.5),
}
FONT = 'font-family="system-ui, DejaVu Sans, Arial, sans-serif" font-size="13"'

SECOND_LINE = 16
"""Pixels from one line of a tick's words to the next."""

Points = Sequence[tuple[float, float]]


class Frame(NamedTuple):
    """The size of a picture, and where the plot within it begins and ends, in pixels."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    most_ticks: int


LARGE = Frame(760, 420, left=66, right=742, top=26, bottom=370, most_ticks=6)
SMALL = Frame(460, 262, left=58, right=450, top=10, bottom=218, most_ticks=4)
"""For a column of the first screen, and for a telephone: its words are as large there as in text."""


@dataclass(frozen=True)
class Scale:
    """One axis: values to pixels, and its ticks as (pixel, words)."""

    place: Callable[[Any], float]
    ticks: Sequence[tuple[float, str]]


def draw(figure: Figure, alone: bool = False, frame: Frame = LARGE) -> str:
    """Draw the figure as one SVG element; `alone` as a file, with a white ground, its title and a legend.

    Within the page its colours are those of the page's style (classes `grid` and `axis`, and the colour of text).
    """
    if any("<br>" in words for words in figure.layout["xaxis"].get("ticktext", ())):
        frame = frame._replace(height=frame.height + SECOND_LINE)
    names = [t["name"] for t in figure.traces if t.get("name") and t.get("showlegend", True)]
    legend = _legend(figure.traces, frame) if alone else ([], 0)
    top = 24 if alone else 0
    height = frame.height + legend[1] + top
    body = [*_axes(figure, frame), *_groups(figure, frame), *_annotations(figure, frame), *legend[0]]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {frame.width} {height}" {FONT}'
    if alone:
        title = _words(_shortened(figure.title), frame.width / 2, 18, "middle", ' font-weight="600"')
        ground = f'<style>{TEXT_AND_GRID_COLOURS}</style><rect width="100%" height="100%" fill="#fff"/>'
        size = f' width="{frame.width}" height="{height}" role="img"'
        return f"{head}{size}><title>{escape(figure.title)}</title>{ground}{title}" + (
            f'<g transform="translate(0 {top})">{"".join(body)}</g></svg>\n'
        )
    label = escape(f"{figure.title}. {figure.description} Drawn: {', '.join(map(unescape, dict.fromkeys(names)))}.")
    return f'{head} class="static" role="img" aria-label="{label}">{"".join(body)}</svg>'


def _shortened(text: str) -> str:
    return text if len(text) <= 96 else text[:95] + "…"


def _axes(figure: Figure, frame: Frame) -> list[str]:
    """Draw grid, ticks and titles."""
    x, y = _scales(figure, frame)
    ends = (frame.left, frame.right, frame.top, frame.bottom)
    parts = [f'<path class="grid" d="M{ends[0]} {_n(at)}H{ends[1]}" fill="none"/>' for at, _ in y.ticks]
    if figure.layout["xaxis"].get("showgrid", True):
        parts += [f'<path class="grid" d="M{_n(at)} {ends[2]}V{ends[3]}" fill="none"/>' for at, _ in x.ticks]
    parts.append(f'<path class="axis" d="M{ends[0]} {ends[3]}H{ends[1]}" fill="none"/>')
    parts += [_words(words, frame.left - 8, at + 4.5, "end") for at, words in y.ticks]
    for at, words in x.ticks:
        lines = enumerate(words.split("<br>"))
        parts += [_words(line, at, frame.bottom + 18 + SECOND_LINE * i, "middle") for i, line in lines]
    title = figure.layout["xaxis"].get("title", {}).get("text", "")
    parts.append(_words(title, (ends[0] + ends[1]) / 2, frame.height - 8, "middle"))
    title = figure.layout["yaxis"].get("title", {}).get("text", "")
    middle = (ends[2] + ends[3]) / 2
    parts.append(_words(title, 15, middle, "middle", f' transform="rotate(-90 15 {_n(middle)})"'))
    return parts


def _scales(figure: Figure, frame: Frame) -> tuple[Scale, Scale]:
    xs, ys = list[Any](), list[Any]()
    for trace in figure.traces:
        up, down = (trace.get("error_y", {}).get(key, ()) for key in ("array", "arrayminus"))
        xs += [v for v in trace["x"] if v is not None]
        ys += [v for v in trace["y"] if v is not None]
        ys += [v + e for v, e in zip(trace["y"], up, strict=False) if v is not None]
        ys += [v - e for v, e in zip(trace["y"], down, strict=False) if v is not None]
    most, x_axis, y_axis = frame.most_ticks, figure.layout["xaxis"], figure.layout["yaxis"]
    return _scale(x_axis, xs, frame.left, frame.right, most), _scale(y_axis, ys, frame.bottom, frame.top, most)


def _scale(axis: Any, values: Sequence[Any], start: float, end: float, most_ticks: int) -> Scale:
    if axis.get("type") == "category":
        order = list(dict.fromkeys([*axis.get("categoryarray", ()), *values]))
        step = (end - start) / max(len(order), 1)
        places = {name: start + (i + 0.5) * step for i, name in enumerate(order)}
        return Scale(lambda v: places[v], [(at, str(name)) for name, at in places.items()])
    if axis.get("type") == "log":
        low, high = (math.log10(f([v for v in values if v > 0] or [1])) for f in (min, max))
        low, high = padded(low, high)
        ticks = _log_ticks(low, high)
    else:
        low, high = axis.get("range") or padded(min(values, default=0), max(values, default=1))
        ticks = round_numbers(low, high, most_ticks)

    def place(value: float) -> float:
        v = math.log10(value) if axis.get("type") == "log" else value
        return start + (v - low) / (high - low) * (end - start)

    if "tickvals" in axis:
        ticks = list(zip(axis["tickvals"], axis["ticktext"], strict=True))
    return Scale(place, [(place(value), words) for value, words in ticks])


def padded(low: float, high: float) -> tuple[float, float]:
    """Widen a range by some room on both sides; it is never empty."""
    room = (high - low) * 0.06 or abs(high) * 0.1 or 0.5
    return low - room, high + room


def round_numbers(low: float, high: float, most: int = 6) -> list[tuple[float, str]]:
    """Choose about so many round numbers."""
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= raw * 0.999)
    first, digits = math.ceil(low / step - 1e-9), max(0, -math.floor(math.log10(step) - 1e-9) + (step / size == 2.5))
    return [(i * step, f"{i * step:,.{digits}f}") for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Choose powers of ten, with 2 and 5 between them where there are few."""
    steps = (1,) if high - low > 2.5 else (1, 2, 5) if high - low > 0.5 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    every = max(1, math.ceil((high - low) / 8))
    values = [m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1, every) for m in steps]
    return [(v, _short(v)) for v in values if low <= math.log10(v) <= high]


def _short(value: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size and value < 1e15:
            return f"{value / size:g}{letter}"
    return f"{value:g}" if 1e-3 <= value < 1e3 else f"{value:.0e}".replace("e-0", "e-").replace("e+", "e")


def _groups(figure: Figure, frame: Frame) -> list[str]:
    """Draw the traces, each in a group that names what the legend hides and shows it with."""
    x, y = _scales(figure, frame)
    parts = []
    for trace in figure.traces:
        points = [
            None if v is None or w is None else (x.place(v), y.place(w)) for v, w in zip(trace["x"], trace["y"], strict=True)
        ]
        body = _trace(trace, points, y)
        faint = f' opacity="{trace["opacity"]}"' if "opacity" in trace else ""
        parts.append(f'<g data-group="{escape(unescape(trace.get("legendgroup", "")))}"{faint}>{"".join(body)}</g>')
    return parts


def _trace(trace: Trace, points: Sequence[tuple[float, float] | None], y: Scale) -> list[str]:
    mode, parts = trace["mode"], list[str]()
    known = [p for p in points if p]
    if trace.get("fill") == "toself":
        return [f'<path d="{_path(points)}Z" fill="{trace["fillcolor"]}" stroke="none"/>']
    if "error_y" in trace:
        parts += _bars(trace, y, known)
    if "lines" in mode:
        dash = DASH_PATTERNS.get(trace["line"].get("dash", ""), "")
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        stroke = f'stroke="{trace["line"]["color"]}" stroke-width="{trace["line"]["width"]}"'
        parts.append(f'<path d="{_path(points)}" fill="none" {stroke}{dashed}/>')
    if "markers" in mode:
        sizes = trace["marker"]["size"]
        each = sizes if isinstance(sizes, list) else [sizes] * len(points)
        parts += _markers(trace["marker"], [(p, size) for p, size in zip(points, each, strict=True) if p and size])
    if "text" in mode:
        anchor, dx, dy = TEXT_POSITIONS[trace["textposition"]]
        parts += [_words(words, p[0] + dx, p[1] + dy, anchor, ' font-weight="600"')
                  for p, words in zip(known, trace["text"], strict=False)]  # fmt: skip
    return parts


def _bars(trace: Trace, y: Scale, known: Points) -> list[str]:
    error, values = trace["error_y"], [v for v in trace["y"] if v is not None]
    rows = zip(known, values, error["array"], error["arrayminus"], strict=True)
    path = "".join(
        f"M{_n(at[0])} {_n(y.place(v - down))}V{_n(y.place(v + up))}M{_n(at[0] - 5)} {_n(y.place(v - down))}h10"
        f"M{_n(at[0] - 5)} {_n(y.place(v + up))}h10"
        for at, v, up, down in rows
    )
    return [f'<path d="{path}" fill="none" stroke="{error["color"]}" stroke-width="1.5"/>']


MARKER_SHAPES = {
    "circle": "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0 -2 0Z",
    "square": "M-.9-.9H.9V.9H-.9Z",
    "diamond": "M0-1.25L1.25 0L0 1.25L-1.25 0Z",
    "triangle-up": "M0-1.2L1.1.8H-1.1Z",
    "triangle-right": "M1 0L-.9 1V-1Z",
    "triangle-left": "M-1 0L.9 1V-1Z",
    "cross": "M-.4-1.1H.4V-.4H1.1V.4H.4V1.1H-.4V.4H-1.1V-.4H-.4Z",
    "star": "M0-1.3L.35-.4L1.25-.4L.55.15L.8 1.05L0 .5L-.8 1.05L-.55.15L-1.25-.4L-.35-.4Z",
    "line-ew-open": "M-1 0H1",
}


def _markers(marker: Any, places: Sequence[tuple[tuple[float, float], float]]) -> list[str]:
    """Draw all markers of a trace, each a shape of unit size moved and scaled."""
    symbol, hollow = marker["symbol"], marker["symbol"].endswith("-open")
    shape = MARKER_SHAPES.get(symbol) or MARKER_SHAPES[symbol.removesuffix("-open")]
    edge = marker.get("line", {})
    stroke, width = (
        (marker["color"], edge.get("width", 1.5)) if hollow else (edge.get("color", "none"), edge.get("width", 0))
    )
    paint = f'fill="{"none" if hollow else marker["color"]}" stroke="{stroke}"'
    faint = f' opacity="{marker["opacity"]}"' if "opacity" in marker else ""
    return [
        # Not every program knows strokes that do not scale, so the width is divided by the scale.
        f'<path transform="translate({_n(x)} {_n(at)}) scale({_n(size / 2)})" '
        f'd="{shape}" {paint} stroke-width="{width / (size / 2):.3g}"{faint}/>'
        for (x, at), size in places
    ]


def _path(points: Iterable[tuple[float, float] | None]) -> str:
    parts, pen = [], "M"
    for point in points:
        parts.append(f"{pen}{_n(point[0])} {_n(point[1])}" if point else "")
        pen = "L" if point else "M"
    return "".join(parts)


def _annotations(figure: Figure, frame: Frame) -> list[str]:
    """Write words above the plot."""
    x, _ = _scales(figure, frame)
    return [_words(a["text"], x.place(a["x"]), frame.top - 8, "middle") for a in figure.layout.get("annotations", ())]


def keys(figure: Figure) -> list[tuple[str, str]]:
    """List the legend: each name as plain text, with a picture of how it is drawn."""
    head = '<svg viewBox="0 0 28 16" class="key" aria-hidden="true">'
    return [(unescape(trace["name"]), f"{head}{''.join(_key(trace, 2, 8))}</svg>") for trace in _named(figure.traces)]


def _named(traces: Sequence[Trace]) -> list[Trace]:
    return list({t["name"]: t for t in traces if t.get("name") and t.get("showlegend", True)}.values())


def _key(trace: Trace, x: float, y: float) -> list[str]:
    """Draw a sample of a trace, 24 pixels wide."""
    size = trace["marker"]["size"]
    shown = {key: value for key, value in trace.items() if key not in ("error_y", "opacity")}
    shown["marker"] = trace["marker"] | {"size": 9 if isinstance(size, list) else max(7, min(size, 11))}
    ends = [(x, y), (x + 24, y)] if trace["mode"] == "lines" else [(x + 12, y)]
    parts = _trace(shown, ends, Scale(float, ()))
    if trace["mode"] == "lines+markers":
        parts = _trace(shown | {"mode": "lines"}, [(x, y), (x + 24, y)], Scale(float, ())) + parts
    return parts


def _legend(traces: Sequence[Trace], frame: Frame) -> tuple[list[str], int]:
    """Draw names with a sample of each, in rows; and tell their height."""
    parts, x, y = list[str](), float(frame.left), frame.height + 14.0
    for trace in _named(traces):
        width = 44 + 7.4 * len(unescape(trace["name"]))
        if x + width > frame.right and x > frame.left:
            x, y = float(frame.left), y + 22
        parts += _key(trace, x, y)
        parts.append(_words(trace["name"], x + 32, y + 4.5, "start"))
        x += width
    return parts, int(y - frame.height + 16) if parts else 0


def _words(text: str, x: float, y: float, anchor: str, more: str = "") -> str:
    """Write text; what is escaped already stays so."""
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"{more}>{escape(without_controls(unescape(text)))}</text>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
