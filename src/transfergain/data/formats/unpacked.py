"""Read the bytes or the text of one file, plain or packed (gzip, zip), and refuse one that would fill the memory."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from transfergain.errors import UserError

PACKED = (".gz", ".zip")
MOST_BYTES = 4 * 2**30
"""The most bytes that are unpacked from one file."""
UNPACKED_RATIO = 200
"""The most times its own size that a packed file may unpack to: text shrinks 3 to 30 times, a bomb 1,000 times."""
ALLOWED_BYTES = 64 * 2**20
"""Bytes that any packed file may unpack to, whatever its ratio: a small file of few different words packs well."""
ALLOWED_MEMORY = 512 * 2**20
"""Bytes of memory that the rows of any file may take."""
MEMORY_RATIO, PACKED_MEMORY_RATIO = 64, 500
"""The most times its size on disk that the rows of a file may take, where that is more; and of one that is packed."""
SIGN_BYTES = {b"\n": 250, b"{": 200, b"[": 72, b",": 60, b"\t": 60, b";": 60}
"""Sign -> bytes that Python needs for what a text has by it: a row, an object, a list, a value."""


def check_size(path: Path, size: int, most: int | None = None) -> None:
    """Raise UserError when `size` bytes unpacked from a file are more than `most`, by default MOST_BYTES."""
    most = MOST_BYTES if most is None else most
    if size > most:
        raise UserError(f"{path}: unpacks to more than {most / 2**20:,.0f} MiB, so it is refused; look at it and split it")


def check_memory(path: Path, size: float, packed: bool) -> None:
    """Raise UserError when the rows of a file would take `size` bytes, out of all proportion to the file."""
    on_disk = max(1, path.stat().st_size)
    if size > max(ALLOWED_MEMORY, on_disk * (PACKED_MEMORY_RATIO if packed else MEMORY_RATIO)):
        raise UserError(
            f"{path}: its rows would take about {size / 2**20:,.0f} MiB of memory, {size / on_disk:,.0f} times the size "
            "of the file, so it is refused; look at it and split it"
        )


def is_packed(path: Path) -> bool:
    """Tell whether a file's name says that it is packed."""
    return path.suffix.lower() in PACKED


def name(path: Path) -> str:
    """Give the name of what is packed in a file: its own without .gz or .zip, or as a zip says where that has no ending."""
    if not is_packed(path):
        return path.name
    if path.suffix.lower() == ".zip" and not Path(path.stem).suffix and path.is_file():
        return Path(_member(path).filename).name
    return path.stem


def read_bytes(path: Path) -> bytes:
    """Read the content of a file, unpacked. Raises UserError for a packed file that unpacks to more than text ever does.

    Memory is bounded by what is refused, not by what the file would unpack to.
    """
    if not is_packed(path):
        return path.read_bytes()
    most = min(MOST_BYTES, max(ALLOWED_BYTES, UNPACKED_RATIO * path.stat().st_size))
    content = _from_zip(path, most) if path.suffix.lower() == ".zip" else _from_gzip(path, most)
    check_size(path, len(content), most)
    return content


def _from_gzip(path: Path, most: int) -> bytes:
    with gzip.open(path) as file:
        return file.read(most + 1)


def _from_zip(path: Path, most: int) -> bytes:
    member = _member(path)
    with _opened(path) as archive, archive.open(member) as file:
        return file.read(most + 1)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file. Raises UserError for whatever Python finds wrong in it: in its list, a name, a key or the data."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, IndexError) as error:
        raise UserError(f"{path}: not a readable zip file ({error}); unzip it and give the file in it") from None


def _member(path: Path) -> zipfile.ZipInfo:
    """Find the one file of a zip. Raises UserError where there are others, whatever they are."""
    with _opened(path) as archive:
        files = [member for member in archive.infolist() if not member.is_dir()]
    files = [member for member in files if not member.filename.startswith("__MACOSX/")]
    if len(files) != 1:
        found = ", ".join(member.filename for member in files[:5]) or "none"
        raise UserError(f"{path}: a zip of one file is read, this has {len(files):,} ({found}); unzip it and give one")
    return files[0]


def read_text(path: Path) -> str:
    """Read a UTF-8 file, plain or packed. Raises UserError naming the line of a byte that is not UTF-8."""
    return decoded(path, read_text_bytes(path))


def read_text_bytes(path: Path) -> bytes:
    """Read the content of a text file. Raises UserError for one of so many values that they would fill the memory."""
    raw = read_bytes(path)
    check_memory(path, 2 * len(raw) + sum(cost * raw.count(sign) for sign, cost in SIGN_BYTES.items()), is_packed(path))
    return raw


def decoded(path: Path, raw: bytes) -> str:
    """Decode the content of a file as text. Raises UserError naming the line of a byte that is not UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise UserError(f"{path} is UTF-16, as some programs save texts; save the file as UTF-8") from None
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path} line {line:,}: byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None
