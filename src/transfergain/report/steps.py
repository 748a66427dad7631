"""Write what to take and what to run next, as the flags of a command or as the keywords of a call."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from transfergain.analysis import words
from transfergain.analysis.summary import DatasetSummary, MoreLabels, NextStep

Step = Callable[[NextStep], str]


def recommended(of: DatasetSummary) -> str:
    """Write what to take: `LoRA, accuracy 91.7 % (95 %: 90.1 to 93.0 %): -0.2 points against full fine-tuning`."""
    found = of.recommendation
    if found.score is None:
        return f"nothing yet: {found.why}"
    interval = "" if found.low is None or found.high is None else f" (95 %: {words.from_to(found.low, found.high)})"
    return f"{found.title}, {of.metric} {words.score(found.score)}{interval}: {found.why}"


def labels_brought(more: MoreLabels, step: Step) -> list[str]:
    """Write what the next labels probably buy, what the last ones brought, and where that is not known, what would tell."""
    return [*more.forecast, more.text, *([step(more.step)] if more.step else [])]


def of_study(datasets: Sequence[DatasetSummary]) -> list[NextStep]:
    """List what to run next in a study of several data sets: of steps with one key, the highest number serves all."""
    found: dict[str, NextStep] = {}
    for step in (step for of in datasets for step in of.next if step.of_study):
        key = step.key or step.text
        if key not in found or _number(step) > _number(found[key]):
            found[key] = step
    return list(found.values())


def _number(step: NextStep) -> int:
    return int(step.value) if step.value.isdecimal() else 0


def flags(step: NextStep) -> str:
    """Write a step for the command line: `three seeds give a first interval: --seeds 3`."""
    flag = f"--{step.key.replace('_', '-')}"
    return _with(step, f"without {flag}" if not step.value else f"{flag} {step.value}")


def keywords(step: NextStep) -> str:
    """Write a step for Python: `three seeds give a first interval: seeds=3`."""
    return _with(step, f"without {step.key}" if not step.value else f"{step.key}={_literal(step.value)}")


def _with(step: NextStep, how: str) -> str:
    return f"{step.text}: {how}" if step.key else step.text


def _literal(value: str) -> str:
    """Write a value as Python does; `NAME=FILE` is a dict."""
    if value.isdecimal():
        return value
    name, is_pair, file = value.partition("=")
    return f'{{"{name}": "{file}"}}' if is_pair else f'"{value}"'


def in_keywords(message: str) -> str:
    """Name the keys of a study in a message as Python has them: `--train-file` is `train_file`."""
    return re.sub(r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])", lambda flag: flag[1].replace("-", "_"), message)
