"""The order in which trials start: what adds most to the answer first, and pairs complete early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from enum import IntEnum

from transfergain.analysis.sequential import COUNTS
from transfergain.arms import ARMS, REFERENCE
from transfergain.outcome import Outcome
from transfergain.running.planner import REPLICATES_PER_SEED, Planner
from transfergain.store import StoredTrial
from transfergain.types import Phase, TrialSpec

FIRST_SEEDS = COUNTS[0]
"""Seeds that every question gets before any gets more."""

Seconds = dict[tuple[str, str, int], float]
"""(data set, arm, budget) -> seconds of its slowest trial so far."""


class Purpose(IntEnum):
    """What a trial adds to the answer, in the order in which trials start."""

    FLOORS = 0
    """And predictions that files give."""
    TUNING = 1
    GAIN = 2
    """Scratch and the leading arm at the largest budget: performance, convergence, robustness."""
    SOLVED = 3
    """Arms that take no steps: seconds, and one of them may be the one to take."""
    LABELS = 4
    """The leading arm at smaller budgets: data efficiency."""
    MORE_TUNING = 5
    """Of the other arms."""
    PRETRAINING = 6
    """Of arms that are pretrained on unlabelled text."""
    REST = 7
    """Other arms, and scratch at smaller budgets."""
    COURSES = 8
    """Arms that are pretrained on other text, or for fewer steps, than they are named for."""
    MORE_SEEDS = 9

    @property
    def title(self) -> str:
        """Name the purpose in words."""
        return TITLES[self]


TITLES = {
    Purpose.FLOORS: "floors",
    Purpose.TUNING: "tuning",
    Purpose.GAIN: "performance, convergence and robustness",
    Purpose.SOLVED: "frozen features",
    Purpose.LABELS: "data efficiency",
    Purpose.MORE_TUNING: "tuning of other arms",
    Purpose.PRETRAINING: "pretraining on unlabelled text",
    Purpose.REST: "other arms and budgets",
    Purpose.COURSES: "other text and lengths of pretraining",
    Purpose.MORE_SEEDS: "more seeds",
}

Count = Counter[tuple[str, Purpose]]
"""Trials by data set and purpose."""


def purpose(planner: Planner, spec: TrialSpec) -> Purpose:
    """Tell what a trial adds to the answer."""
    if spec.phase is Phase.PRETRAIN:
        return Purpose.COURSES if planner.is_of_other_course(spec) else Purpose.PRETRAINING
    pair = spec.arm in (REFERENCE, planner.leading)
    if spec.phase is Phase.TUNE:
        return Purpose.TUNING if pair else Purpose.MORE_TUNING
    if spec.is_given:
        return Purpose.FLOORS
    if spec.replicate % REPLICATES_PER_SEED >= FIRST_SEEDS:
        return Purpose.MORE_SEEDS
    if spec.recipe is None:
        return Purpose.FLOORS
    if planner.is_of_other_course(spec):
        return Purpose.COURSES
    if pair and spec.budget == max(planner.budgets[spec.dataset]):
        return Purpose.GAIN
    if not pair and not ARMS[spec.arm].takes_steps:
        return Purpose.SOLVED
    return Purpose.LABELS if spec.arm == planner.leading else Purpose.REST


def slowest(rows: Iterable[StoredTrial]) -> Seconds:
    """Read from stored trials how long each arm takes at each budget."""
    found: Seconds = {}
    for row in rows:
        learn(found, row.spec, row.outcome)
    return found


def learn(seconds: Seconds, spec: TrialSpec, outcome: Outcome) -> None:
    """Take a trial that has ended into account."""
    cell = (spec.dataset, spec.arm, spec.budget)
    seconds[cell] = max(seconds.get(cell, 0.0), outcome.seconds)


def seconds_to_first_answer(planner: Planner, left: Count, seconds: Seconds) -> float | None:
    """Estimate the seconds of one worker until scratch and the leading arm have met at the largest budgets.

    None as long as one of these has not run there.
    """
    total = 0.0
    for dataset, budgets in planner.budgets.items():
        if trials := left[dataset, Purpose.TUNING] + left[dataset, Purpose.GAIN]:
            arms = [arm for arm in planner.study.arms if arm in (REFERENCE, planner.leading)]
            known = [seconds[cell] for arm in arms if (cell := (dataset, arm, max(budgets))) in seconds]
            if len(known) < len(arms):
                return None
            total += trials * sum(known) / len(known)
    return total


Key = tuple[bool, Purpose, int, float, str, int, float]


def most_valuable_first(planner: Planner, seconds: Seconds) -> Callable[[TrialSpec], Key]:
    """Make the sort key of trials: by purpose; then seed by seed over all data sets, so that an interrupted study holds
    complete pairs; within a seed the longest data set and budget first, and of its arms the longest.

    The first pair does not wait for the floors, whose library takes a worker a second to import: training begins at once.
    """
    longest: dict[tuple[str, int], float] = {}
    for (dataset, _, budget), known in seconds.items():
        longest[dataset, budget] = max(known, longest.get((dataset, budget), 0.0))

    def key(spec: TrialSpec) -> Key:
        what = purpose(planner, spec)
        if spec.phase is Phase.TUNE and spec.recipe:  # nothing is known yet of their seconds
            size = float(spec.recipe.max_steps(spec.budget) * spec.recipe.max_length)
            return True, what, 0, -size, "", -spec.budget, 0.0
        group = -longest.get((spec.dataset, spec.budget), 0.0)
        own = -seconds.get((spec.dataset, spec.arm, spec.budget), 0.0)
        waits = what is not Purpose.GAIN or spec.replicate % REPLICATES_PER_SEED > 0
        return waits, what, spec.replicate, group, spec.dataset, -spec.budget, own

    return key
