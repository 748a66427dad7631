"""Draw and tabulate what more labels probably buy: bands on the learning curve, money below its labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from transfergain.analysis import words
from transfergain.analysis.forecast.rows import ForecastRow
from transfergain.analysis.rows import Measure
from transfergain.report import reading
from transfergain.report.page import figures
from transfergain.report.page.figures import MISSING, Column, RowGroup, TextTable, Trace, at_values, curve, quiet
from transfergain.report.page.panels.base import DatasetView
from transfergain.report.page.svg import padded

LEAST_APART = 0.12
"""Distance between two ticks, as a share of the axis: room for `16,384` on the first screen."""
FORECAST_BAND = 0.22
"""Opacity of a forecast's band; no other band lies beyond the measured labels."""


class _Point(NamedTuple):
    """A forecast as curves are drawn from."""

    mean: float
    low: float | None
    high: float | None


def _forecasts(view: DatasetView, arm: str) -> list[ForecastRow]:
    """List the forecasts of an arm's scores from the largest budget on, by number of labels."""
    rows = [row for row in view.of(view.findings.forecast) if row.measure is Measure.FORECAST and row.arm == arm]
    return sorted((r for r in rows if r.estimate is not None and r.budget >= r.largest), key=lambda row: row.budget)


def bands(view: DatasetView) -> list[Trace]:
    """Draw the forecast of the arm that the answer is about, and of the one to take: a dotted line in a band."""
    if not view.of(view.findings.forecast):
        return []
    taken = next(each.recommendation.name for each in view.findings.summary.datasets if each.dataset == view.dataset)
    traces = list[Trace]()
    for arm in dict.fromkeys((view.findings.leading_arm, taken)):
        rows = _forecasts(view, arm)
        if rows:
            style = view.styles[arm]._replace(dash="dot")
            points = [_Point(row.estimate or 0.0, row.low, row.high) for row in rows]
            hover = [row.sentence for row in rows]
            drawn = curve(arm, style, [row.budget for row in rows], points, hover)
            band = {"fillcolor": figures.faded(style.colour, FORECAST_BAND)}
            traces += [quiet(trace | {"mode": "lines"} | (band if "fill" in trace else {}), arm) for trace in drawn]
    return traces


def label_axis(view: DatasetView, budgets: Sequence[int], traces: Sequence[Trace]) -> Mapping[str, Any]:
    """Put ticks at the numbers of labels, those of the forecast too, with what they cost below where a label has a price.

    Of numbers too close for their words the one that comes first has its tick: measured ones, those that were asked for,
    then the others, the largest first.
    """
    forecast = {int(n) for trace in traces for n in trace["x"]} - set(budgets)
    asked = forecast.intersection(view.findings.study.forecast)
    ticks = at_values(_apart([*budgets, *sorted(asked), *sorted(forecast - asked, reverse=True)]))
    ends = [math.log10(n) for n in (min(budgets), max([*budgets, *forecast]))]
    if (price := view.findings.study.label_cost) is not None:
        both = zip(ticks["ticktext"], ticks["tickvals"], strict=True)
        ticks["ticktext"] = [f"{text}<br>{words.money(price * n, '')}" for text, n in both]
    return ticks | {"range": list(padded(*ends)), "tickangle": 0}


def _apart(values: Sequence[int]) -> list[int]:
    """Leave out those closer to one before than the words of a tick allow, on a log axis."""
    room = LEAST_APART * math.log(max(values) / min(values))
    kept = list[int]()
    for value in values:
        if all(abs(math.log(value / other)) >= room for other in kept):
            kept.append(value)
    return sorted(kept)


def axis_title(view: DatasetView, title: str) -> str:
    """Say below the axis what its lines are; `title` where the labels have no second one below."""
    study = view.findings.study
    if study.label_cost is None:
        return title
    return f"labels; below, what they cost{f' in {study.currency}' if study.currency else ''}"


def tables(view: DatasetView) -> list[TextTable]:
    """Tabulate the forecasts of all arms by number of labels, then the break-evens."""
    rows = [r for r in view.of(view.findings.forecast) if r.measure is Measure.FORECAST and r.budget > r.largest]
    known = [row for row in rows if row.estimate is not None]
    cells = {(row.budget, row.arm): figures.score_text(_Point(row.estimate or 0.0, row.low, row.high)) for row in known}
    arms, labels = list(dict.fromkeys(arm for _, arm in cells)), sorted({n for n, _ in cells})
    study = view.findings.study
    cost = [] if study.label_cost is None else [Column(f"more labels cost {study.currency}".strip(), True)]
    costs = {row.budget: words.money(row.cost, "") for row in known if row.cost is not None}
    body = [[f"{n:,}", *([costs[n]] if cost else []), *(cells.get((n, arm), MISSING) for arm in arms)] for n in labels]
    head = (Column("labels", True), *cost, *(Column(arm, True) for arm in arms))
    title = f"{view.dataset}: forecast of {view.score} in % with more labels, median with 90 % interval"
    found = [TextTable(title, head, [RowGroup("", body)])] if body else []
    return [*found, *_in_labels(view), *_break_even(view)]


def _in_labels(view: DatasetView) -> list[TextTable]:
    """Tabulate how many labels a point takes, and the score that was asked for."""
    rows = [row for row in view.of(view.findings.forecast) if row.measure is not Measure.FORECAST]
    head = (Column("arm"), Column("labels", True), Column("90 % interval", True), Column("in words"))
    body = [[row.arm, reading.value_text(row), reading.bounds_text(row), row.sentence] for row in rows]
    return [TextTable(f"What labels buy on {view.dataset}", head, [RowGroup("", body)])] if body else []


def _break_even(view: DatasetView) -> list[TextTable]:
    rows = view.of(view.findings.break_even)
    head = (Column("overtakes"), Column("other"), Column("labels", True), Column("95 % interval", True), Column("in words"))
    body = [
        [
            row.overtakes,
            row.reference if row.overtakes == row.arm else row.arm,
            reading.value_text(row),
            reading.bounds_text(row),
            row.sentence,
        ]
        for row in rows
    ]
    return [TextTable(f"Where curves cross on {view.dataset}", head, [RowGroup("", body)])] if body else []
