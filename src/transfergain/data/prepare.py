"""Load a data set for a task: read, parse, drop duplicates, carve what is missing, check for leaks, fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from transfergain.counts import counted
from transfergain.data import contamination, given
from transfergain.data import draws as splits
from transfergain.data.formats.table import Table
from transfergain.data.gate import checked
from transfergain.data.read import read_file
from transfergain.data.source import DataSource as DataSource
from transfergain.data.source import own_options, tables_of
from transfergain.errors import UserError, printable
from transfergain.options import OptionKind
from transfergain.split import DEV, TEST, TRAIN, Kind, Split, shift
from transfergain.tasks.base import Task
from transfergain.types import Dataset, Example, Pools, StudyWarning, Target, WarningKind

TEST_SHARE = 0.2
DEV_SHARE = 0.2
"""Shares of train that are carved where the user gave no test or dev set."""
Cluster = Callable[[Example], Hashable]
MIN_SPLIT_EXAMPLES = 10
"""The fewest examples that a split may have."""
FEW_OF_A_CLASS = 3
"""With fewer examples a class on average a split may lack examples because there are many classes."""


def load(source: DataSource, task: Task) -> Dataset:
    """Load, clean and split a data set for a task, or the variant of it that the options choose.

    Raises UserError naming the file, row or flag.
    """
    said = own_options(source.dataset_name, task.name, {option.name for option in task.options}) | dict(source.options)
    task = task.chosen(said)
    options = task.defaults(OptionKind.PARSE) | said
    tables = {split: checked(table) for split, table in tables_of(source, task.name, task.readers(options)).items()}
    doubts = [warning for table in tables.values() for warning in table.warnings]
    hidden = _leave_out_hidden_test(source, tables, task, options)
    parsed = task.parse(tables, options)
    doubts += parsed.warnings
    parts = {DEV if name == "validation" else Split.parse(name): rows for name, rows in parsed.splits.items()}
    notes = [_sizes(tables), *hidden, *(line for table in tables.values() for line in table.said()), *parsed.notes]
    parts, dropped, differing = splits.drop_duplicates(parts, lambda e: splits.mark(task.text(e)))
    doubts += _contradictions(differing, task)
    if dropped:
        notes.append("duplicates dropped: " + ", ".join(f"{n:,} from {s}" for s, n in dropped.items()))
    else:
        notes.append("no duplicates")
    _carve_missing(source.name(), parts, task, notes)
    targets = _targets(parts, task, notes)
    notes.append("train {:,} · dev {:,} · test {:,}".format(*(len(parts[s]) for s in (TRAIN, DEV, TEST))))
    _check_sizes(source.name(), parts, len(parsed.labels), task.cluster)
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
    parts = splits.drop_duplicates({TEST: parsed.splits["test"]}, lambda e: splits.mark(task.text(e))).kept
    if len(parts[TEST]) < MIN_SPLIT_EXAMPLES:
        raise UserError(
            f"{test.name} has {counted(len(parts[TEST]), 'different text')}; at least {MIN_SPLIT_EXAMPLES} are needed: give "
            "more"
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


def _contradictions(differing: int, task: Task) -> list[str]:
    """Warn of duplicates with another label than the text that was kept: people who label them may not agree."""
    if not differing or task.target not in (Target.LABEL, Target.LABELS):
        return []
    have = "has" if differing == 1 else "have"
    return [
        f"{differing:,} of the duplicates that were dropped {have} another label than the text that they repeat, so whoever "
        "labelled them did not always agree; the label that is kept is that of test, dev, train, in this order"
    ]


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
        notes.append(f"adaptation to {name}: {counted(len(rows), 'labelled example')}")
        if len(rows) < MIN_SPLIT_EXAMPLES:
            raise UserError(
                f"--adapt {name}: {counted(len(rows), 'labelled example')}; at least {MIN_SPLIT_EXAMPLES} are needed: "
                "give more"
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


def _check_sizes(name: str, parts: Mapping[Split, tuple[Example, ...]], classes: int, cluster: Cluster | None) -> None:
    there = sum(len(parts[split]) for split in (TRAIN, DEV, TEST))
    few = f", or fewer classes: {there} examples are of {classes}" if there < FEW_OF_A_CLASS * classes else ""
    for split, rows in parts.items():
        if len(rows) < MIN_SPLIT_EXAMPLES:
            raise UserError(
                f"{name}: the {split} split has {counted(len(rows), 'example')} after duplicates are dropped; "
                f"at least {MIN_SPLIT_EXAMPLES} are needed: give more data{few}"
            )
        if cluster and split not in (TRAIN, DEV) and len({cluster(e) for e in rows}) < 2:
            raise UserError(
                f"{name}: all of the {split} split is of one article, so there is no telling how scores vary between "
                "articles; give at least two"
            )


def _check_overlap(name: str, train: Iterable[str], test: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """Note how many texts of test overlap with train, and warn where more than 1 % do: (note, warnings)."""
    seen = contamination.overlap(train, test)
    note = f"13-gram overlap of test with train: {seen.shared:,} of {counted(seen.checked, 'test text')} of 13 words or more"
    if seen.shared <= 0.01 * seen.total:
        return note, ()
    share = "shares" if seen.shared == 1 else "share"
    warning = (
        f"{name}: {seen.shared:,} of {seen.total:,} test texts {share} a 13-gram with train: "
        "scores may be too high for every arm; check the test set for leaks"
    )
    return note, (warning,)


def _sizes(tables: Mapping[str, Table]) -> str:
    return " · ".join(f"{table.name} {counted(len(table.rows), 'row')}" for table in tables.values())


def _fingerprint(labels: tuple[str, ...], parts: Mapping[str, tuple[Example, ...]]) -> str:
    """Hash (sha256) the labels and the examples of the given splits, in order."""
    digest = hashlib.sha256(json.dumps(labels).encode())
    for split, rows in parts.items():
        for example in rows:
            digest.update(json.dumps([split, dict(example.inputs), example.target], sort_keys=True).encode())
    return digest.hexdigest()
