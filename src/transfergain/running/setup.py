"""Set a checked study up on this machine: data read, checkpoint tried, workers counted. `run` and `plan` both begin so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from transfergain.data import prepare
from transfergain.errors import UserError, nearest
from transfergain.executors import EXECUTORS, auto
from transfergain.executors.base import Executor
from transfergain.options import OptionKind
from transfergain.running.console import busy, say, warn
from transfergain.running.planner import Planner
from transfergain.store import STORE_FILE, Store
from transfergain.study import Study, TaskEntry
from transfergain.tasks import TASKS
from transfergain.trial import Bench
from transfergain.types import Checkpoint, Dataset, StudyWarning


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
    advice: Sequence[StudyWarning]
    """Warnings of the tasks about the checkpoint."""
    workers: Workers
    executor: type[Executor]

    @property
    def study(self) -> Study:
        """The study as it runs."""
        return self.planner.study

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """The study's data sets by name."""
        return self.planner.datasets

    def bench(self) -> Bench:
        """Gather what all trials share, to be shipped to every worker."""
        workers = self.workers
        return Bench(self.datasets, self.checkpoint, self.study.device, workers.threads, workers.per_gpu)


def set_up(study: Study, console: Console) -> Setup:
    """Read the data, try the checkpoint and count the workers. Raises UserError for what the user can mend."""
    if study.executor not in EXECUTORS:
        raise UserError(f'--executor: unknown executor "{study.executor}".{nearest(study.executor, EXECUTORS)}')
    executor = EXECUTORS[study.executor]
    with busy(console, "reading the data"):
        datasets = _load_data(study, console)
    with busy(console, "trying the checkpoint"):
        checkpoint, precision, advice = _try_checkpoint(study, datasets)
        workers = _count_workers(study, checkpoint, executor.own_machine)
    study = study.model_copy(update={"threads": workers.threads})
    return Setup(Planner(study, datasets, checkpoint.revision, precision), checkpoint, advice, workers, executor)


def _load_data(study: Study, console: Console) -> dict[str, Dataset]:
    """Read the data sets of a study by name, saying what was read. Raises UserError naming the file, row or flag."""
    datasets: dict[str, Dataset] = {}
    for entry in study.entries():
        data = prepare.load(entry.source(), TASKS[entry.task])
        if data.name in datasets:
            raise UserError(f'two data sets of the study are called "{data.name}"; rename a file or folder')
        datasets[data.name] = data
        for i, note in enumerate(data.notes):
            say(console, f"{data.name if i == 0 else '':<16}{note}")
        for warning in data.warnings:
            warn(console, warning.text)
    return datasets


def _try_checkpoint(study: Study, datasets: Mapping[str, Dataset]) -> tuple[Checkpoint, str, list[StudyWarning]]:
    """Resolve the checkpoint and build every kind of weights once, so that a bad checkpoint is refused at the start.

    Returns it with the numeric precision and what the tasks have to say about it.
    """
    from transfergain import checkpoint as checkpoints
    from transfergain.engine.precision import pick_device, pick_precision

    checkpoint = checkpoints.resolve(study.model, study.revision, study.trust_remote_code)
    advice: list[StudyWarning] = []
    with quiet_libraries():
        precision = pick_precision(study.precision, pick_device(study.device))
        tokenizer = checkpoints.load_tokenizer(checkpoint)
        for data, entry in zip(datasets.values(), study.entries(), strict=True):
            said = _try_data(data, entry, checkpoint, tokenizer)
            advice += [StudyWarning(warning.kind, f"{data.name}: {warning.text}") for warning in said]
    return checkpoint, precision, advice


def _try_data(data: Dataset, entry: TaskEntry, checkpoint: Checkpoint, tokenizer: Any) -> list[StudyWarning]:
    """Build both kinds of weights for a data set's task and encode an example; returns the task's advice."""
    from transfergain import checkpoint as checkpoints
    from transfergain.arms import weights
    from transfergain.arms.base import Blueprint

    task = TASKS[data.task]
    config = checkpoints.load_config(checkpoint, tokenizer, data.labels, generates=task.generates)
    checkpoints.check_length(checkpoint, tokenizer, config, entry.tokens())
    encoding = dict(entry.encoding())
    for option in (option for option in task.options if option.bounds):
        checkpoints.check_length(checkpoint, tokenizer, config, encoding[option.name], option.flag)
    blueprint = Blueprint(checkpoint, task.auto_class, config, 0)
    weights.build_scratch(blueprint)
    weights.build_pretrained(blueprint)
    options = task.defaults(OptionKind.PARSE) | dict(entry.source().options)
    advice = task.advise(checkpoint, tokenizer, options)
    few = {"max_length": entry.tokens(), "decoder_start_token_id": None, **encoding}
    task.encode(data.test[:1], tokenizer, few)  # refuses a tokenizer that the task cannot use
    return list(advice)


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep loading reports and bars of transformers out of our output."""
    import transformers

    level, bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars:
            transformers.logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _count_workers(study: Study, checkpoint: Checkpoint, own_machine: bool) -> Workers:
    """Take the workers as given, or as many as the machine is good for.

    A study keeps the threads it was begun with: other threads may add up in another order.
    """
    from transfergain.engine.precision import pick_device

    device, weights, cores = pick_device(study.device), auto.weight_bytes(checkpoint.path), auto.cores()
    if device.type == "cuda":
        import torch

        shared = auto.per_gpu(torch.cuda.mem_get_info(device)[0], auto.need(weights, gpu=True), cores)
        return Workers(study.workers or (shared if own_machine else 0), study.threads, study.workers or shared)
    if study.workers or not own_machine:
        return Workers(study.workers, study.threads, 1)
    if device.type != "cpu":
        return Workers(1, study.threads, 1)
    known = study.threads if "threads" in study.model_fields_set else _threads_before(Path(study.folder()))
    count, threads = auto.choose(cores, auto.free_memory(), auto.need(weights), known, auto.matmul_speed)
    return Workers(count, threads, 1)


def _threads_before(folder: Path) -> int | None:
    """Look up how many threads a study of this folder was begun with; None where there is none."""
    if not (folder / STORE_FILE).exists():
        return None
    with Store(folder, create=True) as store:
        return int((store.get_meta("environment") or {}).get("threads", 0)) or None
