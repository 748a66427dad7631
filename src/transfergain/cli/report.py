"""`transfergain report`."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from transfergain.cli.output import Folder, Json


def report(folder: Folder, as_json: Json = False) -> None:
    """Analyse a run again from its store: print the tables and write report.html and findings.json."""
    from transfergain.analysis.findings import load
    from transfergain.report import terminal as text
    from transfergain.report.files import write_files

    console = Console(stderr=as_json)
    findings = load(folder)
    write_files(findings)
    text.show(findings, console)
    console.print(
        Text(f"\nReport {Path(folder) / 'report.html'} · findings {Path(folder) / 'findings.json'}"), soft_wrap=True
    )
    if as_json:
        typer.echo(findings.to_json(), nl=False)
