"""Findings as one table in a file."""

from __future__ import annotations

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
    frame: Any = findings.to_frame(table)
    try:
        if format == "csv":
            frame.to_csv(path, index=False)
        elif format == "parquet":
            frame.to_parquet(path, index=False)
        else:
            frame.to_json(path, orient="records", indent=1, force_ascii=False)
    except OSError as error:
        raise UserError(f"--output {path}: cannot write there ({error.strerror or error})") from None
    return path
