"""What a study consists of, as far as its finished trials tell, and what of it is to be run next."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from transfergain.analysis.answers import Answer, answers
from transfergain.analysis.rows import Benefit
from transfergain.arms import ARMS, REFERENCE
from transfergain.running.description import entries
from transfergain.running.ended import Ended
from transfergain.running.looks import Look, Seeds, replay
from transfergain.running.order import Count, Purpose, Seconds, most_valuable_first, purpose
from transfergain.running.planner import Planner, StudyCell
from transfergain.running.tuning import Chosen, Tuning
from transfergain.types import Status, TrialSpec


@dataclass(frozen=True)
class Agenda:
    """What a study consists of at one moment."""

    known: Sequence[TrialSpec]
    """All trials whose recipe is known, those of `blocked` among them."""
    blocked: Mapping[TrialSpec, str]
    """Trials that cannot run -> why."""
    chosen: Sequence[Chosen]
    untuned: frozenset[tuple[str, str]]
    """(data set, arm) of those whose tuning has not ended."""
    looks: Mapping[str, Sequence[Look]]
    """By data set."""
    missing: Sequence[TrialSpec]
    """What is known and has not ended, the most valuable first."""
    at_once: int
    """So many of `missing` are worth more than what waits for tuning."""
    left: Count
    """All that has not ended, with the trials whose recipe tuning has not told yet."""

    @property
    def ended(self) -> int:
        """Count the trials that have ended."""
        return len(self.known) - len(self.missing)

    @property
    def total(self) -> int:
        """Count all trials, as far as is known how many."""
        return self.ended + self.left.total()

    def next(self, workers: int) -> Sequence[TrialSpec]:
        """List what to run before the agenda is made anew; enough for all workers, if there is."""
        return self.missing[: max(self.at_once, workers)]


@dataclass
class _Draft:
    """An agenda that is being made."""

    known: list[TrialSpec]
    left: Count = field(default_factory=Counter)
    """Of trials that are not known yet."""
    blocked: dict[TrialSpec, str] = field(default_factory=dict)
    chosen: list[Chosen] = field(default_factory=list)
    waiting: dict[tuple[str, str], Purpose] = field(default_factory=dict)
    """(data set, arm) whose tuning has not ended -> what that tuning is for."""


TO_THE_CAP = 1.0
"""Patience of a run that ends at its cap alone."""
Choices = Mapping[tuple[str, str], Chosen]
"""(data set, arm) -> its recipe, where tuning has ended."""


class Agendas:
    """Makes the agenda of a study again and again, as its trials end."""

    def __init__(self, planner: Planner, ended: Ended) -> None:
        self._planner, self._ended, self._entries = planner, ended, entries(planner)
        self._answered: dict[frozenset[str], Mapping[Benefit, Answer]] = {}

    def make(self, seconds: Seconds) -> Agenda:
        """Make the agenda of this moment; `seconds` tell how long trials take."""
        planner = self._planner
        draft = _Draft(planner.given())
        choices = self._tune(draft)
        looks = {name: self._look(name, choices, draft) for name in planner.datasets}
        missing = self._ended.missing(spec for spec in draft.known if spec not in draft.blocked)
        missing.sort(key=most_valuable_first(planner, seconds))
        purposes = [purpose(planner, spec) for spec in missing]
        first = min(draft.waiting.values(), default=Purpose.MORE_SEEDS)
        draft.left.update((spec.dataset, what) for spec, what in zip(missing, purposes, strict=True))
        return Agenda(
            known=draft.known,
            blocked=draft.blocked,
            chosen=draft.chosen,
            untuned=frozenset(draft.waiting),
            looks=looks,
            missing=missing,
            at_once=sum(what <= first for what in purposes),
            left=draft.left,
        )

    def _tune(self, draft: _Draft) -> Choices:
        """Put tuning on the agenda; returns what it has chosen."""
        tuning, choices = Tuning(self._planner, self._ended), dict[tuple[str, str], Chosen]()
        for cell in self._planner.tuned():
            arm = (cell.data.name, cell.arm)
            if problem := self._pretrain(cell, draft):
                choices[arm] = tuning.impossible(cell, problem)
            if arm in choices or arm in draft.waiting:
                continue
            rounds = tuning.rounds(cell)
            planned = [spec for some in rounds for spec in some]
            draft.known += planned
            if choice := tuning.choice(cell, rounds):
                choices[arm] = choice
            else:
                draft.waiting[arm] = purpose(self._planner, planned[0])
                draft.left[cell.data.name, draft.waiting[arm]] += sum(self._planner.rounds(cell.arm)) - len(planned)
        return choices

    def _pretrain(self, cell: StudyCell, draft: _Draft) -> str:
        """Put the pretraining of a cell's arm on the agenda, if it has one; as long as it runs, the arm waits.

        Returns why it came to nothing; empty where it has not.
        """
        planned = self._planner.pretrainings(cell.data.name, cell.arm)
        draft.known += planned
        if self._ended.missing(planned):
            arm = (cell.data.name, cell.arm)
            draft.waiting[arm] = Purpose.PRETRAINING
            draft.left[cell.data.name, Purpose.MORE_TUNING] += sum(self._planner.rounds(cell.arm))
            return ""
        return self._failed(planned)

    def _failed(self, pretrainings: Sequence[TrialSpec]) -> str:
        """Say why one of these pretrainings came to nothing; empty where none has."""
        failed = [row.outcome.error for row in self._ended.rows(pretrainings) if row.outcome.status != Status.DONE]
        return f"its pretraining did not finish: {failed[0]}" if failed else ""

    def _courses(self, dataset: str, needed: Seeds, choices: Choices, draft: _Draft) -> None:
        """Put the trials of other courses of pretraining on the agenda: by the recipe and with the seeds of their arm."""
        planner = self._planner
        for cell in planner.courses():
            if cell.data.name != dataset:
                continue
            seeds, made = needed[cell.arm, cell.budget], planner.pretrainings(dataset, cell.arm, cell.course)
            if not (choice := choices.get((dataset, cell.arm))):
                draft.left[dataset, Purpose.COURSES] += len(made) + seeds
                continue
            draft.known += made
            if self._ended.missing(made):
                draft.left[dataset, Purpose.COURSES] += seeds
                continue
            reports = planner.reporting(cell, choice.recipe, seeds)
            draft.known += reports
            if problem := choice.problem or self._failed(made):
                draft.blocked |= dict.fromkeys(reports, problem)

    def _look(self, dataset: str, choices: Choices, draft: _Draft) -> list[Look]:
        """Put the reported trials of a data set on the agenda; returns the looks that say how many."""
        planner = self._planner
        cells = {(cell.arm, cell.budget): cell for cell in planner.cells() if cell.data.name == dataset}
        cells |= {(cell.arm, cell.budget): cell for cell in planner.floors_compared(dataset)}

        def ask(seeds: Seeds, look: int) -> Mapping[Benefit, Answer] | None:
            return self._answer(dataset, seeds, choices, look)

        needed, looks = replay(cells, planner.leading, planner.looks[dataset], ask, planner.references[dataset])
        draft.known += self._floors(dataset, needed)
        for place, cell in cells.items():
            if cell.arm not in ARMS:
                continue
            choice = self._as_costly(cell, choices)
            if choice is None:
                unknown = planner.reporting(cell, planner.recipe(cell.data, 0.0), needed[place])
                draft.left.update((dataset, purpose(planner, spec)) for spec in unknown)
                continue
            reports = planner.reporting(cell, choice.recipe, needed[place])
            draft.known += reports
            draft.chosen.append(replace(choice, budget=cell.budget))
            draft.blocked |= dict.fromkeys(reports, choice.problem) if choice.problem else {}
        self._courses(dataset, needed, choices, draft)
        return looks

    def _as_costly(self, cell: StudyCell, choices: Choices) -> Chosen | None:
        """Choose the recipe of an arm's cell: as tuned, or the longer one of an arm that gets another's operations, too.

        Such a run goes on to a step that follows from the first seed of the reference and the first pretraining. None as
        long as something of it is not known.
        """
        planner, name = self._planner, cell.data.name
        choice, other, first = (choices.get((name, arm)) for arm in (cell.arm, ARMS[cell.arm].as_costly_as, REFERENCE))
        if not ARMS[cell.arm].as_costly_as or choice is None or choice.problem:
            return choice
        if other is None or first is None:
            return None
        short = planner.reporting(StudyCell(cell.data, REFERENCE, cell.budget), first.recipe)[0]
        rows = self._ended.rows([planner.pretrainings(name, other.arm)[0], short])
        if len(rows) < 2:
            return None
        spent, usual = (row.outcome.details for row in rows)
        if not (spent.flops and usual.flops and usual.steps):
            return replace(choice, problem=f"{other.arm} or {REFERENCE} did not finish, whose operations it would be given")
        steps = usual.steps + math.ceil(spent.flops * usual.steps / usual.flops)
        return replace(choice, recipe=replace(choice.recipe, epochs=0, min_steps=steps, patience=TO_THE_CAP))

    def _floors(self, dataset: str, seeds: Seeds) -> list[TrialSpec]:
        """Plan the trials of floors: as many seeds as the arm at their budget that has most, else those of the first look.

        So scores of a floor and an arm that stand side by side are of the same seeds, as their difference is.
        """
        most = {budget: max(n for (_, other), n in seeds.items() if other == budget) for _, budget in seeds}
        cells = self._planner.floor_cells(dataset)
        return [spec for cell in cells for spec in self._planner.reporting(cell, None, most.get(cell.budget))]

    def _answer(self, dataset: str, seeds: Seeds, choices: Choices, look: int) -> Mapping[Benefit, Answer] | None:
        """Answer the questions of a data set from the reports of these cells; None while one has not ended."""
        planner, data = self._planner, self._planner.datasets[dataset]
        specs = self._floors(dataset, seeds)
        for (arm, budget), count in seeds.items():
            if arm not in ARMS:
                continue
            if (choice := choices.get((dataset, arm))) is None:
                return None
            if not choice.problem:
                specs += planner.reporting(StudyCell(data, arm, budget), choice.recipe, count)
        if self._ended.missing(specs):
            return None
        state = frozenset(spec.id for spec in specs)  # what has ended stays as it is as long as this process lives
        if state not in self._answered:
            rows, entry, studied = self._ended.rows(specs), self._entries[dataset], len(planner.datasets)
            self._answered[state] = answers(rows, dataset, entry, planner.leading, planner.study.margin, studied, look)
        return self._answered[state]
