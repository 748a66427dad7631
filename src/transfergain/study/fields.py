"""Add keys for the options of all tasks to a study, as fields that pydantic checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, create_model

from transfergain.options import Flag, Group, Option, help_of
from transfergain.tasks.base import Task

M = TypeVar("M", bound=BaseModel)


def with_options_of(tasks: Iterable[Task]) -> Callable[[type[M]], type[M]]:
    """Add a field for every option of these tasks to a model; None means that the user did not give it.

    An option that several tasks take is one field. Raises ValueError where they mean different things by one name.
    """
    uses: dict[str, dict[str, Option]] = {}
    for task in tasks:
        for option in task.options:
            uses.setdefault(option.name, {})[task.name] = option
    fields: dict[str, Any] = {name: (_annotation(by_task), None) for name, by_task in uses.items()}

    def add(model: type[M]) -> type[M]:
        return create_model(model.__name__, __base__=model, __module__=model.__module__, __doc__=model.__doc__, **fields)

    return add


def _annotation(by_task: Mapping[str, Option]) -> Any:
    """Build the annotation of an option's field: its type, bounds and flag."""
    first, *others = by_task.values()
    for other in others:
        if (other.type, other.ge, other.le, other.check) != (first.type, first.ge, first.le, first.check):
            raise ValueError(f'the tasks {", ".join(by_task)} declare "{first.name}" with different types or bounds')
    value: Any = first.type
    if (first.ge, first.le) != (None, None):
        value = Annotated[value, Field(ge=first.ge, le=first.le)]
    value = value | None
    if first.check:
        value = Annotated[value, BeforeValidator(_where_given(first.check))]
    words = tuple(dict.fromkeys(word for option in by_task.values() for word in option.choices))
    return Annotated[value, Flag(help_of(by_task), Group.TASKS, metavar=first.metavar, choices=words)]


def _where_given(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)
