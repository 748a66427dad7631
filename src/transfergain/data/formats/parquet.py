"""Read tables of parquet. What they would take in memory is known before they are decoded, and bounds what is read."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergain.data.formats import class_names, unpacked
from transfergain.data.formats.table import Table
from transfergain.errors import UserError

ROW_BYTES, VALUE_BYTES = 200, 60
"""Bytes that Python needs for a row and for a value, the characters of a text apart."""
COUNT_VALUES = """
import sys
import pyarrow.parquet
metadata = pyarrow.parquet.read_metadata(sys.argv[1] if sys.argv[1:] else sys.stdin.buffer)
groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
print(sum(group.column(j).num_values for group in groups for j in range(group.num_columns)))
"""
BATCH_ROWS, BATCH_BYTES = 1000, 2**26
"""The most rows that are decoded at a time, and about the most bytes."""


def read(path: Path) -> Table:
    """Read a file in batches of rows, with the names of classes where it has them. Raises UserError naming the file."""
    import pyarrow
    import pyarrow.parquet

    try:
        source = pyarrow.BufferReader(unpacked.read_bytes(path)) if unpacked.is_packed(path) else str(path)
        metadata = pyarrow.parquet.read_metadata(source)
        _check_rows(path, metadata)
        columns = [metadata.schema.column(j) for j in range(len(metadata.schema))]
        texts = list(dict.fromkeys(column.path for column in columns if column.physical_type == "BYTE_ARRAY"))
        with pyarrow.parquet.ParquetFile(source, read_dictionary=texts) as file:
            twice = [name for name, count in Counter(file.schema_arrow.names).items() if count > 1]
            if twice:
                raise UserError(f'{path}: two columns are called "{twice[0]}"; rename one')
            table = Table(path.name, _rows(path, file))
            features = _features(file.schema_arrow)
    except UnicodeDecodeError:
        raise UserError(f"{path}: a column holds bytes that are not UTF-8; store text as strings") from None
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: not a readable parquet file ({reason[:200]})") from None
    return class_names.named(table, features) if features else table


def _check_rows(path: Path, metadata: Any) -> None:
    """Raise UserError where the number of rows and values, as the file gives it, would fill the memory."""
    columns = [metadata.schema.column(j) for j in range(len(metadata.schema))]
    values = metadata.num_rows * len(columns)
    if any(column.max_repetition_level for column in columns):
        values = _values_in_lists(path)
    unpacked.check_memory(path, ROW_BYTES * metadata.num_rows + VALUE_BYTES * values + _text_bytes(metadata), packed=True)


def _text_bytes(metadata: Any) -> int:
    return sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))


def _values_in_lists(path: Path) -> int:
    """Count the values of all columns, those in lists one by one. Raises UserError where the file does not tell.

    It is done in a process of its own: pyarrow ends the process at what some damaged files say of a column.
    """
    given = unpacked.read_bytes(path) if unpacked.is_packed(path) else None
    command = [sys.executable, "-P", "-c", COUNT_VALUES, *([] if given is not None else [str(path)])]
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode or not done.stdout.strip().isdigit():
        raise UserError(f"{path}: not a readable parquet file (its columns are damaged)")
    return int(done.stdout)


def _rows(path: Path, file: Any) -> list[dict[str, Any]]:
    metadata = file.metadata
    row_bytes = _text_bytes(metadata) / max(1, metadata.num_rows)
    rows: list[dict[str, Any]] = []
    size = 0
    for batch in file.iter_batches(max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1, row_bytes))))):
        size += ROW_BYTES * batch.num_rows + sum(_python_bytes(column) for column in batch.columns)
        unpacked.check_memory(path, size, packed=True)
        columns = [_values(column) for column in batch.columns]
        rows += [dict(zip(batch.schema.names, values, strict=True)) for values in zip(*columns, strict=True)]
    return rows


def _python_bytes(array: Any) -> int:
    """Count the bytes that the values of an array take in Python, each text for itself."""
    import pyarrow.compute as pc
    from pyarrow import types

    kind = array.type
    if types.is_dictionary(kind):
        lengths = pc.binary_length(array.dictionary) if _is_text(kind.value_type) else None
        text = pc.sum(lengths.take(array.indices)).as_py() if lengths is not None else 0
        return VALUE_BYTES * len(array) + int(text or 0)
    if _is_text(kind):
        return VALUE_BYTES * len(array) + int(pc.sum(pc.binary_length(array)).as_py() or 0)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind) or types.is_map(kind):
        return VALUE_BYTES * len(array) + _python_bytes(array.values if types.is_map(kind) else array.flatten())
    if types.is_struct(kind):
        return ROW_BYTES * len(array) + sum(map(_python_bytes, array.flatten()))
    return VALUE_BYTES * len(array)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind))


def _values(array: Any) -> list[Any]:
    """Turn a column into Python's values; equal ones of a dictionary are one and the same."""
    if hasattr(array, "dictionary"):
        known = [_text(value) for value in array.dictionary.to_pylist()]
        return [None if i is None else known[i] for i in array.indices.to_pylist()]
    return [_text(value) for value in array.to_pylist()]


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _features(schema: Any) -> Mapping[str, Any]:
    """Read what `datasets` knows of the columns; nothing where the file does not tell, or tells nonsense."""
    if b"huggingface" not in (schema.metadata or {}):
        return {}
    import datasets

    try:
        return dict(datasets.Features.from_arrow_schema(schema))
    except Exception:  # the metadata is free text: it may be no JSON, or name types that there are not
        return {}
