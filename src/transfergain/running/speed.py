"""Measure how fast each arm trains on this machine, by a few short trials."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from transfergain.arms import ARMS
from transfergain.data.draws import budget_sizes
from transfergain.executors.base import Job
from transfergain.executors.local import LocalExecutor
from transfergain.outcome import Outcome
from transfergain.running.console import say
from transfergain.running.planner import Planner, StudyCell
from transfergain.running.setup import Setup
from transfergain.temporary import TemporaryFolder
from transfergain.types import Dataset, Phase, Status, TrialSpec

SHORT_TRIAL_STEPS = (4, 12)
"""Steps of the two short trials from whose difference steps and dev evaluations are timed."""
SHORT_TRIAL_DEV = 64
"""Dev examples that a short trial reads at most: where text is generated, evaluations are most of its time."""


@dataclass(frozen=True)
class Speed:
    """How fast one arm trains on one data set."""

    fixed: float
    """Seconds to load and encode, at the largest budget."""
    step: float
    """Seconds of an optimiser step; 0 for an arm that takes none."""
    example: float
    """Seconds to evaluate one example."""


Speeds = Mapping[tuple[str, str], Speed]
"""(data set, arm) -> its speed; without the arms that were not measured, or failed."""


def measure_speeds(setup: Setup, known: Collection[tuple[str, str]], console: Console) -> tuple[Speeds, int | None]:
    """Measure every arm and data set that is not `known`, saying so; returns the worker's peak memory too, in bytes."""
    planner = setup.planner
    cells = {key: cell for cell in planner.cells() if (key := (cell.data.name, cell.arm)) not in known}
    if not cells:
        return {}, None
    trials = {key: short_trials(planner, cell) for key, cell in cells.items()}
    few = {name: few_dev(data) for name, data in setup.datasets.items()}
    bench = replace(setup.bench(), datasets=few, features=None)
    speeds = dict[tuple[str, str], Speed]()
    with LocalExecutor(bench, 1) as executor:
        executor.adopt(setup.ahead)
        jobs = [Job(spec) for same in trials.values() for spec in same]
        outcomes = (outcome for _, outcome in executor.submit(jobs, lambda *_: None))  # in order: there is one worker
        for done, ((dataset, arm), same) in enumerate(trials.items(), start=1):
            ended = list(itertools.islice(outcomes, len(same)))
            data = bench.datasets[dataset]
            n_train, n_dev = budget_sizes(same[-1].budget, len(data.train), len(data.dev))
            speed = speed_of(ended[-2], ended[-1], n_dev) if len(ended) > 1 else speed_at_once(ended[-1], n_train + n_dev)
            say(console, f"measured {done}/{len(trials)}".ljust(16) + f"{dataset} · {arm} · {_found(speed, ended)}")
            if speed:
                speeds[dataset, arm] = speed
        return speeds, executor.peak_memory()


def measure_pretraining(setup: Setup, known: Collection[tuple[str, str]], console: Console) -> Speeds:
    """Measure the pretraining of every arm and data set that is not `known` by a few steps, saying so."""
    planner = setup.planner
    cells = dict.fromkeys((cell.data.name, cell.arm) for cell in planner.cells() if ARMS[cell.arm].pretrains)
    planned = {key: planner.pretrainings(*key)[0] for key in cells if key not in known}
    speeds = dict[tuple[str, str], Speed]()
    if not planned:
        return speeds
    with TemporaryFolder() as folder, LocalExecutor(setup.bench(), 1) as executor:
        jobs = [Job(_short_pretraining(spec), Path(folder, str(i))) for i, spec in enumerate(planned.values())]
        for spec, ended in executor.submit(jobs, lambda *_: None):
            speed = pretraining_speed(ended)
            found = f"{1000 * speed.step:,.0f} ms a step" if speed else f"failed: {ended.error}"
            say(console, f"{'measured':<16}{spec.dataset} · {spec.arm} · pretraining · {found}")
            if speed:
                speeds[spec.dataset, spec.arm] = speed
    return speeds


def _short_pretraining(spec: TrialSpec) -> TrialSpec:
    assert spec.recipe is not None
    options = tuple(sorted((dict(spec.recipe.options) | {"steps": min(SHORT_TRIAL_STEPS)}).items()))
    return replace(spec, recipe=replace(spec.recipe, options=options))


def pretraining_speed(outcome: Outcome) -> Speed | None:
    """Tell what a pretraining took, by step and for all else; None when it failed."""
    details = outcome.details
    if outcome.status != Status.DONE or not details.steps or details.train_seconds is None:
        return None
    return Speed(max(0.0, outcome.seconds - details.train_seconds), details.train_seconds / details.steps, 0.0)


def few_dev(data: Dataset) -> Dataset:
    """Leave few dev examples in a data set, spread over all of them."""
    return replace(data, dev=data.dev[:: max(1, len(data.dev) // SHORT_TRIAL_DEV)][:SHORT_TRIAL_DEV])


def _found(speed: Speed | None, ended: Sequence[Outcome]) -> str:
    """Say what was measured, or why not."""
    if speed is None:
        return "failed: " + next((outcome.error for outcome in ended if outcome.error), "")
    return f"{1000 * speed.step:,.0f} ms a step" if speed.step else f"{speed.fixed:,.1f} s in all"


def short_trials(planner: Planner, cell: StudyCell) -> list[TrialSpec]:
    """Plan what is timed of a cell: trials of few steps, of which the first warms up; or one of an arm that takes none."""
    if not ARMS[cell.arm].takes_steps:
        return [short_trial(planner, cell, 0)]
    return [short_trial(planner, cell, steps) for steps in (min(SHORT_TRIAL_STEPS), *SHORT_TRIAL_STEPS)]


def speed_at_once(outcome: Outcome, examples: int) -> Speed | None:
    """Tell what a trial without steps took; most of it is reading its examples. None when it failed."""
    if outcome.status != Status.DONE:
        return None
    return Speed(outcome.seconds, 0.0, outcome.seconds / max(1, examples))


def short_trial(planner: Planner, cell: StudyCell, steps: int) -> TrialSpec:
    """Plan a trial on the cell's training examples and few dev ones that ends after so many steps."""
    n_train, n_dev = budget_sizes(cell.budget, len(cell.data.train), len(cell.data.dev))
    recipe = replace(planner.recipe(cell.data, 1e-4), min_steps=100 * max(SHORT_TRIAL_STEPS))  # no near cap
    spec = planner.reporting(cell, recipe)[0]
    spec = replace(spec, checkpoint_revision=planner.revision)  # no pretraining has run yet, and the speed is the same
    return replace(spec, phase=Phase.TUNE, splits=(), stop_at=steps or None, budget=n_train + min(n_dev, SHORT_TRIAL_DEV))


def speed_of(short: Outcome, long: Outcome, n_dev: int) -> Speed | None:
    """Tell what both trials took, by step and by dev example; None when one of them failed.

    Where reading dev takes so long that each trial did it once, at its end, loading cannot be told from it, and counts as
    such: the time that is left is rather said too long than too short.
    """
    if short.status != Status.DONE or long.status != Status.DONE:
        return None
    (short_train, short_rest), (long_train, long_rest) = (
        (o.curve[-1].seconds, o.seconds - o.curve[-1].seconds) for o in (short, long)
    )
    step = max(1e-6, (long_train - short_train) / (long.curve[-1].step - short.curve[-1].step))
    if more := len(long.curve) - len(short.curve):
        evaluation = max(0.0, (long_rest - short_rest) / more)
    else:
        evaluation = short_rest / len(short.curve)
    fixed = short.seconds - short.curve[-1].step * step - len(short.curve) * evaluation
    return Speed(max(0.0, fixed), step, evaluation / max(1, n_dev))
