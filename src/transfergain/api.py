"""Run a whole study: data, checkpoint, trials, findings, report. What the command line and Python users call."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from transfergain import tracking
from transfergain.analysis.findings import Findings, analyse
from transfergain.data import prepare
from transfergain.engine.kept import KEPT
from transfergain.errors import UserError, nearest, writable
from transfergain.executors import auto
from transfergain.report import next_steps
from transfergain.report import terminal as text
from transfergain.report.files import write_files
from transfergain.running import progress
from transfergain.running.live import Live
from transfergain.running.planner import Planner
from transfergain.running.record import describe, plan_line
from transfergain.running.runner import Runner
from transfergain.running.signals import Terminal, locked, stoppable
from transfergain.store import FILE, Store
from transfergain.study import Study, load
from transfergain.tasks import TASKS
from transfergain.types import Checkpoint, Dataset


class Interrupted(Exception):
    """Ctrl-C, or SIGTERM or SIGHUP: the findings of what is done are written; `findings` holds them."""

    def __init__(self, findings: Findings, signal: int) -> None:
        super().__init__("interrupted")
        self.findings = findings
        self.signal = signal


def run(config: str | Path | None = None, *, quiet: bool = False, **keys: Any) -> Findings:
    """Run a study and return its findings; the keys are those of a study file, which `config` may name. Paths may be
    strings or `Path` objects.

    Continues where an earlier run into the same `output_dir` ended. Raises UserError for what the user can mend, and
    Interrupted on Ctrl-C, after writing the findings of what is done.
    """
    study = load({key: _plain(value) for key, value in keys.items()}, None if config is None else str(config))
    return run_study(study, Console(quiet=quiet))


def _plain(value: Any) -> Any:
    """Paths as strings, within lists and dicts too."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def run_study(study: Study, console: Console, verbose: bool = False) -> Findings:
    """Run a checked study, showing progress on the console; with `verbose`, every dev evaluation on a line of its own."""
    from transfergain.executors import EXECUTORS

    if study.executor not in EXECUTORS:
        raise UserError(f'--executor: unknown executor "{study.executor}".{nearest(study.executor, EXECUTORS)}')
    tracking.check(study.report_to)
    folder = Path(study.folder())
    datasets = load_data(study, console)
    checkpoint, precision, advice = verify(study, datasets)
    for line in advice:
        _warn(console, line)
    planner = Planner(study, datasets, checkpoint.revision, precision)
    kind = EXECUTORS[study.executor]
    with writable(folder), locked(folder), stoppable() as terminal, Store(folder, create=True) as store:
        if damaged := store.mend():
            _warn(console, f"{folder}: {damaged} trials in the store are not as they were written; they run again")
        workers, threads, shared = sized(study, checkpoint, kind.own_machine, folder)
        study = study.model_copy(update={"threads": threads})
        describe(store, study, datasets, checkpoint, precision, advice)
        from transfergain.trial import Bench

        executor = kind(Bench(datasets, checkpoint, study.device, study.threads, shared), workers)
        follower = progress.follower(console, executor.workers, verbose)
        _say(console, plan_line(planner, checkpoint, executor.workers))
        reporter = tracking.reporter(study.report_to, store, follower, console)
        runner = Runner(planner, store, executor, Live(reporter or follower, store), folder, study.keep_models)
        stopped = _carry_out(runner, follower, terminal)
        runner.clean()
        findings = analyse(store)
        write_files(findings)
        if reporter:
            reporter.end(findings, finished=stopped is None)
        text.show(findings, console)
        _say(console, "\n" + "\n".join(next_steps.lines(findings)))
        if stopped is not None:
            raise Interrupted(findings, stopped)
        return findings


def _carry_out(runner: Runner, follower: progress.Bar | progress.Lines | progress.Silent, terminal: Terminal) -> int | None:
    """Run the trials; returns the signal that ended the study before its time, or None."""
    stopped: int | None = None
    try:
        with runner.executor, follower:
            try:
                runner.run()
            except KeyboardInterrupt as interrupt:
                stopped = getattr(interrupt, "signal", signal.SIGINT)
    except OSError as error:
        if not terminal.is_gone(error):
            raise
        terminal.leave()
        return signal.SIGHUP
    return stopped


def _say(console: Console, line: str) -> None:
    console.print(Text(line), soft_wrap=True)


def _warn(console: Console, line: str) -> None:
    console.print(Text("warning  ", style="yellow") + Text(line), soft_wrap=True)


def load_data(study: Study, console: Console) -> dict[str, Dataset]:
    """The data sets of a study by name, saying what was read. Raises UserError naming the file, row or flag."""
    datasets: dict[str, Dataset] = {}
    for entry in study.entries():
        data = prepare.load(entry.source(), TASKS[entry.task])
        if data.name in datasets:
            raise UserError(f'two data sets of the study are called "{data.name}"; rename a file or folder')
        datasets[data.name] = data
        for i, note in enumerate(data.notes):
            _say(console, f"{data.name if i == 0 else '':<16}{note}")
        for warning in data.warnings:
            _warn(console, warning)
    return datasets


def verify(study: Study, datasets: Mapping[str, Dataset]) -> tuple[Checkpoint, str, list[str]]:
    """Resolve the checkpoint and build every kind of weights once, so that a bad checkpoint is refused at the start.

    Returns it with the numeric precision and what the tasks have to say about it.
    """
    from transfergain import checkpoint as checkpoints

    checkpoint = checkpoints.resolve(study.model, study.revision, study.trust_remote_code)
    advice: list[str] = []
    from transfergain.arms import weights
    from transfergain.engine.precision import pick_device, pick_precision

    with quiet_libraries():
        precision = pick_precision(study.precision, pick_device(study.device))
        tokenizer = checkpoints.load_tokenizer(checkpoint)
        for data, entry in zip(datasets.values(), study.entries(), strict=True):
            config = checkpoints.load_config(checkpoint, tokenizer, data.labels, TASKS[data.task].auto_class)
            checkpoints.check_length(checkpoint, tokenizer, config, entry.tokens())
            target = dict(entry.encoding()).get("max_target_length", 0)
            checkpoints.check_length(checkpoint, tokenizer, config, target, "--max-target-length")
            task = TASKS[data.task]
            with KEPT.sharing():
                weights.build_scratch(checkpoint, task.auto_class, config, 0)
                weights.build_pretrained(checkpoint, task.auto_class, config, 0)
            options = {**task.columns, **task.reading, **entry.source().options}
            advice += [f"{data.name}: {line}" for line in task.advise(checkpoint, tokenizer, options)]
            few = {"max_length": entry.tokens(), "decoder_start_token_id": None, **dict(entry.encoding())}
            task.encode(data.test[:1], tokenizer, few)  # refuses a tokenizer that the task cannot use
        KEPT.clear()
    return checkpoint, precision, advice


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


def sized(study: Study, checkpoint: Checkpoint, own_machine: bool, folder: Path) -> tuple[int, int, int]:
    """(workers, threads of each, workers of a GPU): as given, or what the machine is good for.

    A study keeps the threads it was begun with: other threads may add up in another order.
    """
    from transfergain.engine.precision import pick_device

    device, given = pick_device(study.device), study.threads if "threads" in study.model_fields_set else None
    weights, cores = auto.weight_bytes(checkpoint.path), auto.cores()
    if device.type == "cuda":
        import torch

        shared = auto.per_gpu(torch.cuda.mem_get_info(device)[0], auto.need(weights, gpu=True), cores)
        return study.workers or (shared if own_machine else 0), study.threads, study.workers or shared
    if study.workers or not own_machine:
        return study.workers, study.threads, 1
    if device.type != "cpu":
        return 1, study.threads, 1
    known = _threads_before(folder) if given is None else given
    return *auto.choose(cores, auto.free_memory(), auto.need(weights), known, auto.matmul_speed), 1


def _threads_before(folder: Path) -> int | None:
    if not (folder / FILE).exists():
        return None
    with Store(folder, create=True) as store:
        return int((store.get_meta("environment") or {}).get("threads", 0)) or None
