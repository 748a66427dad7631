"""Read a file in whichever format its ending names."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from transfergain.data.formats import class_folders, conll, delimited, json_files, parquet, tmx, unpacked, xlsx
from transfergain.data.formats.table import ANY_ENDING, Reader, Table
from transfergain.errors import UserError

READERS: dict[str, Reader] = {
    ".csv": partial(delimited.read, separator=","),
    ".tsv": partial(delimited.read, separator="\t"),
    ".json": json_files.read,
    ".jsonl": json_files.read_lines,
    ".ndjson": json_files.read_lines,
    ".parquet": parquet.read,
    ".tmx": tmx.read,
    ".xlsx": xlsx.read,
    ".conll": conll.read,
    ".conllu": conll.read,
    ".conllup": conll.read,
    ".bio": conll.read,
    ".iob": conll.read,
    ".iob2": conll.read,
    ".bioes": conll.read,
}
"""Ending -> reader, for every task; a task's own `readers` come before these."""


def read_file(path: str | Path, extra: Mapping[str, Reader] | None = None) -> Table:
    """Read one csv, tsv, json, jsonl, parquet, xlsx or CoNLL file, plain or packed, or of an ending that `extra` can read.

    A folder that holds a folder a class is read as one file, too.

    Raises UserError naming the file and row.
    """
    path = Path(path)
    kind = ending(path)
    readers = READERS | dict(extra or {})
    try:
        if path.is_dir():
            if class_folders.recognises(path):
                return class_folders.read(path)
            raise UserError(f"{path} is a folder; give a file, or the folder as --dataset-name")
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty; it needs a header and rows")
        reader = readers.get(kind, readers.get(ANY_ENDING))
        if reader is None:
            known = ", ".join(readers)
            raise UserError(f"{path}: unknown format {kind or '(no ending)'}; use one of {known}, plain, .gz or .zip")
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


def ending(path: Path) -> str:
    """Find the ending that names the format, in lower case and without .gz or .zip; empty without any."""
    return Path(unpacked.name(path)).suffix.lower() or (path.suffix.lower() if unpacked.is_packed(path) else "")
