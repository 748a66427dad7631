"""Show robustness: out of domain against in domain, and scores as text is perturbed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from transfergain.analysis.rows import Measure, RobustnessRow
from transfergain.analysis.words import in_percent
from transfergain.perturbations import SEVERITIES
from transfergain.report.page import figures
from transfergain.report.page.figures import (
    MISSING,
    Column,
    Figure,
    RowGroup,
    Scored,
    TextTable,
    Trace,
    axis,
    curve,
    layout,
    line,
    rule,
)
from transfergain.report.page.panels.base import DatasetView, Panel, leading, rows_table
from transfergain.split import TEST, Kind, Split
from transfergain.split import perturbed as perturbed_split
from transfergain.split import shift as shift_split


def build(view: DatasetView) -> Panel:
    """Draw a figure a shift, the perturbation curves, and the rows behind them."""
    rows = view.of(view.findings.robustness)
    shifts = [figure for shift in view.entry.shifts if (figure := effective(view, shift))]
    kinds = perturbation_kinds(view)
    overall = scores_by_severity(view, kinds, "all") if kinds else None
    single = [figure for kind in kinds if len(kinds) > 1 and (figure := scores_by_severity(view, [kind], kind))]
    missing = [] if view.entry.shifts else ["Natural shifts: not measured (no --shift)."]
    missing += [] if kinds else ["Perturbations: not measured (no --perturbations)."]
    missing += [] if rows or not view.entry.shifts else ["Effective robustness: not measured."]
    figures = [*shifts, *([overall] if overall else [])]
    tables = rows_table(f"Robustness on {view.dataset}", rows)
    return Panel(leading(rows, view), figures, single, tables, " ".join(missing))


def effective(view: DatasetView, shift: str) -> Figure | None:
    """Draw the score on a shift against the score on the test set, a point a trial, with the line fitted on the logits."""
    split = shift_split(shift)
    wanted = (Measure.EFFECTIVE_ROBUSTNESS, split)
    rows = [row for row in view.of(view.findings.robustness) if (row.measure, row.split) == wanted]
    row = next((r for r in rows if r.arm == view.findings.leading_arm), rows[0] if rows else None)
    points = list(dict.fromkeys(point for r in rows for point in r.points)) or _score_points(view, split)
    if not points:
        return None
    low, high = min(p[0] for p in points), max(p[0] for p in points)
    traces: list[Trace] = [rule("no loss", [100 * low, 100 * high], [100 * low, 100 * high], "same score on both", "dot")]
    for name, style in view.styles.items():
        mine = [p for p in points if p[2] == name]
        if mine:
            hover = [f"{name}: test {in_percent(p[0])} %, {shift} {in_percent(p[1])} %" for p in mine]
            traces.append(line(name, style, [100 * p[0] for p in mine], [100 * p[1] for p in mine], hover, "markers"))
    fitted = _fitted(row, low, high)
    traces += [rule("as the test score implies", *fitted, "what the test score implies", "solid")] if fitted else []
    words = (
        f"A point a trial, over budgets and seeds: {view.score} on {shift} against {view.score} on the test set. "
        + ("The line is what a test score implies, fitted on logits; above it is robustness of its own. " if fitted else
           "No line: the arms' test scores do not overlap enough to fit one, or it was not measured. ")
        + "On the dotted diagonal nothing is lost."
    )  # fmt: skip
    title = f"{view.dataset}: {view.score} in % on {shift} against the test set"
    body = [[p[2], in_percent(p[0]), in_percent(p[1]), in_percent(p[1] - p[0], "+")] for p in points]
    columns = (Column("arm"), Column("test, %", True), Column(f"{shift}, %", True), Column("difference, points", True))
    drawn = layout(f"{view.score} on {shift}, %", axis(f"{view.score} on the test set, %"))
    return Figure(
        view.name(f"robustness-{shift}"), title, words, traces, drawn, TextTable(title, columns, [RowGroup("", body)])
    )


def _score_points(view: DatasetView, split: Split) -> list[tuple[float, float, str]]:
    """Pair scores by seed where the analysis gives none."""
    inside = {(row.arm, row.budget): row.per_seed for row in view.scores(TEST)}
    return [
        (a, b, row.arm) for row in view.scores(split)
        for a, b in zip(inside.get((row.arm, row.budget), ()), row.per_seed, strict=False)
    ]  # fmt: skip


def _fitted(row: RobustnessRow | None, low: float, high: float) -> tuple[list[float], list[float]] | None:
    """Draw the fitted line of logits as a curve of scores in per cent; None where it is not identifiable."""
    if row is None or not row.identifiable or row.slope is None or row.intercept is None:
        return None
    slope, intercept = row.slope, row.intercept
    low, high = max(low, 0.01), min(high, 0.99)
    if low >= high:
        return None
    xs = [low + (high - low) * i / 40 for i in range(41)]
    return [100 * x for x in xs], [100 / (1 + math.exp(-(slope * math.log(x / (1 - x)) + intercept))) for x in xs]


def perturbation_kinds(view: DatasetView) -> list[str]:
    """Name the perturbations evaluated at the largest budget."""
    splits = [row.split for row in view.of(view.findings.scores) if row.budget == view.top]
    return list(dict.fromkeys(split.name for split in splits if split.kind is Kind.PERTURBED))


def scores_by_severity(view: DatasetView, kinds: Sequence[str], name: str) -> Figure | None:
    """Draw the score by severity, at the largest budget: of one kind with its band, of several their mean."""
    traces, cells, arms = list[Trace](), dict[tuple[int, str], str](), list[str]()
    scores = view.of(view.findings.scores)
    found = {(row.split, row.arm): row for row in scores if (row.budget, row.metric) == (view.top, view.metric)}
    for arm, style in view.styles.items():
        clean = found.get((TEST, arm))
        points: list[tuple[int, Scored]] = [(0, clean)] if clean else []
        for severity in SEVERITIES:
            rows = [r for kind in kinds if (r := found.get((perturbed_split(kind, severity), arm)))]
            points += [(severity, rows[0] if len(kinds) == 1 else _mean(rows))] if rows else []
        if len(points) < 2:
            continue
        arms.append(arm)
        cells |= {(severity, arm): figures.score_text(row) for severity, row in points}
        hover = [f"{arm}, severity {severity}: {figures.score_text(row)} %" for severity, row in points]
        traces += curve(arm, style, [severity for severity, _ in points], [row for _, row in points], hover)
    if not traces:
        return None
    what = kinds[0] if len(kinds) == 1 else f"the mean of {len(kinds)} perturbations"
    title = f"{view.dataset}: {view.score} in % under {what}, by severity, with {view.top:,} labels"
    words = f"Severity 0 is the clean test set. Perturbed: {', '.join(kinds)}."
    severities = sorted({severity for severity, _ in cells})
    body = [[str(s), *(cells.get((s, arm), MISSING) for arm in arms)] for s in severities]
    table = TextTable(title, [Column("severity", True), *(Column(arm, True) for arm in arms)], [RowGroup("", body)])
    drawn = layout(f"{view.score}, %", axis("severity", tickvals=severities, ticktext=[str(s) for s in severities]))
    return Figure(view.name(f"perturbed-{name}"), title, words, traces, drawn, table)


class Mean(NamedTuple):
    """The mean of several scores, whose interval is not known."""

    mean: float
    low: float | None = None
    high: float | None = None


def _mean(rows: Sequence[Scored]) -> Mean:
    return Mean(sum(row.mean for row in rows) / len(rows))
