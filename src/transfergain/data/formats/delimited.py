"""Read tables of delimited text: csv and tsv, whichever sign separates their columns.

Quotes are where such files go wrong: one that nobody closed swallows rows. So every line with a quote is read both ways,
with quotes as csv means them and as plain characters, and the number of its fields says which of the two is meant.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transfergain.data.formats import unpacked
from transfergain.data.formats.table import Table
from transfergain.errors import UserError

SEPARATORS = (",", ";", "\t", "|")
SIGNS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""Separator -> what it is called."""
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""The line that spreadsheets put above a header."""
WHOLE_ROWS_SHARE = 0.8
"""Share of a field's lines with as many fields as the header from which on it is taken for rows that a quote swallowed."""
DOUBTFUL_SHARE = 0.2
"""Share of rows that may be two lines of which each could be a row."""
LOOKED_AT = 20
"""Lines that may be looked at in search of closing quotes, for every line that is read."""
LONGEST_FIELD = 2**31 - 1
"""The most characters of a field: as many as the csv module can be told."""


def read(path: Path, separator: str) -> Table:
    """Read a file with a header, every value as text. Raises UserError naming the file and row.

    Where the header has not the usual separator of the ending but another one, that is taken and noted.
    """
    raw = unpacked.read_text_bytes(path).removeprefix(codecs.BOM_UTF8)
    if not raw.strip():
        raise UserError(f"{path} is empty; it needs a header and rows")
    try:
        with _fields_of_any_size():
            return _Reading(path, _Lines(raw), separator).table()
    except UnicodeDecodeError:
        unpacked.decoded(path, raw)
        raise


@contextlib.contextmanager
def _fields_of_any_size() -> Iterator[None]:
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class _Lines:
    """The lines of a file, each with its end, of which the next ones can be looked at."""

    def __init__(self, raw: bytes) -> None:
        self._rest = io.TextIOWrapper(io.BytesIO(raw), "utf-8", newline="")
        self._ahead: deque[str] = deque()
        self.taken = 0

    def ahead(self) -> Iterator[str]:
        """Look at the next lines, as many as are asked for."""
        yield from tuple(self._ahead)
        for line in self._rest:
            self._ahead.append(line)
            yield line

    def take(self, count: int = 1) -> list[str]:
        """Take the next lines away."""
        self.taken += count
        return [self._ahead.popleft() for _ in range(count)]

    def next_filled(self, blank: str) -> str | None:
        """Look at the next line that holds more than `blank`, and take those before it away; None at the end."""
        while True:
            if not self._ahead:
                self._ahead.extend(itertools.islice(self._rest, 1))
            if not self._ahead or self._ahead[0].strip(blank):
                return self._ahead[0] if self._ahead else None
            self.take()


@dataclass
class _Reading:
    """The reading of one file."""

    path: Path
    lines: _Lines
    separator: str
    columns: list[str] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)
    literal: list[int] = field(default_factory=list)
    """Rows whose quotes are read as characters."""
    long: list[int] = field(default_factory=list)
    """Rows with a field that holds both line breaks and separators."""
    doubtful: list[int] = field(default_factory=list)
    """Those of them whose two lines could be two rows."""
    looked: int = 0

    def table(self) -> Table:
        """Read the header and all rows."""
        notes = self._separator()
        header = self._record()
        if header is None:
            raise UserError(f"{self.path} is empty; it needs a header and rows")
        self.columns = self._names(header)
        while (fields := self._record()) is not None:
            self.rows.append(dict(zip(self.columns, fields, strict=True)))
        name, sign = self.path.name, SIGNS.get(self.separator, "separators")
        if self.literal:
            notes.append(f"{name}: quotes read as plain characters in {self._rows(self.literal)}, which they do not enclose")
        if self.long:
            notes.append(
                f"{name}: texts with both line breaks and {sign} in {self._rows(self.long)}, one text by its quotes"
            )
        if len(self.doubtful) > max(2, DOUBTFUL_SHARE * len(self.rows)):
            raise UserError(
                f"{self.path} row {self.doubtful[0]:,}: here and in {len(self.doubtful) - 1:,} more rows a quote encloses "
                'two lines, and most of them could be rows; if nobody closed it, write it twice (""), or else give the file '
                "as jsonl"
            )
        warnings: tuple[str, ...] = ()
        if self.doubtful:
            warnings = (
                f"{name}: in {self._rows(self.doubtful)} quotes enclose a line break, and each of the two lines could be a "
                'row; they are read as one. Where the quotes belong to the text, write them twice ("")',
            )
        return Table(name, self.rows, notes=tuple(notes), warnings=warnings)

    @staticmethod
    def _rows(found: Sequence[int]) -> str:
        return f"row {found[0]:,}" if len(found) == 1 else f"{len(found):,} rows (first: row {found[0]:,})"

    @property
    def _blank(self) -> str:
        return " \r\n" if self.separator == "\t" else " \t\r\n"

    def _separator(self) -> list[str]:
        """Find the separator by the header, or by the line above it that names it; note an unusual one."""
        line = (self.lines.next_filled(self._blank) or "").strip("\r\n")
        usual, said = self.separator, SEPARATOR_LINE.fullmatch(line.strip())
        if said:
            self.lines.take()
            self.separator = said[1]
        elif usual not in line:
            self.separator = max(SEPARATORS, key=line.count) if any(s in line for s in SEPARATORS) else usual
        if self.separator == usual:
            return []
        return [f"{self.path.name}: columns are separated by {SIGNS.get(self.separator, repr(self.separator))}"]

    def _names(self, header: Sequence[str]) -> list[str]:
        names = [name.strip() or f"column {place}" for place, name in enumerate(header, 1)]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise UserError(f'{self.path}: two columns are called "{twice[0]}"; rename one')
        return names

    def _record(self) -> list[str] | None:
        """Read the fields of the next row, as many as there are columns; None at the end."""
        line = self.lines.next_filled(self._blank)
        if line is None:
            return None
        plain = line.rstrip("\r\n").split(self.separator)
        if '"' not in line:
            self.lines.take()
            return self._fitted(plain)
        quoted, count = self._quoted()
        if quoted is not None and self._is_meant(quoted, count, plain):
            self._note_long(quoted, count)
            self.lines.take(count)
            return self._fitted(quoted)
        self.looked += count
        self._check_patience()
        if len(plain) != (len(self.columns) or len(plain)):
            raise UserError(
                f"{self.path} row {self._number}: a quote that is not closed, or stands inside a quoted text; "
                'write quotes that belong to a text twice (""), and enclose the text in quotes'
            )
        self.lines.take()
        if self.columns:
            self.literal.append(len(self.rows) + 1)
        return plain

    @property
    def _number(self) -> str:
        return f"{len(self.rows) + 1:,}"

    def _quoted(self) -> tuple[list[str] | None, int]:
        """Read the next row with quotes as csv means them: (fields, lines); None for the fields where that does not hold."""
        reader = csv.reader(self.lines.ahead(), delimiter=self.separator, strict=True)
        try:
            return next(reader), reader.line_num
        except csv.Error:
            return None, reader.line_num

    def _is_meant(self, quoted: Sequence[str], count: int, plain: Sequence[str]) -> bool:
        """Tell whether quotes enclose fields in this row. Raises UserError where they enclose what look like rows."""
        width = len(self.columns) or len(quoted)
        if count == 1 or width == 1 or not self.columns:
            return len(quoted) == width or len(plain) != width
        if len(quoted) != width:
            return False
        lines = [line for line, _ in zip(self.lines.ahead(), range(count), strict=False)]
        share = sum(line.count(self.separator) + 1 == width for line in lines) / count
        if share == 1 and self.separator == "\t":
            return False
        if count > 2 and (share == 1 or (share >= WHOLE_ROWS_SHARE and count > 4)):
            raise UserError(
                f"{self.path} row {self._number}: a quote begins a text of {count:,} lines, and most of them could be rows; "
                'if nobody closed it, write it twice (""), or else write the file as jsonl'
            )
        if share == 1:
            self.doubtful.append(len(self.rows) + 1)
        return True

    def _note_long(self, quoted: Sequence[str], count: int) -> None:
        if count > 1 and any(self.separator in text and ("\n" in text or "\r" in text) for text in quoted):
            self.long.append(len(self.rows) + 1)

    def _check_patience(self) -> None:
        if self.looked > LOOKED_AT * (self.lines.taken + 10_000):
            raise UserError(
                f"{self.path} row {self._number}: too many quotes up to here are not closed; write quotes that belong "
                'to a text twice ("")'
            )

    def _fitted(self, fields: list[str]) -> list[str]:
        """Fill a row up to the number of columns. Raises UserError where it has more fields than these."""
        width = len(self.columns)
        if not width or len(fields) == width:
            return fields
        if len(fields) > width and any(fields[width:]):
            raise UserError(
                f"{self.path} row {self._number} has {len(fields)} fields, the header has {width}; put quotes around texts "
                f"that hold {SIGNS.get(self.separator, 'separators')}"
            )
        return fields[:width] + [""] * (width - len(fields))
