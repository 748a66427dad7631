"""The tables of the page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from transfergain.analysis.findings import Findings
from transfergain.metrics import METRICS
from transfergain.report.page.figures import MISSING, Column, Group, Row, Table, interval
from transfergain.store import Row as Trial
from transfergain.types import Status

GAIN_COLUMNS = (
    *(Column("labels", True), Column("arm"), Column("error: scratch, arm", True), Column("gain [95 % interval]", True)),
    *(Column("error cut by", True), Column("Holm p", True), Column("p", True), Column("sign-flip p", True)),
    *(Column("seeds won", True), Column("seeds", True), Column("detectable gain", True), Column("verdict")),
)
RECIPE_COLUMNS = (
    *(Column("labels", True), Column("arm"), Column("learning rate", True)),
    *(Column("tried: dev score"), Column("note")),
)
TRIAL_COLUMNS = (
    *(Column("trial"), Column("data set"), Column("arm"), Column("labels", True), Column("seed", True), Column("phase")),
    *(Column("status"), Column("learning rate", True), Column("dev score", True), Column("test score", True)),
    *(Column("on the shifts"), Column("converged"), Column("steps", True), Column("best step", True)),
    *(Column("trained parameters", True), Column("seconds", True)),
)
FEW = 6
"""Names that stand in a cell one by one; more are counted by what they have in common."""
NATURAL = ("test", "shift:")
"""Splits of text as it was written; the others are perturbed, or their models adapted."""


def scores(findings: Findings, dataset: str, natural: bool = True) -> Table:
    """One group a split and one row a budget and arm; the metrics side by side, the primary one first.

    Of the test set and the shifts, or of all other splits.
    """
    rows = [row for row in findings.scores if row["dataset"] == dataset and row["split"].startswith(NATURAL) == natural]
    primary = findings.data[dataset]["metric"]
    metrics = sorted({row["metric"] for row in rows}, key=lambda name: (name != primary, name))
    found = {(r["split"], r["budget"], r["arm"], r["metric"]): r for r in rows}
    groups: dict[str, list[list[str]]] = {}
    for split, budget, arm in dict.fromkeys(key[:3] for key in sorted(found, key=lambda key: key[0] != "test")):
        cells = {metric: found.get((split, budget, arm, metric)) for metric in metrics}
        row = next(cell for cell in cells.values() if cell)
        title = f"{split}, {row['n_test']:,} examples"
        scores = [MISSING if c is None else f"{c['mean']:.3f} {interval(c)}" for c in cells.values()]
        groups.setdefault(title, []).append([f"{budget:,}", arm, f"{1 - row['mean']:.3f}", *scores, f"{row['n_seeds']:,}"])
    named = [Column(f"{metric} [95 % interval]", True) for metric in metrics]
    columns = [Column("labels", True), Column("arm"), Column(f"error (1 − {primary})", True), *named, Column("seeds", True)]
    what = "" if natural else ", perturbed and adapted"
    return Table(f"Scores on {dataset}{what}", columns, [Group(title, body) for title, body in groups.items()])


def parts(findings: Findings, dataset: str) -> Table:
    """The figures of a metric's parts, such as precision of an entity type, on the test set; empty without parts."""
    rows = [row for row in findings.scores if row["dataset"] == dataset and row["split"] == "test" and row.get("parts")]
    if not rows:
        return Table("", [], [])
    figures = list(next(iter(rows[0]["parts"].values())))
    groups = [
        Group(part, [[f"{r['budget']:,}", r["arm"], *(_figure(r["parts"][part][f]) for f in figures)] for r in rows])
        for part in rows[0]["parts"]
    ]
    columns = [Column("labels", True), Column("arm"), *(Column(figure, True) for figure in figures)]
    return Table(f"{rows[0]['metric']} by type on {dataset}, means over seeds", columns, groups)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value > 1 else f"{value:.3f}"


def gains(findings: Findings, dataset: str, natural: bool = True) -> Table:
    """One group a split and metric, the test set and the primary metric first. Of the same splits as `scores`."""
    primary = findings.data[dataset]["metric"]
    groups: dict[tuple[str, str], list[list[str]]] = {}
    for row in findings.gains:
        if row["dataset"] == dataset and row["split"].startswith(NATURAL) == natural:
            groups.setdefault((row["split"], row["metric"]), []).append(_gain_cells(row))
    order = sorted(groups, key=lambda key: (key[0] != "test", key[0], key[1] != primary, key[1]))
    what = "" if natural else ", perturbed and adapted"
    return Table(f"Gains over scratch on {dataset}{what}", GAIN_COLUMNS, [
        Group(f"{split}, {metric}{' (primary)' if metric == primary else ''}", groups[split, metric])
        for split, metric in order
    ])  # fmt: skip


def _gain_cells(row: Row) -> list[str]:
    cut, floor = row["relative_error_reduction"], row["below_floor"]
    reasons = [row["verdict"], row["why"], f"no better than the {floor} floor" if floor else ""]
    return [
        f"{row['budget']:,}",
        row["arm"],
        f"{row['reference_error']:.3f}, {row['error']:.3f}",
        f"{row['estimate']:+z.3f} {interval(row, '+')}",
        MISSING if cut is None else f"{100 * cut:.1f} %",
        *(_p(row[key]) for key in ("p_holm", "p_value", "p_sign_flip")),
        f"{100 * row['prob_better']:.0f} %",
        f"{row['n_seeds']:,}",
        MISSING if row["mde"] is None else f"{row['mde']:.3f}",
        "; ".join(filter(None, reasons)),
    ]


def _p(value: float | None) -> str:
    return MISSING if value is None else "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def recipes(findings: Findings, dataset: str) -> Table:
    """The chosen learning rates and what was tried."""
    body = []
    for row in findings.recipes:
        if row["dataset"] == dataset:
            tried = [f"{rate:g}: {score:.3f}" + _stopped(*rung) for rate, score, *rung in row["tried"]]
            edge = "at the edge of those tried" if row["at_edge"] else ""
            note = row["problem"] or edge or ("" if tried else "not tuned: the arm's default")
            body.append([f"{row['budget']:,}", row["arm"], f"{row['learning_rate']:g}", " · ".join(tried), note])
    return Table(f"Learning rates on {dataset}", RECIPE_COLUMNS, [Group("", body)] if body else [])


def _stopped(rung: float = 1.0) -> str:
    """What to say of a learning rate that ran to a share of the step cap alone."""
    return f" (stopped at {rung:.0%} of the steps)" if rung < 1 else ""


def full_recipes(recipes: Sequence[Row]) -> Table:
    """What the arms share: one row for every distinct recipe, the learning rate left out."""
    shared: dict[str, list[Row]] = {}
    for row in recipes:
        rest = {key: value for key, value in row["recipe"].items() if key != "learning_rate"}
        shared.setdefault(json.dumps(rest, sort_keys=True), []).append(row)
    keys = sorted({key for row in recipes for key in row["recipe"]} - {"learning_rate"})
    body = [
        [", ".join(dict.fromkeys(row["dataset"] for row in rows)), ", ".join(dict.fromkeys(row["arm"] for row in rows)),
         *(_plain(json.loads(recipe).get(key)) for key in keys)]
        for recipe, rows in shared.items()
    ]  # fmt: skip
    columns = [Column("data set"), Column("arms"), *(Column(key.replace("_", " "), True) for key in keys)]
    return Table("The rest of the recipe", columns, [Group("", body)] if body else [])


def checks(findings: Findings) -> Table:
    """What the integrity checks of the finished trials measured, by data set and arm."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in findings.rows:
        if row.outcome.status == Status.DONE and row.spec.recipe:
            found.setdefault((row.spec.dataset, row.spec.arm), []).append(row.outcome.details)
    body = []
    for (dataset, arm), details in found.items():
        checks = [d.get("checks", {}) for d in details]
        keys = dict.fromkeys(key for check in checks for key in check)
        measured = [f"{key.replace('_', ' ')} {_spread([c.get(key) for c in checks])}" for key in keys]
        parameters = [_spread([d.get(key) for d in details]) for key in ("parameters", "trained_parameters")]
        body.append([dataset, arm, f"{len(details):,}", *parameters, "; ".join(measured)])
    columns = (
        *(Column("data set"), Column("arm"), Column("trials", True)),
        *(Column("parameters", True), Column("of these trained", True), Column("weights checked")),
    )
    return Table("Integrity checks of the trained models", columns, [Group("", body)] if body else [])


def _spread(values: Sequence[Any]) -> str:
    """The distinct values; smallest and largest of numbers."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return " to ".join(dict.fromkeys(_plain(v) for v in (min(values), max(values))))
    return ", ".join(dict.fromkeys(_plain(value) for value in values))


def _plain(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return _modules(value) if len(value) > FEW else ", ".join(map(_plain, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def _modules(names: Sequence[str]) -> str:
    """Many tensors by the parts of the model that hold them: `65 tensors: encoder.layer.*.crossattention.self (36), ...`."""
    parts = [[("*" if p.isdecimal() else p) for p in str(name).split(".")] for name in names]
    depth = max(map(len, parts))
    while depth > 1 and len({tuple(p[:depth]) for p in parts}) > FEW:
        depth -= 1
    counts = Counter(".".join(p[:depth]) for p in parts)
    return f"{len(names)} tensors: " + ", ".join(f"{part} ({count})" for part, count in counts.items())


def trials(findings: Findings) -> Table:
    """Every trial, those without a score included; the scores are those of the primary metric."""
    body = [_trial_cells(row, str(findings.data[row.spec.dataset]["metric"])) for row in findings.rows]
    return Table("Every trial of the plan that has run", TRIAL_COLUMNS, [Group("", body)] if body else [])


def failed(findings: Findings) -> Table:
    """The trials without a score and those that diverged, with the reason."""
    body = [
        _trial_cells(row, str(findings.data[row.spec.dataset]["metric"]))[:8] for row in findings.rows
        if row.outcome.status != Status.DONE or row.outcome.details.get("diverged")
    ]  # fmt: skip
    return Table("Failed, skipped and diverged trials", TRIAL_COLUMNS[:8], [Group("", body)] if body else [])


def _trial_cells(row: Trial, metric: str) -> list[str]:
    spec, outcome, details = row.spec, row.outcome, row.outcome.details
    status = f"{outcome.status}, diverged" if details.get("diverged") else outcome.status
    scored = {
        split: float(METRICS[metric].finish(evaluated.counts[metric].sum(axis=0)))
        for split, evaluated in outcome.evaluated.items()
        if metric in evaluated.counts and (split == "test" or split.startswith("shift:"))
    }
    shifts = [f"{split.removeprefix('shift:')} {score:.4f}" for split, score in scored.items() if split != "test"]
    return [
        *(spec.id[:12], spec.dataset, spec.arm, f"{spec.budget:,}", str(spec.replicate), spec.phase),
        f"{status}: {outcome.error}" if outcome.error else status,
        f"{spec.recipe.learning_rate:.3g}" if spec.recipe else MISSING,
        *(_score(outcome.dev_score), _score(scored.get("test")), " · ".join(shifts) or MISSING, _plain(outcome.converged)),
        *(_plain(details.get(key)) for key in ("steps", "best_step", "trained_parameters")),
        f"{outcome.seconds:,.1f}",
    ]


def _score(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}"
