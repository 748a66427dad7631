"""Place dots with their intervals on one axis: a row each, with its words beside it, at any width of the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from transfergain.analysis.candidates import CandidateRow
from transfergain.analysis.findings import Findings
from transfergain.analysis.recommend import shown, title, upper
from transfergain.analysis.rows import Verdict
from transfergain.analysis.summary import DatasetSummary
from transfergain.analysis.words import in_percent
from transfergain.report.page.figures import MISSING, Style, gain_text, styles
from transfergain.report.page.svg import MARKER_SHAPES, padded, round_numbers
from transfergain.report.reading import rivals


class Dot(NamedTuple):
    """A row of the plot; places are per cent of its width."""

    name: str
    note: str
    style: Style
    figure: str
    interval: str
    verdict: Verdict
    low: float | None
    middle: float
    high: float | None

    @property
    def shape(self) -> str:
        """Return the outline of its mark, around 0 and of unit size."""
        return MARKER_SHAPES[self.style.symbol.removesuffix("-open")]

    @property
    def hollow(self) -> bool:
        """Tell whether only its outline is drawn, as of floors."""
        return self.style.symbol.endswith("-open")


class DotPlot(NamedTuple):
    """Rows on one axis, its ticks as (place, words), and the places of its lines."""

    caption: str
    heads: tuple[str, str, str]
    """Above the names, the dots and the figures."""
    dots: Sequence[Dot]
    ticks: Sequence[tuple[float, str]]
    zero: float | None = None
    margin: float | None = None
    note: str = ""
    """What the lines are."""


def candidates(of: DatasetSummary, drawn: dict[str, Style]) -> DotPlot | None:
    """Place the scores of all arms and floors at the largest number of labels, the best last; None without any."""
    rows = sorted(of.candidates, key=lambda row: (not row.is_floor, row.score))
    if not rows:
        return None
    place, ticks = scale([v for row in rows for v in (*shown(row), row.score) if v is not None])

    def dot(row: CandidateRow) -> Dot:
        low, high = shown(row)
        interval = "" if low is None or high is None else f"{in_percent(low)} to {in_percent(high)}"
        return Dot(
            name=row.arm if row.is_given else upper(title(row.arm)),
            note="floor" if row.is_floor else "given" if row.is_given else "",
            style=drawn[row.arm],
            figure=in_percent(row.score),
            interval=interval,
            verdict=Verdict.NONE,
            low=None if low is None else place(low),
            middle=place(row.score),
            high=None if high is None else place(high),
        )

    caption = f"With {of.budget:,} labels: {of.metric} in %"
    dots = [dot(row) for row in rows]
    known = any(each.interval for each in dots)
    return DotPlot(caption, ("arm or floor", "higher is better", "95 % interval" if known else "score"), dots, ticks)


def gains(findings: Findings) -> DotPlot | None:
    """Place the gains on the test sets, of every data set and arm; None without any."""
    beside = findings.beside()
    rows = [*findings.headline(), *beside]
    if not rows:
        return None
    margin, drawn, rival = findings.study.margin, styles(findings), rivals(row.reference for row in findings.headline())
    ends = [v for row in rows for v in (row.low, row.estimate, row.high) if v is not None]
    place, ticks = scale([0.0, margin, *ends], "+")
    dots = [
        Dot(
            name=findings.pair_name(row),
            note="",
            style=drawn[row.arm],
            figure=gain_text(row).removesuffix(f" {MISSING}"),
            interval="",
            verdict=row.verdict,
            low=None if row.low is None else place(row.low),
            middle=place(row.estimate),
            high=None if row.high is None else place(row.high),
        )
        for row in rows
    ]
    return DotPlot(
        caption=f"Gain over {rival}{', or over predictions that files give,' if beside else ''} on the test sets, "
        "in points, with its 95 % interval over seeds and test examples",
        heads=("data set, arm", f"worse{'' if beside else f' than {rival}'} ← | → better", "gain [95 %]"),
        dots=dots,
        ticks=ticks,
        zero=place(0.0),
        margin=place(margin),
        note=f"Solid line: no gain. Dotted line: {in_percent(margin, '+')}, the smallest gain that matters.",
    )


def scale(values: Sequence[float], sign: str = "") -> tuple[Callable[[float], float], list[tuple[float, str]]]:
    """Fit an axis around values: value -> per cent of the width; and its ticks, in per cent or points."""
    low, high = padded(100 * min(values), 100 * max(values))

    def place(value: float) -> float:
        return round(100 * (100 * value - low) / (high - low), 2)

    ticks = [(place(value / 100), f"{value:{sign}g}" if value else "0") for value, _ in round_numbers(low, high)]
    return place, ticks
