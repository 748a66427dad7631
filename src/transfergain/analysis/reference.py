"""Say what gains are taken over: scratch, or in a study without it the floor to beat (docs/decisions/0045)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from transfergain.arms import REFERENCE
from transfergain.tasks import find, is_known


def reference(task: str, arms: Collection[str]) -> str:
    """Name the reference of a data set's gains. The plan decides it, never the outcome; empty where there is none."""
    return REFERENCE if REFERENCE in arms else best_floor(task, [floor.name for floor in find(task).floors])


def best_floor(task: str, names: Sequence[str]) -> str:
    """Name the floor to beat: of those that ran, the one that the task names last. Its score on the test has no say."""
    order = [floor.name for floor in find(task).floors] if is_known(task) else []
    return max(names, key=lambda name: order.index(name) if name in order else -1, default="")
