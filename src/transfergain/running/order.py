"""The order in which trials start: pairs are complete early, and no long trial is left for the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from transfergain.store import StoredTrial
from transfergain.types import TrialSpec

Seconds = Mapping[tuple[str, str, int], float]
"""(data set, arm, budget) -> seconds of its slowest trial so far."""


def slowest(rows: Iterable[StoredTrial]) -> Seconds:
    """Read from stored trials how long each arm takes at each budget."""
    found: dict[tuple[str, str, int], float] = {}
    for row in rows:
        cell = (row.spec.dataset, row.spec.arm, row.spec.budget)
        found[cell] = max(found.get(cell, 0.0), row.outcome.seconds)
    return found


def pairs_together(seconds: Seconds) -> Callable[[TrialSpec], tuple[bool, int, float, str, int, float]]:
    """Make the sort key of reported trials: floors first, then seed by seed, so that an interrupted study holds complete
    pairs; within a seed the longest data set and budget first, and of its arms the longest.
    """
    longest: dict[tuple[str, int], float] = {}
    for (dataset, _, budget), known in seconds.items():
        longest[dataset, budget] = max(known, longest.get((dataset, budget), 0.0))

    def key(spec: TrialSpec) -> tuple[bool, int, float, str, int, float]:
        group = -longest.get((spec.dataset, spec.budget), 0.0)
        own = -seconds.get((spec.dataset, spec.arm, spec.budget), 0.0)
        return (spec.recipe is not None, spec.replicate, group, spec.dataset, -spec.budget, own)

    return key


def longest_first(spec: TrialSpec) -> tuple[int, int]:
    """Sort tuning trials, of whose seconds nothing is known yet, by labels and tokens."""
    assert spec.recipe is not None
    return -spec.recipe.max_steps(spec.budget) * spec.recipe.max_length, -spec.budget
