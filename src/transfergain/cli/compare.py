"""`transfergain compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from transfergain.cli.output import Json, print_json
from transfergain.errors import UserError


def compare(
    folders: Annotated[list[str], typer.Argument(metavar="DIR DIR...", help="output folders of two runs or more")],
    output: Annotated[str | None, typer.Option("--output", "-o", help="write it as a page too")] = None,
    as_json: Json = False,
) -> None:
    """Put several runs side by side: checkpoints, or dates, on the same data, paired by seed."""
    from transfergain.analysis.findings import load
    from transfergain.commands.compare import compare as rows_of
    from transfergain.commands.side_by_side import page, show

    rows = rows_of([load(folder) for folder in folders])
    show(rows, Console(stderr=as_json))
    if output:
        try:
            Path(output).write_text(page(rows), "utf-8")
        except OSError as error:
            raise UserError(f"--output {output}: cannot write there ({error.strerror})") from None
    if as_json:
        print_json([row.to_dict() for row in rows])
