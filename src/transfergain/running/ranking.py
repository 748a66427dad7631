"""Put checkpoints in the order of what to expect from them on this data, before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from rich.console import Console

from transfergain.analysis.stats import paired_interval
from transfergain.arms.probe import PROBE
from transfergain.checkpoint import resolve
from transfergain.data import prepare
from transfergain.engine.rank_row import RankRow
from transfergain.errors import UserError
from transfergain.executors import auto
from transfergain.metrics import METRICS
from transfergain.running.console import aside, busy
from transfergain.running.tabular import Tabular
from transfergain.running.tryout import quiet_libraries
from transfergain.shell import command
from transfergain.study import Study
from transfergain.tasks import TASKS, find
from transfergain.types import Dataset

if TYPE_CHECKING:
    from transfergain.engine.ranking import Measured

MOST_EXAMPLES = 1000
DRAWS = 5
"""Times that the examples are halved, each half predicted by a probe of the other."""


@dataclass(frozen=True)
class Ranking(Tabular):
    """Checkpoints, the most promising first; those that could not be read last."""

    task: str
    dataset: str
    metric: str
    examples: int
    rows: tuple[RankRow, ...]
    next: tuple[str, ...]
    """Commands of the studies that compare the two best with training from scratch, and then with each other."""

    @property
    def ranked(self) -> list[RankRow]:
        """List the rows of checkpoints that could be read, the most promising first."""
        return [row for row in self.rows if not row.problem]

    def by_size(self) -> list[str]:
        """Order the ranked checkpoints by their parameters alone, the largest first: the baseline to beat."""
        sizes = {row.model: row.parameters for row in self.rows if row.parameters is not None}
        return sorted(sizes, key=lambda model: -sizes[model])


def rank(models: Sequence[str], study: Study, examples: int = MOST_EXAMPLES, console: Console | None = None) -> Ranking:
    """Rank checkpoints on the study's data. Raises UserError for data, a task or a number that allows no ranking."""
    console = aside(console or Console(quiet=True))
    models, task, entry = list(dict.fromkeys(models)), TASKS[study.task], study.entries()[0]
    if not models:
        raise UserError("name the checkpoints to rank: transfergain rank MODEL MODEL --task TASK --train-file FILE")
    if PROBE.declines(task.auto_class):
        raise UserError(
            f"--task {task.name}: its answers are texts, which no linear probe can give, so nothing ranks checkpoints "
            "before they are trained; compare them with transfergain run"
        )
    with busy(console, "reading the data"):
        data = prepare.load(entry.source(), task)
    _check(data, examples)
    found = []
    for i, model in enumerate(models, start=1):
        with busy(console, f"reading with {model} ({i} of {len(models)})"), quiet_libraries():
            found.append(_measure(model, study, data, examples))
    measured = [one for one in found if not isinstance(one, RankRow)]
    unread = [one for one in found if isinstance(one, RankRow)]
    if not measured:
        raise UserError(f"no checkpoint could be ranked: {'; '.join(row.problem for row in unread)}")
    rows = (*in_order(measured, task.metrics[0]), *unread)
    commands = next_commands([row.model for row in rows[:2] if not row.problem], study)
    count = min(examples, len(data.train) + len(data.dev))
    return Ranking(data.task, data.name, find(data.task).metrics[0], count, rows, commands)


def _check(data: Dataset, examples: int) -> None:
    there = len(data.train) + len(data.dev)
    least = 2 * max(2, len(data.labels))
    if min(there, examples) < least:
        kinds = f"{len(data.labels)} classes" if data.labels else "a probe"
        what = f"--examples {examples}" if examples < there else f"{data.name}: {there} labelled examples"
        raise UserError(f"{what} are too few to rank checkpoints by with {kinds}; {least} or more are needed")


def _measure(model: str, study: Study, data: Dataset, examples: int) -> Measured | RankRow:
    """Measure one checkpoint; a row with the reason where it cannot be read."""
    from transfergain.engine.ranking import Asked, measure

    entry = study.entries()[0]
    asked = Asked(
        entry.tokens(), tuple(entry.encoding()), study.device, study.threads, examples, DRAWS, auto.free_memory()
    )  # fmt: skip
    try:
        return measure(resolve(model, None, study.trust_remote_code), data, asked)
    except UserError as error:
        return RankRow(model, problem=str(error))
    except Exception as error:  # whatever a checkpoint of another make may raise: the others are ranked all the same
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return RankRow(model, problem=f"{reason}; save it again with save_pretrained(folder), or leave it out")


def in_order(found: Sequence[Measured], metric: str) -> list[RankRow]:
    """Order checkpoints by what their probes score, each with how far it is behind the first."""
    if not found:
        return []
    first, *others = sorted(found, key=lambda one: -(one.row.probe or 0.0))
    rows = [first.row]
    for other in others:
        apart = paired_interval(first.counts, other.counts, METRICS[metric].finish)
        rows.append(replace(other.row, behind=apart.estimate, behind_low=apart.low, behind_high=apart.high))
    return rows


def next_commands(models: Sequence[str], study: Study) -> tuple[str, ...]:
    """Write the command of the study of each checkpoint on this data, and the one that compares two of them."""
    names = [re.sub(r"[^\w.-]+", "-", PurePath(model).name) for model in models]
    alike = len(set(names)) < len(names)
    folders = [f"{study.folder()}-{f'{name}-{i}' if alike else name}" for i, name in enumerate(names, start=1)]
    runs = [_command(model, study, folder) for model, folder in zip(models, folders, strict=True)]
    return (*runs, *([command("transfergain", "compare", *folders)] if len(folders) > 1 else []))


def _command(model: str, study: Study, folder: str) -> str:
    """Write the command of the study of one checkpoint on this data, into a folder of its own."""
    entry = study.entries()[0]
    given = entry.model_dump(exclude_unset=True) if study.tasks else study.model_dump(exclude_unset=True)
    words = ["transfergain", "run", "--model", model]
    for key, value in given.items():
        if key in ("model", "tasks", "threads", "device") or value is None or value is False or value == "":
            continue
        flag = f"--{key.replace('_', '-')}"
        if isinstance(value, dict):
            words += [part for name, file in value.items() for part in (flag, f"{name}={file}")]
        else:
            words += [flag] if value is True else [flag, str(value)]
    return command(*words, "--output-dir", folder)
