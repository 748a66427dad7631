"""Lay out the tables of the page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from transfergain.analysis import words
from transfergain.analysis.findings import Findings
from transfergain.analysis.rows import GainRow, RecipeRow
from transfergain.analysis.trial_rows import trial_score
from transfergain.analysis.words import in_percent
from transfergain.counts import counted
from transfergain.metrics import METRICS
from transfergain.outcome import Details
from transfergain.report.page.figures import MISSING, Column, RowGroup, TextTable, gain_text, score_text
from transfergain.split import TEST, Kind, Split
from transfergain.store import StoredTrial
from transfergain.types import Status

GAIN_COLUMNS = (
    *(Column("labels", True), Column("arm"), Column("reference, %", True), Column("arm, %", True)),
    Column("gain [95 % interval], points", True),
    *(Column("error cut by", True), Column("Holm p", True), Column("p", True), Column("sign-flip p", True)),
    *(Column("seeds won", True), Column("seeds", True), Column("detectable gain, points", True), Column("verdict")),
)
RECIPE_COLUMNS = (
    *(Column("labels", True), Column("arm"), Column("learning rate", True)),
    *(Column("tried: on dev"), Column("note")),
)
TRIAL_COLUMNS = (
    *(Column("trial"), Column("data set"), Column("arm"), Column("labels", True), Column("seed", True), Column("phase")),
    *(Column("status"), Column("learning rate", True), Column("dev score, %", True), Column("test score, %", True)),
    *(Column("on the shifts, %"), Column("converged"), Column("steps", True), Column("best step", True)),
    *(Column("trained parameters", True), Column("seconds", True)),
)
LISTED_NAMES = 6
"""Names that stand in a cell one by one; more are counted by what they have in common."""


def scores_table(findings: Findings, dataset: str, natural: bool = True) -> TextTable:
    """List scores, one group a split and one row a budget and arm; the metrics side by side, the primary one first.

    Of texts as they were written (`Split.natural`), or of the perturbed ones and those after an adaptation.
    """
    rows = [row for row in findings.scores if row.dataset == dataset and row.split.natural == natural]
    primary = findings.data[dataset].metric
    metrics = sorted({row.metric for row in rows}, key=lambda name: (name != primary, name))
    found = {(r.split, r.budget, r.arm, r.metric): r for r in rows}
    groups: dict[str, list[list[str]]] = {}
    for split, budget, arm in dict.fromkeys(key[:3] for key in sorted(found, key=lambda key: key[0] != TEST)):
        cells = [found.get((split, budget, arm, metric)) for metric in metrics]
        row = next(cell for cell in cells if cell)
        scores = [MISSING if cell is None else score_text(cell) for cell in cells]
        groups.setdefault(f"{split.title}, {row.n_test:,} examples", []).append(
            [f"{budget:,}", arm, *scores, f"{row.n_seeds:,}"]
        )
    named = [Column(f"{METRICS[metric].title}, % [95 % interval]", True) for metric in metrics]
    columns = [Column("labels", True), Column("arm"), *named, Column("seeds", True)]
    what = "" if natural else ", perturbed and adapted"
    return TextTable(f"Scores on {dataset}{what}", columns, [RowGroup(title, body) for title, body in groups.items()])


def parts_table(findings: Findings, dataset: str) -> TextTable:
    """List the figures of a metric's parts, such as precision of an entity type, on the test set; empty without parts."""
    rows = [(row, row.parts) for row in findings.scores if row.dataset == dataset and row.split == TEST and row.parts]
    if not rows:
        return TextTable("", [], [])
    first, known = rows[0]
    every = [figures for _, parts in rows for figures in parts.values()]
    is_count = {name: any(figures[name] > 1 for figures in every) for name in every[0]}
    groups = [
        RowGroup(part, [[f"{r.budget:,}", r.arm, *_part_cells(parts[part], is_count)] for r, parts in rows])
        for part in known
    ]
    named = [Column(name if count else f"{name}, %", True) for name, count in is_count.items()]
    columns = [Column("labels", True), Column("arm"), *named]
    metric = METRICS[first.metric]
    return TextTable(f"{metric.title} by {metric.part} on {dataset}, means over seeds", columns, groups)


def _part_cells(figures: Mapping[str, float], is_count: Mapping[str, bool]) -> list[str]:
    return [f"{value:,.0f}" if is_count[name] else in_percent(value) for name, value in figures.items()]


def gains_table(findings: Findings, dataset: str, natural: bool = True) -> TextTable:
    """List gains, one group a split and metric, the test set and the primary metric first.

    Of the splits of `scores_table`.
    """
    primary = findings.data[dataset].metric
    groups: dict[tuple[Split, str], list[list[str]]] = {}
    for row in findings.gains:
        if row.dataset == dataset and row.split.natural == natural:
            groups.setdefault((row.split, row.metric), []).append(_gain_cells(row))
    order = sorted(groups, key=lambda key: (key[0] != TEST, str(key[0]), key[1] != primary, key[1]))
    what = "" if natural else ", perturbed and adapted"
    return TextTable(f"Gains over {findings.data[dataset].reference} on {dataset}{what}", GAIN_COLUMNS, [
        RowGroup(f"{split.title}, {METRICS[metric].title}", groups[split, metric]) for split, metric in order
    ])  # fmt: skip


def _gain_cells(row: GainRow) -> list[str]:
    cut, floor = row.relative_error_reduction, row.below_floor
    reasons = [row.verdict, row.why, f"no better than the {floor} floor" if floor else ""]
    return [
        f"{row.budget:,}",
        row.arm,
        in_percent(1 - row.reference_error),
        in_percent(1 - row.error),
        gain_text(row),
        MISSING if cut is None else words.score(cut),
        *(MISSING if p is None else words.p_value(p) for p in (row.p_holm, row.p_value, row.p_sign_flip)),
        f"{100 * row.prob_better:.0f} %",
        f"{row.n_seeds:,}",
        MISSING if row.mde is None else in_percent(row.mde),
        "; ".join(filter(None, reasons)),
    ]


def recipes(findings: Findings, dataset: str) -> TextTable:
    """List the chosen learning rates and what was tried."""
    body = []
    for row in findings.recipes:
        if row.dataset == dataset:
            tried = [f"{rate:.3g}: {in_percent(score)} % (step {steps:,.0f})" for rate, score, steps in row.tried]
            edge = "at the edge of those tried" if row.at_edge else ""
            note = row.problem or edge or ("" if tried else _untuned(row))
            rate = f"{row.learning_rate:.3g}" if row.learning_rate else MISSING
            body.append([f"{row.budget:,}", row.arm, rate, " · ".join(tried), note])
    return TextTable(f"Learning rates on {dataset}", RECIPE_COLUMNS, [RowGroup("", body)] if body else [])


def _untuned(row: RecipeRow) -> str:
    """Say how an arm came to its setting without learning rates to try."""
    if row.learning_rate:
        return "not tuned: the arm's default"
    among = f", among {row.settings} settings of layer, tokens and L2" if row.settings else ""
    return f"takes no steps: each trial chooses on dev{among}"


def stepless(recipes: Sequence[RecipeRow]) -> str:
    """Say which arms take no steps, and among how many settings they choose; empty where all take steps."""
    arms = list(dict.fromkeys(row.arm for row in recipes if row.settings))
    if not arms:
        return ""
    counts = sorted({row.settings for row in recipes if row.settings})
    among = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    return (
        f"Without steps, and so without a learning rate: {' and '.join(arms)}. In every trial dev chooses among {among} "
        "settings of layer, tokens and L2; transfergain export --table trials says which."
    )


def full_recipes(recipes: Sequence[RecipeRow]) -> TextTable:
    """List what the arms share: one row for every distinct recipe, the learning rate left out."""
    shared: dict[str, list[RecipeRow]] = {}
    for row in recipes:
        rest = {key: value for key, value in row.recipe.items() if key != "learning_rate"}
        shared.setdefault(json.dumps(rest, sort_keys=True), []).append(row)
    keys = sorted({key for row in recipes for key in row.recipe} - {"learning_rate"})
    body = [
        [", ".join(dict.fromkeys(row.dataset for row in rows)), ", ".join(dict.fromkeys(row.arm for row in rows)),
         *(_plain(json.loads(recipe).get(key)) for key in keys)]
        for recipe, rows in shared.items()
    ]  # fmt: skip
    columns = [Column("data set"), Column("arms"), *(Column(key.replace("_", " "), True) for key in keys)]
    return TextTable("The rest of the recipe", columns, [RowGroup("", body)] if body else [])


def checks(findings: Findings) -> TextTable:
    """List what the integrity checks of the finished trials measured, by data set and arm."""
    found: dict[tuple[str, str], list[Details]] = {}
    for row in findings.rows:
        if row.outcome.status == Status.DONE and row.spec.recipe:
            found.setdefault((row.spec.dataset, row.spec.arm), []).append(row.outcome.details)
    body = []
    for (dataset, arm), details in found.items():
        checks = [d.checks for d in details]
        keys = dict.fromkeys(key for check in checks for key in check)
        measured = [f"{key.replace('_', ' ')} {_spread([c.get(key) for c in checks])}" for key in keys]
        parameters = [_spread([d.parameters for d in details]), _spread([d.trained_parameters for d in details])]
        body.append([dataset, arm, f"{len(details):,}", *parameters, "; ".join(measured)])
    columns = (
        *(Column("data set"), Column("arm"), Column("trials", True)),
        *(Column("parameters", True), Column("of these trained", True), Column("weights checked")),
    )
    return TextTable("Integrity checks of the trained models", columns, [RowGroup("", body)] if body else [])


def _spread(values: Sequence[Any]) -> str:
    """Join the distinct values; of numbers the smallest and the largest."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return " to ".join(dict.fromkeys(_plain(v) for v in (min(values), max(values))))
    return ", ".join(dict.fromkeys(_plain(value) for value in values))


def _plain(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return _modules(value) if len(value) > LISTED_NAMES else ", ".join(map(_plain, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def _modules(names: Sequence[str]) -> str:
    """Count many tensors by the part of the model: `65 tensors: encoder.layer.*.crossattention.self (36), ...`."""
    parts = [[("*" if p.isdecimal() else p) for p in str(name).split(".")] for name in names]
    depth = max(map(len, parts))
    while depth > 1 and len({tuple(p[:depth]) for p in parts}) > LISTED_NAMES:
        depth -= 1
    counts = Counter(".".join(p[:depth]) for p in parts)
    return f"{counted(len(names), 'tensor')}: " + ", ".join(f"{part} ({count})" for part, count in counts.items())


def trials(findings: Findings) -> TextTable:
    """List every trial, those without a score included; the scores are those of the primary metric."""
    body = [_trial_cells(trial, findings.data[trial.spec.dataset].metric) for trial in findings.all_rows]
    return TextTable("Every trial of the plan that has run", TRIAL_COLUMNS, [RowGroup("", body)] if body else [])


def failed(findings: Findings) -> TextTable:
    """List the trials without a score and those that diverged, with the reason."""
    body = [
        _trial_cells(trial, findings.data[trial.spec.dataset].metric)[:8] for trial in findings.all_rows
        if trial.outcome.status != Status.DONE or trial.outcome.details.diverged
    ]  # fmt: skip
    return TextTable("Failed, skipped and diverged trials", TRIAL_COLUMNS[:8], [RowGroup("", body)] if body else [])


def _trial_cells(trial: StoredTrial, metric: str) -> list[str]:
    spec, outcome, details = trial.spec, trial.outcome, trial.outcome.details
    status = f"{outcome.status}, diverged" if details.diverged else outcome.status
    shifts = [
        f"{split.name} {_score(score)}" for split in outcome.evaluated
        if split.kind is Kind.SHIFT and (score := trial_score(outcome, split, metric)) is not None
    ]  # fmt: skip
    return [
        *(spec.id[:12], spec.dataset, spec.arm, f"{spec.budget:,}", str(spec.replicate), spec.phase),
        f"{status}: {outcome.error}" if outcome.error else status,
        f"{spec.recipe.learning_rate:.3g}" if spec.recipe and spec.recipe.learning_rate else MISSING,
        *(
            _score(outcome.dev_score),
            _score(trial_score(outcome, TEST, metric)),
            " · ".join(shifts) or MISSING,
            _plain(outcome.converged),
        ),
        *map(_plain, (details.steps, details.best_step, details.trained_parameters)),
        f"{outcome.seconds:,.1f}",
    ]


def _score(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.2f}"
