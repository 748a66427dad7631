"""`transfergain report`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from transfergain.cli.output import Folder, Json

Full = Annotated[bool, typer.Option("--full", help="print every table, sentence and warning too")]


def report(folder: Folder, as_json: Json = False, full: Full = False) -> None:
    """Analyse a run again from its store: print the answer and write report.html and findings.json."""
    from transfergain.analysis.findings import load
    from transfergain.report import next_steps
    from transfergain.report import terminal as text
    from transfergain.report.files import write_files

    console = Console(stderr=as_json)
    findings = load(folder)
    text.show(findings, console, full)
    if as_json:
        typer.echo(findings.to_json(), nl=False)
    write_files(findings)  # the answer is there by now, whether or not the folder can be written
    console.print(Text("\n" + "\n".join(next_steps.lines(findings))), soft_wrap=True)
