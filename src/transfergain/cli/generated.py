"""Add commands whose flags are made only when the command is used: importing the registries takes a second."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import typer
from typer.core import TyperCommand

from transfergain.options import Group

FIRST_FLAGS = ("task", "model", "train_file", "quick")
"""The flags that nearly every study has, and that for a first try; first in their group."""


def add(app: typer.Typer, command: Callable[..., None], flags: Callable[[], Iterable[inspect.Parameter]]) -> None:
    """Add a command that takes `flags` beside the parameters of its own."""

    class Late(TyperCommand):
        """Stands for the command until its flags are asked for."""

        @functools.cached_property
        def made(self) -> Any:
            alone = typer.Typer(add_completion=False)
            alone.command()(_taking(command, flags()))
            return typer.main.get_command(alone)

        @property
        def params(self) -> Any:
            return self.made.params

        @params.setter
        def params(self, value: Any) -> None:
            """Ignore the parameters of the stand-in, which has none."""

        def invoke(self, ctx: Any) -> Any:
            return self.made.invoke(ctx)

        def get_help_option(self, ctx: Any) -> Any:
            option = super().get_help_option(ctx)
            if option is not None:  # with the last of its like, else it makes a group of its own that comes first
                option.rich_help_panel = next(
                    (p.rich_help_panel for p in self.params if p.rich_help_panel == Group.OUTPUT.value), None
                )
            return option

    app.command(command.__name__.replace("_", "-"), help=inspect.getdoc(command), cls=Late)(lambda: None)


def _taking(command: Callable[..., None], flags: Iterable[inspect.Parameter]) -> Callable[..., None]:
    """Give the command the signature that typer reads its flags from, in the order of their groups."""

    def call(**given: Any) -> None:
        command(**given)

    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [p for p in (*own, *flags) if p.kind is not inspect.Parameter.VAR_KEYWORD]
    ordered = sorted((p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters), key=_place)
    call.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    call.__annotations__ = {}
    call.__doc__ = command.__doc__
    return call


def _place(parameter: inspect.Parameter) -> tuple[int, int]:
    """Rank a parameter for the help text: arguments, then groups, common flags first in theirs."""
    panels = [part.rich_help_panel for part in parameter.annotation.__metadata__ if hasattr(part, "rich_help_panel")]
    groups = [group.value for group in Group]
    group = groups.index(panels[0]) if panels[0] in groups else -1
    return group, FIRST_FLAGS.index(parameter.name) if parameter.name in FIRST_FLAGS else len(FIRST_FLAGS)
