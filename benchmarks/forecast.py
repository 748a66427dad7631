"""How good forecasts of learning curves are, on simulated and on real curves: `python -m benchmarks.run forecast`."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import curves, probe
from transfergain import checkpoint as checkpoints
from transfergain.analysis.forecast import measured
from transfergain.analysis.gain import cells
from transfergain.analysis.stats import pseudo_values
from transfergain.arms import ARMS
from transfergain.data import prepare
from transfergain.engine.precision import pick_precision
from transfergain.metrics import METRICS
from transfergain.running.planner import Planner, StudyCell
from transfergain.split import TEST
from transfergain.store import StoredTrial
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial
from transfergain.types import Dataset

SETS = (
    *("sst2", "ag_news", "banking77", "wnut17"),
    *("built-in sentiment", "built-in classification", "built-in ner", "built-in qa"),
)
MOST_TEST = 600
"""Test examples that are read, spread over all."""
BUDGETS = (32, 64, 128, 256, 512, 1024, 2048)


def forecast(options: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Compare ours with three other forecasts on `--curves` simulated curves and on real ones, `--sets` of them."""
    single = curves.forecast_simulated(options.curves)
    for name in options.sets.split(",") if options.sets else SETS:
        for arm, curve in _kept(name, options):
            single += curves.forecast_real(f"{name}, {arm}", curve)
    rows = []
    for kind in ("simulated", "real"):
        for times in curves.AHEAD:
            some = [row for row in single if (row["kind"], row["times"]) == (kind, times)]
            for family in ("all", *dict.fromkeys(row["family"] for row in some)):
                chosen = [row for row in some if family in ("all", row["family"])]
                if chosen:
                    rows.append({"curves of": kind, "family": family, "times": times} | curves.summary(chosen))
    return rows, single


def _kept(name: str, options: Any) -> Iterator[tuple[str, curves.Curve]]:
    """Measure the curves of a data set, the floors' first; what was measured before is read from its file."""
    checkpoint, study = checkpoints.resolve(options.model), probe.study_of(name, options.model)
    task = TASKS[study.task]
    data = prepare.load(study.entries()[0].source(), task)
    data = replace(data, test=data.test[:: -(-len(data.test) // MOST_TEST)])
    precision = pick_precision(options.precision, torch.device("cpu"))
    planner = Planner(study, {data.name: data}, checkpoint.revision, precision)
    with tempfile.TemporaryDirectory() as features:
        bench = Bench({data.name: data}, checkpoint, "cpu", options.threads, features=Path(features))
        for arm in (
            *(floor.name for floor in task.floors if floor.name != "majority"),
            *filter(None, options.arms.split(",")),
        ):
            path = options.out / "curves" / f"{name.replace(' ', '-')}-{arm}.pickle"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(pickle.dumps(_measured(arm, data, planner, bench, options)))
            curve: curves.Curve = pickle.loads(path.read_bytes())
            if measured.learns(list(curve.values())):
                yield arm, curve


def _measured(arm: str, data: Dataset, planner: Planner, bench: Bench, options: Any) -> curves.Curve:
    """Measure a curve with as many of BUDGETS as the data has."""
    curve, metric, most = curves.Curve(), TASKS[data.task].metrics[0], max(planner.budgets[data.name])
    for budget in (b for b in BUDGETS if max(2 * len(data.labels), min(BUDGETS)) <= b <= most):
        recipe = planner.recipe(data, 0.0) if arm in ARMS else None
        specs = planner.reporting(StudyCell(data, arm, budget), recipe, options.seeds)
        trials = [StoredTrial(spec, run_trial(spec, bench)) for spec in specs]
        for trial in trials:
            assert not trial.outcome.error, trial.outcome.error
        (cell,) = cells(trials, dict.fromkeys(ARMS, True), {data.name: data.labels})
        curve[budget] = pseudo_values(cell.counts(TEST, metric, cell.outcomes), METRICS[metric].finish)
        print(data.name, arm, budget, f"{1 - curve[budget].scores.mean():.3f}", flush=True)
    return curve
