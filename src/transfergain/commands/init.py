"""Write a commented study file from the user's data, ready to run: `transfergain init`."""

from __future__ import annotations

import importlib.util
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from transfergain.checkpoint import PACKAGED
from transfergain.data import prepare
from transfergain.data.folders import read_folder
from transfergain.data.formats.table import SPLIT_NAMES, Table, headless, no_header
from transfergain.data.read import READERS, ending, read_file
from transfergain.data.recognise import Guess
from transfergain.errors import UserError, nearest
from transfergain.options import OptionKind
from transfergain.report.toml import toml_value
from transfergain.running.planner import auto_budgets
from transfergain.study import Study, load
from transfergain.tasks import TASKS, surest_first
from transfergain.tasks.base import Task
from transfergain.types import Dataset

PROPOSED_LENGTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Lengths that are proposed for --max-length, in tokens."""
COVERED_SHARE = 0.99
"""Share of the texts that a proposed length holds in full."""
TOKENS_A_WORD = 1.4
"""Assumed, not measured, where the tokenizer is not here: word pieces of English a word, punctuation included."""

Ask = Callable[[str, str], str]
"""(question, proposed answer) -> answer."""


@dataclass(frozen=True)
class Proposal:
    """What a study file will say."""

    keys: dict[str, Any]
    """Keys of the study that the data or the user decided."""
    data: Dataset
    lengths: list[int]
    """Tokens of each training text, special tokens included."""
    counted: str
    """How they were counted, in words."""


def propose(file: str, given: Mapping[str, Any], ask: Ask | None = None) -> Proposal:
    """Read the user's file or folder of splits and propose a study; `given` holds keys that the user decided.

    `ask` is called for what only the user knows. Raises UserError naming the file when no task can read it.
    """
    keys = {**_place(file), **given}
    found = _read(Path(file), keys)
    task, options = _recognise(file, found, keys)
    if ask and "task" not in given:
        task = _task(ask(f"Task ({', '.join(TASKS)})", task.name))
        options = _options(task, found)
    for key in [key for key, value in options.items() if isinstance(value, str)] if ask else ():
        options[key] = keys.get(key) or ask(key.replace("_", " ").capitalize(), options[key])  # type: ignore[misc]
    keys = {"task": task.name, **keys} | {key: value for key, value in options.items() if key not in given}
    data = prepare.load(load(keys).source(), task)
    if ask:
        keys |= {k: v for k, v in _questions(keys, ask).items() if v}
    folder = _model_folder(keys.get("model", Study.model_fields["model"].default))
    lengths, counted = _lengths([task.text(e) for e in data.train], folder)
    keys.setdefault("max_length", _length_for(lengths, folder))
    for option in task.options:
        if option.bounds:
            keys.setdefault(option.name, _length_for(_lengths([option.bounds(e) for e in data.train], folder)[0], folder))
    keys.setdefault("budgets", auto_budgets(len(data.train), len(data.dev), len(data.labels)))
    return Proposal(keys, data, lengths, counted)


def _questions(keys: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    if "model" not in keys:
        answers["model"] = ask("Model (Hub id, folder or builtin:minilm)", "builtin:minilm")
    if "shift" not in keys and (path := ask("A test file of another domain, if you have one", "")):
        answers["shift"] = {Path(path).name.split(".")[0]: path}
    if "seeds" not in keys:
        answers["seeds"] = ask("Seeds (replicates of every trial; auto: until it is clear)", "auto")
    return answers


def _place(file: str) -> dict[str, str]:
    """Find the keys that say where the data is: the file, and dev and test files that lie beside one called train."""
    path = Path(file)
    if path.is_dir():
        return {"dataset_name": file}
    found = {"train_file": file}
    stem, dot, ending = path.name.partition(".")
    if stem.lower() in SPLIT_NAMES["train"]:
        for split, key in (("validation", "validation_file"), ("test", "test_file")):
            names = [f"{name}{dot}{ending}" for name in SPLIT_NAMES[split]]
            if beside := [str(path.parent / name) for name in names if (path.parent / name).is_file()]:
                found[key] = beside[0]
    return found


def _task(name: str, flag: str = "") -> Task:
    if name not in TASKS:
        raise UserError(f'{flag}unknown task "{name}".{nearest(name, TASKS)}')
    return TASKS[name]


class KnownFile(NamedTuple):
    """What is known of a file before its task is known."""

    table: Table | None
    """The training rows; None where only its task can read it."""
    by_name: tuple[Task, Guess] | None = None
    """The task that recognises the file's name, and the options that the name tells."""


def _read(path: Path, keys: Mapping[str, Any]) -> KnownFile:
    if path.is_dir():
        return KnownFile(read_folder(path)["train"])
    if path.is_file():
        for task in surest_first():
            if (guess := task.recognise_file(path, keys)) is not None:
                return KnownFile(None, (task, guess))
        if "task" in keys and ending(path) not in READERS:
            return KnownFile(None)
    return KnownFile(read_file(path))


def _options(task: Task, found: KnownFile) -> Guess:
    """Guess the task's columns and languages."""
    guess = found.by_name[1] if found.by_name else (found.table and task.recognise(found.table)) or {}
    return {key: value for key, value in guess.items() if key in task.defaults(OptionKind.PARSE)}


def _recognise(file: str, found: KnownFile, keys: Mapping[str, Any]) -> tuple[Task, Guess]:
    """Recognise the task: (task, its options). Raises UserError where no task seems to fit."""
    options = [option for task in TASKS.values() for option in task.options]
    usual_names = {name for option in options for name in option.usual_names}
    columns_given = {option.name for option in options if option.kind & OptionKind.COLUMN} & set(keys)
    if found.table and headless(found.table, usual_names) and not columns_given:
        raise UserError(no_header(file))
    if "task" in keys:
        task = _task(keys["task"], "--task: ")
        return task, _options(task, found)
    if found.by_name:
        return found.by_name
    assert found.table is not None
    given = {option.name for option in options} & set(keys)
    for task in surest_first():
        if given <= {option.name for option in task.options} and (guess := task.recognise(found.table)) is not None:
            return task, guess
    raise UserError(
        f"{file}: cannot tell what task its columns ({', '.join(found.table.columns()[:8])}) are for; give --task, one of "
        f"{', '.join(TASKS)}, and the flags that name its columns"
    )


def _model_folder(model: str) -> Path | None:
    """Find the checkpoint's folder on this machine; None for a Hub id, which is not fetched for a proposal."""
    entry = PACKAGED.get(model)
    spec = importlib.util.find_spec(entry.package) if entry else None
    if entry and spec and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))) / entry.folder
    return Path(model) if Path(model).is_dir() else None


def _lengths(texts: Sequence[str], folder: Path | None) -> tuple[list[int], str]:
    """Count the tokens of each text: (tokens, how they were counted)."""
    if folder and (folder / "tokenizer.json").exists():
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return [len(found.ids) for found in tokenizer.encode_batch(list(texts))], "tokens of the model's tokenizer"
    guessed = [2 + round(TOKENS_A_WORD * len(text.split())) for text in texts]
    return guessed, f"tokens, guessed as {TOKENS_A_WORD} a word because the model is not on this machine yet"


def _length_for(lengths: Sequence[int], folder: Path | None) -> int:
    """Choose the smallest of PROPOSED_LENGTHS that holds nearly all texts, or the most that the model takes."""
    wanted = sorted(lengths)[int(COVERED_SHARE * (len(lengths) - 1))]
    most = PROPOSED_LENGTHS[-1]
    config = folder / "config.json" if folder else None
    if config and config.exists():
        most = min(most, json.loads(config.read_text("utf-8")).get("max_position_embeddings") or most)
    return min(most, next((length for length in PROPOSED_LENGTHS if length >= wanted), PROPOSED_LENGTHS[-1]))


def render(proposal: Proposal) -> str:
    """Write the text of the study file: its keys, with comments on what was found in the data and what can be changed."""
    keys, data, study = proposal.keys, proposal.data, load(proposal.keys)
    task = TASKS[study.task]
    bounded = [option.name for option in task.options if option.bounds]
    others = [option.name for option in task.options if not option.bounds]
    places = ("train_file", "dataset_name", "validation_file", "test_file", *others)
    ordered = sorted(proposal.lengths)
    over = sum(n > study.tokens() for n in ordered) / len(ordered)
    most = auto_budgets(len(data.train), len(data.dev), len(data.labels))[-1]
    cells = len(study.arms) * (len(study.budgets) if study.budgets != "auto" else 1)
    sections = [
        "# A study: how much does the checkpoint buy on this data, compared with training from scratch?\n"
        "# Every flag of `transfergain run` is a key here, with _ in place of -; a flag overrides its key.\n"
        f"# Tasks: {', '.join(TASKS)}.\n" + _lines({"task": study.task}),
        "# The data. Paths are relative to the folder that the command is run in.\n"
        + "".join(f"#   {_comment(note)}\n" for note in data.notes)
        + _classes(data)
        + _lines({key: keys[key] for key in places if keys.get(key)})
        + _absent(study),
        f"# The checkpoint: a Hub id, a folder that save_pretrained wrote, or {', '.join(PACKAGED)}.\n"
        + _lines({"model": study.model}),
        f"# Half of the texts have up to {ordered[len(ordered) // 2]:,} {proposal.counted};\n"
        f"# the longest has {ordered[-1]:,}. {over:.1%} are longer than max_length: the rest of them is cut, or read in a "
        "window of its own.\n" + _lines({k: getattr(study, k) for k in ("max_length", *bounded) if k in keys}),
        '# Labels that an arm may see, train and dev together. "auto": all there are, and a quarter of it, and so on.\n'
        f"# This data has {most:,}.\n" + _lines({"budgets": study.budgets}),
        f'# Replicates of every trial. "auto": until it is clear, 3 at least. Trials: {cells:,} a seed, floors left out.\n'
        + _lines({"seeds": study.seeds}),
        "# Learning rates tried for every arm, on dev. 0: none, every arm's default.\n" + _lines({"tune": study.tune}),
        '# Less work: arms that run at the largest budget alone.\n# largest_only = ["probe", "lora"]\n',
        "# Where the report, the models and the store go.\n" + _lines({"output_dir": f"runs/{data.name}"}),
    ]
    return "\n".join(sections)


def _lines(keys: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {toml_value(value)}\n" for key, value in keys.items())


def _comment(text: str) -> str:
    """Replace line breaks and the like, so that text cannot leave its comment."""
    return "".join(c if c.isprintable() else " " for c in text)


def _classes(data: Dataset) -> str:
    if not data.labels:
        return ""
    counts = Counter(i for e in data.train for i in _held(e.target))
    shown = [_comment(label) + (f" {counts[i]:,}" if counts else "") for i, label in enumerate(data.labels[:12])]
    more = f" and {len(data.labels) - 12} more" if len(data.labels) > 12 else ""
    return f"#   labels in train: {', '.join(shown)}{more}\n"


def _held(target: Any) -> list[int]:
    """List the classes of a target of classes: its index, or the labels that it marks with 1."""
    if isinstance(target, tuple):
        return [i for i, hit in enumerate(target) if hit]
    return [target] if isinstance(target, int) else []


def _absent(study: Study) -> str:
    """Write the keys of further data, as comments where the user has none."""
    text = ""
    if study.train_file and not study.test_file:
        text += '# Carved from train where absent:\n# validation_file = "dev.csv"\n# test_file = "test.csv"\n'
    text += "# Test sets of other domains: what is the gain worth there?\n"
    return text + (_lines({"shift": study.shift}) if study.shift else '# shift = { tweets = "tweets.csv" }\n')


def write(proposal: Proposal, output: str, force: bool) -> Path:
    """Write the study file. Raises UserError when it is there already (unless `force`) or cannot be written."""
    path, text = Path(output), render(proposal)
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(f"{output}: the name of the data file is not UTF-8, which TOML needs; rename it") from None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
        with os.fdopen(os.open(path, flags, 0o666), "wb") as file:
            file.write(content)
    except FileExistsError:
        raise UserError(f"--output {output} is there already; --force writes over it") from None
    except OSError as error:
        raise UserError(f"--output {output}: cannot write there ({error.strerror})") from None
    return path
