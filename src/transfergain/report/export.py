"""Findings as one table in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transfergain.analysis.findings import load
from transfergain.errors import UserError, nearest

FORMATS = ("csv", "parquet", "json")
TABLES = ("gains", "scores", "trials")


def write_table(folder: str, table: str, format: str, output: str | None = None) -> Path:
    """Write one table of a run; returns the file. Raises UserError for an unknown table, format or folder."""
    if format not in FORMATS:
        raise UserError(f'--format: unknown format "{format}".{nearest(format, FORMATS)}')
    if table not in TABLES:
        raise UserError(f'--table: unknown table "{table}".{nearest(table, TABLES)}')
    findings = load(folder)
    path = Path(output) if output else Path(folder) / f"{table}.{format}"
    try:
        if format == "json":  # not by pandas, which rounds to ten decimals
            text = json.dumps(findings.table(table), indent=1, ensure_ascii=False, allow_nan=False)
            path.write_text(text + "\n", "utf-8")
        else:
            # Columns of whole numbers stay whole where some rows have none.
            frame: Any = findings.to_frame(table).convert_dtypes(convert_string=False, convert_floating=False)
            (frame.to_csv if format == "csv" else frame.to_parquet)(path, index=False)
    except OSError as error:
        raise UserError(f"--output {path}: cannot write there ({error.strerror or error})") from None
    return path
