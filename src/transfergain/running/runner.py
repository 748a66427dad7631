"""Run what is planned and not done: specs to the executor, outcomes to the store. A failure is a row, and all goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from transfergain.executors.base import Executor, Job
from transfergain.running import order
from transfergain.running.models import Models
from transfergain.running.planner import Planner, StudyCell
from transfergain.running.tuning import Chosen, Tuning
from transfergain.running.watchers import Watcher
from transfergain.store import Store
from transfergain.types import Outcome, Phase, Status, TrialSpec

TUNING_STAGES = ("tuning", "finals")
"""What the rounds of tuning are called."""
REPORT_STAGE = "trials"


class Runner:
    """Run a planned study into its store."""

    def __init__(self, planner: Planner, store: Store, executor: Executor, watcher: Watcher) -> None:
        self._planner, self._store, self._executor, self._watcher = planner, store, executor, watcher
        self._tuning, self._models = Tuning(planner, store), Models(planner, store)

    def run(self) -> Counter[str]:
        """Run what is missing: tuning, then the reported trials. Returns the plan's trials by status.

        The plan's ids are stored first, and the choices of tuning as soon as they are made, so that the findings of an
        interrupted study are those of its finished part.
        """
        self._models.clear_unfinished()
        floors = self._planner.floors()
        self._tune([*floors, *self._known_reports()])
        chosen = self._tuning.choices()
        self._store.set_meta("recipes", [choice.to_stored() for choice in chosen])
        possible = [spec for choice in chosen if not choice.problem for spec in self._reports_of(choice)]
        blocked = {spec: choice.problem for choice in chosen if choice.problem for spec in self._reports_of(choice)}
        self._plan([*floors, *possible, *blocked, *self._tuning.known()])
        for spec, reason in blocked.items():
            self._store.put(spec, Outcome(Status.SKIPPED, error=reason))
        key = order.pairs_together(order.slowest(self._store.rows()))
        self._run(REPORT_STAGE, sorted([*floors, *possible], key=key))
        status = self._store.status()
        return Counter(status.get(i, "pending") for i in self._store.get_meta("plan"))

    def _tune(self, others: Sequence[TrialSpec]) -> None:
        """Run the tuning trials, round by round, with `others` in the plan beside them."""
        for number in range(len(self._planner.rungs())):
            self._plan([*others, *self._tuning.known()])
            self._run(TUNING_STAGES[number], sorted(self._tuning.of_round(number), key=order.longest_first))

    def _reports_of(self, choice: Chosen) -> list[TrialSpec]:
        data = self._planner.datasets[choice.dataset]
        return self._planner.reporting(StudyCell(data, choice.arm, choice.budget), choice.recipe)

    def _known_reports(self) -> list[TrialSpec]:
        """List reported trials of an earlier plan, which stay in the findings until tuning says which there are.

        Left out are those that the study as it is now would not run with any learning rate.
        """
        planner, earlier = self._planner, set(self._store.get_meta("plan") or [])
        rows = [r.spec for r in self._store.rows() if r.spec.id in earlier and r.spec.phase == Phase.REPORT]
        trained = [spec for spec in rows if spec.recipe]
        rates = {spec.recipe.learning_rate for spec in trained if spec.recipe}
        possible = {
            spec
            for cell in planner.cells()
            for rate in rates
            for spec in planner.reporting(cell, planner.recipe(cell.data, rate))
        }
        return [spec for spec in trained if spec in possible]

    def _plan(self, specs: Sequence[TrialSpec]) -> None:
        self._store.set_meta("plan", list(dict.fromkeys(spec.id for spec in specs)))

    def _run(self, stage: str, specs: Sequence[TrialSpec]) -> None:
        """Run those of a stage's trials that are not done, and store each outcome as it comes."""
        status = self._store.status()
        missing = [spec for spec in specs if status.get(spec.id) != Status.DONE]
        self._watcher.begin(stage, len(specs), len(specs) - len(missing))
        jobs = [Job(spec, self._models.save_to(spec)) for spec in missing]
        if not jobs:
            return
        seen: set[str] = set()
        for spec, outcome in self._executor.submit(jobs, self._watcher.step):
            if outcome.status == Status.DONE:
                self._models.keep(spec, outcome)
            self._store.put(spec, outcome)
            if spec.id not in seen:  # executors deliver at least once
                self._watcher.end_trial(spec, outcome)
            seen.add(spec.id)
