"""Read parallel text: two files of one name and a language as ending, where line n translates line n."""

from __future__ import annotations

import functools
import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from transfergain.counts import counted
from transfergain.data.formats import unpacked
from transfergain.data.formats.table import ANY_ENDING, Reader, Table
from transfergain.errors import UserError

LANGUAGES = set(
    "af am ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka kk km kn ko "
    "ky la lb lo lt lv mg mk ml mn mr ms mt my nb ne nl nn no pa pl ps pt ro ru rw sd si sk sl so sq sr sv sw ta te tg th "
    "tk tl tr tt uk ur uz vi xh yi yo zh zu".split()
)
"""Two-letter codes of ISO 639-1 that parallel text is likely to carry."""


def names_of(code: str) -> list[str]:
    """List what data may call the language of a code, best first: `deu_Latn`, `deu`, `de`."""
    return list(dict.fromkeys([code, code.split("_")[0], code[:2]]))


def is_language(name: str) -> bool:
    """Tell whether a name is a language's, such as `fr`, `FR`, `pt-BR` or `deu_Latn`."""
    first, *rest = re.split(r"[-_]", name, maxsplit=1)
    return first.casefold() in LANGUAGES or bool(rest and len(first) == 3 and len(rest[0]) == 4 and rest[0].istitle())


def direction(codes: Sequence[str]) -> dict[str, str]:
    """Guess the direction between two languages: into English if it is one of them, else into the second."""
    source, target = codes if not codes[0].casefold().startswith("en") else reversed(codes)
    return {"source_lang": source, "target_lang": target}


def beside(path: Path) -> dict[str, str] | None:
    """Guess the languages of parallel text from files of the same name: the file's own, and the only other or English."""
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    siblings = [f.name.removesuffix(".gz").rpartition(".") for f in sorted(path.parent.iterdir()) if f.is_file()]
    codes = list(dict.fromkeys(ending for before, _, ending in siblings if before == stem and is_language(ending)))
    mine = path.name.removesuffix(".gz").rpartition(".")[2]
    others = [code for code in codes if code != mine]  # the file that was named holds the source
    english = [code for code in others if len(others) == 1 or code.casefold().startswith("en")]
    return {"source_lang": mine, "target_lang": english[0]} if mine in codes and english else None


def readers(source: str, target: str) -> dict[str, Reader]:
    """Map endings of the source language's file to a reader of it and of its sibling, plain or gzip.

    While a language is not named, any unknown ending raises a UserError that asks for it.
    """
    if not source or not target:
        return {ANY_ENDING: _ask}
    return {f".{name.lower()}": functools.partial(read, source=source, target=target) for name in names_of(source)}


def read(path: Path, source: str, target: str) -> Table:
    """Read rows `{"translation": {"fr": ..., "en": ...}}`, one a line, the languages called as in the files' endings.

    Sentences are stripped; both of a row may be empty. Raises UserError naming file and line when
    the sibling is missing, has more or fewer lines, or when one side is empty.
    """
    other = _sibling(path, target)
    sides = _lines(path), _lines(other)
    if len(sides[0]) != len(sides[1]):
        counts = [f"{file} has {counted(len(lines), 'line')}" for file, lines in zip((path, other), sides, strict=True)]
        end = min(map(len, sides))
        raise UserError(
            f"{' and '.join(counts)}: from line {end + 1:,} on there is nothing to pair; "
            "line n of the one must translate line n of the other"
        )
    for number, pair in enumerate(zip(*sides, strict=True), 1):
        if bool(pair[0]) != bool(pair[1]):
            empty, full = (path, other) if pair[1] else (other, path)
            raise UserError(f"{empty} line {number:,} is empty and that of {full.name} is not; fill it or remove both lines")
    names = _ending(path, source), _ending(other, target)
    rows = [{"translation": dict(zip(names, pair, strict=True))} for pair in zip(*sides, strict=True)]
    return Table(path.name, rows, range(1, len(rows) + 1))


def _lines(path: Path) -> list[str]:
    """Split a file into lines as `wc -l` counts them: Unicode's other line separators stand inside sentences."""
    try:
        lines = [line.strip() for line in unpacked.read_text(path).split("\n")]
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:  # only this function knows which of the two files it is
        raise UserError(f"{path}: not a readable gzip file ({error}); unpack it or write it again") from None
    return lines[:-1] if not lines[-1] else lines


def _ending(path: Path, code: str) -> str:
    """Find which of a language's names is the file's ending."""
    ending = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    return next(name for name in names_of(code) if name.lower() == ending)


def _stem(path: Path) -> str:
    """Cut the language and .gz off a file's name."""
    return path.name.removesuffix(".gz").rpartition(".")[0]


def _siblings(path: Path) -> list[Path]:
    return sorted(p for p in path.parent.iterdir() if p.is_file() and _stem(p) == _stem(path) and p.name != path.name)


def _sibling(path: Path, target: str) -> Path:
    """Find the file of the target language beside `path`, of two the one that is packed as `path` is."""
    packed = path.name.endswith(".gz")
    names = [f"{_stem(path)}.{name}{gz}" for name in names_of(target) for gz in (("", ".gz")[packed], (".gz", "")[packed])]
    for name in names:
        if (path.parent / name).is_file() and name != path.name:
            return path.parent / name
    found = ", ".join(p.name for p in _siblings(path))
    others = f", or name with --target-lang one of its siblings ({found})" if found else ""
    raise UserError(f"{path}: its translation {path.parent / names[0]} is not there; put it beside it{others}")


def _ask(path: Path) -> Table:
    found = ", ".join(p.name for p in [path, *_siblings(path)])
    raise UserError(
        f"{path}: for parallel text, say which language is translated into which with --source-lang and --target-lang, the "
        f"endings of two files of that name (found: {found})"
    )
