"""`transfergain report`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from transfergain.cli.flags import given
from transfergain.cli.output import Folder, Json

Full = Annotated[bool, typer.Option("--full", help="print every table, sentence and warning too")]
Forecast = Annotated[str | None, typer.Option("--forecast", help="labels to forecast scores for: 1000,2000")]
TargetError = Annotated[float | None, typer.Option("--target-error", help="how many labels for this error? 0.1 is 10 %")]
LabelCost = Annotated[float | None, typer.Option("--label-cost", help="what one label costs")]
Currency = Annotated[str | None, typer.Option("--currency", help="of --label-cost: EUR")]


def report(
    folder: Folder,
    as_json: Json = False,
    full: Full = False,
    forecast: Forecast = None,
    target_error: TargetError = None,
    label_cost: LabelCost = None,
    currency: Currency = None,
) -> None:
    """Analyse a run again from its store: print the answer and write report.html and findings.json.

    Labels to forecast and what they cost stand in for those of the run; nothing is trained.
    """
    from transfergain.analysis.findings import load
    from transfergain.report import next_steps
    from transfergain.report import terminal as text
    from transfergain.report.files import write_files

    console = Console(stderr=as_json)
    asked = {"forecast": forecast, "target_error": target_error, "label_cost": label_cost, "currency": currency}
    findings = load(folder, _checked(given(asked)))
    text.show(findings, console, full)
    if as_json:
        typer.echo(findings.to_json(), nl=False)
    write_files(findings)  # the answer is there by now, whether or not the folder can be written
    console.print(Text("\n" + "\n".join(next_steps.lines(findings))), soft_wrap=True)


def _checked(asked: dict[str, Any]) -> dict[str, Any]:
    """Check what is asked for beside the run's own request. Raises UserError as `run` does."""
    if not asked:
        return {}
    from transfergain.study import load_keys

    return load_keys(asked)
