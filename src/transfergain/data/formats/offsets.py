"""Read entities that are marked by character offsets, as doccano, Label Studio, Prodigy and spaCy write them.

Offsets count characters, or units of UTF-16 as JavaScript does; where texts hold signs that count double there, what the
spans hold tells the two apart. Words are those of marked text, cut also where an entity begins or ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from transfergain.counts import counted
from transfergain.data.formats import marks, schemes
from transfergain.data.formats.table import Table
from transfergain.errors import UserError

COLUMNS = ("label", "labels", "spans", "entities", "ner_tags", "annotations")
"""Columns that hold spans, the most usual first."""
STARTS, ENDS, TYPES = ("start", "start_offset"), ("end", "end_offset"), ("label", "labels", "type", "entity_group", "tag")
OVERLAPS = ("longest",)
"""What may be done with entities that overlap, besides refusing them."""


class Span(NamedTuple):
    """Characters `start` to `end` (excluded) of a text."""

    start: int
    end: int
    kind: str
    surface: str | None = None
    """What it holds, as the file says it."""


class Counts(NamedTuple):
    """What was done to the spans of a table."""

    utf16: bool
    cut: int
    """Entities that begin or end within a word."""
    trimmed: int
    """Entities with white space at their ends."""
    overlapping: int
    """Entities left out because they overlap a longer one."""
    repeated: int


def column_of(table: Table, wanted: str) -> str | None:
    """Find the column that holds spans: the wanted one, or one of the usual names; None without any."""
    for column in (wanted, *COLUMNS):
        values = [row.get(column) for row in table.rows]
        if any(values) and all(value is None or _are_spans(value) for value in values):
            return column
    return None


def _are_spans(value: Any) -> bool:
    return isinstance(value, list) and all(_as_span(entry) is not None for entry in value)


def _as_span(entry: Any) -> Span | None:
    """Read `[start, end, type]`, or an object with these; None for all else."""
    surface: Any = None
    if isinstance(entry, dict):
        surface = entry.get("text")
        entry = [next((entry[name] for name in names if name in entry), None) for names in (STARTS, ENDS, TYPES)]
    if not isinstance(entry, list | tuple) or len(entry) != 3:
        return None
    start, end, kind = list(entry)
    kind = kind[0] if isinstance(kind, list) and len(kind) == 1 else kind
    if not (isinstance(start, int) and isinstance(end, int) and isinstance(kind, str)) or isinstance(start, bool):
        return None
    return Span(start, end, kind, surface if isinstance(surface, str) else None)


def tagged(
    table: Table, text_column: str, spans_column: str, overlaps: str
) -> tuple[list[list[str]], list[list[str]], Counts]:
    """Divide every text into words with a tag in BIO: (words of each row, tags of each row, what was done).

    Raises UserError naming the row: for a span outside its text, without characters, or over another one.
    """
    texts = [_text(row.get(text_column), table.where(i), text_column) for i, row in enumerate(table.rows)]
    spans = [[s for s in map(_as_span, row.get(spans_column) or ()) if s] for row in table.rows]
    utf16 = _counts_utf16(texts, spans)
    words, tags, totals = [], [], [0, 0, 0, 0]
    for i, (text, found) in enumerate(zip(texts, spans, strict=True)):
        if utf16:
            found = [_in_characters(span, text) for span in found]
        row_words, row_tags, counts = _row(text, found, table.where(i), overlaps)
        words.append(row_words)
        tags.append(row_tags)
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
    return words, tags, Counts(utf16, *totals)


def _text(value: Any, where: str, column: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UserError(f'{where}: "{column}" holds no text; fill it or remove the row')
    return value


def _counts_utf16(texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> bool:
    """Tell whether offsets count units of UTF-16: by what spans say they hold, else by how many end at edges of words."""
    scores = [0, 0]
    for text, found in zip(texts, spans, strict=True):
        if text.isascii() or max(text) < "\U00010000":
            continue
        for span in found:
            for way, read in enumerate((span, _in_characters(span, text))):
                held = text[read.start : read.end]
                scores[way] += held == span.surface if span.surface is not None else _fits(text, read)
    return scores[1] > scores[0]


def _fits(text: str, span: Span) -> bool:
    return 0 <= span.start < span.end <= len(text) and not (_inside(text, span.start) or _inside(text, span.end))


def _in_characters(span: Span, text: str) -> Span:
    """Turn offsets in units of UTF-16 into those in characters."""
    units = text.encode("utf-16-le")
    start, end = (len(units[: 2 * max(0, at)].decode("utf-16-le", "ignore")) for at in (span.start, span.end))
    return span._replace(start=start, end=end if 2 * span.end <= len(units) else span.end)


def _inside(text: str, at: int) -> bool:
    """Tell whether a place is between two signs of one word."""
    return 0 < at < len(text) and bool(marks.LETTER.match(text[at - 1]) and marks.LETTER.match(text[at]))


def _row(text: str, spans: Sequence[Span], where: str, overlaps: str) -> tuple[list[str], list[str], tuple[int, ...]]:
    checked = [_checked(span, text, where) for span in spans]
    trimmed = sum(a[:2] != b[:2] for a, b in zip(spans, checked, strict=True))
    once = list(dict.fromkeys(span[:3] for span in checked))
    kept = _apart(once, text, where, overlaps)
    cut = sum(_inside(text, start) or _inside(text, end) for start, end, _ in kept)
    edges = {at for start, end, _ in kept for at in (start, end)}
    pieces = [piece for start, end in marks.words(text) for piece in _divided(start, end, edges)]
    tags = ["O"] * len(pieces)
    for start, end, kind in kept:
        inner = [k for k, (a, b) in enumerate(pieces) if start <= a and b <= end]
        if not inner:
            raise UserError(f'{where}: the entity "{text[start:end]}" holds no word; remove it')
        for k in inner:
            tags[k] = f"{'B' if k == inner[0] else 'I'}-{kind}"
    return [text[a:b] for a, b in pieces], tags, (cut, trimmed, len(once) - len(kept), len(checked) - len(once))


def _divided(start: int, end: int, edges: set[int]) -> list[tuple[int, int]]:
    """Cut a word where an entity begins or ends within it."""
    places = [start, *sorted(at for at in edges if start < at < end), end]
    return list(pairwise(places))


def _checked(span: Span, text: str, where: str) -> Span:
    """Trim a span of white space. Raises UserError where it lies outside the text, holds nothing, or not what is said."""
    if not 0 <= span.start < span.end <= len(text):
        raise UserError(
            f"{where}: the span {span.start} to {span.end} ({span.kind}) does not lie in the text, which has {len(text):,} "
            "characters; count from 0, the end excluded"
        )
    held = text[span.start : span.end]
    if span.surface is not None and span.surface.strip() != held.strip():
        raise UserError(
            f'{where}: the span {span.start} to {span.end} holds "{held}", not "{span.surface}"; mend its offsets'
        )
    if not held.strip():
        raise UserError(f"{where}: the span {span.start} to {span.end} holds only white space; remove it")
    if span.kind.strip() in ("", "O") or schemes.PREFIXED_TAG.fullmatch(span.kind):
        raise UserError(f'{where}: "{span.kind}" is no type of entity; name it without B- and I-, as in PER')
    start = span.start + len(held) - len(held.lstrip())
    return span._replace(start=start, end=start + len(held.strip()), kind=span.kind.strip())


def _apart(spans: Sequence[tuple[int, int, str]], text: str, where: str, overlaps: str) -> list[tuple[int, int, str]]:
    """Sort spans that do not overlap, or keep the longest of those that do. Raises UserError where that is not wanted."""
    kept: list[tuple[int, int, str]] = []
    for span in sorted(spans, key=lambda s: (s[0] - s[1], s[0])):
        over = next((k for k in kept if span[0] < k[1] and k[0] < span[1]), None)
        if over is None:
            kept.append(span)
        elif overlaps != "longest":
            one, other = (f'"{text[s:e]}" ({kind})' for s, e, kind in (over, span))
            raise UserError(
                f"{where}: the entities {one} and {other} overlap; a word has one tag: --overlaps longest keeps the longest"
            )
    return sorted(kept)


def notes(name: str, counts: Counts) -> list[str]:
    """Say what was done to the spans of a file."""
    said = (
        (counts.cut, "begins or ends within a word, which is cut there", "begin or end within a word, which is cut there"),
        (counts.trimmed, "trimmed of white space", "trimmed of white space"),
        (counts.overlapping, "left out that overlaps a longer one", "left out that overlap a longer one"),
        (counts.repeated, "that stands twice counted once", "that stand twice counted once"),
    )
    found = [f"{name}: {counted(n, f'entity {one}', f'entities {more}')}" for n, one, more in said if n]
    return [f"{name}: offsets count units of UTF-16", *found] if counts.utf16 else found
