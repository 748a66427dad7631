"""Read the bytes or the text of one file, plain or gzip, and refuse one that unpacks to more than text would."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path

from transfergain.errors import UserError

MOST_BYTES = 4 * 2**30
"""The most bytes that are unpacked from one file."""
UNPACKED_RATIO = 200
"""The most times its own size that a gzip file may unpack to: text shrinks 3 to 30 times, a zip bomb 1,000 times."""
ALLOWED_BYTES = 64 * 2**20
"""Bytes that any gzip file may unpack to, whatever its ratio: a small file of few different words packs well."""


def check_size(path: Path, size: int, most: int | None = None) -> None:
    """Raise UserError when `size` bytes unpacked from a file are more than `most`, by default MOST_BYTES."""
    most = MOST_BYTES if most is None else most
    if size > most:
        raise UserError(f"{path}: unpacks to more than {most / 2**20:,.0f} MiB, so it is refused; look at it and split it")


def read_bytes(path: Path) -> bytes:
    """Read the content of a file, unpacked. Raises UserError for a gzip file that unpacks to more than text ever does.

    Memory is bounded by what is refused, not by what the file would unpack to.
    """
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    most = min(MOST_BYTES, max(ALLOWED_BYTES, UNPACKED_RATIO * path.stat().st_size))
    with gzip.open(path) as file:
        content = file.read(most + 1)
    check_size(path, len(content), most)
    return content


def read_text(path: Path) -> str:
    """Read a UTF-8 file, plain or gzip. Raises UserError naming the line of a byte that is not UTF-8."""
    return decoded(path, read_bytes(path))


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
