"""Read CoNLL files, a word and its tag a line, and turn the tag schemes of named entities into BIO."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from transfergain.data.formats import unpacked
from transfergain.data.formats.table import Table
from transfergain.errors import UserError

ENDINGS = (".conll", ".bio", ".iob", ".iob2", ".bioes")
DOCUMENT_START = "-DOCSTART-"

SCHEMES = {
    "BIO": r"\+?BI*",
    "IO": "I+",
    "IOB1": r"I+|\+BI*",
    "BIOES": r"\+?(S|BI*E)",
    "BILOU": r"\+?(U|BI*L)",
    "BMEWO": r"\+?(W|BM*E)",
    "BMESO": r"\+?(S|BM*E)",
}
"""Scheme -> the letters of one entity in it, after a plus if the entity follows one of its own type without a gap."""
BARE_TYPES = "types without B- and I-"
OPENING_LETTERS, CLOSING_LETTERS = "BSUW", "ELSUW"
"""Letters that open an entity, so that none goes on into them, and letters that close one."""
PREFIXED_TAG = re.compile(r"([BIELMSUW])-(.+)", re.DOTALL)
TYPELESS_TAG = re.compile(r"[BIELMSUW]-?")


@dataclass(frozen=True)
class Sentences(Table):
    """A table with one sentence a row, which knows the line of every word."""

    word_lines: Sequence[Sequence[int]] = ()
    notes: tuple[str, ...] = ()
    """What was skipped."""

    def word(self, sentence: int, word: int) -> str:
        """Name a word (0-based) for the user: `train.conll line 17`."""
        return f"{self.name} line {self.word_lines[sentence][word]:,}"


def read(path: Path, tokens_column: str = "tokens", tags_column: str = "ner_tags") -> Sentences:
    """Read a row a sentence: its words and their tags as written, lists of equal length under the two column names.

    Columns are separated by tabs, or by spaces; the word is the first (the second where the first counts the words), the
    tag the last. A blank line ends a sentence, and so does a -DOCSTART- line. Raises UserError naming the file and line.
    """
    lines = [line.strip(" \t") for line in re.split(r"\r\n|\r|\n", unpacked.read_text(path))]
    content = [line for line in lines if line.strip() and not line.startswith(DOCUMENT_START)]
    tabs = 2 * sum("\t" in line for line in content) > len(content)
    separator = re.compile(" *\t *" if tabs else "[ \t]+")
    widths = Counter(len(separator.split(line)) for line in content)
    width = widths.most_common(1)[0][0] if widths else 0
    sentences: list[list[tuple[int, list[str]]]] = [[]]
    skipped: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        fields = separator.split(line)
        if not line.strip() or line.startswith(DOCUMENT_START):
            skipped[DOCUMENT_START] += line.startswith(DOCUMENT_START)
            sentences.append([])
        elif not sentences[-1] and len(fields) != width and _is_comment(fields):
            skipped["comment"] += 1
        else:
            _check(f"{path} line {number:,}", fields, width)
            sentences[-1].append((number, fields))
    return _table(path.name, [s for s in sentences if s], skipped, (tokens_column, tags_column))


def _is_comment(fields: Sequence[str]) -> bool:
    """Tell whether a line is a comment such as `# sent_id = 7`, and not the word # with its tag."""
    is_tag = fields[-1] == "O" or bool(PREFIXED_TAG.fullmatch(fields[-1]))
    return (fields[0] == "#" or fields[0].startswith("# ")) and not is_tag


def _check(where: str, fields: Sequence[str], width: int) -> None:
    if len(fields) < 2:
        raise UserError(f"{where} has one column only; a word and, in the last column, its tag are expected")
    if len(fields) != width:
        raise UserError(
            f"{where} has {len(fields)} columns, most lines have {width}; where words hold spaces, put tabs between columns"
        )


def _table(
    name: str, sentences: Sequence[list[tuple[int, list[str]]]], skipped: Counter[str], columns: tuple[str, str]
) -> Sentences:
    first = 1 if _counts_words(sentences) else 0
    notes = [f"{name}: {n:,} {what} lines skipped" for what, n in skipped.items() if n]
    if first:
        notes.append(f"{name}: words from the second column, as the first counts them")
    tokens, tags = columns
    return Sentences(
        name,
        [{tokens: [fields[first] for _, fields in s], tags: [fields[-1] for _, fields in s]} for s in sentences],
        [s[0][0] for s in sentences],
        [[number for number, _ in s] for s in sentences],
        tuple(notes),
    )


def _counts_words(sentences: Sequence[list[tuple[int, list[str]]]]) -> bool:
    """Tell whether the first of three columns or more is the word's number in its sentence, as in CoNLL-U."""
    return max(map(len, sentences), default=0) > 1 and all(
        len(fields) > 2 and fields[0] == str(place) for s in sentences for place, (_, fields) in enumerate(s, 1)
    )


class Entity(NamedTuple):
    """Words `start` to `end` (excluded) of a sentence."""

    kind: str
    start: int
    end: int
    letters: str
    """Its tags' letters, after a plus if it follows an entity of its own type without a gap."""


class Normalised(NamedTuple):
    """Tags as BIO, and how they were written."""

    tags: list[list[str]]
    scheme: str
    """A key of SCHEMES, BARE_TYPES, or empty where nothing is tagged."""
    entities: int
    irregular: int
    """Entities that break the scheme's rules, such as one that begins with I- among others that begin with B-."""


def to_bio(sentences: Sequence[Sequence[str]], where: Callable[[int, int], str]) -> Normalised:
    """Turn the tags of a file, in any of SCHEMES, into BIO. The scheme found is the one that the fewest entities break.

    An entity begins where a letter says so, where the type changes and after a letter that ends one, as in CoNLL's own
    scorer. `where(sentence, word)` names a word in complaints. Raises UserError on a tag that is of no scheme.
    """
    bare = not any(PREFIXED_TAG.fullmatch(tag) for tags in sentences for tag in tags)
    pairs = [[_split(tag, bare, i, k, where) for k, tag in enumerate(tags)] for i, tags in enumerate(sentences)]
    entities = [list(_entities(tags)) for tags in pairs]
    if bare and any(entities) and not any(tag == "O" for tags in sentences for tag in tags):
        raise UserError(
            f'{where(0, 0)}: "{sentences[0][0]}" is no tag such as B-PER, and no word at all is tagged O; name the '
            "column of the tags with --tags-column, or put them last"
        )
    tags = [["O"] * len(sentence) for sentence in sentences]
    for row, found in zip(tags, entities, strict=True):
        for kind, start, end, _ in found:
            row[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    letters = [e.letters for found in entities for e in found]
    if bare or not letters:
        return Normalised(tags, BARE_TYPES if letters else "", len(letters), 0)
    scheme = _scheme(letters, pairs, where)
    return Normalised(tags, scheme, len(letters), sum(not re.fullmatch(SCHEMES[scheme], run) for run in letters))


def _split(tag: str, bare: bool, i: int, k: int, where: Callable[[int, int], str]) -> tuple[str, str]:
    """Split a tag into (letter, type); O gives two empty strings."""
    if tag == "O":
        return "", ""
    match = PREFIXED_TAG.fullmatch(tag)
    if match:
        return match[1], match[2]
    if TYPELESS_TAG.fullmatch(tag):
        raise UserError(f'{where(i, k)}: the tag "{tag}" names no type of entity; write {tag[0]}-TYPE')
    if not bare or not tag.strip():
        raise UserError(f'{where(i, k)}: "{tag}" is no tag; O, or B-, I-, ... and a type such as B-PER are expected')
    return "I", tag


def _entities(tags: Sequence[tuple[str, str]]) -> Iterator[Entity]:
    start, kind, letters = 0, "", ""
    for k, (letter, found) in enumerate([*tags, ("", "")]):
        goes_on = found == kind and letter not in OPENING_LETTERS and letters[-1:] not in CLOSING_LETTERS
        if kind and found and goes_on:
            letters += letter
            continue
        if kind:
            yield Entity(kind, start, k, letters)
        start, letters = k, ("+" if kind and found == kind else "") + letter
        kind = found


def _scheme(letters: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]], where: Callable[[int, int], str]) -> str:
    used = {letter for run in letters for letter in run} - {"+"}
    fitting = [name for name, rule in SCHEMES.items() if used <= set(rule)]
    if not fitting:
        last = sorted(used - set(SCHEMES["BIOES"]))[0]
        i, k = next((i, k) for i, tags in enumerate(pairs) for k, (letter, _) in enumerate(tags) if letter == last)
        raise UserError(
            f"{where(i, k)}: {last}- is mixed with {', '.join(f'{x}-' for x in sorted(used - {last}))}, which no one scheme "
            f"of tags has; use one of {', '.join(SCHEMES)}"
        )
    runs = Counter(letters)
    return min(fitting, key=lambda name: sum(n for run, n in runs.items() if not re.fullmatch(SCHEMES[name], run)))
