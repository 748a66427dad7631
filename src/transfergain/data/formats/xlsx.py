"""Read the first sheet of a workbook (xlsx) that holds rows, with openpyxl, which is an extra."""

from __future__ import annotations

import datetime
import importlib.util
import io
import re
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergain.counts import Noun, counted
from transfergain.data.formats import unpacked
from transfergain.data.formats.table import Table
from transfergain.errors import UserError, install

MOST_ROWS, MOST_COLUMNS = 2**20, 1000
"""Rows that a sheet can have, and columns that are looked at."""
EMPTY = Noun("empty row of the sheet", "empty rows of the sheet")
MEMORY_RATIO = 10
"""Memory that rows take, as times the size of the XML that they are in: the shortest row has 30 bytes."""
ROW = re.compile(rb"<(?:\w+:)?row\b[^>]*?\sr=[\"'](\d+)[\"']")
"""The beginning of a row that says its number."""
DECLARED = tuple("<!DOCTYPE".encode(code) for code in ("ascii", "utf-16-le", "utf-16-be"))


@dataclass(frozen=True)
class Sheet(Table):
    """A table whose rows are those of a sheet."""

    def where(self, index: int) -> str:
        """Name a row (0-based) for the user, by the number that spreadsheets show: `reviews.xlsx sheet row 17`."""
        assert self.numbers is not None
        return f"{self.name} sheet row {self.numbers[index]:,}"


def read(path: Path) -> Sheet:
    """Read the rows below a header; empty ones are left out, counted. Raises UserError naming the file and row."""
    if importlib.util.find_spec("openpyxl") is None:
        raise UserError(f"{path}: workbooks are read by openpyxl: {install('xlsx')}; or save the sheet as csv")
    import openpyxl

    raw = unpacked.read_bytes(path)
    try:
        _check(path, raw)
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
        sheets = [found for sheet in book.worksheets if (found := _sheet(path, sheet, str(sheet.title))).rows]
        book.close()
    except (UserError, MemoryError):
        raise
    except Exception as error:  # openpyxl raises whatever its parts do on a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise UserError(f"{path}: not a readable workbook ({reason}); save it again as xlsx, or as csv") from None
    if not sheets:
        raise UserError(f"{path} holds no rows; a sheet needs a header and rows below it")
    notes = tuple(f"{path.name}: {counted(len(other.rows), 'row')} of a further sheet not read" for other in sheets[1:])
    return Sheet(path.name, sheets[0].rows, numbers=sheets[0].numbers, left_out=sheets[0].left_out, notes=notes)


def _check(path: Path, raw: bytes) -> None:
    """Raise UserError for a workbook that unpacks to more than texts do, or declares entities of XML."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        size = sum(member.file_size for member in archive.infolist())
        most = min(unpacked.MOST_BYTES, max(unpacked.ALLOWED_BYTES, unpacked.UNPACKED_RATIO * len(raw)))
        unpacked.check_size(path, size, most)
        unpacked.check_memory(path, MEMORY_RATIO * size, packed=True)
        for member in archive.infolist():
            content = archive.read(member)
            if any(mark in content for mark in DECLARED):
                raise UserError(f"{path}: declares types or entities of XML, which are not read; save it without them")
            _check_order(path, content)


def _check_order(path: Path, sheet: bytes) -> None:
    """Raise UserError where rows do not follow each other, or lie beyond the last: openpyxl would leave them out."""
    before = 0
    for number in (int(match[1][:12]) for match in ROW.finditer(sheet)):
        if not before < number <= MOST_ROWS:
            raise UserError(
                f"{path} sheet row {number:,} is beyond what a sheet can have, or comes after a later row; save it again"
            )
        before = number


def _sheet(path: Path, sheet: Any, title: str) -> Sheet:
    """Read one sheet; its first row that is not empty is the header."""
    columns: list[str] = []
    rows: list[dict[str, Any]] = []
    numbers, left_out = list[int](), Counter[Noun]()
    cells = sheet.iter_rows(min_row=1, max_row=MOST_ROWS, max_col=MOST_COLUMNS, values_only=True)
    for number, values in enumerate(cells, 1):
        filled = {place: _plain(value) for place, value in enumerate(values) if value is not None and str(value).strip()}
        if not filled:
            left_out[EMPTY] += bool(columns)
        elif not columns:
            columns = _header(path, title, number, filled)
        elif beyond := [place for place in filled if place >= len(columns) or not columns[place]]:
            raise UserError(
                f"{path} sheet row {number:,}: a value in column {beyond[0] + 1}, which has no name in the header; name the "
                "column, or remove the value"
            )
        else:
            rows.append({columns[place]: value for place, value in filled.items()})
            numbers.append(number)
    return Sheet(path.name, rows, numbers=numbers, left_out=+left_out)


def _header(path: Path, title: str, number: int, filled: dict[int, Any]) -> list[str]:
    names = [str(filled.get(place, "")).strip() for place in range(max(filled) + 1)]
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice is not None:
        raise UserError(f'{path} sheet row {number:,}: two columns of "{title}" are called "{twice}"; rename one')
    return names


def _plain(value: Any) -> Any:
    """Give a date or a time as ISO text, and all else as it is."""
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value
