"""Run a whole study: data, checkpoint, trials, findings, report. What the command line and Python users call."""

from __future__ import annotations

import contextlib
import errno
import importlib.metadata
import os
import platform
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from transfergain import tracking
from transfergain.analysis.findings import Findings, analyse
from transfergain.arms import ARMS
from transfergain.data import prepare
from transfergain.errors import UserError, nearest, writable
from transfergain.executors import auto
from transfergain.metrics import METRICS
from transfergain.perturbations import split_names
from transfergain.report import next_steps, progress, text
from transfergain.report.examples import sample
from transfergain.report.files import write_files
from transfergain.report.live import Live
from transfergain.runner import Runner
from transfergain.store import FILE, Store
from transfergain.study import Planner, Study, load
from transfergain.tasks import TASKS
from transfergain.types import Checkpoint, Dataset


class Interrupted(Exception):
    """Ctrl-C, or SIGTERM or SIGHUP: the findings of what is done are written; `findings` holds them."""

    def __init__(self, findings: Findings, signal: int) -> None:
        super().__init__("interrupted")
        self.findings = findings
        self.signal = signal


class _Stopped(KeyboardInterrupt):
    """What a scheduler's signal raises: whatever handles Ctrl-C handles it alike."""

    def __init__(self, signal: int) -> None:
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
    datasets = _load_data(study, console)
    checkpoint, precision, advice = _verify(study, datasets)
    for line in advice:
        _warn(console, line)
    planner = Planner(study, datasets, checkpoint.revision, precision)
    kind = EXECUTORS[study.executor]
    with writable(folder), _locked(folder), _stoppable() as terminal, Store(folder, create=True) as store:
        if damaged := store.mend():
            _warn(console, f"{folder}: {damaged} trials in the store are not as they were written; they run again")
        workers, threads, shared = _sized(study, checkpoint, kind.own_machine, folder)
        study = study.model_copy(update={"threads": threads})
        _describe(store, study, datasets, checkpoint, precision, advice)
        from transfergain.trial import Bench

        executor = kind(Bench(datasets, checkpoint, study.device, study.threads, shared), workers)
        follower = progress.follower(console, executor.workers, verbose)
        _say(console, _plan_line(planner, checkpoint, executor.workers))
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


def _carry_out(runner: Runner, follower: progress.Bar | progress.Lines | progress.Silent, terminal: _Terminal) -> int | None:
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


def _load_data(study: Study, console: Console) -> dict[str, Dataset]:
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


def _verify(study: Study, datasets: Mapping[str, Dataset]) -> tuple[Checkpoint, str, list[str]]:
    """Resolve the checkpoint and build every kind of weights once, so that a bad checkpoint is refused at the start.

    Returns it with the numeric precision and what the tasks have to say about it.
    """
    from transfergain import checkpoint as checkpoints

    checkpoint = checkpoints.resolve(study.model, study.revision, study.trust_remote_code)
    advice: list[str] = []
    from transfergain.arms import weights
    from transfergain.engine.precision import pick_device, pick_precision

    with _quiet_libraries():
        precision = pick_precision(study.precision, pick_device(study.device))
        tokenizer = checkpoints.load_tokenizer(checkpoint)
        for data, entry in zip(datasets.values(), study.entries(), strict=True):
            config = checkpoints.load_config(checkpoint, tokenizer, data.labels, TASKS[data.task].auto_class)
            checkpoints.check_length(checkpoint, tokenizer, config, entry.tokens())
            target = dict(entry.encoding()).get("max_target_length", 0)
            checkpoints.check_length(checkpoint, tokenizer, config, target, "--max-target-length")
            task = TASKS[data.task]
            weights.build_scratch(checkpoint, task.auto_class, config, 0)
            weights.build_pretrained(checkpoint, task.auto_class, config, 0)
            options = {**task.columns, **task.reading, **entry.source().options}
            advice += [f"{data.name}: {line}" for line in task.advise(checkpoint, tokenizer, options)]
            few = {"max_length": entry.tokens(), "decoder_start_token_id": None, **dict(entry.encoding())}
            task.encode(data.test[:1], tokenizer, few)  # refuses a tokenizer that the task cannot use
    return checkpoint, precision, advice


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
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


def _sized(study: Study, checkpoint: Checkpoint, own_machine: bool, folder: Path) -> tuple[int, int, int]:
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


def _describe(
    store: Store,
    study: Study,
    datasets: Mapping[str, Dataset],
    checkpoint: Checkpoint,
    precision: str,
    advice: Sequence[str],
) -> None:
    """Write down what the study is, and refuse a folder that holds another one."""
    identity = {
        "checkpoint": checkpoint.revision,
        "data": {name: [data.task, data.fingerprint] for name, data in datasets.items()},
    }
    known = store.get_meta("identity")
    if known is not None:
        differs = [n for n, mark in known["data"].items() if identity["data"].get(n) != mark]  # type: ignore[attr-defined]
        what = "another checkpoint" if known["checkpoint"] != checkpoint.revision else "other data" if differs else ""
        if what:
            raise UserError(
                f"--output-dir {store.path.parent} holds a study of {what}; choose another folder, or delete this one"
            )
    shown = study.model_dump(mode="json", exclude={"output_dir", "workers", "device", "executor", "report_to"})
    store.update_meta(
        {
            "identity": identity,
            "study": shown | {"revision": checkpoint.revision, "precision": precision},
            "arms": [[name, arm.pretrained] for name, arm in ARMS.items() if name in study.arms],
            "data": {name: _data_entry(data) for name, data in datasets.items()},
            "examples": [row for data in datasets.values() for row in _examples(study, data)],
            "warnings": [*_warnings(study, datasets, checkpoint), *advice],
            "environment": _environment(study),
        }
    )


def _examples(study: Study, data: Dataset) -> list[dict[str, Any]]:
    """The sample of sealed texts that the page shows."""
    return sample(data, [name for name, _ in split_names(data.task, study.perturbations)])


def _data_entry(data: Dataset) -> dict[str, Any]:
    task = TASKS[data.task]
    return {
        "task": data.task,
        "title": task.title,
        "metric": task.metrics[0],
        "signatures": {name: sign() for name in task.metrics if (sign := METRICS[name].signature)},
        "chance": task.chance(data.test, data.labels),
        "labels": list(data.labels),
        "notes": list(data.notes),
        "fingerprint": data.fingerprint,
        "n_train": len(data.train),
        "n_dev": len(data.dev),
        "n_test": len(data.test),
        "shifts": {name: len(rows) for name, rows in data.shifts.items()},
        "targets": {name: len(pools.train) + len(pools.dev) for name, pools in data.targets.items()},
    }


def _warnings(study: Study, datasets: Mapping[str, Dataset], checkpoint: Checkpoint) -> list[str]:
    warnings = [warning for data in datasets.values() for warning in data.warnings]
    if checkpoint.trained_on:
        warnings.append(f"{checkpoint.name} was trained on {checkpoint.trained_on}; check that your test set is none of it")
    else:
        warnings.append(f"what {checkpoint.name} was pretrained on is not known here: overlap with the test set not checked")
    if study.seeds < 3:
        warnings.append(f"{study.seeds} seed{'s' if study.seeds > 1 else ''}: too few to tell luck from gain; use 5 or more")
    if study.tune == 0:
        warnings.append("recipes were not tuned (--tune 0): every arm used its published default learning rate")
    return warnings


def _environment(study: Study) -> dict[str, str]:
    from transfergain import __version__
    from transfergain.engine.precision import pick_device

    packages = ("torch", "transformers", "peft", "scikit-learn", "scipy", "numpy")
    device = pick_device(study.device)
    name = device.type
    if device.type == "cuda":
        import torch

        name = torch.cuda.get_device_name(device)
    return {
        "transfergain": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": name,
        "threads": str(study.threads),
    } | {package: importlib.metadata.version(package) for package in packages}


def _plan_line(planner: Planner, checkpoint: Checkpoint, workers: int) -> str:
    """The resolved study and its plan, for the console."""
    from transfergain.engine.precision import pick_device

    study = planner.study
    budgets = " · ".join(f"{name}: {', '.join(f'{b:,}' for b in sizes)}" for name, sizes in planner.budgets.items())
    lengths = ", ".join(str(length) for length in dict.fromkeys(planner.max_length.values()))
    recipe = planner.recipe(next(iter(planner.datasets.values())), 0.0)
    cells = sum(1 for _ in planner.cells())
    tuned = f" + {cells * study.tune} tuning" if study.tune else ""
    lines = {
        "model": f"{checkpoint.name} · revision {checkpoint.revision[:19]}",
        "study": f"{', '.join(study.arms)} · labels {budgets} · {study.seeds} seeds from {study.seed}",
        "recipe": f"batches of {recipe.batch_size} · at most {recipe.epochs} epochs or {recipe.min_steps} steps · "
        f"patience {recipe.patience} · {lengths} tokens · {recipe.precision} on {pick_device(study.device)}",
        "tuning": f"{study.tune} learning rates an arm and budget" if study.tune else "none: each arm's default rate",
        "plan": f"{cells * study.seeds} trials{tuned} + {len(planner.floors())} of floors · {workers} "
        f"worker{'s' if workers > 1 else ''} · Ctrl-C keeps what is done",
    }
    return "\n".join(f"{name:<16}{line}" for name, line in lines.items())


class _Terminal:
    """The terminal that a study began on. Once it is closed, writing to it fails; the findings are still to be written."""

    def __init__(self) -> None:
        self._streams = [stream for stream in (0, 1, 2) if os.isatty(stream)]

    def is_gone(self, error: OSError) -> bool:
        """Whether an error is that of writing to a closed terminal."""
        return error.errno == errno.EIO and any(not os.isatty(stream) for stream in self._streams)

    def leave(self) -> None:
        """Write to nowhere from here on."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in self._streams:
            os.dup2(nothing, stream)
        os.close(nothing)


@contextlib.contextmanager
def _stoppable() -> Iterator[_Terminal]:
    """SIGTERM, as schedulers send it, and SIGHUP end a study as Ctrl-C does: once, so that a second one does not disturb
    the writing of the findings. Ignored signals (nohup) stay ignored, and threads of a larger program know no signals.
    """
    terminal, heard = _Terminal(), list[int]()

    def stop(number: int, _: object) -> None:
        if number == getattr(signal, "SIGHUP", None):
            terminal.leave()
        if not heard:
            heard.append(number)
            raise _Stopped(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
        before = {n: signal.signal(n, stop) for n in numbers if signal.getsignal(n) == signal.SIG_DFL}
    try:
        yield terminal
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One running study an output folder; the lock goes with the process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise UserError(f"--output-dir {folder}: cannot write there ({error.strerror}); choose another folder") from None
    with lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows: SQLite's own locking still keeps rows whole
            pass
        except OSError:
            raise UserError(
                f"--output-dir {folder}: another transfergain is running there; wait or choose another"
            ) from None
        yield
