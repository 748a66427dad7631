"""Show the effort ladder: the score of each arm against what it trains, and how long that took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from statistics import mean
from typing import Any, NamedTuple

from transfergain.analysis.rows import Measure
from transfergain.outcome import Details
from transfergain.report.page import figures
from transfergain.report.page.figures import Column, Figure, RowGroup, TextTable, Trace, axis, bars, layout, line, note
from transfergain.report.page.panels.base import DatasetView, Panel, leading, rows_table
from transfergain.split import TEST


class CostAxis(NamedTuple):
    """An axis in a cost of training: its title, and where a trial's details have it."""

    title: str
    of: Callable[[Details], float | None]


COST_AXES: dict[str, CostAxis] = {
    "parameters": CostAxis("trained parameters", attrgetter("trained_parameters")),
    "seconds": CostAxis("seconds of training", attrgetter("train_seconds")),
}


def build(view: DatasetView) -> Panel:
    """Draw score against trained parameters, and against seconds for the reader who wants it."""
    rows = [row for row in view.of(view.findings.adaptation) if row.measure is Measure.LADDER]
    drawn = {name: ladder(view, name) for name in COST_AXES}
    return Panel(
        leading(rows, view),
        [figure for name in ("parameters",) if (figure := drawn[name])],
        [figure for name in ("seconds",) if (figure := drawn[name])],
        rows_table(f"The effort ladder on {view.dataset}", rows),
        "" if any(drawn.values()) else "Effort: not measured (no finished trial says what it trained).",
    )


def ladder(view: DatasetView, name: str) -> Figure | None:
    """Draw the test score at the largest budget against the mean cost of a trial; None where no trial says what it cost."""
    title, of = COST_AXES[name]
    found = {row.arm: row for row in view.scores(TEST, view.top)}
    costs = {arm: cost for arm in view.styles if arm in found and (cost := _cost(view, arm, of))}
    if not costs:
        return None
    traces, body = list[Trace](), list[list[str]]()
    for arm, cost in sorted(costs.items(), key=lambda item: item[1]):
        row, style = found[arm], view.styles[arm]
        words = f"{arm}: {figures.score_text(row)} %, {cost:,.0f} {title}"
        point = line(arm, style, [cost], [100 * row.mean], [words], "markers")
        if row.low is not None:
            point["error_y"] = bars([100 * row.mean], [row], style.colour)
        side = "middle right" if cost <= (max(costs.values()) * min(costs.values())) ** 0.5 else "middle left"
        traces += [point, note(f" {arm} ", cost, 100 * row.mean, side, group=arm)]
        body.append([arm, f"{cost:,.0f}", figures.score_text(row)])
    heading = f"{view.dataset}: {view.score} in % on the test set against {title}, with {view.top:,} labels"
    words = f"A point an arm, with its 95 % interval; {title} on a log axis, the mean over seeds."
    columns = (Column("arm"), Column(title, True), Column(f"{view.score}, % [95 % interval]", True))
    x_axis: Mapping[str, Any] = axis(f"{title}, log scale", log=True)
    return Figure(view.name(f"effort-{name}"), heading, words, traces, layout(f"{view.score}, %", x_axis),
                  TextTable(heading, columns, [RowGroup("", body)]))  # fmt: skip


def _cost(view: DatasetView, arm: str, of: Callable[[Details], float | None]) -> float | None:
    costs: Sequence[float] = [
        value for row in view.trials
        if row.spec.arm == arm and (value := of(row.outcome.details)) is not None and value > 0
    ]  # fmt: skip
    return mean(costs) if costs else None
