"""Show convergence: dev scores as training goes on, and where each seed crosses the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from transfergain.analysis import words
from transfergain.analysis.rows import ConvergenceRow, Measure
from transfergain.analysis.words import in_percent
from transfergain.arms import REFERENCE
from transfergain.report.page.figures import (
    MISSING,
    Column,
    Figure,
    RowGroup,
    TextTable,
    Trace,
    axis,
    layout,
    line,
    marker,
    quiet,
    rule,
)
from transfergain.report.page.panels.base import DatasetView, Panel, leading, rows_table


class UnitAxis(NamedTuple):
    """An axis in a unit of training: its title, and the field of `CurvePoint` that has it."""

    title: str
    field: str


UNIT_AXES: dict[str, UnitAxis] = {
    "steps": UnitAxis("optimiser steps", "step"),
    "flops": UnitAxis("floating-point operations of training", "flops"),
    "examples": UnitAxis("training examples, repeats counted", "examples"),
}


def build(view: DatasetView) -> Panel:
    """Draw dev score against steps and FLOPs; against examples for the reader who wants it."""
    rows = view.of(view.findings.convergence)
    seconds = view.of(view.findings.timings)
    drawn = {unit: curves(view, unit) for unit in UNIT_AXES}
    caption = f"Convergence on {view.dataset}; the cost of pretraining is not counted"
    tables = rows_table(caption, [*rows, *seconds]) + reached(view, rows)
    missing = "" if rows else "Speed-up: not measured (it needs dense dev evaluations of scratch and a pretrained arm)."
    return Panel(
        leading(rows, view),
        [figure for unit in ("steps", "flops") if (figure := drawn[unit])],
        [figure for unit in ("examples",) if (figure := drawn[unit])],
        tables,
        missing,
    )


def curves(view: DatasetView, unit: str) -> Figure | None:
    """Draw dev score against a unit of training, one thin line a seed; None where no trial has a curve in this unit."""
    title, field = UNIT_AXES[unit]
    arms = [name for name in view.styles if name in view.findings.study.arms]
    traces, ends = list[Trace](), list[float]()
    for name in arms:
        x, y, hover = list[float | None](), list[float | None](), list[str]()
        for row in view.trials:
            points = [(getattr(p, field), p.score) for p in row.outcome.curve if getattr(p, field) > 0]
            if row.spec.arm == name and points:
                x += [point[0] for point in points] + [None]
                y += [100 * point[1] for point in points] + [None]
                hover += [
                    f"{name}, seed {row.spec.replicate}: dev {in_percent(s)} % at {_count(v)} {unit}" for v, s in points
                ] + [""]
        if x:
            style = view.styles[name]
            traces.append(line(name, style, x, y, hover) | {"opacity": 0.75, "marker": marker(style, 4)})
            traces[-1]["line"] = {"color": style.colour, "width": 1.2}
            ends += [value for value in x if value is not None]
    if not ends:
        return None
    wanted = (Measure.SPEED_UP, unit, view.top)
    rows = [row for row in view.of(view.findings.convergence) if (row.measure, row.unit, row.budget) == wanted]
    traces += _target(rows, [min(ends), max(ends)]) + _crossings(view, rows)
    said = (
        f"Each thin line is one seed's dev score against {title}, on a log axis. "
        "The level line is the target: chance plus 95 % of the way to scratch's plateau. "
        "Large marks are where a seed crosses it and stays there; a seed without a mark did not reach it."
    )
    name = f"{view.dataset}: {view.score} in % on dev against {title}, with {view.top:,} labels"
    x_axis = axis(f"{title}, log scale", log=True)
    return Figure(view.name(f"convergence-{unit}"), name, said, traces, layout(f"{view.score} on dev, %", x_axis),
                  _last_points(view, name, arms, field, unit))  # fmt: skip


def _target(rows: Sequence[ConvergenceRow], ends: Sequence[float]) -> list[Trace]:
    levels = [row.target for row in rows if row.target is not None]
    return [rule("target", ends, [100 * levels[0]] * 2, f"target: dev {in_percent(levels[0])} %")] if levels else []


def _crossings(view: DatasetView, rows: Sequence[ConvergenceRow]) -> list[Trace]:
    """Put a large mark at each seed's crossing of the target."""
    found: dict[str, tuple[float | None, Sequence[float | None]]] = {}
    for row in rows:
        found[row.arm] = (row.target, row.times)
        found.setdefault(row.reference or REFERENCE, (row.target, row.times_reference))
    traces = []
    for name, (target, times) in found.items():
        known = [time for time in times if time]
        if known and target is not None and name in view.styles:
            style = view.styles[name]
            hover = [f"{name} crosses {in_percent(target)} % at {_count(time)}" for time in known]
            trace = line(name, style, known, [100 * target] * len(known), hover, "markers")
            trace["marker"] = marker(style, 13) | {"line": {"width": 1.5, "color": "#000000"}}
            traces.append(quiet(trace, name))
    return traces


def reached(view: DatasetView, rows: Sequence[ConvergenceRow]) -> list[TextTable]:
    """List each seed's crossing as survival data: a bound where it was not reached."""
    columns = (
        *(Column("arm"), Column("labels", True), Column("unit"), Column("target, %", True)),
        *(Column("seeds that reach it", True), Column("scratch's seeds that reach it", True)),
        Column("crossings, seed by seed"),
    )
    body = [
        [row.arm, f"{row.budget:,}", row.unit, _score(row.target), _share(row.reached), _share(row.reached_reference),
         f"{_times(row.times, row.horizon)}; scratch {_times(row.times_reference, row.horizon)}"]
        for row in rows if row.measure is Measure.SPEED_UP
    ]  # fmt: skip
    return [TextTable(f"When each seed reaches the target on {view.dataset}", columns, [RowGroup("", body)])] if body else []


def _last_points(view: DatasetView, title: str, arms: Sequence[str], field: str, unit: str) -> TextTable:
    """List the best and the last evaluation of each seed."""
    body = []
    for row in view.trials:
        if row.spec.arm in arms and row.outcome.curve:
            best = max(row.outcome.curve, key=lambda p: p.score)
            last = row.outcome.curve[-1]
            body.append([row.spec.arm, str(row.spec.replicate), in_percent(best.score), _count(getattr(best, field)),
                         in_percent(last.score), _count(getattr(last, field))])  # fmt: skip
    columns = (Column("arm"), Column("seed", True), Column("best on dev, %", True), Column(f"at {unit}", True),
               Column("last on dev, %", True), Column(f"at {unit}", True))  # fmt: skip
    return TextTable(title, columns, [RowGroup("", body)])


def _times(times: Sequence[float | None], horizon: float | None) -> str:
    beyond = "not reached" if horizon is None else f"> {_count(horizon)}"
    return ", ".join(beyond if time is None else _count(time) for time in times) or MISSING


def _count(value: float) -> str:
    return f"{value:,.0f}" if value < 1e6 else f"{value:.2e}"


def _score(value: float | None) -> str:
    return MISSING if value is None else in_percent(value)


def _share(value: float | None) -> str:
    return MISSING if value is None else words.percent(value)
