"""Make the flags of `run`, `plan` and `init` from the keys of a study, the tasks' options included."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer

from transfergain.options import Flag, Group, default_words, flag_of

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PROPOSED_DEFAULTS = {
    "task": "told from the file",
    "model": None,
    "validation_file": "beside a train file, or carved",
    "test_file": "beside a train file, or carved",
    "shift": None,
    "budgets": "by the size of the data",
    "max_length": "by the texts",
    "seeds": None,
    "tune": None,
}
"""Key of a study that `init` takes as a flag -> words for its default; None where it is the study's."""
REGISTRIES = {
    "model": ("checkpoint", "PACKAGED"),
    "executor": ("executors", "EXECUTORS"),
    "report_to": ("tracking", "TRACKERS"),
}
"""Key -> module and name of the registry of its words: a layer above the study, which therefore cannot import it."""
UNION_TYPES = (Union, types.UnionType)

Complete = Callable[[str], list[str]]


def study_flags() -> list[inspect.Parameter]:
    """Make a flag for every key of a study, but for the list of its data sets."""
    return [_parameter(name, field, flag, flag.default) for name, field, flag in _keys()]


def init_flags() -> list[inspect.Parameter]:
    """Make the flags of what `init` proposes, and of all options of tasks."""
    return [
        _parameter(name, field, flag, PROPOSED_DEFAULTS.get(name) or flag.default)
        for name, field, flag in _keys()
        if name in PROPOSED_DEFAULTS or flag.group is Group.TASKS
    ]


def given(keys: dict[str, Any]) -> dict[str, Any]:
    """Keep the keys that the user gave."""
    return {key: value for key, value in keys.items() if value is not None and value != []}


def _keys() -> Iterable[tuple[str, FieldInfo, Flag]]:
    from transfergain.study import Study

    for name, field in Study.model_fields.items():
        for flag in (part for part in field.metadata if isinstance(part, Flag)):
            yield name, field, flag


def _parameter(name: str, field: FieldInfo, flag: Flag, default: str | None) -> inspect.Parameter:
    """Build the parameter that typer makes the flag of; its value is None where it is not given."""
    option = typer.Option(
        flag_of(name),
        *flag.spellings,
        help=flag.help + default_words(default or (None if field.default_factory else field.default)),
        autocompletion=_completion(name, field, flag),
        metavar=flag.metavar,
        rich_help_panel=flag.group.value,
        show_default=False,
    )
    taken: Any = (flag.type or _taken(field.annotation)) | None
    taken = Annotated[taken, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=taken)


def _taken(annotation: Any) -> Any:
    """Find what a flag takes for a key of this type: numbers and switches as they are, tables repeated, else a word."""
    first = annotation
    if get_origin(annotation) in UNION_TYPES:
        first = next(part for part in get_args(annotation) if part is not None)
    if get_origin(first) is Annotated:
        first = get_args(first)[0]
    if get_origin(first) is dict:
        return list[str]
    return first if first in (int, float, bool) else str


def _completion(name: str, field: FieldInfo, flag: Flag) -> Complete | None:
    words = get_args(field.annotation) if get_origin(field.annotation) is Literal else flag.choices
    if name in REGISTRIES:
        return completion_of(*REGISTRIES[name])
    return _one_of(words) if words else None


def completion_of(module: str, registry: str) -> Complete:
    """Complete names of a registry, which is imported when asked."""

    def complete(incomplete: str) -> list[str]:
        from importlib import import_module

        return _one_of(getattr(import_module(f"transfergain.{module}"), registry))(incomplete)

    return complete


def _one_of(words: Iterable[str]) -> Complete:
    """Complete one of the words; after a comma, the next."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{word}" for word in words if word.startswith(last)]

    return complete
