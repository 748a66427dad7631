"""`transfergain pretrain`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from transfergain.cli.output import print_json
from transfergain.options import Group

INPUT, TRAINING, MACHINE, OUTPUT = (g.value for g in (Group.INPUT, Group.TRAINING, Group.MACHINE, Group.OUTPUT))


def pretrain(
    model: Annotated[
        str, typer.Option(help="Hub id, local folder, or builtin:minilm", rich_help_panel=INPUT)
    ] = "builtin:minilm",
    unlabelled_file: Annotated[
        list[str] | None,
        typer.Option(
            help="text without labels: txt (a text a line), csv, jsonl, parquet, or .gz, or a folder; repeatable",
            rich_help_panel=INPUT,
        ),
    ] = None,
    text_column: Annotated[
        str | None, typer.Option(help="column of tables (default: text)", rich_help_panel=INPUT, show_default=False)
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="the model's architecture, drawn afresh", rich_help_panel=TRAINING)
    ] = False,
    train_tokenizer: Annotated[
        int | None,
        typer.Option(
            metavar="SIZE",
            help="train a tokenizer of so many tokens, too; a folder with a config.json is enough then",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="end after so many steps", rich_help_panel=TRAINING)] = None,
    epochs: Annotated[
        float | None, typer.Option(help="end after reading the text so often", rich_help_panel=TRAINING)
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option(metavar="TIME", help="end after so much training: 90s, 20m", rich_help_panel=TRAINING)
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="(default: 1e-4; from scratch 2.5e-4 for encoders, else 5e-4)", rich_help_panel=TRAINING, show_default=False
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="sequences of a step", rich_help_panel=TRAINING)] = 16,
    max_length: Annotated[int, typer.Option(help="tokens of a sequence", rich_help_panel=TRAINING)] = 128,
    seed: Annotated[int, typer.Option(help="of weights, masks and order", rich_help_panel=TRAINING)] = 0,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16", rich_help_panel=TRAINING)] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps", rich_help_panel=MACHINE)] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(help="CPU threads (default: all cores)", min=1, rich_help_panel=MACHINE, show_default=False),
    ] = None,
    output_dir: Annotated[str, typer.Option(help="folder of the new checkpoint", rich_help_panel=OUTPUT)] = "pretrained",
    as_json: Annotated[
        bool, typer.Option("--json", help="print the loss curve as JSON on stdout", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print nothing but errors", rich_help_panel=OUTPUT)] = False,
) -> None:
    """Pretrain a checkpoint further on text without labels, or its architecture from scratch, into a new checkpoint."""
    from transfergain.running import pretraining

    done = pretraining.pretrain(
        Console(stderr=as_json, quiet=quiet), output_dir=output_dir, model=model, unlabelled_file=unlabelled_file or [],
        text_column=text_column, from_scratch=from_scratch, train_tokenizer=train_tokenizer, steps=steps, epochs=epochs,
        time_limit=time_limit, learning_rate=learning_rate, batch_size=batch_size, max_length=max_length, seed=seed,
        precision=precision, device=device, threads=threads,
    )  # fmt: skip
    if as_json:
        print_json({"folder": str(done.folder), "steps": done.steps, "loss": done.loss, "curve": done.curve})
