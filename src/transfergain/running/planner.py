"""A study's trials: which there are, each as a spec."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from transfergain.analysis.benefits import leading_arm
from transfergain.analysis.reference import reference
from transfergain.analysis.sequential import Looks
from transfergain.arms import ARMS, REFERENCE
from transfergain.arms.adapt import ADAPTATION_LABELS, METHODS, Adaptation
from transfergain.arms.base import Start
from transfergain.course import Corpus, Course
from transfergain.data.draws import budget_sizes, max_budget
from transfergain.errors import UserError
from transfergain.perturbations import chosen_splits
from transfergain.running import search
from transfergain.split import TEST, Split, shift
from transfergain.study import Study, TaskEntry
from transfergain.tasks import find
from transfergain.types import Dataset, Phase, Recipe, TrialSpec

REPLICATES_PER_SEED = 1000
"""Replicates for each base seed: those of seed s are s * 1000 + i, and the last of each thousand is for tuning alone."""


def auto_budgets(n_train: int, n_dev: int, classes: int) -> list[int]:
    """Choose up to four budgets, each four times the one below, ending with all labels there are."""
    top = max_budget(n_train, n_dev)
    least = max(32, 2 * classes)
    return sorted({top // 4**k for k in range(4) if k == 0 or top // 4**k >= least})


def budgets_for(entry: TaskEntry, data: Dataset) -> list[int]:
    """Check the entry's budgets against the data. Raises UserError when one is larger than the data."""
    if entry.budgets == "auto":
        return auto_budgets(len(data.train), len(data.dev), len(data.labels))
    for budget in entry.budgets:
        try:
            budget_sizes(budget, len(data.train), len(data.dev))
        except UserError as error:
            raise UserError(f"--budgets: {data.name}: {error}") from None
    return list(entry.budgets)


def _looks(entry: TaskEntry) -> Looks:
    return Looks.auto(entry.max_seeds) if entry.seeds == "auto" else Looks.fixed(entry.seeds)


PRETRAINING_BATCH = 16
"""Sequences of a step of pretraining."""


class StudyCell(NamedTuple):
    """One data set, arm (or floor) and budget of a study; its trials differ in seed and recipe."""

    data: Dataset
    arm: str
    budget: int
    course: Course | None = None
    """Of an arm that is pretrained on text, where that is not the first of the study's courses."""


class Planner:
    """Expand a study over its loaded data sets into specs."""

    def __init__(
        self,
        study: Study,
        datasets: Mapping[str, Dataset],
        revision: str,
        precision: str,
        unlabelled: Mapping[Corpus, str] | None = None,
        fresh_rate: float = Start.FRESH.learning_rate,
    ) -> None:
        """Take `unlabelled`, the fingerprint of each corpus that an arm is pretrained on, and the learning rate of
        pretraining weights drawn afresh.
        """
        self.unlabelled, self.fresh_rate = unlabelled or {}, fresh_rate
        self.study, self.datasets, self.revision, self.precision = study, datasets, revision, precision
        entries = dict(zip(datasets, study.entries(), strict=True))
        self.budgets = {name: budgets_for(entries[name], data) for name, data in datasets.items()}
        self.entries = entries
        self.max_length = {name: entry.tokens() for name, entry in entries.items()}
        self.options = {name: entry.encoding() for name, entry in entries.items()}
        self.looks = {name: _looks(entry) for name, entry in entries.items()}
        self.leading = leading_arm(study.arms)
        self.course, *self.other_courses = study.courses()
        self.references = {name: reference(data.task, study.arms) for name, data in datasets.items()}
        for arm in study.arms:
            takes = [name for name in (ARMS[arm].as_costly_as, REFERENCE) if name] if ARMS[arm].as_costly_as else []
            if lacking := [name for name in takes if name not in study.arms]:
                raise UserError(f"--arms: {arm} is measured against {' and '.join(takes)}; name {lacking[0]}, too")
        self._require_an_arm()
        if alone := [name for name, against in self.references.items() if not against]:
            raise UserError(f"--arms: {alone[0]} has no floor to compare with; name scratch among the arms, too")

    def _require_an_arm(self) -> None:
        """Raise UserError where none of the arms beside the reference is for any of the tasks: there is nothing to find."""
        tasks = [find(data.task) for data in self.datasets.values()]
        others = [arm for arm in self.study.arms if arm != REFERENCE]
        reasons = [ARMS[arm].declines(task.auto_class) for task in tasks for arm in others]
        if reasons and all(reasons):
            raise UserError(
                f"--arms {','.join(others)} with --task {tasks[0].name}: {reasons[0]}; name another arm, such as full"
            )

    def cells(self) -> Iterable[StudyCell]:
        """Yield the cells of all trainings, floors left out."""
        for name, data in self.datasets.items():
            for budget in self.budgets[name]:
                for arm in self.study.arms:
                    if arm not in self.study.largest_only or budget == max(self.budgets[name]):
                        yield StudyCell(data, arm, budget)

    def courses(self) -> Iterable[StudyCell]:
        """Yield the cells of arms that are pretrained on text, for every other course of it: at the largest budget alone."""
        for cell in self.tuned():
            if ARMS[cell.arm].pretrains:
                yield from (cell._replace(course=course) for course in self.other_courses)

    def floors_compared(self, dataset: str) -> Iterable[StudyCell]:
        """Yield the cells of the floor that gains are over, in a study without scratch: it needs the seeds that arms get."""
        if self.references[dataset] not in ARMS:
            for budget in self.budgets[dataset]:
                yield StudyCell(self.datasets[dataset], self.references[dataset], budget)

    def tuned(self) -> Iterable[StudyCell]:
        """Yield the cells at which arms are tuned: each arm on each data set once, with all labels it will see."""
        return (cell for cell in self.cells() if cell.budget == max(self.budgets[cell.data.name]))

    def recipe(self, data: Dataset, learning_rate: float) -> Recipe:
        """Make the study's recipe with a learning rate: the only thing in which arms may differ."""
        entry = self.entries[data.name]
        return Recipe(
            learning_rate=learning_rate,
            batch_size=entry.batch_size,
            epochs=entry.epochs,
            min_steps=entry.min_steps,
            warmup_steps=entry.warmup_steps,
            patience=entry.patience,
            max_length=self.max_length[data.name],
            precision=self.precision,
            vocabulary=self.study.vocabulary,
            options=self.options[data.name],
        )

    def rungs(self) -> tuple[int | None, ...]:
        """Name the steps to which the rounds of tuning run; see `search.rungs`."""
        return search.rungs(self.study.tune)

    def rounds(self, arm: str) -> list[int]:
        """Count the trials of each round of an arm's tuning, none of which fails."""
        tried = self.study.tune if ARMS[arm].takes_steps else 0
        return [-(-tried // 2**depth) for depth in range(len(self.rungs()))]

    def tuning(self, cell: StudyCell) -> list[TrialSpec]:
        """Plan the first round of a cell's tuning: one seed that no reported trial uses, and no sealed split.

        None for an arm that takes no steps: each of its trials chooses by itself.
        """
        replicate = self.study.seed * REPLICATES_PER_SEED + REPLICATES_PER_SEED - 1
        if not ARMS[cell.arm].takes_steps:
            return []
        return [
            self._spec(cell, replicate, Phase.TUNE, self.recipe(cell.data, rate), self.rungs()[0])
            for rate in search.learning_rates(self.study.tune)
        ]

    def reporting(self, cell: StudyCell, recipe: Recipe | None, seeds: int | None = None) -> list[TrialSpec]:
        """Plan the reported trials of a cell, one for each of so many seeds; without a number, of the first look."""
        first = self.study.seed * REPLICATES_PER_SEED
        count = self.looks[cell.data.name].counts[0] if seeds is None else seeds
        return [self._spec(cell, first + i, Phase.REPORT, recipe) for i in range(count)]

    def pretrainings(self, dataset: str, arm: str, course: Course | None = None) -> list[TrialSpec]:
        """Plan the pretrainings of an arm on a data set's unlabelled text, one a seed of pretraining; none for most arms.

        By the first course of the study, or by another.
        """
        start = ARMS[arm].pretrains if arm in ARMS else None
        if start is None:
            return []
        course = course or self.course
        data, first = self.datasets[dataset], self.study.seed * REPLICATES_PER_SEED
        recipe = Recipe(
            self.fresh_rate if start is Start.FRESH else start.learning_rate,
            batch_size=PRETRAINING_BATCH,
            max_length=self.max_length[dataset],
            precision=self.precision,
            options=course.options(start),
        )
        return [
            TrialSpec(
                data.task,
                dataset,
                arm,
                0,
                first + i,
                Phase.PRETRAIN,
                recipe,
                (),
                self.unlabelled.get((dataset, course.corpus), ""),
                self.revision,
            )
            for i in range(self.study.pretraining_seeds)
        ]

    def is_of_other_course(self, spec: TrialSpec) -> bool:
        """Tell whether it is a pretraining by another course than the first, or a trial that starts from such a one."""
        if spec.phase is Phase.PRETRAIN and spec.recipe:
            return Course.of(spec.recipe) != self.course
        return spec.checkpoint_revision in self._made_by_other_courses

    @functools.cached_property
    def _made_by_other_courses(self) -> frozenset[str]:
        made = (self.pretrainings(cell.data.name, cell.arm, cell.course) for cell in self.courses())
        return frozenset(spec.id for specs in made for spec in specs)

    def checkpoint(self, cell: StudyCell, replicate: int) -> str:
        """Name the checkpoint that a trial starts from: the study's, or the pretraining that made it."""
        made = self.pretrainings(cell.data.name, cell.arm, cell.course)
        return made[replicate % len(made)].id if made else self.revision

    def floor_cells(self, dataset: str) -> list[StudyCell]:
        """List the cells of all floors of a data set."""
        data = self.datasets[dataset]
        return [StudyCell(data, f.name, budget) for budget in self.budgets[dataset] for f in find(data.task).floors]

    def floors(self) -> list[TrialSpec]:
        """Plan the floors' trials of the whole study's first look."""
        return [spec for name in self.datasets for cell in self.floor_cells(name) for spec in self.reporting(cell, None)]

    def given(self) -> list[TrialSpec]:
        """Plan the scoring of predictions that files give: a trial a file, without training and without seeds."""
        return [
            TrialSpec(
                task=data.task,
                dataset=data.name,
                arm=name,
                budget=0,
                replicate=number,
                phase=Phase.REPORT,
                recipe=None,
                splits=tuple((split, mark) for split, mark in self._natural(data) if split in file.predictions),
                data_fingerprint=data.fingerprint,
                checkpoint_revision=file.fingerprint,
            )
            for data in self.datasets.values()
            for name, files in data.given.items()
            for number, file in enumerate(files)
        ]

    @staticmethod
    def _natural(data: Dataset) -> tuple[tuple[Split, str], ...]:
        """List (split, fingerprint) of the sealed splits whose texts stand as they are."""
        return ((TEST, data.fingerprint), *((shift(name), mark) for name, mark in data.shift_fingerprints.items()))

    def _spec(
        self, cell: StudyCell, replicate: int, phase: Phase, recipe: Recipe | None, stop_at: int | None = None
    ) -> TrialSpec:
        data, arm, budget, _ = cell
        sealed = self._natural(data)
        sealed += chosen_splits(find(data.task).target, self.study.perturbations)
        if arm in ARMS and ARMS[arm].adapts and budget == max(self.budgets[data.name]):
            sealed += self._adaptations(data)
        return TrialSpec(
            task=data.task,
            dataset=data.name,
            arm=arm,
            budget=budget,
            replicate=replicate,
            phase=phase,
            recipe=recipe,
            splits=() if phase == Phase.TUNE else sealed,
            data_fingerprint=data.fingerprint,
            checkpoint_revision=self.checkpoint(cell, replicate) if recipe else "",
            stop_at=stop_at,
        )

    @staticmethod
    def _adaptations(data: Dataset) -> tuple[tuple[Split, str], ...]:
        """List (split, fingerprint of the labels) of every adaptation that the domain has enough labels for."""
        return tuple(
            (Adaptation(domain, size, method).split, data.target_fingerprints[domain])
            for domain, pools in data.targets.items()
            for size in ADAPTATION_LABELS
            if size <= max_budget(len(pools.train), len(pools.dev))
            for method in METHODS
        )
