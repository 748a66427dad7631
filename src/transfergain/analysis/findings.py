"""`Findings`: everything a study found, from its store alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergain.analysis import (
    adaptation,
    aggregate,
    benefits,
    calibration,
    convergence,
    data_efficiency,
    gain,
    performance,
    robustness,
    words,
)
from transfergain.analysis.notebook import Views
from transfergain.analysis.view import views
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.store import Row, Store
from transfergain.types import Status

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
BENEFITS = ("data_efficiency", "convergence", "robustness", "adaptation", "calibration", "aggregate")
"""Tables of findings beside `scores` and `gains`."""


@dataclass(frozen=True)
class Findings(Views):
    """What a study found. `gains` and `scores` hold one flat dict a row; `to_frame` makes them pandas frames."""

    study: Mapping[str, Any]
    environment: Mapping[str, Any]
    warnings: Sequence[str]
    trials: Mapping[str, int]
    scores: Sequence[Mapping[str, Any]]
    gains: Sequence[Mapping[str, Any]]
    data_efficiency: Sequence[Mapping[str, Any]] = ()
    convergence: Sequence[Mapping[str, Any]] = ()
    robustness: Sequence[Mapping[str, Any]] = ()
    adaptation: Sequence[Mapping[str, Any]] = ()
    calibration: Sequence[Mapping[str, Any]] = ()
    aggregate: Sequence[Mapping[str, Any]] = ()
    recipes: Sequence[Mapping[str, Any]] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    timings: Sequence[Mapping[str, Any]] = ()
    """Rows like those of `convergence` and `adaptation`, in seconds: measured, so no part of findings.json."""
    rows: Sequence[Row] = field(default=(), repr=False)
    """The trials behind the figures, the failed and skipped ones included."""
    examples: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    """A sample of the sealed texts (`report.examples`)."""
    folder: str = ""

    def headline(self) -> list[Mapping[str, Any]]:
        """The gains that answer the question first: the test set, the primary metric, the largest budget."""
        top: dict[str, int] = {}
        for row in self.gains:
            top[row["dataset"]] = max(top.get(row["dataset"], 0), row["budget"])
        return [r for r in self.primary(self.gains) if r["split"] == "test" and r["budget"] == top[r["dataset"]]]

    def benefits(self) -> list[dict[str, Any]]:
        """What to read first: one row a data set and benefit, for the headline arm; see `analysis.benefits`."""
        return benefits.lead(self.study, self.data, self)

    def primary(self, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The rows on each data set's primary metric."""
        return [row for row in rows if row["metric"] == self.data[row["dataset"]]["metric"]]

    def to_frame(self, table: str = "gains") -> pd.DataFrame:
        """`gains`, `scores`, `trials`, `timings` or one of BENEFITS as a pandas frame; ValueError for another name."""
        import pandas as pd

        return pd.DataFrame(self.table(table))

    def table(self, name: str) -> list[dict[str, Any]]:
        """`gains`, `scores`, `trials`, `timings` or one of BENEFITS as flat rows. Raises ValueError for another name."""
        if name == "trials":
            return [trial_row(row) for row in self.rows]
        if name not in ("gains", "scores", "timings", *BENEFITS):
            raise ValueError(f'unknown table "{name}": gains, scores, trials, timings, {", ".join(BENEFITS)}')
        return [dict(row) for row in getattr(self, name)]

    def to_json(self) -> str:
        """The content of findings.json: no times and no paths, so that equal findings are equal files."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "study": self.study,
            "environment": self.environment,
            "warnings": list(self.warnings),
            "trials": dict(self.trials),
            "data": self.data,
            "recipes": list(self.recipes),
            "scores": list(self.scores),
            "gains": list(self.gains),
            **{name: list(getattr(self, name)) for name in BENEFITS},
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def trial_row(row: Row) -> dict[str, Any]:
    """One trial as a flat dict, for tables and export."""
    spec, outcome, details = row.spec, row.outcome, row.outcome.details
    flat: dict[str, Any] = {
        "id": spec.id[:12],
        "task": spec.task,
        "dataset": spec.dataset,
        "arm": spec.arm,
        "budget": spec.budget,
        "seed": spec.replicate,
        "phase": spec.phase,
        "learning_rate": spec.recipe.learning_rate if spec.recipe else None,
        "status": outcome.status,
        "error": outcome.error,
        "dev_score": outcome.dev_score,
        "converged": outcome.converged,
        "steps": details.get("steps"),
        "best_step": details.get("best_step"),
        "trained_parameters": details.get("trained_parameters"),
        "seconds": round(outcome.seconds, 2),
    }
    for split, evaluated in outcome.evaluated.items():
        for metric, counts in evaluated.counts.items():
            flat[f"{split} {metric}"] = float(METRICS[metric].finish(counts.sum(axis=0)))
    return flat


def analyse(store: Store) -> Findings:
    """The findings of a store's current plan."""
    plan = store.get_meta("plan") or []
    wanted = set(plan)
    rows = [row for row in store.rows() if row.spec.id in wanted]
    study, data = store.get_meta("study"), store.get_meta("data")
    pretrained: dict[str, bool] = dict(store.get_meta("arms"))
    found = gain.cells(rows, pretrained, {name: entry["labels"] for name, entry in data.items()})
    score_rows = performance.against_chance(gain.scores(found), data)
    gains = gain.gains(found, score_rows, study["margin"])
    recipes = performance.with_expected_best(store.get_meta("recipes") or [])
    tables = _tables(found, data, gains)
    status = Counter(row.outcome.status for row in rows)
    trials = {name.value: status[name] for name in Status} | {"pending": len(wanted) - len(rows)}
    return Findings(
        study=study,
        environment=store.get_meta("environment"),
        warnings=_warnings(store, rows, recipes, data, trials, found, score_rows),
        trials=trials,
        scores=score_rows,
        gains=gains,
        **tables,
        recipes=recipes,
        data=data,
        rows=rows,
        examples=store.get_meta("examples") or (),
        folder=str(store.path.parent),
    )


def _tables(
    found: Sequence[gain.Cell], data: Mapping[str, Any], gains: Sequence[Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """The tables of BENEFITS, and the timings."""
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in (*BENEFITS, "timings")}
    known = views(found, data)
    for view in known:
        tables["data_efficiency"] += data_efficiency.rows(view)
        tables["robustness"] += robustness.rows(view, gains)
        tables["calibration"] += calibration.rows(view)
        for name, rows in (("convergence", convergence.rows(view)), ("adaptation", adaptation.rows(view, gains))):
            tables[name] += rows[0]
            tables["timings"] += rows[1]
    tables["aggregate"] += aggregate.rows(known, gains)
    return tables


def load(folder: str | Path) -> Findings:
    """The findings of an output folder. Raises UserError when it holds no study."""
    with Store(folder) as store:
        if store.get_meta("study") is None:
            raise UserError(f"{folder}: its run ended before the study was set up; run it again")
        return analyse(store)


def _warnings(
    store: Store,
    rows: Sequence[Row],
    recipes: Sequence[Mapping[str, Any]],
    data: Mapping[str, Any],
    trials: Mapping[str, int],
    found: Sequence[gain.Cell],
    score_rows: Sequence[Mapping[str, Any]],
) -> list[str]:
    warnings = list(store.get_meta("warnings") or [])
    if trials["pending"]:
        warnings.append(f"{trials['pending']} trials have not run yet; the same command continues")
    failed = [row for row in rows if row.outcome.status != Status.DONE]
    for reason, n in Counter(f"{r.outcome.status}: {r.outcome.error}" for r in failed).items():
        warnings.append(f"{n} trial{'s' if n > 1 else ''} {reason}")
    grouped = _Grouped()
    for cell in found:
        outcomes = cell.outcomes.values()
        unfinished = cell.unconverged(cell.outcomes)
        grouped.add("still improving at the step cap", cell.dataset, cell.arm, cell.budget, unfinished, len(outcomes))
        diverged = sum(bool(o.details.get("diverged")) for o in outcomes)
        grouped.add("diverged, kept as scored", cell.dataset, cell.arm, cell.budget, diverged, len(outcomes))
    floors = {cell.arm for cell in found if cell.is_floor}
    for row in score_rows:
        entry = data[row["dataset"]]
        if row["arm"] not in floors and row["split"] == "test" and row["metric"] == entry["metric"]:
            what = f"at or below chance ({entry['chance']:.3f})"
            grouped.add(what, row["dataset"], row["arm"], row["budget"], row["collapsed"], row["n_seeds"])
    for dataset in data:
        cells = [cell for cell in found if cell.dataset == dataset]
        if same := robustness.unseen(cells):
            names = words.perturbations(same, {split for cell in cells for split in cell.splits()})
            warnings.append(f"{dataset}: nothing that the model reads is changed by {names}: scores repeat the test set's")
    for r in recipes:
        grouped.add("learning rate chosen at the edge of those tried (try more with --tune)", r["dataset"], r["arm"],
                    r["budget"], int(r["at_edge"]), 0)  # fmt: skip
    return warnings + grouped.lines()


class _Grouped:
    """Gathers what happened in cells, to say it in one line a data set."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, list[str]]] = {}

    def add(self, what: str, dataset: str, arm: str, budget: int, count: int, of: int) -> None:
        """Note that `count` of a cell's `of` seeds did `what`; nothing for none."""
        if count:
            seeds = f" ({count} of {of} seeds)" if of else ""
            self._found.setdefault((dataset, what), {}).setdefault(arm, []).append(f"{budget:,} labels{seeds}")

    def lines(self) -> list[str]:
        """One line a data set and kind of event."""
        return [
            f"{dataset}: {what}: " + "; ".join(f"{arm} at {', '.join(cells)}" for arm, cells in arms.items())
            for (dataset, what), arms in self._found.items()
        ]
