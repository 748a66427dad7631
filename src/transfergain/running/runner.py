"""Planned trials minus done ones -> executor -> store. A failure is a row, and the study goes on."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from transfergain.arms import ARMS
from transfergain.executors.base import Executor, Job
from transfergain.running.planner import Planner, at_edge
from transfergain.store import Store
from transfergain.types import Dataset, Outcome, Recipe, TrialSpec

ROUNDS = ("tuning", "finals")
"""What the rounds of tuning are called."""


class Watcher(Protocol):
    """What follows a running study: a progress bar, plain lines, nothing."""

    def begin(self, phase: str, total: int, done: int) -> None:
        """A phase (`tuning`, `finals`, `trials`) begins; `done` of its `total` trials are in the store already."""

    def step(self, spec: TrialSpec, step: int, cap: int, dev_score: float | None) -> None:
        """A running trial reports."""

    def finish(self, spec: TrialSpec, outcome: Outcome) -> None:
        """A trial ended."""


@dataclass(frozen=True)
class Chosen:
    """The recipe of one cell and how it was chosen; stored, and printed in the report."""

    dataset: str
    arm: str
    budget: int
    recipe: Recipe
    tried: tuple[tuple[float, float, float], ...]
    """(learning rate, dev score, share of the step cap it ran to) of each rate of which a trial finished; empty without
    tuning."""
    problem: str = ""
    """Why the cell cannot run; empty when it can."""

    @property
    def edge(self) -> bool:
        """True when the best rate is the smallest or largest tried."""
        return at_edge(self.recipe.learning_rate, [rate for rate, *_ in self.tried])


@dataclass
class Runner:
    """Runs a planned study into a store."""

    planner: Planner
    store: Store
    executor: Executor
    watcher: Watcher
    folder: Path
    keep_models: str

    def run(self) -> Counter[str]:
        """Run what is missing: tuning, then the reported trials. Returns the plan's trials by status.

        The plan's ids are stored first, and the choices of tuning as soon as they are made, so that the findings of an
        interrupted study are those of its finished part.
        """
        planner = self.planner
        self.clean()
        floors = planner.floors()
        tuning = self._tune([*floors, *self._known_reports()])
        chosen = [self.choose(data, arm, budget) for data, arm, budget in planner.cells()]
        self.store.set_meta("recipes", [_as_json(choice) for choice in chosen])
        reports, blocked = list[TrialSpec](), list[tuple[TrialSpec, str]]()
        for choice in chosen:
            data = planner.datasets[choice.dataset]
            specs = planner.reporting(data, choice.arm, choice.budget, choice.recipe)
            if choice.problem:
                blocked += [(spec, choice.problem) for spec in specs]
            else:
                reports += specs
        self._plan([*floors, *reports, *(spec for spec, _ in blocked), *tuning])
        for spec, reason in blocked:
            self.store.put(spec, Outcome("skipped", error=reason))
        self._run("trials", sorted([*floors, *reports], key=_pairs_together(self._seconds())))
        status = self.store.status()
        return Counter(status.get(i, "pending") for i in self.store.get_meta("plan"))

    def _tune(self, others: Sequence[TrialSpec]) -> list[TrialSpec]:
        """Run the tuning trials, round by round, with `others` in the plan beside them; returns them all."""
        cells = list(self.planner.cells())
        for depth in range(len(self.planner.rungs())):
            rounds = [self.rounds(*cell) for cell in cells]
            self._plan([*others, *(spec for cell in rounds for known in cell for spec in known)])
            self._run(ROUNDS[depth], sorted((spec for cell in rounds for spec in cell[depth]), key=_longest_first))
        return [spec for cell in cells for known in self.rounds(*cell) for spec in known]

    def rounds(self, data: Dataset, arm: str, budget: int) -> list[list[TrialSpec]]:
        """The rounds of a cell's tuning as far as they are known: successive halving (Jamieson and Talwalkar 2016).

        Every rate runs to the first rung; the better half of them to the next, as soon as all have ended. That half is
        one of the rates asked for, not of those that finished: the same number for every arm.
        """
        rounds = [self.planner.tuning(data, arm, budget)]
        for rung in self.planner.rungs()[1:]:
            rows = [self.store.get(spec.id) for spec in rounds[-1]]
            if any(row is None for row in rows):
                break
            done = [row for row in rows if row is not None and row.outcome.status == "done"]
            better = sorted(done, key=lambda row: _merit(row.outcome), reverse=True)[: math.ceil(len(rows) / 2)]
            rounds.append([replace(row.spec, rung=rung) for row in better])
        return rounds

    def choose(self, data: Dataset, arm: str, budget: int) -> Chosen:
        """The recipe with the best dev score among the last round of a cell's tuning; among equals the lower dev loss.

        Without tuning, the arm's default. A cell none of whose tuning trials finished cannot run.
        """
        rounds = self.rounds(data, arm, budget)
        default = self.planner.recipe(data, ARMS[arm].default_learning_rate)
        if not rounds[0]:
            return Chosen(data.name, arm, budget, default, ())
        found = [row for specs in rounds for s in specs if (row := self.store.get(s.id))]
        done = [row for row in found if row.outcome.status == "done"]
        last = [row for row in done if row.spec in rounds[-1]]
        if not last:
            reason = next((row.outcome.error for row in found[::-1] if row.outcome.error), "no tuning trial ran")
            return Chosen(data.name, arm, budget, default, (), f"no tuning trial finished: {reason}")
        winner = max(last, key=lambda row: _merit(row.outcome)).spec
        reached = {row.spec.recipe.learning_rate: row for row in done if row.spec.recipe}  # a later round replaces
        tried = sorted((rate, row.outcome.dev_score or 0.0, row.spec.rung) for rate, row in reached.items())
        assert winner.recipe is not None
        return Chosen(data.name, arm, budget, winner.recipe, tuple(tried))

    def _seconds(self) -> Seconds:
        found: dict[tuple[str, str, int], float] = {}
        for row in self.store.rows():
            cell = (row.spec.dataset, row.spec.arm, row.spec.budget)
            found[cell] = max(found.get(cell, 0.0), row.outcome.seconds)
        return found

    def clean(self) -> None:
        """Remove what trials that did not finish have saved. Not while workers run."""
        shutil.rmtree(self._staging(), ignore_errors=True)

    def _known_reports(self) -> list[TrialSpec]:
        """Before tuning is complete the reported trials are not known. Those of an earlier plan stay in the findings,
        but for trials that the study as it is now would not run with any learning rate.
        """
        planner, earlier = self.planner, set(self.store.get_meta("plan") or [])
        rows = [r.spec for r in self.store.rows() if r.spec.id in earlier and r.spec.phase == "report" and r.spec.recipe]
        rates = {spec.recipe.learning_rate for spec in rows if spec.recipe}
        possible = {
            spec
            for data, arm, budget in planner.cells()
            for rate in rates
            for spec in planner.reporting(data, arm, budget, planner.recipe(data, rate))
        }
        return [spec for spec in rows if spec in possible]

    def _plan(self, specs: Sequence[TrialSpec]) -> None:
        self.store.set_meta("plan", list(dict.fromkeys(spec.id for spec in specs)))

    def _run(self, phase: str, specs: Sequence[TrialSpec]) -> None:
        status = self.store.status()
        missing = [spec for spec in specs if status.get(spec.id) != "done"]
        self.watcher.begin(phase, len(specs), len(specs) - len(missing))
        jobs = [Job(spec, self._save_to(spec)) for spec in missing]
        if not jobs:
            return
        seen: set[str] = set()
        for spec, outcome in self.executor.submit(jobs, self.watcher.step):
            if outcome.status == "done":
                self._keep(spec, outcome)
            self.store.put(spec, outcome)
            if spec.id not in seen:  # executors deliver at least once
                self.watcher.finish(spec, outcome)
            seen.add(spec.id)

    def _staging(self) -> Path:
        return self.folder / "models" / ".unfinished"

    def _save_to(self, spec: TrialSpec) -> Path | None:
        """Models are kept of reported trials at the data set's largest budget."""
        largest = max(self.planner.budgets[spec.dataset])
        if self.keep_models == "none" or spec.recipe is None or spec.phase != "report" or spec.budget < largest:
            return None
        return self._staging() / spec.id

    def _keep(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Move a saved model to its place: each one (`all`), or the arm's seed with the best dev score (`best`)."""
        saved = self._save_to(spec)
        if saved is None or not saved.exists():
            return
        folder = self.folder / "models"
        several = len(self.planner.datasets) > 1
        name = f"{spec.dataset}-{spec.arm}" if several else spec.arm
        if self.keep_models == "all":
            target = folder / f"{name}-seed{spec.replicate}"
        else:
            target = folder / name
            score = outcome.dev_score if outcome.dev_score is not None else float("-inf")
            kept = self._kept_score(target, spec.budget)
            if kept is not None and (kept[0], -kept[1]) >= (score, -spec.replicate):
                shutil.rmtree(saved)
                return
        (saved / "trial").write_text(spec.id, "utf-8")
        if target.exists():  # moved away first, so that a kill leaves a whole model or none
            shutil.rmtree(self._staging() / "replaced", ignore_errors=True)
            target.replace(self._staging() / "replaced")
        saved.replace(target)
        shutil.rmtree(self._staging() / "replaced", ignore_errors=True)

    def _kept_score(self, target: Path, budget: int) -> tuple[float, int] | None:
        """(dev score, replicate) of the model in `target`, if its trial is in the current plan with that budget."""
        mark = target / "trial"
        if not mark.exists():
            return None
        kept = self.store.get(mark.read_text("utf-8"))
        if kept is None or kept.outcome.dev_score is None or kept.spec.budget != budget:
            return None
        return (kept.outcome.dev_score, kept.spec.replicate) if kept.spec.id in self.store.get_meta("plan") else None


def _merit(outcome: Outcome) -> tuple[float, float]:
    """(dev score, minus dev loss) at the trial's best evaluation; an evaluation whose loss is not finite is none."""
    finite = [point for point in outcome.curve if math.isfinite(point.loss)]
    best = max(finite, key=lambda point: (point.score, -point.loss), default=None)
    return (best.score, -best.loss) if best else (float("-inf"), 0.0)


Seconds = Mapping[tuple[str, str, int], float]
"""(data set, arm, budget) -> seconds of its slowest trial so far."""


def _pairs_together(seconds: Seconds) -> Callable[[TrialSpec], tuple[bool, int, float, str, int, float]]:
    """Floors first, then seed by seed, so that an interrupted study holds complete pairs; within a seed the longest data set
    and budget first, and of its arms the longest, so that no long trial is left for the end.
    """
    longest: dict[tuple[str, int], float] = {}
    for (dataset, _, budget), known in seconds.items():
        longest[dataset, budget] = max(known, longest.get((dataset, budget), 0.0))

    def key(spec: TrialSpec) -> tuple[bool, int, float, str, int, float]:
        group = -longest.get((spec.dataset, spec.budget), 0.0)
        own = -seconds.get((spec.dataset, spec.arm, spec.budget), 0.0)
        return (spec.recipe is not None, spec.replicate, group, spec.dataset, -spec.budget, own)

    return key


def _longest_first(spec: TrialSpec) -> tuple[int, int]:
    """Of tuning trials, of whose seconds nothing is known yet: by labels and tokens."""
    assert spec.recipe is not None
    return -spec.recipe.max_steps(spec.budget) * spec.recipe.max_length, -spec.budget


def _as_json(choice: Chosen) -> dict[str, object]:
    return {
        "dataset": choice.dataset,
        "arm": choice.arm,
        "budget": choice.budget,
        "learning_rate": choice.recipe.learning_rate,
        "tried": [list(pair) for pair in choice.tried],
        "at_edge": choice.edge,
        "problem": choice.problem,
        "recipe": vars(choice.recipe),
    }
