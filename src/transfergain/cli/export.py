"""`transfergain export`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Annotated

import typer

from transfergain.cli.flags import completion_of
from transfergain.cli.output import Folder


def export(
    folder: Folder,
    output: Annotated[str | None, typer.Option(help="file to write (default: DIR/TABLE.FORMAT)")] = None,
    **names: str,
) -> None:
    """Write gains, scores, all trials or another table of the findings to a file, or the figures to a folder."""
    from transfergain.report.export import write_table

    typer.echo(write_table(folder, names["table"], names["format"], output))


def flags() -> list[inspect.Parameter]:
    """Make `--format` and `--table`, whose help lists all formats and tables."""
    from transfergain.report.export import FORMATS, TABLES

    return [_flag("format", "FORMATS", FORMATS), _flag("table", "TABLES", TABLES)]


def _flag(name: str, registry: str, known: Iterable[str]) -> inspect.Parameter:
    first = next(iter(known))
    option = typer.Option(help=", ".join(known), autocompletion=completion_of("report.export", registry))
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=first, annotation=Annotated[str, option])
