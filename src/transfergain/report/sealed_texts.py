"""Write the sealed texts of a study, without labels, in the form that `--predictions` reads back."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from transfergain.data.sealed import unpack
from transfergain.errors import UserError
from transfergain.report.file_names import distinct
from transfergain.report.formulas import harmless
from transfergain.store import Store

TABLE = "test-texts"
MOST_OF_A_NAME = 40
"""Characters of a data set's name in that of a file: file systems take 255 bytes in all."""
SEALED_KEY = "sealed"
"""Where the store keeps the texts, by data set."""
Rows = Sequence[Mapping[str, str]]


def write(folder: str, format: str = "csv", output: str | None = None) -> list[Path]:
    """Write the sealed texts to a file a data set; returns the files.

    Raises UserError for a study without texts, another format than csv and json, and a folder that holds no study.
    """
    if format not in WRITERS:
        raise UserError(f"--format {format}: --table {TABLE} is written as {' or '.join(WRITERS)}")
    found = {name: rows for name, packed in _packed(folder).items() if (rows := unpack(packed))}
    if not found:
        raise UserError(f"--table {TABLE}: no task of the study in {folder} reads predictions from files")
    if output and len(found) > 1:
        raise UserError(f"--output names one file, and the study has {len(found)} data sets, a file each; leave it out")
    paths = []
    names = distinct("".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:MOST_OF_A_NAME] for name in found)
    for safe, rows in zip(names, found.values(), strict=True):
        path = Path(output or Path(folder) / f"{TABLE}{f'-{safe}' if len(found) > 1 else ''}.{format}")
        try:
            WRITERS[format](rows, path)
        except OSError as error:
            raise UserError(f"--output {path}: cannot write there ({error.strerror or error})") from None
        paths.append(path)
    return paths


def _packed(folder: str) -> dict[str, str]:
    with Store(folder) as store:
        identity, packed = store.get_meta("identity") or {}, store.get_meta(SEALED_KEY)
    if not identity.get("texts", True):
        raise UserError(
            f"--table {TABLE}: the study in {folder} was run with --no-texts and holds no text; "
            "predict the texts of your own test file, which --predictions joins by text"
        )
    if not packed:
        raise UserError(f"--table {TABLE}: the store of {folder} has no texts yet; the command of its run adds them")
    found: dict[str, str] = packed
    return found


def _csv(rows: Rows, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({column: harmless(text) for column, text in row.items()} for row in rows)


def _json(rows: Rows, path: Path) -> None:
    path.write_text(json.dumps(list(rows), indent=1, ensure_ascii=False) + "\n", "utf-8")


WRITERS = {"csv": _csv, "json": _json}
