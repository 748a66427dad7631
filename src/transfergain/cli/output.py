"""Share among commands the folder of a run, `--json`, tables, and complaints of one line."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Folder = Annotated[str, typer.Argument(metavar="DIR", help="output folder of a run")]
Json = Annotated[bool, typer.Option("--json", help="print JSON on stdout, everything else on stderr")]


def print_table(headers: tuple[str, ...], rows: list[Any], as_json: bool) -> None:
    """Print a table for people, or one object a row with the headers as keys."""
    if as_json:
        print_json([dict(zip((h.replace(" ", "_") for h in headers), row, strict=True)) for row in rows])
        return
    table = Table(box=None, pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def complain(message: str, code: int = 130) -> int:
    """Print one line to stderr, whatever the message quotes; returns the code."""
    typer.echo("transfergain: " + " ".join(message.splitlines()), err=True)
    return code
