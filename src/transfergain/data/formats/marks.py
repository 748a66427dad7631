"""Read the words and tags of a text with marked entities, as in `[Ada Lovelace|PER] met him.`"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from transfergain import scripts
from transfergain.data.formats import schemes
from transfergain.errors import UserError

MARKED_ENTITY = re.compile(r"\[([^\[\]|]*)\|([^\[\]|]*)\]")
"""`[Ada Lovelace|PER]`."""
WORD_OR_SIGN = re.compile(rf"\d+(?:[.,:]\d+)+(?!{scripts.LETTER})|['’]s\b|{scripts.WORD}|[^\w\s]")
"""Numbers with their separators, the possessive, words, and every other sign on its own."""
LETTER = re.compile(scripts.LETTER)
JOINER_SIGNS = "\u200c\u200d"
"""Zero-width signs that stand inside words: the non-joiner and the joiner."""


def tagged_words(value: Any, where: str, column: str) -> tuple[list[str], list[str]]:
    """Divide a marked text into its words, with a tag in BIO for each. Raises UserError naming the row."""
    if value is None or not str(value).strip():
        raise UserError(f'{where}: "{column}" is empty; fill it or remove the row')
    if not isinstance(value, str):
        raise UserError(f'{where}: "{column}" holds a {type(value).__name__}; a text is expected')
    text, marked = _unmarked(value, where)
    spans = list(words(text))
    first, last = {start: k for k, (start, _) in enumerate(spans)}, {end: k for k, (_, end) in enumerate(spans)}
    tags = ["O"] * len(spans)
    for start, end, kind in marked:
        if start not in first or end not in last:
            raise UserError(
                f'{where}: the entity "{text[start:end]}" begins or ends inside a word; put [ and | at the edges of words'
            )
        tags[first[start] : last[end] + 1] = [f"B-{kind}"] + [f"I-{kind}"] * (last[end] - first[start])
    return [text[start:end] for start, end in spans], tags


def _unmarked(text: str, where: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Take the marks out of a text: (plain text, [(start, end, type) of each entity in it])."""
    plain, marked, at = "", [], 0
    for match in MARKED_ENTITY.finditer(text):
        entity, kind = match[1].strip(), match[2].strip()
        if not entity or kind in ("", "O") or re.search(r"\s", kind) or schemes.PREFIXED_TAG.fullmatch(kind):
            raise UserError(f'{where}: "{match[0]}" is no entity; write it as [Ada Lovelace|PER]')
        plain += text[at : match.start()]
        marked.append((len(plain), len(plain) + len(entity), kind))
        plain, at = plain + entity, match.end()
    plain += text[at:]
    stray = re.search(r"[\[\]]", plain)
    if stray:
        around = plain[max(stray.start() - 10, 0) : stray.start() + 20]
        raise UserError(
            f'{where}: a bracket that marks no entity, near "{around}"; write [Ada Lovelace|PER], and for texts with '
            "brackets of their own use lists of words and tags"
        )
    return plain, marked


def words(text: str) -> Iterator[tuple[int, int]]:
    """Find (start, end) of words and signs. Marks that join onto a letter, as in Hindi, do not end its word."""
    start = end = 0
    for match in WORD_OR_SIGN.finditer(text):
        touches = match.start() == end > 0
        if touches and (_joins(match[0]) or (_joins(text[end - 1]) and LETTER.match(match[0]))):
            end = match.end()
            continue
        if end:
            yield start, end
        start, end = match.span()
    if end:
        yield start, end


def _joins(sign: str) -> bool:
    return sign[0] in JOINER_SIGNS or unicodedata.category(sign[0])[0] == "M"
