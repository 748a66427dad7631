"""Where a data set comes from, and its tables: files, folders, the Hub, or a built-in set."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from transfergain.data.folders import read_folder
from transfergain.data.formats.hub import read_hub
from transfergain.data.formats.table import SPLIT_NAMES, Reader, Table
from transfergain.data.read import read_file
from transfergain.errors import UserError, nearest, printable
from transfergain.options import flag_of
from transfergain.split import shift, target

BUILTIN_PREFIX = "builtin:"


@dataclass(frozen=True)
class DataSource:
    """Where a data set comes from, as the user gave it."""

    train_file: str | None = None
    validation_file: str | None = None
    test_file: str | None = None
    dataset_name: str | None = None
    dataset_config_name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """The task's options of `OptionKind.PARSE` that the user gave."""
    shifts: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    """Shift name -> file of labelled examples of its domain."""

    def name(self) -> str:
        """Name the data set, printably: by its file or folder, or as on the Hub."""
        return printable(self._name())

    def _name(self) -> str:
        """Find the file's stem, its folder where the file is called train or the like, or the name on the Hub."""
        if self.dataset_name:
            if Path(self.dataset_name).is_dir():  # "." and ".." have names too
                return Path(self.dataset_name).resolve().name
            return self.dataset_name.removeprefix(BUILTIN_PREFIX).rstrip("/").split("/")[-1]
        path = Path(self.train_file or "")
        stem = path.name.split(".")[0]
        generic = stem.lower() in {name for names in SPLIT_NAMES.values() for name in names} | {"all", "data"}
        return path.resolve().parent.name if generic and path.resolve().parent.name else stem


def tables_of(source: DataSource, task: str, readers: Mapping[str, Reader]) -> dict[str, Table]:
    """Read all tables of a source, by split. Raises UserError naming the file or flag."""
    if source.dataset_name and source.train_file:
        raise UserError("--dataset-name and --train-file exclude each other; give one")
    if source.dataset_name:
        for flag, value in (("--validation-file", source.validation_file), ("--test-file", source.test_file)):
            if value:
                raise UserError(f"{flag} goes with --train-file, not with --dataset-name")
        tables = _named(source.dataset_name, source.dataset_config_name, readers)
    elif source.train_file:
        if source.dataset_config_name:
            raise UserError("--dataset-config-name goes with --dataset-name, not with --train-file")
        files = {"train": source.train_file, "validation": source.validation_file, "test": source.test_file}
        tables = {split: read_file(path, readers) for split, path in files.items() if path}
        tables = _with_splits_beside(tables)
    else:
        raise UserError(
            f"no data for --task {task}: give --train-file FILE or --dataset-name NAME "
            f"({BUILTIN_PREFIX}{task} is the data set that comes with transfergain)"
        )
    more = {str(shift(name)): path for name, path in source.shifts.items()}
    more |= {str(target(name)): path for name, path in source.targets.items()}
    others = {split: read_file(path, readers) for split, path in more.items()}
    _refuse_splits(others.values())
    return tables | others


def _with_splits_beside(tables: Mapping[str, Table]) -> dict[str, Table]:
    """Add the splits that the train file itself holds. Raises UserError where the user gave one of them too."""
    beside = tables["train"].beside
    for split in beside.keys() & tables.keys():
        raise UserError(f"{tables['train'].name} holds a {split} split of its own; leave --{split}-file out, or take it out")
    _refuse_splits(table for split, table in tables.items() if split != "train")
    return {"train": tables["train"], **beside, **tables}


def _refuse_splits(tables: Iterable[Table]) -> None:
    for table in tables:
        if table.beside:
            raise UserError(f"{table.name}: its file holds several splits, where one table is expected; give this one alone")


def _named(name: str, config: str | None, readers: Mapping[str, Reader]) -> dict[str, Table]:
    here = Path(name).is_dir()
    if config and name.startswith(BUILTIN_PREFIX):
        raise UserError(f"--dataset-config-name goes with a data set of the Hub, which {name} is not")
    if name.startswith(BUILTIN_PREFIX):
        folder = _builtin(name)
        if not (folder / "train.jsonl").exists():
            known = [BUILTIN_PREFIX + f.name for f in sorted(folder.parent.iterdir()) if (f / "train.jsonl").exists()]
            raise UserError(f'unknown built-in data set "{name}".{nearest(name, known)}')
        shifts = {str(shift(f.name.split(".")[1])): read_file(f) for f in sorted(folder.glob("shift.*.jsonl"))}
        return read_folder(folder) | shifts
    if here:
        return read_folder(Path(name), readers, config)
    if Path(name).is_file():
        raise UserError(f"--dataset-name {name} is a file; give it as --train-file")
    return read_hub(name, config)


def _builtin(name: str) -> Path:
    return Path(str(resources.files("transfergain.data") / "builtin" / name.removeprefix(BUILTIN_PREFIX)))


def own_options(name: str | None, task: str, known: Collection[str]) -> dict[str, Any]:
    """Read the options that a built-in data set is read with. Raises UserError for one that the task does not know."""
    file = _builtin(name) / "options.json" if name and name.startswith(BUILTIN_PREFIX) else None
    options: dict[str, Any] = json.loads(file.read_text("utf-8")) if file and file.exists() else {}
    for option in options.keys() - set(known):
        raise UserError(f"--dataset-name {name} is read with {flag_of(option)}, which --task {task} does not take")
    return options
