"""`transfergain init`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from transfergain import shell
from transfergain.cli.flags import given
from transfergain.errors import UserError
from transfergain.options import Group


def init(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="labelled data: a file, or a folder of splits")
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="study file to write", rich_help_panel=Group.OUTPUT.value)
    ] = "study.toml",
    force: Annotated[
        bool,
        typer.Option("--force", help="write over a study file that is there", rich_help_panel=Group.OUTPUT.value),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="ask nothing; take what is proposed", rich_help_panel=Group.OUTPUT.value),
    ] = False,
    **keys: Any,
) -> None:
    """Write a commented study file for your data: reads the file, proposes columns, lengths and budgets."""
    from transfergain.commands import init as starter

    ask = None if yes or not (sys.stdin.isatty() and sys.stdout.isatty()) else _ask
    if file is None and ask is None:
        raise UserError("init needs a FILE of labelled data, or a folder of splits; transfergain init reviews.csv")
    proposal = starter.propose(file or _ask("File of labelled data", ""), given(keys), ask)
    path = starter.write(proposal, output, force)
    typer.echo(f"{path} written: {proposal.keys['task']}, {len(proposal.data.train):,} training texts")
    typer.echo("Look through it, then see what it takes, and run it:")
    for command in ("plan", "run"):
        typer.echo(f"  {shell.command('transfergain', command, path)}")


def _ask(question: str, proposed: str) -> str:
    return str(typer.prompt(question, default=proposed, show_default=bool(proposed))).strip()
