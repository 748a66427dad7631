"""Readers: a file, a folder of splits, or a Hub data set -> tables of rows. Every complaint names the file and row."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergain.data.formats import unpacked
from transfergain.errors import UserError

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class Table:
    """Rows of one file or split. Row i is named by `where(i)` in messages."""

    name: str
    rows: list[dict[str, Any]]
    lines: Sequence[int] | None = None
    """Line number in the file of each row, where a row is a line; None where rows are counted."""

    def where(self, index: int) -> str:
        """The user's name for row `index` (0-based): `reviews.csv row 17`, counting from 1 after the header, or
        `reviews.jsonl line 17`.
        """
        return f"{self.name} row {index + 1:,}" if self.lines is None else f"{self.name} line {self.lines[index]:,}"

    def columns(self) -> list[str]:
        """Column names in order of first appearance."""
        return list(dict.fromkeys(key for row in self.rows for key in row))


Reader = Callable[[Path], Table]
BLOCK = 50_000
"""Rows of a csv file that are turned into a table at a time."""
ANY_ENDING = ""
"""The key of a reader for files whose ending no other knows."""


def read_file(path: str | Path, extra: Mapping[str, Reader] | None = None) -> Table:
    """Read one csv, tsv, json, jsonl, parquet or CoNLL file, plain or gzip, or of an ending that `extra` can read.

    Raises UserError naming the file and row.
    """
    path = Path(path)
    kind = _kind(path)
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
        return _read_saved_dataset(folder)
    tables: dict[str, Table] = {}
    known = {*READERS, *(extra or {})} - {ANY_ENDING}
    for split, stems in SPLIT_NAMES.items():
        files = [
            f
            for f in sorted(folder.iterdir())
            if f.name.lower().split(".")[0] in stems and f.is_file() and _kind(f) in known
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


def read_hub(name: str, config: str | None) -> dict[str, Table]:
    """Read a Hub data set by name with `datasets`; splits are renamed to train, validation and test.

    Without a connection, the copy in the cache. Raises UserError when there is none, or no such data set.
    """
    import datasets

    datasets.disable_progress_bars()
    offline = datasets.config.HF_HUB_OFFLINE
    try:
        datasets.config.HF_HUB_OFFLINE = offline or not _hub_answers(name)
        loaded = datasets.load_dataset(name, config)
    except Exception as error:
        # `datasets` raises a zoo of types here (connection, missing, gated, several configs, scripts): all are the
        # user's to mend, and its first line says which.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f'cannot load the data set "{name}" from the Hub: {reason[:300]} (offline? give --train-file instead)'
        ) from None
    finally:
        datasets.config.HF_HUB_OFFLINE = offline
    return _from_dataset_dict(loaded, name)


def _hub_answers(name: str) -> bool:
    """False without a connection, found out by one request: `datasets` itself retries for half a minute."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        HfApi().dataset_info(name, timeout=10)
    except (HfHubHTTPError, HFValidationError):
        return True  # it answered, or need not be asked; `datasets` says best what is wrong
    except Exception:  # the connection errors of whichever HTTP library the Hub client uses
        return False
    return True


def _read_saved_dataset(folder: Path) -> dict[str, Table]:
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:  # a broken folder shows as an error of json, pyarrow or the file system
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{folder}: cannot be read as a data set that save_to_disk wrote ({reason[:200]})") from None
    return _from_dataset_dict(loaded if isinstance(loaded, dict) else {"train": loaded}, folder.name)


def _from_dataset_dict(loaded: Any, name: str) -> dict[str, Table]:
    """Rows of a DatasetDict with class indices replaced by class names; a test split without labels is left out."""
    from datasets import ClassLabel

    tables: dict[str, Table] = {}
    for split, names in SPLIT_NAMES.items():
        found = next((key for key in names if key in loaded), None)
        if found is None:
            continue
        data = loaded[found]
        classes = {key: f for key, f in data.features.items() if isinstance(f, ClassLabel)}
        lists = {key: f.feature for key, f in data.features.items() if isinstance(getattr(f, "feature", None), ClassLabel)}
        rows = data.to_list()
        unlabelled = any(rows and all(row[key] in (-1, None) for row in rows) for key in classes)
        if split == "test" and unlabelled:
            continue  # GLUE and its like hide their test labels: carve a test set instead
        for row in rows:
            for key, feature in classes.items():
                row[key] = None if row[key] in (-1, None) else feature.int2str(row[key])
            for key, feature in lists.items():
                row[key] = None if row[key] is None else [feature.int2str(value) for value in row[key]]
        tables[split] = Table(f"{name}[{found}]", rows)
    if "train" not in tables:
        raise UserError(f'the data set "{name}" has no train split; it has: {", ".join(loaded)}')
    return tables


def _kind(path: Path) -> str:
    """The ending that names the format, in lower case and without .gz; empty without any."""
    suffixes = [s.lower() for s in path.suffixes]
    return suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]


def _read_delimited(path: Path, separator: str) -> Table:
    """Read in blocks of rows, so that no second copy of a large file's text is held."""
    import pandas as pd

    raw = unpacked.read_bytes(path).removeprefix(codecs.BOM_UTF8)
    if not raw.strip():
        raise UserError(f"{path} is empty; it needs a header and rows")

    def read(**options: Any) -> Any:
        given = {"sep": separator, "dtype": str, "keep_default_na": False, "na_filter": False} | options
        return pd.read_csv(io.BytesIO(raw), encoding="utf-8", **given)

    rows: list[dict[str, Any]] = []
    try:
        header = read(header=None, nrows=1).iloc[0].to_list()
        with read(chunksize=BLOCK) as frames:
            for frame in frames:
                if not isinstance(frame.index, pd.RangeIndex):  # pandas takes surplus fields of the first row for an index
                    raise UserError(f"{path} row 1: more fields than the header; quote fields that contain the separator")
                columns = [str(name) for name in frame.columns]
                rows += [dict(zip(columns, row, strict=True)) for row in frame.itertuples(index=False, name=None)]
    except pd.errors.ParserError as error:
        reason = re.sub(r"^Error tokenizing data\. C error: ", "", str(error)).strip()
        raise UserError(f"{path}: {reason}; quote fields that contain the separator") from None
    except pd.errors.EmptyDataError:
        raise UserError(f"{path} is empty; it needs a header and rows") from None
    except UnicodeDecodeError:
        unpacked.decoded(path, raw)
        raise
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if twice:  # pandas would call the second one "text.1"
        raise UserError(f'{path}: two columns are called "{twice[0]}"; rename one')
    return Table(path.name, rows)


def _read_jsonl(path: Path) -> Table:
    rows, lines = [], []
    # Not splitlines(), which also splits at the line separators that Unicode allows inside a JSON string.
    for number, line in enumerate(unpacked.read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path} line {number:,}: not JSON ({_reason(error)}); one object a line is expected") from None
        if "\\ud" in line.lower():  # an escape that could be half of a character beyond the basic plane
            try:
                json.dumps(row, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                raise UserError(
                    f"{path} line {number:,}: an escape such as \\ud83d is half a character; write the text as UTF-8"
                ) from None
        if not isinstance(row, dict):
            raise UserError(f"{path} line {number:,}: a JSON object with the columns is expected")
        rows.append(row)
        lines.append(number)
    return Table(path.name, rows, lines)


def _reason(error: Exception) -> str:
    """Why `json` refused: a syntax error's own words, a number of too many digits, or brackets nested too deeply."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _read_json(path: Path) -> Table:
    text = unpacked.read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        if _reason(error) == "Extra data":  # JSON lines under the name .json is common
            return _read_jsonl(path)
        line = f" line {error.lineno:,}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"{path}{line}: not JSON ({_reason(error)})") from None
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        content = content["data"]
    if isinstance(content, dict) and content and all(isinstance(v, list) for v in content.values()):
        lengths = {len(v) for v in content.values()}
        if len(lengths) > 1:
            raise UserError(f"{path}: its columns have different lengths")
        content = [dict(zip(content, values, strict=True)) for values in zip(*content.values(), strict=True)]
    if isinstance(content, dict) and content and all(not isinstance(v, list | dict) for v in content.values()):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise UserError(f'{path}: a list of objects, or {{"data": [...]}}, is expected')
    return Table(path.name, content)


def _read_parquet(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    raw = unpacked.read_bytes(path)
    rows, size = [], 0
    try:
        for batch in pyarrow.parquet.ParquetFile(pyarrow.BufferReader(raw)).iter_batches(1000):
            size += sum(_decoded(column).nbytes for column in batch.columns)
            unpacked.check(path, size)
            rows += batch.to_pylist()
        rows = [{key: v.decode() if isinstance(v, bytes) else v for key, v in row.items()} for row in rows]
    except UnicodeDecodeError:
        raise UserError(f"{path}: a column holds bytes that are not UTF-8; store text as strings") from None
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a readable parquet file ({str(error).splitlines()[0][:200]})") from None
    return Table(path.name, rows)


def _decoded(column: Any) -> Any:
    """A column whose repeated values stand once in a dictionary, written out as its rows will be."""
    return column.dictionary_decode() if hasattr(column, "dictionary_decode") else column


def _read_conll(path: Path) -> Table:
    from transfergain.data.formats import conll  # it builds on this module

    return conll.read(path)


READERS: dict[str, Reader] = {
    ".csv": lambda path: _read_delimited(path, ","),
    ".tsv": lambda path: _read_delimited(path, "\t"),
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
    ".conll": _read_conll,
    ".bio": _read_conll,
    ".iob": _read_conll,
    ".iob2": _read_conll,
    ".bioes": _read_conll,
}


def require_columns(table: Table, wanted: Iterable[tuple[str, str]]) -> None:
    """Raise UserError unless every (flag, column) of `wanted` is a column of the table."""
    known = table.columns()
    for flag, column in wanted:
        if column not in known:
            raise UserError(f'{table.name} has no column "{column}"; it has: {", ".join(known)}. Name it with {flag}')
