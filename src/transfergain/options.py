"""Describe what a user can set: options of single tasks, keys of the whole study, and the flags of both."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the command line's own help needs no numpy
    from transfergain.types import Example


class OptionKind(enum.Flag):
    """What an option of a task changes."""

    COLUMN = enum.auto()
    """Which column of the data is read."""
    READING = enum.auto()
    """How the data is read."""
    ENCODING = enum.auto()
    """How the model reads and generates; it is part of the recipe, and so of every trial's id."""
    PARSE = COLUMN | READING
    """What `Task.parse` and `Task.readers` are given."""


@dataclass(frozen=True)
class Option:
    """One option of a task, from which come its key in a study file, its flag, help and completion.

    Tasks that share an option declare it each, with the same type and bounds; its default and help may differ.
    """

    name: str
    """Key in a study file. The flag is the same with hyphens."""
    default: Any
    help: str
    kind: OptionKind
    type: Any = str
    """Annotation of the value in a study file. A flag takes a number for `int` and `float`, else a word; of `bool` it is a
    switch."""
    ge: float | None = None
    le: float | None = None
    check: Callable[[Any], Any] | None = None
    """Value as given -> value; raises ValueError in words that say what is expected."""
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    """Words that the shell completes."""
    usual_names: tuple[str, ...] = ()
    """Of a column: what data sets call it, the usual names first."""
    bounds: Callable[[Example], str] | None = None
    """Of a number of tokens: the text that it bounds. No model may be given more tokens than it has positions for."""

    @property
    def flag(self) -> str:
        """Give the flag as users write it."""
        return flag_of(self.name)


class Group(enum.Enum):
    """The groups of flags in a help text, in their order."""

    INPUT = "Input"
    QUESTION = "Question"
    TRAINING = "Training"
    MACHINE = "Machine"
    OUTPUT = "Output"
    TASKS = "Options of single tasks"


@dataclass(frozen=True)
class Flag:
    """How the command line shows a key of a study; stands in the key's annotation."""

    help: str
    group: Group
    default: str | None = None
    """Words for the default; None where the key's own value says it."""
    type: Any = None
    """What the flag takes, where that is not told by the key's annotation."""
    spellings: tuple[str, ...] = ()
    """Further spellings."""
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    """Words that the shell completes, the last of several with commas between."""


def flag_of(name: str) -> str:
    """Give the flag of a study's key: `--train-file` of `train_file`."""
    return "--" + name.replace("_", "-")


def help_of(by_task: Mapping[str, Option]) -> str:
    """Write an option's help for the tasks that take it: `ner: what it does (default: X)`, equal ones together."""
    defaults = {default_words(option.default) for option in by_task.values()}
    shared = defaults.pop() if len(defaults) == 1 else ""
    said: dict[str, list[str]] = {}
    for task, option in by_task.items():
        said.setdefault(option.help + ("" if shared else default_words(option.default)), []).append(task)
    return "; ".join(f"{', '.join(tasks)}: {words}" for words, tasks in said.items()) + shared


def default_words(value: Any) -> str:
    """Write a default for a help text: ` (default: 8)`; nothing where it means "not given"."""
    if value is None or value is False or value in ("", []):
        return ""
    return f" (default: {','.join(map(str, value)) if isinstance(value, list) else value})"
