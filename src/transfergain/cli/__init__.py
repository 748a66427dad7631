"""Run the command line; one file for a command, or for a few that are alike.

Exit codes: 0 done, 1 some trial failed, 2 for the user to mend, 130 interrupted, 143 and 129 ended by SIGTERM and SIGHUP.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from transfergain.cli import (
    compare,
    compare_predictions,
    convert,
    doctor,
    export,
    init,
    lists,
    next_labels,
    pretrain,
    rank,
    report,
    run,
)
from transfergain.cli.flags import init_flags, study_flags
from transfergain.cli.generated import add
from transfergain.cli.output import complain
from transfergain.counts import counted
from transfergain.errors import Interrupted, UserError

app = typer.Typer(
    name="transfergain",
    help="Does starting from a pretrained checkpoint help on my task, how much, and is the difference real?",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from transfergain import __version__

        typer.echo(f"transfergain {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")] = False,
) -> None:
    pass


add(app, run.run, study_flags)
add(app, run.plan, study_flags)
add(app, rank.rank, rank.rank_flags)
app.command()(pretrain.pretrain)
add(app, init.init, init_flags)
app.command()(report.report)
add(app, export.export, export.flags)
app.command()(compare.compare)
add(app, compare_predictions.compare_predictions, compare_predictions.compare_flags)
app.command("next-labels")(next_labels.next_labels)
app.command()(convert.convert)
app.command()(doctor.doctor)
app.command()(lists.tasks)
app.command()(lists.arms)
app.command()(lists.models)


def main() -> None:
    """Run the command line, and turn exceptions with a meaning into one line and an exit code."""
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="transfergain", standalone_mode=False) or 0
        if code == 130:  # typer's code for Ctrl-C
            complain("interrupted; the same command continues")
    except UserError as error:
        code = complain(str(error), 2)
    except Interrupted as error:
        code = 128 + error.signal
        complain(
            f"interrupted with {counted(error.findings.trials['done'], 'trial')} done; the same command continues", code
        )
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's complaints about flags, whose class moved between versions
            raise
        message = error.format_message().strip().removesuffix(".")
        code = complain(f"{message[:1].lower()}{message[1:]}; transfergain --help lists the commands and flags", 2)
    sys.exit(code)
