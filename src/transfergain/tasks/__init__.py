"""Register the task kinds; one file and one line each."""

from __future__ import annotations

from transfergain.floors.base import Floor
from transfergain.tasks.base import Task
from transfergain.tasks.classification import CLASSIFICATION
from transfergain.tasks.ner import NER
from transfergain.tasks.qa import QA
from transfergain.tasks.sentiment import SENTIMENT
from transfergain.tasks.translation import TRANSLATION

TASKS: dict[str, Task] = {
    "sentiment": SENTIMENT,
    "classification": CLASSIFICATION,
    "ner": NER,
    "qa": QA,
    "translation": TRANSLATION,
}
"""The first is the task of a study that names none."""


def find(name: str) -> Task:
    """Find a task, or a variant of one, by the name that data sets and trials carry. Raises KeyError where there is none."""
    return TASKS[name] if name in TASKS else _variants()[name]


def is_known(name: str) -> bool:
    """Tell whether there is a task or a variant of this name."""
    return name in TASKS or name in _variants()


def _variants() -> dict[str, Task]:
    return {variant.name: variant for task in TASKS.values() for variant in task.variants.values()}


def surest_first() -> list[Task]:
    """Order the tasks as they are asked whether data is theirs."""
    return sorted(TASKS.values(), key=lambda task: -task.sureness)


def floors() -> dict[str, Floor]:
    """Collect the floors of all tasks by name, each once."""
    return {floor.name: floor for task in TASKS.values() for floor in task.floors}
