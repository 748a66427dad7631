"""`transfergain doctor`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from transfergain.cli.output import Json, print_json

STATUS = 9
"""Columns for how a check came out."""


def doctor(
    as_json: Json = False,
    timeout: Annotated[float, typer.Option(help="seconds to wait for the Hub")] = 5.0,
) -> None:
    """Look at this machine: versions, device, precision, checkpoint, Hub, disk. Exit code 1 when a study could not run."""
    from transfergain.commands.doctor import examine
    from transfergain.running.console import LABEL, wrapped

    console, checks = Console(stderr=as_json), []
    colours = {"ok": "green", "note": "yellow", "problem": "bold red"}
    for check in examine(timeout):
        checks.append(check._asdict())
        status = Text(f"{check.status:<{STATUS}}", style=colours[check.status])
        lines = [*wrapped(console, check.found, STATUS + LABEL), *wrapped(console, check.advice, STATUS + LABEL)]
        rest = f"\n{'':<{STATUS + LABEL}}".join(line for line in lines if line)
        console.print(status + Text(f"{check.name:<{LABEL}}{rest}"), soft_wrap=True)
    if as_json:
        print_json(checks)
    if any(check["status"] == "problem" for check in checks):
        raise typer.Exit(1)
