"""Run what is planned and not done: specs to the executor, outcomes to the store. A failure is a row, and all goes on."""

from __future__ import annotations

from collections import Counter

from transfergain.analysis import words
from transfergain.executors.base import Executor, Job
from transfergain.outcome import Outcome
from transfergain.running import order
from transfergain.running.agenda import Agenda, Agendas
from transfergain.running.ended import Ended
from transfergain.running.models import Models
from transfergain.running.planner import Planner
from transfergain.running.privacy import Privacy
from transfergain.running.watchers import Watcher
from transfergain.store import Store
from transfergain.types import Phase, Status, TrialSpec

WORTH_SAYING = 10.0
"""A first answer that is nearer, in seconds, is not announced."""


class Runner:
    """Run a planned study into its store."""

    def __init__(
        self, planner: Planner, store: Store, executor: Executor, watcher: Watcher, privacy: Privacy | None = None
    ) -> None:
        self._privacy = privacy or Privacy()
        self._planner, self._store, self._executor, self._watcher = planner, store, executor, watcher
        self._models, self._ended = Models(planner, store), Ended(store)
        self._agendas = Agendas(planner, self._ended)
        self._seconds = order.slowest(store.rows())
        self._said = set[str]()
        self._time_said = False

    def run(self) -> Counter[str]:
        """Run what is missing, the most valuable first. Returns the plan's trials by status.

        Tuning tells which trials are reported, and looks at the results tell whether there are more of them: so the agenda
        is made anew whenever they may have something to say.
        """
        self._models.clear_unfinished()
        self._models.clear_states()
        self._restore()
        while True:
            agenda = self.update()
            self._watcher.begin(agenda.total, agenda.ended)
            self._say(agenda)
            self._say_time(agenda.left)
            if not agenda.missing:
                break
            self._run(agenda)
        status = self._store.status()
        return Counter(status.get(i, "pending") for i in self._store.get_meta("plan"))

    def _restore(self) -> None:
        """Run trials again whose kept model somebody has deleted. Their rows stay as they are."""
        self.update()
        jobs = [Job(spec, self._models.save_to(spec), None) for spec in self._models.lost()]
        if not jobs:
            return
        names = ", ".join(f"{job.spec.arm} (seed {job.spec.replicate})" for job in jobs)
        one = "a kept model was deleted, so its trial runs again"
        what = one if len(jobs) == 1 else "kept models were deleted, so their trials run again"
        self._watcher.note(f"{what}: {names}; --keep-models none keeps none")
        self._watcher.begin(len(jobs), 0)
        for spec, outcome in self._executor.submit(jobs, self._watcher.step):
            if outcome.status == Status.DONE:
                self._models.keep(spec, outcome)

    def update(self) -> Agenda:
        """Make the agenda, and store what findings read of it: the plan's ids and what tuning chose.

        So the findings of a study that ends before its time are those of its finished part.
        """
        agenda = self._agendas.make(self._seconds)
        kept = [row for row in self._store.get_meta("recipes") or [] if (row["dataset"], row["arm"]) in agenda.untuned]
        specs = [*agenda.known, *self._known_reports(agenda)]
        self._store.update_meta(
            {
                "recipes": [*(choice.to_stored() for choice in agenda.chosen), *kept],
                "plan": list(dict.fromkeys(spec.id for spec in specs)),
            }
        )
        for spec, reason in agenda.blocked.items():
            self._store.put(spec, Outcome(Status.SKIPPED, error=reason))
        return agenda

    def _known_reports(self, agenda: Agenda) -> list[TrialSpec]:
        """List reported trials of an earlier plan, which stay in the findings until tuning says which there are.

        Left out are those that the study as it is now would not run with any learning rate.
        """
        if not agenda.untuned:
            return []
        planner, earlier = self._planner, set(self._store.get_meta("plan") or [])
        rows = [r.spec for r in self._store.rows() if r.spec.id in earlier and r.spec.phase == Phase.REPORT]
        untuned = [spec for spec in rows if spec.recipe and (spec.dataset, spec.arm) in agenda.untuned]
        rates = {spec.recipe.learning_rate for spec in untuned if spec.recipe}
        possible = {
            spec
            for cell in planner.cells()
            for rate in rates
            for spec in planner.reporting(cell, planner.recipe(cell.data, rate), planner.looks[cell.data.name].counts[-1])
        }
        return [spec for spec in untuned if spec in possible]

    def _say(self, agenda: Agenda) -> None:
        """Tell the watcher what looks have decided since it was told last."""
        for dataset, looks in agenda.looks.items():
            for look in looks:
                line = look.sentence(dataset)
                if line not in self._said:
                    self._watcher.note(line)
                self._said.add(line)

    def _say_time(self, left: order.Count) -> None:
        """Tell the watcher once how long a first answer takes: as soon as that is known, and as long as there is none."""
        if self._time_said:
            return
        seconds = order.seconds_to_first_answer(self._planner, left, self._seconds)
        if seconds is not None:
            self._time_said = True
            if (wait := seconds / max(1, self._executor.workers)) >= WORTH_SAYING:
                self._watcher.note(f"about {words.duration(wait)} to a first answer")

    def _run(self, agenda: Agenda) -> None:
        """Run what comes next, and store each outcome as it comes."""
        jobs = [
            Job(spec, self._models.save_to(spec), self._models.state(spec)) for spec in agenda.next(self._executor.workers)
        ]
        seen, left = set[str](), agenda.left.copy()
        for spec, whole in self._executor.submit(jobs, self._watcher.step):
            outcome = self._privacy.outcome(whole)
            if outcome.status == Status.DONE:
                self._models.keep(spec, outcome)
            self._store.put(spec, outcome)
            self._ended.add(spec)
            order.learn(self._seconds, spec, outcome)
            if spec.id not in seen:  # executors deliver at least once
                self._watcher.end_trial(spec, outcome)
                left[spec.dataset, order.purpose(self._planner, spec)] -= 1
                self._say_time(left)
            seen.add(spec.id)
