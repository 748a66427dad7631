"""Read text without labels: a text a line, or a column of a table, of files and folders, plain or packed."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from transfergain import scripts
from transfergain.counts import counted
from transfergain.data import contamination
from transfergain.data.draws import mark
from transfergain.data.formats import unpacked
from transfergain.data.formats.parallel import is_language
from transfergain.data.formats.table import Table
from transfergain.data.gate import checked
from transfergain.data.read import ending, read_file
from transfergain.errors import UserError

LINES = (".txt", ".text", "")
"""Endings of files that hold a text a line; so do those of parallel text, such as `train.fr`, where they are named."""
TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
"""Endings of files of which a column is read."""
USUAL_COLUMN = "text"
UNLABELLED_FILE = "--unlabelled-file"
NO_LETTERS = re.compile(r"[\W_]+")
LONGEST_LINE = 16 * 2**20
"""Bytes of a line that is read: a longer one is no text a line."""
END_OF_FILE = b"\1"
MOST_CHARACTERS = 2**31
"""Characters of all texts together: they are held in memory."""


@dataclass(frozen=True)
class Unlabelled:
    """Texts without labels, none of them twice."""

    files: tuple[tuple[str, ...], ...]
    """The texts of each file, in its order."""
    fingerprint: str
    """Of all texts, in their order, and of where files end: the end of each is held out."""
    repeated: int = 0
    """Texts that were left out because they had been before."""
    given_by: str = UNLABELLED_FILE
    """The flag that gave them, which errors name."""

    @property
    def count(self) -> int:
        """How many texts there are."""
        return sum(map(len, self.files))

    @property
    def words(self) -> int:
        """How many words there are."""
        return sum(len(scripts.split(text)) for texts in self.files for text in texts)


def read(
    paths: Sequence[str | Path],
    column: str | None = None,
    given_by: str = UNLABELLED_FILE,
    usual_columns: Sequence[str] = (USUAL_COLUMN,),
) -> Unlabelled:
    """Read files and folders of text, the same text once. Raises UserError naming the file, line or row.

    Of a table `column` is read; where none is named, the first of `usual_columns` that it has, or its only one.
    """
    files = [file for path in paths for file in _files(Path(path), given_by)]
    columns = _Columns(column, tuple(usual_columns))
    found = collect((_texts(file, columns) for file in files), given_by)
    if not found.count:
        raise UserError(f"{given_by} {paths[0]}: holds no text; give txt with a text a line, csv, jsonl or parquet")
    return found


def collect(files: Iterable[Iterable[str]], given_by: str = UNLABELLED_FILE) -> Unlabelled:
    """Collect the texts of files; empty ones and those that were there before are left out."""
    seen, digest = set[bytes](), hashlib.sha256()
    kept: list[tuple[str, ...]] = []
    repeated = size = 0
    for texts in files:
        own: list[str] = []
        for text in filter(None, map(str.strip, texts)):
            key = mark(text)
            if key in seen:
                repeated += 1
                continue
            seen.add(key)
            own.append(text)
            digest.update(text.encode() + b"\0")
            size += len(text)
            if size > MOST_CHARACTERS:
                raise UserError(f"{given_by}: more than {MOST_CHARACTERS:,} characters in all; give less text")
        kept.append(tuple(own))
        if own:
            digest.update(END_OF_FILE)
    return Unlabelled(tuple(kept), digest.hexdigest()[:32], repeated, given_by)


class Cleaned(NamedTuple):
    """Unlabelled texts without those that a study evaluates on."""

    texts: Unlabelled
    same: int
    """Texts left out because they are texts of dev, test or a shift."""
    overlapping: int
    """Further ones left out because they share a 13-gram with one of test or a shift."""

    @property
    def note(self) -> str:
        """Say what was read and left out."""
        left_out = f"left out as dev or test texts: {self.same:,}; for a 13-gram in common with test: {self.overlapping:,}"
        return f"{counted(self.texts.count, 'unlabelled text')}, {counted(self.texts.words, 'word')}; {left_out}"


def without(texts: Unlabelled, dev: Iterable[str], test: Sequence[str]) -> Cleaned:
    """Leave out the texts that are among those of dev and test, or overlap with those of test.

    Texts are the same whose letters and digits are: *lamb .* of a test set cut into words is *lamb.* of a file of text.
    """
    marks = {mark(_letters(text)) for text in (*dev, *test)}
    files = [[text for text in own if mark(_letters(text)) not in marks] for own in texts.files]
    shares = iter(contamination.sharing((text for own in files for text in own), test))
    kept = [[text for text in own if not next(shares)] for own in files]
    same, overlapping = texts.count - sum(map(len, files)), sum(map(len, files)) - sum(map(len, kept))
    return Cleaned(collect(kept, texts.given_by), same, overlapping)


def _letters(text: str) -> str:
    """Take the letters and digits of a text; the whole of one that has none, such as a smile."""
    return NO_LETTERS.sub("", text) or text


def _files(path: Path, given_by: str) -> list[Path]:
    """List the files of a folder that can be read, those of its folders too; or the one file."""
    if not path.is_dir():
        return [path]
    found = [file for file in sorted(path.rglob("*")) if file.is_file() and ending(file) in (*LINES[:-1], *TABLES)]
    if not found:
        raise UserError(f"{given_by} {path}: the folder holds no {', '.join((*LINES[:-1], *TABLES))} file")
    return found


class _Columns(NamedTuple):
    """Which column of a table is read."""

    named: str | None
    usual: tuple[str, ...]

    def of(self, path: Path, columns: Sequence[str]) -> str:
        """Choose one of a table's. Raises UserError where it has none of that name."""
        known = [self.named] if self.named else [name for name in self.usual if name in columns]
        name = known[0] if known else columns[0] if len(columns) == 1 else self.usual[0]
        if name not in columns:
            has = f'{path} has no column "{name}"; it has: {", ".join(columns)}'
            raise UserError(f"{has}. Name it with --text-column, or give a file with that column alone")
        return name


def _texts(path: Path, columns: _Columns) -> Iterator[str]:
    kind = ending(path)
    if kind in TABLES:
        return _column(path, read_file(path), columns)
    if kind not in LINES and not _is_side(path) and path.exists():
        raise UserError(
            f"{path}: unknown format {kind}; text is read from {', '.join((*LINES[:-1], *TABLES))}, plain or .gz"
        )
    return _lines(path)


def _is_side(path: Path) -> bool:
    """Tell whether a file is one side of parallel text: its ending is a language."""
    return is_language(Path(unpacked.name(path)).suffix.removeprefix("."))


def _column(path: Path, table: Table, columns: _Columns) -> Iterator[str]:
    """Yield the texts of a table's column."""
    name = columns.of(path, table.columns())
    for i, row in enumerate(checked(table).rows):
        value = row.get(name)
        if value is not None and not isinstance(value, str):
            raise UserError(f'{table.where(i)}: "{name}" is no text but {type(value).__name__}; name another --text-column')
        yield value or ""


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file, one after another, so that no line fills the memory."""
    try:
        if path.suffix.lower() == ".zip":
            yield from unpacked.read_text(path).splitlines()
            return
        with gzip.open(path) if unpacked.is_packed(path) else path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                yield _decoded(path, number, line)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UserError(f"{path}: not a readable gzip file ({error}); unpack it or write it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None


def _decoded(path: Path, number: int, line: bytes) -> str:
    if len(line) > LONGEST_LINE:
        raise UserError(
            f"{path} line {number:,} has more than {LONGEST_LINE // 2**20} MiB; a text a line is read: break it into lines"
        )
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"{path} is UTF-16, as some programs save texts; save the file as UTF-8")
    if b"\0" in line:
        raise UserError(f"{path} line {number:,} holds a zero byte, so it is no text; give txt, csv, jsonl or parquet")
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} line {number:,}: byte 0x{line[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None
