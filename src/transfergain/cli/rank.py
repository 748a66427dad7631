"""`transfergain rank`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from transfergain.cli.flags import given, study_flags
from transfergain.options import Group

KEYS = (
    "task", "train_file", "validation_file", "test_file", "dataset_name", "dataset_config_name", "trust_remote_code",
    "max_length", "device", "threads",
)  # fmt: skip
"""Keys of a study that say what is read, and by what."""
Models = Annotated[list[str], typer.Argument(metavar="MODEL MODEL...", help="Hub ids, local folders, or builtin:minilm")]
Examples = Annotated[int, typer.Option(help="labelled examples that are read", min=4, rich_help_panel=Group.QUESTION.value)]
Json = Annotated[
    bool,
    typer.Option("--json", help="print JSON on stdout, everything else on stderr", rich_help_panel=Group.OUTPUT.value),
]

Page = Annotated[
    Path | None, typer.Option(help="HTML file to write the ranking to, as well", rich_help_panel=Group.OUTPUT.value)
]


def rank_flags() -> list[inspect.Parameter]:
    """Choose the flags of a study that a ranking has, and those of tasks."""
    tasks = {parameter.name for parameter in study_flags() if group_of(parameter) == Group.TASKS.value}
    return [parameter for parameter in study_flags() if parameter.name in tasks | set(KEYS)]


def group_of(parameter: inspect.Parameter) -> str | None:
    """Read which group of the help text a flag stands in."""
    panels = [p.rich_help_panel for p in parameter.annotation.__metadata__ if hasattr(p, "rich_help_panel")]
    return panels[0] if panels else None


def rank(models: Models, examples: Examples = 1000, as_json: Json = False, page: Page = None, **keys: Any) -> None:
    """Put checkpoints in the order of what to expect from them on your data, before anything is trained."""
    from transfergain.commands import rank_page
    from transfergain.commands.rank import show
    from transfergain.running import ranking
    from transfergain.running.console import say
    from transfergain.study import load

    console = Console(stderr=as_json)
    found = ranking.rank(models, load(given(keys), None), examples, console)
    typer.echo(found.to_json()) if as_json else show(found, console)
    if page is not None:
        rank_page.write(found, page)
        say(console, f"Page          {page}")
