"""Read CoNLL files: a word and its tag a line, a blank line between sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from transfergain.counts import Noun, counted
from transfergain.data.formats import brackets, schemes, unpacked
from transfergain.data.formats.table import Table
from transfergain.errors import UserError

ENDINGS = (".conll", ".conllu", ".conllup", ".bio", ".iob", ".iob2", ".bioes")
DOCUMENT_START = "-DOCSTART-"
BETWEEN_DOCUMENTS = Noun(f"{DOCUMENT_START} line", f"{DOCUMENT_START} lines")
COMMENTS = Noun("comment line", "comment lines")
DOCUMENT_BOUNDARY = re.compile(r"#\s*(begin|end) document\b")
KEY_AND_VALUE = re.compile(r"#\s*[\w.:-]+\s*=")
COLUMN_NAMES = re.compile(r"#\s*global\.columns\s*=\s*(.+)")
"""The line by which CoNLL-U Plus names its columns."""
LANGUAGE_PREFIX = re.compile(r"([a-z]{2,3}(?:-[a-z]+)*:)")
"""What WikiANN's dumps put before every word."""
CHUNKS = set("NP VP PP ADJP ADVP SBAR PRT CONJP INTJ LST UCP NC VC PC".split())
"""Types of chunks, which stand beside entities in the columns of CoNLL-2003."""
TAG_SHARE = 0.8
"""Share of a column's entries, those outside entities apart, that must be tags for the column to be one of tags."""
RECOGNISED_LINES = 400
"""Lines that are looked at to recognise a file."""


@dataclass(frozen=True)
class Sentences(Table):
    """A table with one sentence a row, which knows the line of every word."""

    word_lines: Sequence[Sequence[int]] = ()

    def word(self, sentence: int, word: int) -> str:
        """Name a word (0-based) for the user: `train.conll line 17`."""
        return f"{self.name} line {self.word_lines[sentence][word]:,}"


class Word(NamedTuple):
    """A line that holds a word."""

    line: int
    fields: list[str]


def read(path: Path, tokens_column: str = "tokens", tags_column: str = "ner_tags") -> Sentences:
    """Read a row a sentence: its words and their tags as written, lists of equal length under the two column names.

    Columns are separated by tabs, or by spaces. A column name that is a number, or that `# global.columns` lists, says which
    column is meant. Else the tags are in the one column that looks like tags, or the last, and the words in the first other
    one that does not count them. A blank line ends a sentence, and so does a -DOCSTART- line. Raises UserError naming the
    file and line.
    """
    lines = [line.strip(" \t") for line in re.split(r"\r\n|\r|\n", unpacked.read_text(path))]
    separator, width = _layout(lines)
    of_2012 = brackets.is_2012(
        [separator.split(line) for line in lines if line.strip() and not DOCUMENT_BOUNDARY.match(line)]
    )
    width = brackets.TAG_COLUMN + 1 if of_2012 else width
    last = Counter(fields[-1] for line in lines if line[:1] != "#" and len(fields := separator.split(line)) == width)
    sentences: list[list[Word]] = [[]]
    names: list[str] = []
    left_out: Counter[Noun] = Counter()
    for number, line in enumerate(lines, 1):
        fields = separator.split(line)[: width if of_2012 else None]
        if not line.strip() or line.startswith(DOCUMENT_START):
            left_out[BETWEEN_DOCUMENTS] += line.startswith(DOCUMENT_START)
            sentences.append([])
        elif not sentences[-1] and _is_comment(line, fields, width, last):
            left_out[COMMENTS] += 1
            names = found[1].split() if (found := COLUMN_NAMES.match(line)) else names
        else:
            _check(path, number, fields, width)
            sentences[-1].append(Word(number, fields))
    given = (tokens_column, tags_column)
    chosen = [_chosen(path.name, n, names, width) for n in given]
    if of_2012:
        usual = (brackets.WORD_COLUMN, brackets.TAG_COLUMN)
        chosen = [place if found is None else found for place, found in zip(usual, chosen, strict=True)]
    return _table(path.name, [s for s in sentences if s], +left_out, given, chosen)


def _layout(lines: Sequence[str]) -> tuple[re.Pattern[str], int]:
    """Find what separates the columns, and how many most lines have."""
    content = [line for line in lines if line.strip() and not line.startswith((DOCUMENT_START, "# "))]
    content = content or [line for line in lines if line.strip() and not line.startswith(DOCUMENT_START)]
    tabs = 2 * sum("\t" in line for line in content) > len(content)
    separator = re.compile(" *\t *" if tabs else "[ \t]+")
    widths = Counter(len(separator.split(line)) for line in content)
    return separator, widths.most_common(1)[0][0] if widths else 0


def _is_comment(line: str, fields: Sequence[str], width: int, last: Counter[str]) -> bool:
    """Tell whether a line before a sentence is a comment such as `# sent_id = 7`, and not the word # with its tag."""
    if not line.startswith("#"):
        return False
    if DOCUMENT_BOUNDARY.match(line) or (KEY_AND_VALUE.match(line) and fields[-1] not in last):
        return True
    is_tag = (
        fields[-1] == "O"
        or bool(schemes.PREFIXED_TAG.fullmatch(fields[-1]))
        or (len(fields) == width and (fields[-1] in last or bool(brackets.CELL.fullmatch(fields[-1]))))
    )
    return (fields[0] == "#" or fields[0].startswith("# ")) and not is_tag


def _check(path: Path, number: int, fields: Sequence[str], width: int) -> None:
    where = f"{path} line {number:,}"
    if len(fields) < 2:
        raise UserError(f"{where} has one column only; a word and, in the last column, its tag are expected")
    if len(fields) != width:
        raise UserError(
            f"{where} has {len(fields)} columns, most lines have {width}; where words hold spaces, put tabs between columns"
        )


def _chosen(name: str, column: str, names: Sequence[str], width: int) -> int | None:
    """Find the place of a column that is given by its number, or by its name where the file tells names; else None."""
    if not column.isdecimal():
        place = names.index(column) if column in names else None
        if place is not None and place >= width:
            raise UserError(
                f"{name}: its line of column names has {column} at place {place + 1}, but most lines have {width} columns; "
                "give columns by their number"
            )
        return place
    if not 1 <= int(column) <= width:
        raise UserError(f"{name} has {width} columns, and no number {column}; columns count from 1")
    return int(column) - 1


def _table(
    name: str,
    sentences: Sequence[list[Word]],
    left_out: Counter[Noun],
    given: tuple[str, str],
    chosen: Sequence[int | None],
) -> Sentences:
    if not sentences:
        return Sentences(name, [], [], left_out=left_out)
    width = len(sentences[0][0].fields)
    tag = _tag_column(name, sentences) if chosen[1] is None else chosen[1]
    word = _word_column(sentences, tag) if chosen[0] is None else chosen[0]
    notes = []
    if (word, tag) != (0, width - 1):
        notes.append(f"{name}: words from column {word + 1}, tags from column {tag + 1} of {width}")
    words = [[w.fields[word] for w in s] for s in sentences]
    prefixes = {match[1] if (match := LANGUAGE_PREFIX.match(w)) else "" for row in words for w in row}
    if len(prefixes) == 1 and (prefix := prefixes.pop()):
        words = [[w.removeprefix(prefix) or w for w in row] for row in words]
        notes.append(f'{name}: "{prefix}" taken off every word')
    tags = [[w.fields[tag] for w in s] for s in sentences]
    if all(brackets.CELL.fullmatch(cell) for row in tags for cell in row):
        tags = [_out_of_brackets(name, s, tag) for s in sentences]
        notes.append(f"{name}: entities marked by brackets, as in CoNLL-2012")
    rows = [{given[0]: row, given[1]: found} for row, found in zip(words, tags, strict=True)]
    lines = [[w.line for w in s] for s in sentences]
    return Sentences(name, rows, [s[0] for s in lines], notes=tuple(notes), left_out=left_out, word_lines=lines)


def _tag_column(name: str, sentences: Sequence[list[Word]]) -> int:
    """Find the column of the tags. Raises UserError where several look like tags and differ."""
    width = len(sentences[0][0].fields)
    columns = [[[w.fields[place] for w in s] for s in sentences] for place in range(width)]
    likely = [place for place, column in enumerate(columns) if _looks_like_tags(Counter(t for s in column for t in s))]
    if any(columns[place] != columns[likely[0]] for place in likely):
        seen = [f"{place + 1} ({_entities(columns[place])})" for place in likely]
        raise UserError(
            f"{name}: columns {' and '.join(seen)} hold different tags; say which to read: --tags-column {likely[0] + 1}"
        )
    marked = [place for place, column in enumerate(columns) if brackets.hold_entities([c for s in column for c in s])]
    if not likely and len(marked) > 1:
        several = " and ".join(str(place + 1) for place in marked)
        raise UserError(
            f"{name}: columns {several} mark entities by brackets; say which to read: --tags-column {marked[0] + 1}"
        )
    return (likely or marked or [width - 1])[-1]


def _out_of_brackets(name: str, sentence: Sequence[Word], place: int) -> list[str]:
    """Turn a sentence's brackets into tags. Raises UserError where one is not closed, or opens within another."""
    found = brackets.tags([word.fields[place] for word in sentence])
    if found is None:
        raise UserError(
            f"{name} line {sentence[0].line:,}: the brackets of column {place + 1} do not match in this sentence; an entity "
            "opens as (ORG* and closes as *), and none within another is read"
        )
    return found


def _looks_like_tags(used: Counter[str]) -> bool:
    read_as = schemes.standard(used)
    entities = Counter({tag: n for tag, n in used.items() if read_as.get(tag, tag) != "O"})
    kinds = {tag: match[2] for tag in entities if (match := schemes.PREFIXED_TAG.fullmatch(read_as.get(tag, tag)))}
    enough = sum(entities[tag] for tag in kinds) >= TAG_SHARE * entities.total()
    return bool(kinds) and enough and not set(kinds.values()) <= CHUNKS


def _entities(column: Sequence[Sequence[str]]) -> str:
    """Say what a column would give: `120 entities of ORG, PER`."""
    try:
        found = schemes.to_bio(column, lambda *_: "")
    except UserError:
        return "tags, and some that are none"
    kinds = sorted({tag[2:] for row in found.tags for tag in row if tag != "O"})
    return f"{counted(found.entities, 'entity', 'entities')} of {', '.join(kinds[:6])}{', ...' if len(kinds) > 6 else ''}"


def _word_column(sentences: Sequence[list[Word]], tag: int) -> int:
    """Find the first column that is not the tags', nor counts the words as in CoNLL-U."""
    first = 1 if tag == 0 else 0
    counts = max(map(len, sentences)) > 1 and all(
        len(w.fields) > 2 and w.fields[first] == str(place) for s in sentences for place, w in enumerate(s, 1)
    )
    return next(place for place in range(first + counts, first + counts + 2) if place != tag) if counts else first


def recognises(path: Path) -> bool:
    """Tell whether a file whose ending says nothing looks like CoNLL: its first lines have a column of tags."""
    try:
        lines = [line.strip(" \t\r") for line in unpacked.read_text(path).split("\n")[:RECOGNISED_LINES]]
    except (UserError, OSError):
        return False
    separator, width = _layout(lines)
    rows = [fields for line in lines if len(fields := separator.split(line)) == width]
    return width > 1 and any(
        _looks_like_tags(column) or brackets.hold_entities(list(column))
        for column in (Counter(c) for c in zip(*rows, strict=True))
    )
