"""Robustness: out of domain against in domain, and scores as text is perturbed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from transfergain.perturbations import PREFIX, SEVERITIES
from transfergain.report.page.figures import (
    MISSING,
    Column,
    Figure,
    Group,
    Row,
    Table,
    Trace,
    axis,
    curve,
    interval,
    layout,
    line,
    rule,
)
from transfergain.report.page.panels.base import Panel, View, leading, rows_table


def build(view: View) -> Panel:
    """A figure a shift, the perturbation curves, and the rows behind them."""
    rows = view.of(view.findings.robustness)
    shifts = [figure for shift in view.entry["shifts"] if (figure := effective(view, shift))]
    kinds = perturbation_kinds(view)
    overall = perturbed(view, kinds, "all") if kinds else None
    single = [figure for kind in kinds if len(kinds) > 1 and (figure := perturbed(view, [kind], kind))]
    missing = [] if view.entry["shifts"] else ["Natural shifts: not measured (no --shift)."]
    missing += [] if kinds else ["Perturbations: not measured (no --perturbations)."]
    missing += [] if rows or not view.entry["shifts"] else ["Effective robustness: not measured."]
    figures = [*shifts, *([overall] if overall else [])]
    tables = rows_table(f"Robustness on {view.dataset}", rows)
    return Panel(leading(rows, view), figures, single, tables, " ".join(missing))


def effective(view: View, shift: str) -> Figure | None:
    """The score on a shift against the score on the test set, a point a trial, with the line fitted on the logits."""
    split = f"shift:{shift}"
    rows = view.of(view.findings.robustness, measure="effective_robustness", split=split)
    row = next((r for r in rows if r.get("arm") == view.arm), rows[0] if rows else None)
    points: list[tuple[float, float, str]] = [(p[0], p[1], str(p[2])) for r in rows for p in r.get("points") or ()]
    points = list(dict.fromkeys(points)) or _score_points(view, split)
    if not points:
        return None
    low, high = min(p[0] for p in points), max(p[0] for p in points)
    traces: list[Trace] = [rule("no loss", [low, high], [low, high], "same score on both", "dot")]
    for name, style in view.styles.items():
        mine = [p for p in points if p[2] == name]
        if mine:
            hover = [f"{name}: test {p[0]:.3f}, {shift} {p[1]:.3f}" for p in mine]
            traces.append(line(name, style, [p[0] for p in mine], [p[1] for p in mine], hover, "markers"))
    fitted = _fitted(row, low, high)
    traces += [rule("as the test score implies", *fitted, "what the test score implies", "solid")] if fitted else []
    words = (
        f"A point a trial, over budgets and seeds: {view.metric} on {shift} against {view.metric} on the test set. "
        + ("The line is what a test score implies, fitted on logits; above it is robustness of its own. " if fitted else
           "No line: the arms' test scores do not overlap enough to fit one, or it was not measured. ")
        + "On the dotted diagonal nothing is lost."
    )  # fmt: skip
    title = f"{view.dataset}: {view.metric} on the shift {shift} against the test set"
    body = [[p[2], f"{p[0]:.3f}", f"{p[1]:.3f}", f"{p[1] - p[0]:+z.3f}"] for p in points]
    columns = (Column("arm"), Column("test", True), Column(shift, True), Column("difference", True))
    drawn = layout(f"{view.metric} on {shift}", axis(f"{view.metric} on the test set"))
    return Figure(view.name(f"robustness-{shift}"), title, words, traces, drawn, Table(title, columns, [Group("", body)]))


def _score_points(view: View, split: str) -> list[tuple[float, float, str]]:
    """Pairs of scores by seed where the analysis gives none."""
    inside = {(row["arm"], row["budget"]): row["per_seed"] for row in view.scores("test")}
    return [
        (a, b, row["arm"]) for row in view.scores(split)
        for a, b in zip(inside.get((row["arm"], row["budget"]), ()), row["per_seed"], strict=False)
    ]  # fmt: skip


def _fitted(row: Row | None, low: float, high: float) -> tuple[list[float], list[float]] | None:
    """The fitted line of logits as a curve of scores; None where it is not identifiable."""
    if row is None or not row.get("identifiable") or row.get("slope") is None or row.get("intercept") is None:
        return None
    low, high = max(low, 0.01), min(high, 0.99)
    if low >= high:
        return None
    xs = [low + (high - low) * i / 40 for i in range(41)]
    return xs, [1 / (1 + math.exp(-(row["slope"] * math.log(x / (1 - x)) + row["intercept"]))) for x in xs]


def perturbation_kinds(view: View) -> list[str]:
    """The perturbations evaluated at the largest budget."""
    splits = [row["split"] for row in view.of(view.findings.scores, budget=view.top)]
    return list(dict.fromkeys(s.removeprefix(PREFIX).split("@")[0] for s in splits if s.startswith(PREFIX)))


def perturbed(view: View, kinds: Sequence[str], name: str) -> Figure | None:
    """The score by severity, at the largest budget: of one kind with its band, of several their mean."""
    traces, cells, arms = list[Trace](), dict[tuple[int, str], str](), list[str]()
    found = {(row["split"], row["arm"]): row for row in view.of(view.findings.scores, budget=view.top, metric=view.metric)}
    for arm, style in view.styles.items():
        clean = found.get(("test", arm))
        points = [(0, clean)] if clean else []
        for severity in SEVERITIES:
            rows = [r for kind in kinds if (r := found.get((f"{PREFIX}{kind}@{severity}", arm)))]
            points += [(severity, rows[0] if len(kinds) == 1 else _mean(rows))] if rows else []
        if len(points) < 2:
            continue
        arms.append(arm)
        cells |= {(severity, arm): f"{row['mean']:.3f} {interval(row)}" for severity, row in points}
        hover = [f"{arm}, severity {severity}: {row['mean']:.3f} {interval(row)}" for severity, row in points]
        traces += curve(arm, style, [severity for severity, _ in points], [row for _, row in points], hover)
    if not traces:
        return None
    what = kinds[0] if len(kinds) == 1 else f"the mean of {len(kinds)} perturbations"
    title = f"{view.dataset}: {view.metric} under {what}, by severity, with {view.top:,} labels"
    words = f"Severity 0 is the clean test set. Perturbed: {', '.join(kinds)}."
    severities = sorted({severity for severity, _ in cells})
    body = [[str(s), *(cells.get((s, arm), MISSING) for arm in arms)] for s in severities]
    table = Table(title, [Column("severity", True), *(Column(arm, True) for arm in arms)], [Group("", body)])
    drawn = layout(view.metric, axis("severity", tickvals=severities, ticktext=[str(s) for s in severities]))
    return Figure(view.name(f"perturbed-{name}"), title, words, traces, drawn, table)


def _mean(rows: Sequence[Row]) -> Row:
    return {"mean": sum(row["mean"] for row in rows) / len(rows), "low": None, "high": None}
