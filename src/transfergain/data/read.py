"""Read a file or a folder of splits, in whichever format its ending names."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from transfergain.data.formats import conll, delimited, hub, json_files, parquet
from transfergain.data.formats.table import ANY_ENDING, SPLIT_NAMES, Reader, Table
from transfergain.errors import UserError

READERS: dict[str, Reader] = {
    ".csv": partial(delimited.read, separator=","),
    ".tsv": partial(delimited.read, separator="\t"),
    ".json": json_files.read,
    ".jsonl": json_files.read_lines,
    ".ndjson": json_files.read_lines,
    ".parquet": parquet.read,
    ".conll": conll.read,
    ".bio": conll.read,
    ".iob": conll.read,
    ".iob2": conll.read,
    ".bioes": conll.read,
}
"""Ending -> reader, for every task; a task's own `readers` come before these."""


def read_file(path: str | Path, extra: Mapping[str, Reader] | None = None) -> Table:
    """Read one csv, tsv, json, jsonl, parquet or CoNLL file, plain or gzip, or of an ending that `extra` can read.

    Raises UserError naming the file and row.
    """
    path = Path(path)
    kind = ending(path)
    readers = READERS | dict(extra or {})
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder; give a file, or the folder as --dataset-name")
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty; it needs a header and rows")
        reader = readers.get(kind, readers.get(ANY_ENDING))
        if reader is None:
            known = ", ".join(readers)
            raise UserError(f"{path}: unknown format {kind or '(no ending)'}; use one of {known}, plain or .gz")
        table = reader(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UserError(f"{path}: not a readable gzip file ({error}); unpack it or write it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not table.rows:
        raise UserError(f"{path} holds no rows; it needs at least a few labelled examples")
    return table


def read_folder(folder: Path, extra: Mapping[str, Reader] | None = None) -> dict[str, Table]:
    """Read a folder that holds train.*, validation.* and test.* files, or one written by `datasets.save_to_disk`.

    Raises UserError naming the folder or the file.
    """
    if (folder / "dataset_dict.json").exists() or (folder / "dataset_info.json").exists():
        return hub.read_saved(folder)
    tables: dict[str, Table] = {}
    known = {*READERS, *(extra or {})} - {ANY_ENDING}
    for split, stems in SPLIT_NAMES.items():
        files = [
            f
            for f in sorted(folder.iterdir())
            if f.name.lower().split(".")[0] in stems and f.is_file() and ending(f) in known
        ]
        if len(files) > 1:
            raise UserError(f"{folder} holds more than one {split} file ({', '.join(f.name for f in files)}); keep one")
        if files:
            tables[split] = read_file(files[0], extra)
    if "train" not in tables and ANY_ENDING in (extra or {}):
        for file in sorted(folder.iterdir()):
            if file.name.lower().split(".")[0] in SPLIT_NAMES["train"] and file.is_file():
                tables["train"] = read_file(file, extra)
    if "train" not in tables:
        raise UserError(f"{folder} holds no train file (train.csv, train.jsonl, ...); add one or give --train-file")
    return tables


def ending(path: Path) -> str:
    """Find the ending that names the format, in lower case and without .gz; empty without any."""
    suffixes = [s.lower() for s in path.suffixes]
    return suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
