"""Findings in a notebook: a compact HTML view, and figures as `plotly.graph_objects.Figure`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergain.analysis.findings import Findings
from transfergain.report import reading
from transfergain.report.page import figures
from transfergain.report.page.panels import data_efficiency
from transfergain.report.page.panels.base import View
from transfergain.types import Phase

if TYPE_CHECKING:
    import plotly.graph_objects as go

Row = Mapping[str, Any]
MARKS = {"supported": "✔", "negative transfer": "✘", "not supported": "✘", "inconclusive": "?", "void": "?"}
CELL = 'style="text-align:left;padding:2px 10px"'


def html(findings: Findings) -> str:
    """The answer in a sentence each, the arms at the largest budget, and warnings folded; all text escaped."""
    benefits = findings.benefits() if hasattr(findings, "benefits") else findings.headline()
    parts = [f"<b>{escape(str(findings.study['model']))}</b> compared with training from scratch: {_trials(findings)}"]
    parts.append("<ul>" + "".join(f"<li>{_verdict(row)}</li>" for row in benefits) + "</ul>" if benefits else "<p></p>")
    parts += [_table(findings, dataset) for dataset in findings.data]
    if findings.warnings:
        lines = "".join(f"<li>{escape(warning)}</li>" for warning in findings.warnings)
        parts.append(f"<details><summary>{len(findings.warnings)} warnings</summary><ul>{lines}</ul></details>")
    if findings.folder:
        parts.append(f"<p>Report: <code>{escape(str(Path(findings.folder) / 'report.html'))}</code></p>")
    return f"<div>{''.join(parts)}</div>"


def _trials(findings: Findings) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in findings.trials.items() if count) + " trials"


def _verdict(row: Row) -> str:
    what = f"{row['benefit']}, " if "benefit" in row else ""
    mark = MARKS.get(row["verdict"], "·")
    return f"{mark} <b>{escape(what + row['verdict'])}</b>: {escape(row['sentence'])}"


def _table(findings: Findings, dataset: str) -> str:
    """Error and gain of every arm and floor on the test set at the largest budget."""
    budget = reading.top_budget(findings, dataset)
    gains = {row["arm"]: row for row in findings.headline() if row["dataset"] == dataset}
    scores = [
        row
        for row in findings.primary(findings.scores)
        if (row["dataset"], row["budget"], row["split"]) == (dataset, budget, "test")
    ]
    if not scores:
        return f"<p>{escape(dataset)}: no trial has finished</p>"
    body = "".join(
        f"<tr><td {CELL}>{escape(row['arm'])}</td><td {CELL}>{1 - row['mean']:.3f}</td>"
        f"<td {CELL}>{_gain(gains.get(row['arm']))}</td></tr>"
        for row in scores
    )
    title = f"{dataset}, {findings.data[dataset]['metric']}, {budget:,} labels"
    heads = "".join(f"<th {CELL}>{name}</th>" for name in ("arm", "error", "gain over scratch (95 %)"))
    return f"<table><caption>{escape(title)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _gain(row: Row | None) -> str:
    return "" if row is None else f"{row['estimate']:+z.3f} {figures.interval(row, '+')}"


def learning_curve(findings: Findings, dataset: str | None, split: str) -> go.Figure:
    """See `Findings.plot_learning_curve`."""
    name = _dataset(findings, dataset)
    found = data_efficiency.learning_curve(View(findings, name), split)
    if found is None:
        raise ValueError(f"{name} has no scores on {split}")
    return _figure(found.title, found.traces, found.layout)


def gains(findings: Findings) -> go.Figure:
    """See `Findings.plot_gains`."""
    rows = findings.headline()
    if not rows:
        raise ValueError("no gain to draw: no arm and scratch have finished together")
    drawn, traces = figures.styles(findings), []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        known = [(row["estimate"] if row[end] is None else row[end]) for row in mine for end in ("low", "high")]
        traces.append(
            {
                "x": [row["estimate"] for row in mine],
                "y": [escape(f"{row['dataset']} · {arm}") for row in mine],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [high - row["estimate"] for high, row in zip(known[1::2], mine, strict=True)],
                    "arrayminus": [row["estimate"] - low for low, row in zip(known[::2], mine, strict=True)],
                },
                "mode": "markers",
                "name": escape(arm),
                "text": [escape(row["sentence"]) for row in mine],
                "hoverinfo": "text",
                "marker": {"symbol": drawn[arm].symbol, "color": drawn[arm].colour, "size": 11},
            }
        )
    zero = {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": "#808080", "width": 1}}
    axes = {"xaxis": {"title": {"text": "gain over scratch, in score"}}, "yaxis": {"automargin": True}, "shapes": [zero]}
    return _figure("Gain over training from scratch, with 95 % interval", traces, axes)


def convergence(findings: Findings, dataset: str | None) -> go.Figure:
    """See `Findings.plot_convergence`."""
    name = _dataset(findings, dataset)
    budget, drawn, traces = reading.top_budget(findings, name), figures.styles(findings), []
    trials = [
        row for row in findings.rows if (row.spec.dataset, row.spec.budget, row.spec.phase) == (name, budget, Phase.REPORT)
    ]
    seen: set[str] = set()
    for row in trials:
        arm, curve = row.spec.arm, row.outcome.curve
        if arm in drawn and curve:
            line = {"color": drawn[arm].colour, "dash": drawn[arm].dash, "width": 1.5}
            traces.append(
                _line(arm, [p.step for p in curve], [p.score for p in curve], line)
                | {"showlegend": arm not in seen, "text": f"{escape(arm)}, seed {row.spec.replicate}"}
            )
            seen.add(arm)
    if not traces:
        raise ValueError(f"{name} has no learning curve yet")
    targets = [
        r for r in findings.convergence if r["dataset"] == name and r["budget"] == budget and r.get("target") is not None
    ]
    axes: dict[str, Any] = {
        "xaxis": {"title": {"text": "optimiser steps"}},
        "yaxis": {"title": {"text": _metric(findings, name)}},
    }
    if targets:
        level = targets[0]["target"]
        axes["shapes"] = [
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level, "line": {"dash": "dot"}}
        ]
    return _figure(f"{name}: dev {_metric(findings, name)} while training, {budget:,} labels, a line a seed", traces, axes)


def robustness(findings: Findings, dataset: str | None) -> go.Figure:
    """See `Findings.plot_robustness`."""
    name = _dataset(findings, dataset)
    rows = [row for row in findings.primary(findings.scores) if row["dataset"] == name]
    shifts = [row for row in rows if row["split"].startswith("shift:")]
    perturbed = [row for row in rows if row["split"].startswith("perturbed:")]
    if shifts:
        return _shifts(findings, name, rows, shifts)
    if perturbed:
        return _severities(findings, name, rows, perturbed)
    raise ValueError(f"{name} was tested on no shift and no perturbation: run it with --shift NAME=FILE or --perturbations")


def _shifts(findings: Findings, name: str, rows: Sequence[Row], shifts: Sequence[Row]) -> go.Figure:
    """Each arm's and budget's score on a shift against that on the test set, and the line of equal scores."""
    test = {(row["arm"], row["budget"]): row["mean"] for row in rows if row["split"] == "test"}
    drawn, traces = figures.styles(findings), []
    for arm, split in dict.fromkeys((row["arm"], row["split"]) for row in shifts):
        mine = [r for r in shifts if (r["arm"], r["split"]) == (arm, split) and (arm, r["budget"]) in test]
        shown = f"{arm} on {split.removeprefix('shift:')}"
        marker = {"symbol": drawn[arm].symbol, "color": drawn[arm].colour, "size": 10}
        traces.append(
            _line(shown, [test[arm, r["budget"]] for r in mine], [r["mean"] for r in mine], {})
            | {"mode": "markers", "marker": marker, "text": [f"{escape(shown)}, {r['budget']:,} labels" for r in mine]}
        )
    values = [value for trace in traces for axis in "xy" for value in trace[axis]]
    ends = [min(values), max(values)]
    traces.append(_line("same on both", ends, ends, {"color": "#808080", "dash": "dot", "width": 1}))
    metric = _metric(findings, name)
    axes = {
        "xaxis": {"title": {"text": f"{metric} on the test set"}},
        "yaxis": {"title": {"text": f"{metric} on the shift"}},
    }
    return _figure(f"{name}: {metric} in and out of domain, a point a label budget", traces, axes)


def _severities(findings: Findings, name: str, rows: Sequence[Row], perturbed: Sequence[Row]) -> go.Figure:
    """Each arm's score by severity at the largest budget; severity 0 is the test set as it is."""
    budget, drawn = max(row["budget"] for row in perturbed), figures.styles(findings)
    clean = {row["arm"]: row["mean"] for row in rows if (row["split"], row["budget"]) == ("test", budget)}
    points: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in perturbed:
        if row["budget"] == budget:
            kind, _, severity = row["split"].removeprefix("perturbed:").partition("@")
            points.setdefault((row["arm"], kind), [(0, clean[row["arm"]])]).append((int(severity), row["mean"]))
    traces = [
        _line(
            f"{arm}, {kind}",
            [severity for severity, _ in sorted(found)],
            [score for _, score in sorted(found)],
            {"color": drawn[arm].colour, "dash": drawn[arm].dash},
        )
        for (arm, kind), found in points.items()
    ]
    metric = _metric(findings, name)
    axes = {"xaxis": {"title": {"text": "severity"}, "dtick": 1}, "yaxis": {"title": {"text": metric}}}
    return _figure(f"{name}: {metric} by severity of perturbation, {budget:,} labels", traces, axes)


def _dataset(findings: Findings, dataset: str | None) -> str:
    if dataset is not None and dataset not in findings.data:
        raise ValueError(f'no data set "{dataset}" in this study; it has: {", ".join(findings.data)}')
    return dataset or next(iter(findings.data))


def _metric(findings: Findings, dataset: str) -> str:
    return str(findings.data[dataset]["metric"])


def _line(name: str, x: Sequence[float], y: Sequence[float], line: Mapping[str, Any]) -> dict[str, Any]:
    shown = escape(name)
    return {"x": list(x), "y": list(y), "mode": "lines", "name": shown, "legendgroup": shown, "line": dict(line)}


def _figure(title: str, traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> go.Figure:
    import plotly.graph_objects as go

    return go.Figure(
        data=list(traces), layout={"title": {"text": escape(title)}} | {**layout, "dragmode": "zoom", "height": 480}
    )
