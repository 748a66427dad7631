"""`transfergain convert`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from transfergain import shell
from transfergain.counts import counted
from transfergain.options import Group

Source = Annotated[str, typer.Argument(metavar="CHECKPOINT", help="a folder, or a Hub id")]
Out = Annotated[str, typer.Argument(metavar="OUT", help="folder to write")]


def convert(
    source: Source,
    out: Out,
    revision: Annotated[
        str | None, typer.Option(help="commit, tag or branch of a Hub model", rich_help_panel=Group.INPUT.value)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="write over a folder that is there", rich_help_panel=Group.OUTPUT.value)
    ] = False,
) -> None:
    """Turn a checkpoint of TensorFlow (tf_model.h5) or a pickle (pytorch_model.bin) into one that `run` takes."""
    from transfergain.running.console import busy

    console = Console()
    with busy(console, f"converting {source}"):
        from transfergain.checkpoint.convert import convert as convert_checkpoint

        done = convert_checkpoint(source, out, revision, force)
    typer.echo(f"{out} written: {done.architecture}, {counted(done.tensors, 'tensor')}")
    if done.new:
        typer.echo(
            f"  not in the file, a head that training begins anew: {', '.join(done.new[:3])}{', ...' * (len(done.new) > 3)}"
        )
    if done.foreign:
        typer.echo(f"  {counted(len(done.foreign), 'weight')} that {done.architecture} has no place for: {done.foreign[0]}")
    typer.echo(f"Use it:  {shell.command('transfergain', 'run', '--model', out)} ...")
