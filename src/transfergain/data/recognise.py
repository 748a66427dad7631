"""Guess from a file's rows what task they are for and which column is which. A guess is a proposal: the task's own parser
has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transfergain.data.formats.table import Table

Guess = dict[str, str]
"""Keys of a study (`text_column`, `source_lang`) -> values."""

SAMPLE = 2000
"""Rows that a guess looks at."""
MARKED = re.compile(r"\[[^\[\]|]+\|[^\[\]|\s]+\]")
"""`[Ada Lovelace|PER]`, an entity marked within its text."""

NAMES: dict[str, tuple[str, ...]] = {
    "text_column": ("text", "sentence", "review", "content", "comment", "tweet", "message", "body", "document", "utterance"),
    "label_column": ("label", "labels", "sentiment", "class", "category", "intent", "topic", "target", "rating", "stars"),
    "tokens_column": ("tokens", "words"),
    "tags_column": ("ner_tags", "tags", "ner", "labels"),
    "question_column": ("question", "query"),
    "context_column": ("context", "passage", "paragraph", "document"),
    "answers_column": ("answers", "answer"),
}
"""Column option of a study -> what data sets call the column, the usual names first."""
OPINIONS = set("positive negative neutral pos neg neu mixed good bad happy sad".split())
OPINION_COLUMNS = ("sentiment", "rating", "stars", "polarity")
LANGUAGES = set(
    "af am ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka kk km kn ko "
    "ky la lb lo lt lv mg mk ml mn mr ms mt my nb ne nl nn no pa pl ps pt ro ru rw sd si sk sl so sq sr sv sw ta te tg th "
    "tk tl tr tt uk ur uz vi xh yi yo zh zu".split()
)
"""Two-letter codes of ISO 639-1 that parallel text is likely to carry."""


def _named(columns: Sequence[str], option: str) -> str | None:
    lower = {column.casefold(): column for column in reversed(columns)}
    return next((lower[name] for name in NAMES[option] if name in lower), None)


def _all_named(table: Table, *options: str) -> Guess | None:
    found = {option: _named(table.columns(), option) for option in options}
    return None if None in found.values() else {option: str(column) for option, column in found.items()}


def _holds(table: Table, column: str, kinds: type | tuple[type, ...]) -> bool:
    values = [row.get(column) for row in table.rows[:SAMPLE]]
    given = [value for value in values if value is not None]
    return bool(given) and all(isinstance(value, kinds) for value in given)


def questions(table: Table) -> Guess | None:
    """SQuAD's articles, or rows with a question, a passage and a list of answers."""
    if _holds(table, "paragraphs", list):
        return {}
    found = _all_named(table, "question_column", "context_column", "answers_column")
    return found if found and _holds(table, found["answers_column"], (dict, list)) else None


def entities(table: Table) -> Guess | None:
    """Words with a tag each, or a text with entities marked in it."""
    found = _all_named(table, "tokens_column", "tags_column")
    if found and all(_holds(table, column, (list, tuple)) for column in found.values()):
        return found
    text, label = _named(table.columns(), "text_column"), _named(table.columns(), "label_column")
    marked = sum(bool(MARKED.search(str(row.get(text)))) for row in table.rows[:SAMPLE]) if text and not label else 0
    return {"text_column": str(text)} if marked > 0.1 * len(table.rows[:SAMPLE]) else None


def translations(table: Table) -> Guess | None:
    """Rows with a text in two languages, as columns or within one column `translation`."""
    columns = table.columns()
    if _holds(table, "translation", dict):
        columns = list(dict.fromkeys(key for row in table.rows[:SAMPLE] for key in row.get("translation") or ()))
    codes = [column for column in columns if is_language(column) and column.casefold() != "id"]
    return direction(codes) if len(codes) == 2 else None


def is_language(name: str) -> bool:
    """True for `fr`, `FR`, `pt-BR` and `deu_Latn`."""
    first, *rest = re.split(r"[-_]", name.casefold(), maxsplit=1)
    return first in LANGUAGES or bool(rest and len(first) == 3 and len(rest[0]) == 4)


def direction(codes: Sequence[str]) -> Guess:
    """Into English where it is one of two languages, else from the first into the second."""
    source, target = codes if not codes[0].casefold().startswith("en") else reversed(codes)
    return {"source_lang": source, "target_lang": target}


def beside(path: Path) -> Guess | None:
    """The languages of parallel text, from the endings of files of one name: what is beside it, or English of several."""
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    siblings = [f.name.removesuffix(".gz").rpartition(".") for f in sorted(path.parent.iterdir()) if f.is_file()]
    codes = list(dict.fromkeys(ending for before, _, ending in siblings if before == stem and is_language(ending)))
    mine = path.name.removesuffix(".gz").rpartition(".")[2]
    others = [code for code in codes if code != mine]  # the file that was named holds the source
    english = [code for code in others if len(others) == 1 or code.casefold().startswith("en")]
    return {"source_lang": mine, "target_lang": english[0]} if mine in codes and english else None


def classes(table: Table) -> Guess | None:
    """A text and one of few labels a row: by the columns' names, else by what they hold."""
    columns = table.columns()
    plain = [column for column in columns if not _holds(table, column, (list, dict))]
    text = _named(plain, "text_column") or _wordiest(table, plain)
    rest = [column for column in plain if column != text]
    label = _named(rest, "label_column") or _fewest_values(table, rest)
    return {"text_column": text, "label_column": label} if text and label else None


def opinions(table: Table) -> Guess | None:
    """As `classes`, where the labels are those of opinions."""
    found = classes(table)
    if found is None:
        return None
    labels = {str(row.get(found["label_column"])).strip().casefold() for row in table.rows[:SAMPLE]}
    ratings = found["label_column"].casefold() in OPINION_COLUMNS and len(labels) <= 11
    return found if ratings or all(set(label.split()) & OPINIONS for label in labels) else None


def _wordiest(table: Table, columns: Sequence[str]) -> str | None:
    """The column with the most words a row, if they are two or more on average."""
    sample = table.rows[:SAMPLE]
    words = {c: sum(len(str(row.get(c) or "").split()) for row in sample) / max(1, len(sample)) for c in columns}
    best = max(words, key=lambda c: words[c], default=None)
    return best if best is not None and words[best] >= 2 else None


def _fewest_values(table: Table, columns: Sequence[str]) -> str | None:
    """The column with the fewest different values, from two on, and many rows to each of them."""
    sample = table.rows[:SAMPLE]
    values = {c: len({str(row.get(c)) for row in sample}) for c in columns}
    likely = {c: n for c, n in values.items() if 2 <= n <= max(2, len(sample) // 5)}
    return min(likely, key=lambda c: likely[c], default=None)


PROBES: dict[str, Callable[[Table], Guess | None]] = {
    "qa": questions,
    "translation": translations,
    "ner": entities,
    "sentiment": opinions,
    "classification": classes,
}
"""Task -> its keys as guessed from a table, None where the table does not look like one of its; the surest first."""


def headless(table: Table) -> bool:
    """True when the first line of a csv seems to be data: one of its words occurs as a value of its own column."""
    columns = table.columns()
    known = {name for names in NAMES.values() for name in names}
    if table.lines is not None or any(c.casefold() in known for c in columns):
        return False
    sample = table.rows[:SAMPLE]
    return any(c.strip() and sum(_same(row, c) for row in sample) > 0.05 * len(sample) for c in columns)


def _same(row: Mapping[str, Any], column: str) -> bool:
    return isinstance(row.get(column), str) and row[column].strip() == column.strip()
