"""Load a data set for a task: read, parse, drop duplicates, carve what is missing, check for leaks, fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from transfergain.data import contamination, given
from transfergain.data import draws as splits
from transfergain.data.folders import read_folder
from transfergain.data.formats.hub import read_hub
from transfergain.data.formats.table import SPLIT_NAMES, Reader, Table
from transfergain.data.gate import checked
from transfergain.data.read import read_file
from transfergain.errors import UserError, nearest, printable
from transfergain.options import OptionKind, flag_of
from transfergain.split import DEV, TEST, TRAIN, Kind, Split, shift, target
from transfergain.tasks.base import Task
from transfergain.types import Dataset, Example, Pools, StudyWarning, WarningKind

BUILTIN_PREFIX = "builtin:"
TEST_SHARE = 0.2
DEV_SHARE = 0.2
"""Shares of train that are carved where the user gave no test or dev set."""
Cluster = Callable[[Example], Hashable]
MIN_SPLIT_EXAMPLES = 10
"""The fewest examples that a split may have."""


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


def load(source: DataSource, task: Task) -> Dataset:
    """Load, clean and split a data set for a task, or the variant of it that the options choose.

    Raises UserError naming the file, row or flag.
    """
    said = _own_options(source.dataset_name, task) | dict(source.options)
    task = task.chosen(said)
    options = task.defaults(OptionKind.PARSE) | said
    tables = {split: checked(table) for split, table in _tables(source, task.name, task.readers(options)).items()}
    doubts = [warning for table in tables.values() for warning in table.warnings]
    hidden = _leave_out_hidden_test(source, tables, task, options)
    parsed = task.parse(tables, options)
    doubts += parsed.warnings
    parts = {DEV if name == "validation" else Split.parse(name): rows for name, rows in parsed.splits.items()}
    notes = [_sizes(tables), *hidden, *(line for table in tables.values() for line in table.said()), *parsed.notes]
    parts, dropped = splits.drop_duplicates(parts, lambda e: splits.mark(task.text(e)))
    if dropped:
        notes.append("duplicates dropped: " + ", ".join(f"{n:,} from {s}" for s, n in dropped.items()))
    else:
        notes.append("no duplicates")
    _carve_missing(source.name(), parts, task, notes)
    targets = _targets(parts, task, notes)
    notes.append("train {:,} · dev {:,} · test {:,}".format(*(len(parts[s]) for s in (TRAIN, DEV, TEST))))
    _check_sizes(source.name(), parts, task.cluster)
    note, overlap = _check_overlap(source.name(), *((task.text(e) for e in parts[s]) for s in (TRAIN, TEST)))
    notes.append(note)
    shifts = {split.name: rows for split, rows in parts.items() if split.kind is Kind.SHIFT}
    own = given.own_ids(tables, parsed, task)
    return Dataset(
        task=task.name,
        name=source.name(),
        labels=parsed.labels,
        train=parts[TRAIN],
        dev=parts[DEV],
        test=parts[TEST],
        shifts=shifts,
        fingerprint=_fingerprint(parsed.labels, {str(split): parts[split] for split in (TRAIN, DEV, TEST)}),
        shift_fingerprints={name: _fingerprint(parsed.labels, {name: rows}) for name, rows in shifts.items()},
        targets=targets,
        target_fingerprints={
            name: _fingerprint(parsed.labels, {"train": pools.train, "dev": pools.dev}) for name, pools in targets.items()
        },
        ids={split: given.ids(parts[split], own, task) for split in (TEST, *map(shift, shifts))},
        notes=tuple(map(printable, notes)),
        warnings=(
            *(StudyWarning(WarningKind.DATA, printable(text)) for text in doubts),
            *(StudyWarning(WarningKind.CONTAMINATION, printable(text)) for text in overlap),
        ),
    )


def load_test(source: DataSource, task: Task) -> Dataset:
    """Load a test file alone; a train file, where one is given, says the classes. Raises UserError naming file and row."""
    task = task.chosen(source.options)
    options = task.defaults(OptionKind.PARSE) | dict(source.options)
    readers = task.readers(options)
    test = checked(read_file(source.test_file or "", readers))
    tables = {"train": checked(read_file(source.train_file, readers)) if source.train_file else test, "test": test}
    parsed = task.parse(tables, options)
    parts, _ = splits.drop_duplicates({TEST: parsed.splits["test"]}, lambda e: splits.mark(task.text(e)))
    if len(parts[TEST]) < MIN_SPLIT_EXAMPLES:
        raise UserError(
            f"{test.name} has {len(parts[TEST])} different texts; at least {MIN_SPLIT_EXAMPLES} are needed: give more"
        )
    own = given.own_ids({"test": test}, parsed, task)
    return Dataset(
        task=task.name,
        name=test.name,
        labels=parsed.labels,
        train=(),
        dev=(),
        test=parts[TEST],
        shifts={},
        fingerprint=_fingerprint(parsed.labels, {str(TEST): parts[TEST]}),
        shift_fingerprints={},
        ids={TEST: given.ids(parts[TEST], own, task)},
    )


def _carve_missing(name: str, parts: dict[Split, tuple[Example, ...]], task: Task, notes: list[str]) -> None:
    """Carve the test and dev sets that the user did not give from train, and note it.

    Raises UserError where train has too few articles to divide.
    """
    for split, share in ((TEST, TEST_SHARE), (DEV, DEV_SHARE)):
        if split in parts:
            continue
        if task.cluster and len({task.cluster(e) for e in parts[TRAIN]}) < 5:
            raise UserError(
                f"{name}: {split} is carved from train by article, and train has fewer than 5 articles; "
                "give --validation-file and --test-file, or more articles"
            )
        parts[TRAIN], parts[split] = splits.carve(parts[TRAIN], share, task.stratum, str(split), task.cluster)
        how = "by article, seeded" if task.cluster else "stratified, seeded"
        notes.append(f"{split}: {len(parts[split]):,} carved from train ({how})")


def _targets(parts: dict[Split, tuple[Example, ...]], task: Task, notes: list[str]) -> dict[str, Pools]:
    """Take the labelled examples of shifts' domains out of the parts, and divide each into pools of train and dev.

    A domain without a test set of its own gets one, carved from its labelled examples.
    """
    found: dict[str, Pools] = {}
    for split in [split for split in parts if split.kind is Kind.TARGET]:
        name, away, rows = split.name, shift(split.name), parts.pop(split)
        if away not in parts:
            rows, parts[away] = splits.carve(rows, TEST_SHARE, task.stratum, name, task.cluster)
            notes.append(f"shift {name}: {len(parts[away]):,} carved from the examples to adapt with")
        found[name] = Pools(*splits.carve(rows, DEV_SHARE, task.stratum, f"{name} dev", task.cluster))
        notes.append(f"adaptation to {name}: {len(rows):,} labelled examples")
        if len(rows) < MIN_SPLIT_EXAMPLES:
            raise UserError(
                f"--adapt {name}: {len(rows)} labelled examples; at least {MIN_SPLIT_EXAMPLES} are needed: give more"
            )
    return found


def _leave_out_hidden_test(
    source: DataSource, tables: dict[str, Table], task: Task, options: Mapping[str, Any]
) -> list[str]:
    """Leave out a test set that came with the data and has no labels, as those of GLUE, and note it."""
    if source.test_file or "test" not in tables:
        return []
    columns = [options[name] for name in task.defaults(OptionKind.COLUMN)]
    known, test = set(tables["train"].columns()), tables["test"]
    hidden = [c for c in columns if c in known and all(row.get(c) in (None, "", -1, "-1") for row in test.rows)]
    if not hidden or not all(any(row.get(c) not in (None, "", -1, "-1") for row in tables["train"].rows) for c in hidden):
        return []
    del tables["test"]
    return [f'{test.name}: "{hidden[0]}" is empty throughout, so it is left out, and a test set is carved from train']


def _check_sizes(name: str, parts: Mapping[Split, tuple[Example, ...]], cluster: Cluster | None) -> None:
    for split, rows in parts.items():
        if len(rows) < MIN_SPLIT_EXAMPLES:
            raise UserError(
                f"{name}: the {split} split has {len(rows)} examples after duplicates are dropped; "
                f"at least {MIN_SPLIT_EXAMPLES} are needed: give more data"
            )
        if cluster and split not in (TRAIN, DEV) and len({cluster(e) for e in rows}) < 2:
            raise UserError(
                f"{name}: all of the {split} split is of one article, so there is no telling how scores vary between "
                "articles; give at least two"
            )


def _check_overlap(name: str, train: Iterable[str], test: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """Note how many texts of test overlap with train, and warn where more than 1 % do: (note, warnings)."""
    seen = contamination.overlap(train, test)
    note = f"13-gram overlap of test with train: {seen.shared:,} of {seen.checked:,} test texts of 13 words or more"
    if seen.shared <= 0.01 * seen.total:
        return note, ()
    warning = (
        f"{name}: {seen.shared:,} of {seen.total:,} test texts share a 13-gram with train: "
        "scores may be too high for every arm; check the test set for leaks"
    )
    return note, (warning,)


def _tables(source: DataSource, task: str, readers: Mapping[str, Reader]) -> dict[str, Table]:
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


def _own_options(name: str | None, task: Task) -> dict[str, Any]:
    """Read the options that a built-in data set is read with. Raises UserError where the task has none of the kind."""
    file = _builtin(name) / "options.json" if name and name.startswith(BUILTIN_PREFIX) else None
    options: dict[str, Any] = json.loads(file.read_text("utf-8")) if file and file.exists() else {}
    for option in options:
        if option not in {known.name for known in task.options}:
            raise UserError(f"--dataset-name {name} is read with {flag_of(option)}, which --task {task.name} does not take")
    return options


def _sizes(tables: Mapping[str, Table]) -> str:
    return " · ".join(f"{table.name} {len(table.rows):,} rows" for table in tables.values())


def _fingerprint(labels: tuple[str, ...], parts: Mapping[str, tuple[Example, ...]]) -> str:
    """Hash (sha256) the labels and the examples of the given splits, in order."""
    digest = hashlib.sha256(json.dumps(labels).encode())
    for split, rows in parts.items():
        for example in rows:
            digest.update(json.dumps([split, dict(example.inputs), example.target], sort_keys=True).encode())
    return digest.hexdigest()
