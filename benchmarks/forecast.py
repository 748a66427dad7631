"""How good forecasts of learning curves are, on simulated and on real curves: `python -m benchmarks.run forecast`."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import curves, probe
from transfergain import checkpoint as checkpoints
from transfergain.analysis.forecast import measured
from transfergain.analysis.forecast.fit import Ensemble
from transfergain.analysis.gain import cells
from transfergain.analysis.stats import Values, pseudo_values
from transfergain.data import prepare
from transfergain.metrics import METRICS
from transfergain.running.planner import Planner, StudyCell
from transfergain.split import TEST
from transfergain.store import StoredTrial
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial

SETS = (
    *("sst2", "ag_news", "banking77", "wnut17"),
    *("built-in sentiment", "built-in classification", "built-in ner", "built-in qa"),
)
BUDGETS = (32, 64, 128, 256, 512, 1024, 2048)
FEWEST = 3
"""Numbers of labels that a forecast takes."""
Curve = dict[int, Values]
"""Number of labels -> scores by seed and test example."""


def forecast(options: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Compare ours with three other forecasts on `--curves` simulated curves and on real ones, `--sets` of them."""
    single = simulated(options.curves)
    for name in options.sets.split(",") if options.sets else SETS:
        for arm, curve in _kept(name, options).items():
            single += real(f"{name}, {arm}", curve)
    rows = []
    for kind in ("simulated", "real"):
        for times in curves.AHEAD:
            some = [row for row in single if (row["kind"], row["times"]) == (kind, times)]
            for family in ("all", *dict.fromkeys(row["family"] for row in some)):
                chosen = [row for row in some if family in ("all", row["family"])]
                if chosen:
                    rows.append({"curves of": kind, "family": family, "times": times} | curves.summary(chosen))
    return rows, single


def simulated(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Forecast so many simulated curves, spread evenly over the families."""
    rng, found = np.random.default_rng(seed), list[dict[str, Any]]()
    names = list(curves.FAMILIES)
    for i in range(count):
        curve = curves.simulated(rng, names[i % len(names)])
        about = {"kind": "simulated", "family": curve.family}
        given, truth = dict(zip(curve.labels, curve.cells, strict=True)), dict(zip(curve.ahead, curve.truth, strict=True))
        found += _forecast(about, given, truth)
    return found


def real(family: str, curve: Curve) -> list[dict[str, Any]]:
    """Forecast a real curve from each of its beginnings, where twice or four times as many labels were measured."""
    found, labels = list[dict[str, Any]](), sorted(curve)
    for end in range(FEWEST, len(labels)):
        given = {n: curve[n] for n in labels[:end]}
        ahead = {n: float(1 - curve[n].scores.mean()) for times in curves.AHEAD if (n := times * labels[end - 1]) in curve}
        found += _forecast({"kind": "real", "family": family}, given, ahead)
    return found


def _forecast(about: dict[str, Any], given: Curve, ahead: dict[int, float]) -> list[dict[str, Any]]:
    """Forecast one curve by all methods."""
    curve = measured.of(list(given), list(given.values()))
    labels, at = np.array(curve.labels, dtype=np.float64), np.array(list(ahead), dtype=np.float64)
    others = {name: method(labels, curve.errors, at) for name, method in curves.BASELINES.items()}
    found = []
    for i, (n, mixture) in enumerate(zip(ahead, Ensemble(curve).at(at), strict=True)):
        low, middle, high = (mixture.quantile(p) for p in (0.05, 0.5, 0.95))
        errors = {"ours": abs(middle - ahead[n])} | {name: abs(float(v[i]) - ahead[n]) for name, v in others.items()}
        place = about | {"times": n // max(given), "from": max(given), "points": len(given)}
        found.append(place | {"covered": low <= ahead[n] <= high, "width": high - low, "truth": ahead[n]} | errors)
    return found


def _kept(name: str, options: Any) -> dict[str, Curve]:
    """Measure the curves of a data set, or read them where they were measured before."""
    path = options.out / "curves" / f"{name.replace(' ', '-')}.pickle"
    if not path.exists():
        found = dict(_measured(name, options))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(found))
    return dict(pickle.loads(path.read_bytes()))


def _measured(name: str, options: Any) -> Iterator[tuple[str, Curve]]:
    """Measure the curves of the probe and of the floors that learn from more labels."""
    checkpoint = checkpoints.resolve(options.model)
    study = probe.study_of(name, options.model)
    task = TASKS[study.task]
    data = prepare.load(study.entries()[0].source(), task)
    data = replace(data, test=data.test[:: -(-len(data.test) // probe.MOST_TEST)])
    planner = Planner(study, {data.name: data}, checkpoint.revision, options.precision)
    most, metric = max(planner.budgets[data.name]), task.metrics[0]
    with tempfile.TemporaryDirectory() as features:
        bench = Bench({data.name: data}, checkpoint, "cpu", options.threads, features=Path(features))
        for arm in ("probe", *(floor.name for floor in task.floors)):
            curve = Curve()
            for budget in (b for b in BUDGETS if max(2 * len(data.labels), min(BUDGETS)) <= b <= most):
                recipe = planner.recipe(data, 0.0) if arm == "probe" else None
                specs = planner.reporting(StudyCell(data, arm, budget), recipe, options.seeds)
                trials = [StoredTrial(spec, run_trial(spec, bench)) for spec in specs]
                for trial in trials:
                    assert not trial.outcome.error, trial.outcome.error
                (cell,) = cells(trials, {"probe": True}, {data.name: data.labels})
                curve[budget] = pseudo_values(cell.counts(TEST, metric, cell.outcomes), METRICS[metric].finish)
                print(name, arm, budget, f"{1 - curve[budget].scores.mean():.3f}", flush=True)
            if measured.learns(list(curve.values())):
                yield arm, curve
