"""Pretrain a model on text without labels: `transfergain pretrain`."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from transfergain.analysis import words
from transfergain.counts import counted
from transfergain.course import has_learned
from transfergain.data import unlabelled
from transfergain.errors import UserError, nearest, writable
from transfergain.report.typeset import markdown_text
from transfergain.running.console import aside, busy, say, tell, warn
from transfergain.running.signals import locked, stoppable
from transfergain.shell import command
from transfergain.study.times import seconds_of

if TYPE_CHECKING:
    from transfergain.data.unlabelled import Unlabelled
    from transfergain.engine.pretraining import Asked, Pretrained

RESULT = "pretraining.json"
"""The file of a finished folder that says what it was made from."""
WORK = ".pretraining"
"""The folder in it that a run keeps its state in, as long as it runs."""
SECONDS_APART = 120.0
"""Between two saves of a run's state."""
FEW_UNKNOWN = 0.01
"""Up to this share of unknown tokens nothing is said."""


@dataclass(frozen=True)
class Finished:
    """A pretraining that has ended: its folder works as a checkpoint here and in `transformers`."""

    folder: Path
    objective: str
    steps: int
    loss: float
    """On held-out text, in nats a token."""
    unigram_loss: float
    """Of a model that knows how often each token occurs, and nothing else."""
    curve: tuple[tuple[int, float, float], ...]
    """(step, held-out loss, training loss since the point before)."""


def pretrain(
    console: Console,
    *,
    output_dir: str,
    unlabelled_file: Sequence[str],
    model: str = "builtin:minilm",
    text_column: str | None = None,
    time_limit: str | None = None,
    threads: int | None = None,
    **settings: Any,
) -> Finished:
    """Pretrain into a folder; one that was killed goes on, one that is done is left as it is. Raises UserError.

    `settings` are those of `Asked`.
    """
    files, asked = list(unlabelled_file), _asked(settings, time_limit)
    _check(files, asked)
    folder, said = Path(output_dir), aside(console)
    with busy(said, "reading the text"):
        texts = unlabelled.read(files, text_column)
    dropped = f", {counted(texts.repeated, 'repeated one')} left out" if texts.repeated else ""
    tell(said, "text", f"{counted(texts.count, 'text')}, {counted(texts.words, 'word')}{dropped}")
    with busy(said, "loading the model"):
        from transfergain import checkpoint as checkpoints
        from transfergain.engine import pretraining
        from transfergain.engine.pretraining import whole
        from transfergain.engine.saves import Saves
        from transfergain.executors import auto, worker

        worker.prepare(threads or auto.cores())
        checkpoint = checkpoints.resolve(model, weights=not asked.from_scratch, tokenizer=asked.train_tokenizer is None)
        key = whole.key(checkpoint, texts, asked)
    with writable(folder), locked(folder), stoppable():
        if done := _done(folder, key):
            say(console, f"{folder}  is done already; nothing was changed")
            return done
        work = folder / WORK / key
        work.mkdir(parents=True, exist_ok=True)
        with _Bar(said, asked) as bar:
            saves = Saves(work / "state", SECONDS_APART)
            found = pretraining.pretrain(checkpoint, texts, asked, work / "model", bar.step, saves, work / "tokenizer")
        return _finish(folder, key, found, _card(model, asked, texts, found, files), console, said)


def _asked(settings: Mapping[str, Any], time_limit: str | None) -> Asked:
    """Gather what is asked. Raises UserError for a setting that there is not, or no length of time."""
    from transfergain.engine.pretraining import Asked

    known = [field.name for field in fields(Asked)]
    if unknown := [name for name in settings if name not in known]:
        raise UserError(f'unknown key "{unknown[0]}".{nearest(unknown[0], known)}')
    try:
        seconds = None if time_limit is None else seconds_of(time_limit)
    except ValueError as error:
        raise UserError(f"--time-limit: {error}") from None
    return Asked(**settings, seconds=seconds)


def _check(files: Sequence[str], asked: Asked) -> None:
    """Raise UserError for what cannot be asked."""
    if not files:
        raise UserError("--unlabelled-file: give the text to pretrain on; it may be repeated")
    if asked.steps is None and asked.epochs is None and asked.seconds is None:
        raise UserError("--steps: say how long to train: --steps 2000, --epochs 3 or --time-limit 20m")
    if asked.train_tokenizer is not None and not asked.from_scratch:
        raise UserError("--train-tokenizer: a checkpoint's weights are of its own tokenizer; add --from-scratch")
    bounds: Mapping[str, tuple[Any, float]] = {
        "steps": (asked.steps, 1), "epochs": (asked.epochs, 0), "batch_size": (asked.batch_size, 1),
        "max_length": (asked.max_length, 8), "learning_rate": (asked.learning_rate, 0), "seed": (asked.seed, 0),
    }  # fmt: skip
    if asked.precision not in ("auto", "fp32", "bf16"):
        raise UserError(f"--precision {asked.precision}: give auto, fp32 or bf16")
    for name, (value, least) in bounds.items():
        if value is not None and (value < least or (value == 0 and name in ("epochs", "learning_rate"))):
            raise UserError(
                f"--{name.replace('_', '-')} {value}: give {'more than 0' if least == 0 else f'{least} or more'}"
            )


def _done(folder: Path, key: str) -> Finished | None:
    """Read what a folder holds: a finished pretraining, or None. Raises UserError where it is another one, or a model."""
    if not (folder / RESULT).exists():
        if (folder / "config.json").exists():
            raise UserError(f"--output-dir {folder} holds a model already; choose another folder")
        return None
    result = json.loads((folder / RESULT).read_text("utf-8"))
    if result["key"] != key:
        raise UserError(f"--output-dir {folder} holds another pretraining; choose another folder, or delete this one")
    return _finished(folder, result)


def _finished(folder: Path, result: Mapping[str, Any]) -> Finished:
    curve = tuple((step, held_out, own) for step, held_out, own in result["curve"])
    return Finished(folder, result["objective"], result["steps"], result["loss"], result["unigram_loss"], curve)


def _finish(folder: Path, key: str, found: Pretrained, card: str, console: Console, said: Console) -> Finished:
    """Move the model to its place, its result last, and say what it is."""
    own = zip(found.curve, found.training_losses, strict=True)
    curve = [(point.step, round(point.loss, 6), round(loss, 6)) for point, loss in own]
    unsaid = {"curve", "training_losses", "seconds"}
    result = {"key": key, **{k: v for k, v in asdict(found).items() if k not in unsaid}, "curve": curve}
    work = folder / WORK
    for file in sorted((work / key / "model").iterdir()):
        file.replace(folder / file.name)
    (folder / "README.md").write_text(card, "utf-8")
    (folder / RESULT).write_text(json.dumps(result, indent=1), "utf-8")
    shutil.rmtree(work, ignore_errors=True)
    if found.unknown > FEW_UNKNOWN:
        warn(said, f"{100 * found.unknown:.1f} % of the tokens are unknown to the tokenizer")
    if not has_learned(found.loss, found.unigram_loss):
        warn(said, "it has learned little yet beyond how often each token occurs; give it more steps")
    say(
        console,
        f"{folder}  {words.duration(found.seconds)}, {counted(found.steps, 'step')}, {found.epochs:.1f} times through the "
        f"text: loss {found.loss:.3f} on held-out text (unigram model: {found.unigram_loss:.3f})",
    )
    say(console, f"Next  {command('transfergain', 'run', '--model', folder, '--train-file', 'YOUR_LABELLED.csv')}")
    return _finished(folder, result)


def _card(model: str, asked: Asked, texts: Unlabelled, found: Pretrained, files: Sequence[str]) -> str:
    """Write the folder's README.md."""
    name = Path(model).name if Path(model).exists() else model
    shown = markdown_text(name)
    start = f"the architecture of {shown}, weights drawn afresh" if asked.from_scratch else shown
    rows = [
        f"| {point.step:,} | {point.loss:.3f} | {loss:.3f} |"
        for point, loss in zip(found.curve, found.training_losses, strict=True)
    ]
    return "\n".join(
        [
            "---",
            "library_name: transformers",
            "tags:\n- transfergain\n- pretraining",
            "---",
            "",
            f"# Pretrained on {markdown_text(', '.join(Path(file).name for file in files))}",
            "",
            f"- starts from {start}",
            f"- objective: {found.objective}; loss {found.loss:.3f} nats a token on held-out text, that of a unigram model "
            f"{found.unigram_loss:.3f}",
            f"- text: {counted(texts.count, 'text')}, {counted(texts.words, 'word')}, {found.tokens:,} tokens, "
            f"{100 * found.unknown:.2f} % of them unknown to the tokenizer; sha256 {texts.fingerprint}",
            f"- {counted(found.steps, 'step')} of {counted(asked.batch_size, 'sequence')} of {asked.max_length} tokens, "
            f"{found.epochs:.1f} times through the text; learning rate {found.learning_rate:g}, seed {asked.seed}",
            f"- {found.flops:.3g} floating-point operations, {words.duration(found.seconds)} of training",
            "",
            "| step | held-out loss | training loss |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


class _Bar:
    """Shows on a terminal how far the run is; elsewhere a line for each reading of held-out text."""

    def __init__(self, console: Console, asked: Asked) -> None:
        self._console, self._asked = console, asked
        self._score: float | None = None
        self._progress: Progress | None = None
        if console.is_terminal and not console.quiet:
            self._progress = Progress(
                BarColumn(bar_width=20), TextColumn("{task.description}", markup=False), console=console
            )
            self._bar = self._progress.add_task("", total=None)

    def __enter__(self) -> _Bar:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def step(self, step: int, steps: int, score: float | None) -> None:
        """Show a step that was taken."""
        loss = "" if score is None else f" · held-out loss {-math.log(score):.3f}"
        of = f"step {step:,} of {steps:,}" if steps else f"step {step:,}"
        if self._progress:
            self._progress.update(self._bar, total=steps or None, completed=step, description=of + loss)
        elif score != self._score:
            say(self._console, of + loss)
        self._score = score
