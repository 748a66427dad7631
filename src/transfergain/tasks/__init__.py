"""Task kinds; one file and one line each."""

from __future__ import annotations

from transfergain.tasks.base import Task
from transfergain.tasks.classification import CLASSIFICATION
from transfergain.tasks.sentiment import SENTIMENT

TASKS: dict[str, Task] = {
    "sentiment": SENTIMENT,
    "classification": CLASSIFICATION,
}
