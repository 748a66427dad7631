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
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="file to write (default: DIR/TABLE.FORMAT, DIR/figures)")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="rows of this metric alone, or all (default: the first in latex and markdown, else all)"),
    ] = None,
    **names: str | None,
) -> None:
    """Write one table of the findings to a file, the sealed texts without labels, or all figures to a folder (svg, png)."""
    from transfergain.report.export import write

    for path in write(folder, names["table"], names["format"], output, metric):
        typer.echo(path)


def flags() -> list[inspect.Parameter]:
    """Make `--format` and `--table`, whose help lists all formats and tables."""
    from transfergain.report.export import FORMATS, TABLES

    usual = f"by the ending of --output, or {next(iter(FORMATS))}"
    return [_flag("format", "FORMATS", FORMATS, usual), _flag("table", "TABLES", TABLES, next(iter(TABLES)))]


def _flag(name: str, registry: str, known: Iterable[str], usual: str) -> inspect.Parameter:
    words = f"{', '.join(known)} (default: {usual})"
    option = typer.Option(help=words, autocompletion=completion_of("report.export", registry), show_default=False)
    taken = Annotated[str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=taken)
