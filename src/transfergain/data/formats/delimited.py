"""Read tables of delimited text: csv and tsv."""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path
from typing import Any

from transfergain.data.formats import unpacked
from transfergain.data.formats.table import Table
from transfergain.errors import UserError

BLOCK_ROWS = 50_000
"""Rows that are turned into a table at a time."""


def read(path: Path, separator: str) -> Table:
    """Read a file with a header, every value as text. Raises UserError naming the file and row.

    Rows are read in blocks, so that no second copy of a large file's text is held.
    """
    import pandas as pd

    raw = unpacked.read_bytes(path).removeprefix(codecs.BOM_UTF8)
    if not raw.strip():
        raise UserError(f"{path} is empty; it needs a header and rows")

    def frame_of(**options: Any) -> Any:
        given = {"sep": separator, "dtype": str, "keep_default_na": False, "na_filter": False} | options
        return pd.read_csv(io.BytesIO(raw), encoding="utf-8", **given)

    rows: list[dict[str, Any]] = []
    try:
        header = frame_of(header=None, nrows=1).iloc[0].to_list()
        with frame_of(chunksize=BLOCK_ROWS) as frames:
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
