"""`transfergain run` and `transfergain plan`."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Console

from transfergain.cli.flags import given
from transfergain.cli.output import complain
from transfergain.counts import counted
from transfergain.errors import UserError
from transfergain.options import Group

File = Annotated[str | None, typer.Argument(metavar="[STUDY.toml]", help="a study file; flags override it")]
Config = Annotated[str | None, typer.Option(help="the same, as a flag", rich_help_panel=Group.INPUT.value)]
Json = Annotated[
    bool,
    typer.Option("--json", help="print JSON on stdout, everything else on stderr", rich_help_panel=Group.OUTPUT.value),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print nothing but errors", rich_help_panel=Group.OUTPUT.value)]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="a line a trial and dev evaluation, no bar; in the end everything, as report --full",
        rich_help_panel=Group.OUTPUT.value,
    ),
]


def run(
    study: File = None,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **keys: Any,
) -> None:
    """Run a study: compare arms with training from scratch on your labelled text, and say what the difference is worth."""
    began, file = time.monotonic(), _one(study, config)  # a time limit counts from here
    if quiet and verbose:
        raise UserError("--quiet and --verbose exclude each other; give one")
    from transfergain.running.console import busy

    console = Console(stderr=as_json, quiet=quiet)
    with busy(console, "starting"):  # imports take seconds
        from transfergain import api
        from transfergain.study import load

        asked = load(given(keys), file)
    findings = api.run_study(asked, console, verbose, began)
    if as_json:
        typer.echo(findings.to_json(), nl=False)
    if failed := findings.trials["failed"]:
        raise typer.Exit(complain(f"{counted(failed, 'trial')} failed; the warnings of the report say why", 1))


def plan(
    study: File = None,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **keys: Any,
) -> None:
    """Say what `run` with the same flags would do: trials by arm and budget, their time and memory here, what is done."""
    file = _one(study, config)
    from transfergain.commands import plan as planning
    from transfergain.study import load

    console = Console(stderr=as_json, quiet=quiet)
    found = planning.plan(load(given(keys), file), console)
    typer.echo(found.to_json()) if as_json else planning.show(found, console)


def _one(study: str | None, config: str | None) -> str | None:
    """Find the study file, given as an argument or by `--config`."""
    if study and config:
        raise UserError(f"give one study file, not both {study} and --config {config}")
    return study or config
