"""Read tables of parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transfergain.data.formats import unpacked
from transfergain.data.formats.table import Table
from transfergain.errors import UserError


def read(path: Path) -> Table:
    """Read a file in batches of rows. Raises UserError naming the file."""
    import pyarrow
    import pyarrow.parquet

    raw = unpacked.read_bytes(path)
    rows, size = [], 0
    try:
        for batch in pyarrow.parquet.ParquetFile(pyarrow.BufferReader(raw)).iter_batches(1000):
            size += sum(_decoded(column).nbytes for column in batch.columns)
            unpacked.check_size(path, size)
            rows += batch.to_pylist()
        rows = [{key: v.decode() if isinstance(v, bytes) else v for key, v in row.items()} for row in rows]
    except UnicodeDecodeError:
        raise UserError(f"{path}: a column holds bytes that are not UTF-8; store text as strings") from None
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a readable parquet file ({str(error).splitlines()[0][:200]})") from None
    return Table(path.name, rows)


def _decoded(column: Any) -> Any:
    """Write out a dictionary-encoded column, so that its size is that of its rows."""
    return column.dictionary_decode() if hasattr(column, "dictionary_decode") else column
