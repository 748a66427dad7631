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


def surest_first() -> list[Task]:
    """Order the tasks as they are asked whether data is theirs."""
    return sorted(TASKS.values(), key=lambda task: -task.sureness)


def floors() -> dict[str, Floor]:
    """Collect the floors of all tasks by name, each once."""
    return {floor.name: floor for task in TASKS.values() for floor in task.floors}
