"""`transfergain doctor`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from transfergain.cli.output import Json, print_json


def doctor(
    as_json: Json = False,
    timeout: Annotated[float, typer.Option(help="seconds to wait for the Hub")] = 5.0,
) -> None:
    """Look at this machine: versions, device, precision, checkpoint, Hub, disk. Exit code 1 when a study could not run."""
    from transfergain.commands.doctor import examine

    console, checks = Console(stderr=as_json), []
    colours = {"ok": "green", "note": "yellow", "problem": "bold red"}
    for check in examine(timeout):
        checks.append(check._asdict())
        line = Text(f"{check.status:<9}", style=colours[check.status]) + Text(f"{check.name:<16}{check.found}")
        console.print(line + Text(f"\n{'':<25}{check.advice}" if check.advice else ""), soft_wrap=True)
    if as_json:
        print_json(checks)
    if any(check["status"] == "problem" for check in checks):
        raise typer.Exit(1)
