"""Set a checked study up on this machine: data read, checkpoint tried, workers counted. `run` and `plan` both begin so."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from transfergain import checkpoint as checkpoints
from transfergain.arms import ARMS
from transfergain.arms.base import Start
from transfergain.course import Corpus
from transfergain.data import given, prepare, unlabelled
from transfergain.data.unlabelled import Cleaned
from transfergain.errors import UserError, nearest
from transfergain.executors import EXECUTORS, auto
from transfergain.executors.base import Ahead, Executor
from transfergain.options import OptionKind, flag_of
from transfergain.running.console import busy, tell, warn
from transfergain.running.models import FEATURES_FOLDER, PRETRAINED_FOLDER
from transfergain.running.planner import Planner, budgets_for
from transfergain.running.tryout import Sample, Tried, fresh_rate, try_out
from transfergain.store import STORE_FILE, Store
from transfergain.study import Study
from transfergain.study.pretraining_keys import PretrainingKeys
from transfergain.tasks import TASKS, find
from transfergain.tasks.base import Task
from transfergain.tasks.texts import TEXT_COLUMN
from transfergain.trial import Bench
from transfergain.types import Checkpoint, Dataset, Example, StudyWarning, Target

TRIED_EXAMPLES = 1000
"""Test examples that a task looks at to say whether a checkpoint is fit for them."""


@dataclass(frozen=True)
class Workers:
    """How many workers a study has, and what each of them gets."""

    count: int
    """0: as many as the executor has room for."""
    threads: int
    """CPU threads of each."""
    per_gpu: int
    """Workers that share a GPU."""


@dataclass(frozen=True)
class Setup:
    """A checked study, ready for its trials on this machine."""

    planner: Planner
    """Of the study with the threads that its workers have, and of its data sets."""
    checkpoint: Checkpoint
    tried: Tried
    """What the checkpoint and the machine are good for."""
    workers: Workers
    executor: type[Executor]
    ahead: Ahead
    """What the executor has started so far; to be closed."""
    unlabelled: Mapping[Corpus, Cleaned] = field(default_factory=dict)
    """The text without labels, where an arm is pretrained on it."""

    @property
    def study(self) -> Study:
        """The study as it runs."""
        return self.planner.study

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """The study's data sets by name."""
        return self.planner.datasets

    @property
    def advice(self) -> Sequence[StudyWarning]:
        """Warnings of the tasks about the checkpoint."""
        return self.tried.advice

    def begin(self) -> Executor:
        """Make the executor of the trials, which takes over what was started ahead."""
        executor = self.executor(self.bench(), self.workers.count)
        executor.adopt(self.ahead)
        return executor

    def bench(self) -> Bench:
        """Gather what all trials share, to be shipped to every worker."""
        workers, folder = self.workers, Path(self.study.folder())
        return Bench(
            self.datasets,
            self.checkpoint,
            self.study.device,
            workers.threads,
            workers.per_gpu,
            folder / FEATURES_FOLDER,
            {corpus: cleaned.texts for corpus, cleaned in self.unlabelled.items()},
            folder.resolve() / PRETRAINED_FOLDER,
        )


def set_up(study: Study, console: Console) -> Setup:
    """Read the data, try the checkpoint and count the workers. Raises UserError for what the user can mend.

    Workers import torch meanwhile, and the first of them tries the checkpoint, so that this process never loads it.
    """
    if study.executor not in EXECUTORS:
        raise UserError(f'--executor: unknown executor "{study.executor}".{nearest(study.executor, EXECUTORS)}')
    executor = EXECUTORS[study.executor]
    ahead = executor.ahead(auto.likely_workers(study.workers, study.device), study.threads)
    try:
        with busy(console, "reading the data"):
            datasets = _load_data(study, console)
            texts = _load_unlabelled(study, datasets, console)
            datasets = {name: replace(data, notes=(*data.notes, *_notes(name, texts))) for name, data in datasets.items()}
        with busy(console, "trying the checkpoint"):
            checkpoint = checkpoints.resolve(study.model, study.revision, study.trust_remote_code)
            precision = study.precision if study.precision != "auto" else _before(study).precision or study.precision
            tried = ahead.ask(try_out, checkpoint, _samples(study, datasets), study.device, precision)
            rate = ahead.ask(fresh_rate, checkpoint) if texts else Start.FRESH.learning_rate
            workers = _count_workers(study, checkpoint, tried, executor.own_machine, ahead)
        study = study.model_copy(update={"threads": workers.threads})
        marks = {corpus: cleaned.texts.fingerprint for corpus, cleaned in texts.items()}
        planner = Planner(study, datasets, checkpoint.revision, tried.precision, marks, rate)
        return Setup(planner, checkpoint, tried, workers, executor, ahead, texts)
    except BaseException:
        ahead.close()
        raise


def _load_data(study: Study, console: Console) -> dict[str, Dataset]:
    """Read the data sets of a study by name, saying what was read. Raises UserError naming the file, row or flag."""
    datasets: dict[str, Dataset] = {}
    for entry in study.entries():
        source = entry.source()
        data = prepare.load(source, TASKS[entry.task])
        task = find(data.task)
        data = given.attach(data, entry.predictions, task, task.defaults(OptionKind.PARSE) | dict(source.options))
        if data.name in datasets:
            raise UserError(f'two data sets of the study are called "{data.name}"; rename a file or folder')
        budgets_for(entry, data)  # refused before the checkpoint is tried, which takes longer
        datasets[data.name] = data
        for i, note in enumerate(data.notes):
            tell(console, "" if i else data.name, note)
        for warning in data.warnings:
            warn(console, warning.text)
    return datasets


def _load_unlabelled(study: Study, datasets: Mapping[str, Dataset], console: Console) -> dict[Corpus, Cleaned]:
    """Read the text that arms are pretrained on, if any are: the files that were given, or each data set's training texts;
    and further corpora by name.

    What the study evaluates on is left out. Raises UserError where nothing is left.
    """
    if not any(ARMS[arm].pretrains for arm in study.arms):
        keys = [key for key in PretrainingKeys.model_fields if key in study.model_fields_set and getattr(study, key)]
        if keys and not study.quick:
            reading = [name for name, arm in ARMS.items() if arm.pretrains]
            raise UserError(f"{flag_of(keys[0])}: no arm of the study reads it; add {' or '.join(reading)} to --arms")
        return {}
    columns = _text_columns(study)
    given = unlabelled.read(study.unlabelled_file, usual_columns=columns) if study.unlabelled_file else None
    further = {
        name: unlabelled.read(files, given_by=f"--unlabelled {name}", usual_columns=columns)
        for name, files in study.unlabelled.items()
    }
    found = {}
    for dataset, data in datasets.items():
        task = find(data.task)
        test = [text for rows in (data.test, *data.shifts.values()) for text in _written(task, rows)]
        own = given or unlabelled.collect([[part for example in data.train for part in _parts(task, example)]])
        for corpus, texts in {"": own, **further}.items():
            cleaned = unlabelled.without(texts, _written(task, data.dev), test)
            if not cleaned.texts.count:
                nothing = f"nothing is left of it without the dev and test texts of {dataset}; give more text"
                raise UserError(f"{texts.given_by}: {nothing}")
            found[dataset, corpus] = cleaned
            tell(console, "unlabelled", f"{dataset}: {_note(corpus, cleaned)}")
    return found


def _text_columns(study: Study) -> list[str]:
    """List the columns that a table without labels may have its texts in: those of the labelled data, and the usual one."""
    own = [entry.source().options.get(TEXT_COLUMN.name) for entry in study.entries()]
    return list(dict.fromkeys(name for name in (*own, unlabelled.USUAL_COLUMN) if isinstance(name, str)))


def _parts(task: Task, example: Example) -> list[str]:
    """List the texts of an example: a passage and a question are two, as the passage has further questions."""
    return [part for part in example.inputs.values() if isinstance(part, str)] or [task.text(example)]


def _written(task: Task, rows: Iterable[Example]) -> Iterator[str]:
    """Yield what is written in examples: their texts, whole and by part, and their targets where these are texts too.

    Each once an example: of most tasks the whole is the only part.
    """
    for example in rows:
        target = [str(example.target)] if task.target is Target.TEXT else []
        yield from dict.fromkeys([task.text(example), *_parts(task, example), *target])


def _notes(dataset: str, texts: Mapping[Corpus, Cleaned]) -> list[str]:
    return [_note(corpus, cleaned) for (name, corpus), cleaned in texts.items() if name == dataset]


def _note(corpus: str, cleaned: Cleaned) -> str:
    return f"{corpus}: {cleaned.note}" if corpus else cleaned.note


def _samples(study: Study, datasets: Mapping[str, Dataset]) -> list[Sample]:
    """Take of each data set what the checkpoint is tried with."""
    return [
        Sample(
            name=data.name,
            task=data.task,
            labels=data.labels,
            examples=data.test[:TRIED_EXAMPLES],
            max_length=entry.tokens(),
            encoding=dict(entry.encoding()),
            parsing=find(data.task).defaults(OptionKind.PARSE) | dict(entry.source().options),
        )
        for data, entry in zip(datasets.values(), study.entries(), strict=True)
    ]


def _count_workers(study: Study, checkpoint: Checkpoint, tried: Tried, own_machine: bool, ahead: Ahead) -> Workers:
    """Take the workers as given, or as many as the machine is good for.

    A study keeps the threads it was begun with: other threads may add up in another order.
    """
    weights, cores = auto.weight_bytes(checkpoint.path), auto.cores()
    if tried.device == "cuda":
        shared = auto.per_gpu(tried.free_gpu_bytes, auto.need(weights, gpu=True), cores)
        return Workers(study.workers or (shared if own_machine else 0), study.threads, study.workers or shared)
    if study.workers or not own_machine:
        return Workers(study.workers, study.threads, 1)
    if tried.device != "cpu":
        return Workers(1, study.threads, 1)
    known = study.threads if "threads" in study.model_fields_set else _before(study).threads
    speed = functools.partial(ahead.ask, auto.matmul_speed)
    count, threads = auto.choose(cores, auto.free_memory(), auto.need(weights), known, speed)
    return Workers(count, threads, 1)


class _Before(NamedTuple):
    """What a study of the output folder was begun with; None where there is none."""

    threads: int | None = None
    precision: str | None = None


def _before(study: Study) -> _Before:
    """Look up what a study of the output folder was begun with: it keeps that, or its finished trials would be others."""
    folder = Path(study.folder())
    if not (folder / STORE_FILE).exists():
        return _Before()
    with Store(folder, create=True) as store:
        environment, begun = store.get_meta("environment") or {}, store.get_meta("study") or {}
    return _Before(int(environment.get("threads", 0)) or None, begun.get("precision"))
