"""`transfergain compare-predictions`."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer
from rich.console import Console

from transfergain.cli.flags import given, study_flags
from transfergain.cli.rank import group_of
from transfergain.options import Group

A = Annotated[str, typer.Argument(metavar="A.csv[,A2.csv]", help="predictions of one system; several files are replicates")]
B = Annotated[str, typer.Argument(metavar="B.csv[,B2.csv]", help="predictions of the other")]
Test = Annotated[str | None, typer.Option(help="file of the texts and true answers", rich_help_panel=Group.INPUT.value)]
Train = Annotated[
    str | None,
    typer.Option(help="its labels are the classes (default: those of the test file)", rich_help_panel=Group.INPUT.value),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="print JSON on stdout, everything else on stderr", rich_help_panel=Group.OUTPUT.value),
]


def compare_flags() -> list[inspect.Parameter]:
    """Choose the flags of a study that say how a file is read."""
    return [p for p in study_flags() if p.name == "task" or group_of(p) == Group.TASKS.value]


def compare_predictions(
    a: A, b: B, test_file: Test = None, train_file: Train = None, as_json: Json = False, **keys: Any
) -> None:
    """Compare two systems by their predictions for a test file: the paired difference with its interval, and no study."""
    from transfergain.commands.compare_predictions import show
    from transfergain.running.comparing import compare
    from transfergain.study import load
    from transfergain.study.values import split_words

    asked = load(given({**keys, "test_file": test_file, "train_file": train_file}), None)
    found = compare(split_words(a), split_words(b), asked)
    typer.echo(found.to_json()) if as_json else show(found, Console())
