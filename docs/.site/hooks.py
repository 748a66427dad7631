"""What mkdocs does beyond mkdocs.yml: the page of the command line is written from the program itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from typer.main import get_command

CLI_PAGE = "reference/cli.md"
EXIT_CODES = {
    "0": "done",
    "1": "done, but some trial failed; the report says which",
    "2": "refused: the one line on standard error says what to mend",
    "130": "interrupted; the same command continues",
}


def on_config(config: Any) -> Any:
    """Leave out entries of the navigation whose page is not there."""
    config.nav = _present(config.nav, Path(config.docs_dir))
    return config


def _present(entries: list[Any], docs: Path) -> list[Any]:
    kept = []
    for entry in entries:
        ((title, target),) = entry.items()
        if isinstance(target, list):
            kept.append({title: _present(target, docs)})
        elif target == CLI_PAGE or (docs / target).exists():
            kept.append(entry)
    return kept


def on_files(files: Files, config: Any) -> Files:
    """Add the page of the command line."""
    files.append(File.generated(config, CLI_PAGE, content=cli_page()))
    return files


def cli_page() -> str:
    """Every command with its arguments, flags and help, in Markdown."""
    from transfergain import cli

    root: Any = get_command(cli.app)
    lines = ["# Command line", "", root.help, ""]
    lines += ["The flags of `run` are also the keys of a study file, with underscores: `--train-file` is `train_file`.", ""]
    for name, command in root.commands.items():
        arguments, options = ([p for p in command.params if p.param_type_name == kind] for kind in ("argument", "option"))
        usage = " ".join(["transfergain", name, *(p.metavar or p.name.upper() for p in arguments), "[OPTIONS]"])
        lines += [f"## {name}", "", command.help or "", "", f"`{usage}`", ""]
        if options:
            lines += ["| option | what it is |", "|---|---|", *map(_row, options), ""]
    lines += ["## Exit codes", "", "| code | means |", "|---|---|"]
    return "\n".join([*lines, *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()), ""])


def _row(option: Any) -> str:
    """One line of the table: spellings, what they take, help, and a default that is not None."""
    names = ", ".join(f"`{spelling}{f' {option.metavar}' if option.metavar else ''}`" for spelling in option.opts)
    default = "" if option.default is None or option.is_flag else f" (default: {option.default})"
    return f"| {names} | {(option.help or '').replace('|', chr(92) + '|')}{default} |"
