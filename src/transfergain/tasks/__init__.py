"""Task kinds; one file and one line each."""

from __future__ import annotations

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
