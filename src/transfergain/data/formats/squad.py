"""Read question answering data: articles of SQuAD's JSON (v1.1 and v2.0), or flat rows.

An answer counts only where the passage holds its text at its offset, in characters from 0. A wrong offset is not mended,
since the answer may occur several times and nothing says which was meant: it is dropped, counted and named.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from transfergain.counts import counted
from transfergain.data.formats import qa_rows
from transfergain.data.formats.table import Parsed, Table, require_columns
from transfergain.errors import UserError
from transfergain.options import flag_of
from transfergain.types import Example

COLUMN_FLAGS = {option: flag_of(option) for option in ("question_column", "context_column", "answers_column")}
ANSWERS_SHAPE = '{"text": [...], "answer_start": [...]} or a list of {"text", "answer_start"} is expected'


class Problem(NamedTuple):
    """Something wrong with single answers or questions, in the singular and plural, and what was done about it."""

    one: str
    many: str
    done: str


WRONG_OFFSET = Problem("answer does not stand at its offset", "answers do not stand at their offset", "dropped")
BLANK_ANSWER = Problem("answer holds no text", "answers hold no text", "dropped (no answer is an empty list)")
NO_ANSWER_LEFT = Problem("question has no answer left", "questions have no answer left", "dropped")
POSSIBLE_WITHOUT_ANSWERS = Problem(
    "question has no answers though is_impossible is false",
    "questions have no answers though is_impossible is false",
    "read as unanswerable",
)
IMPOSSIBLE_WITH_ANSWERS = Problem(
    "question has answers though is_impossible is true",
    "questions have answers though is_impossible is true",
    "read as unanswerable",
)
Problems = dict[Problem, list[str]]
"""Problem -> names of the questions it was found in, once for every answer."""


class QuestionRow(NamedTuple):
    """One question as it was found, nothing checked."""

    where: str
    """Its name for the user, with which every complaint begins."""
    values: Mapping[str, Any]
    """Column option -> value."""
    id: Any
    title: Any
    impossible: Any


def parse(tables: Mapping[str, Table], options: Mapping[str, Any]) -> Parsed:
    """Make of articles or flat rows examples of (id, title, context, question) with their gold answers.

    Targets are `{"text": [...], "answer_start": [...]}`, both empty where the passage does not answer the question.
    Raises UserError naming the file and the row or question.
    """
    splits: dict[str, tuple[Example, ...]] = {}
    warnings: list[str] = []
    given, tables = tables, {split: qa_rows.gathered(table, options) for split, table in tables.items()}
    notes = [note for split, table in tables.items() for note in table.notes if note not in given[split].notes]
    for split, table in tables.items():
        problems: Problems = defaultdict(list)
        read = [_example(row, options, problems) for row in _rows(table, options)]
        splits[split] = tuple(example for example in read if example is not None)
        said = [_report(problem, names) for problem, names in problems.items()]
        if not splits[split]:
            why = f"{said[0]}; count offsets in characters from 0" if said else "it needs at least a few, with answers"
            raise UserError(f"{table.name} holds no question to use: {why}")
        warnings += [f"{table.name}: {report}" for report in said]
    _check_answerable(tables, splits)
    notes += [_note(tables[split].name, rows) for split, rows in splits.items()]
    return Parsed((), splits, tuple(notes), tuple(warnings))


def _rows(table: Table, options: Mapping[str, Any]) -> Iterator[QuestionRow]:
    """Find the questions of a table, in articles or flat rows."""
    if any("paragraphs" in row for row in table.rows):
        for number, article in enumerate(table.rows, 1):
            yield from _article(f"{table.name} article {number:,}", article, options)
        return
    require_columns(table, [(COLUMN_FLAGS[option], options[option]) for option in COLUMN_FLAGS])
    for index, row in enumerate(table.rows):
        values = {option: row.get(options[option]) for option in COLUMN_FLAGS}
        yield QuestionRow(table.where(index), values, row.get("id"), row.get("title"), row.get("is_impossible"))


def _article(where: str, article: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[QuestionRow]:
    for number, paragraph in enumerate(_objects(where, article, "paragraphs"), 1):
        here = f"{where} paragraph {number:,}"
        context = _member(here, paragraph, "context_column", options)
        for position, qa in enumerate(_objects(here, paragraph, "qas"), 1):
            name = f"{here} question {_quoted(qa['id'])}" if qa.get("id") else f"{here} question {position:,}"
            values = {
                "context_column": context,
                "question_column": _member(name, qa, "question_column", options),
                "answers_column": _answers_of(name, qa, options),
            }
            yield QuestionRow(name, values, qa.get("id"), article.get("title"), qa.get("is_impossible"))


def _objects(where: str, parent: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = parent.get(key)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise UserError(f'{where}: a list of objects is expected under "{key}", as in SQuAD\'s JSON')
    return found


def _member(where: str, parent: Mapping[str, Any], option: str, options: Mapping[str, Any]) -> Any:
    if options[option] not in parent:
        known = ", ".join(map(str, parent)) or "nothing"
        raise UserError(f'{where} has no "{options[option]}"; it has: {known}. Name it with {COLUMN_FLAGS[option]}')
    return parent[options[option]]


def _answers_of(where: str, qa: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Take the answers out of a question; an impossible one needs no list of them."""
    return None if qa.get("is_impossible") is True else _member(where, qa, "answers_column", options)


def _example(row: QuestionRow, options: Mapping[str, Any], problems: Problems) -> Example | None:
    """Make the example of a row; where none of its answers holds, add to `problems` and return None."""
    context = _text(row, "context_column", options)
    question = _text(row, "question_column", options).strip()
    impossible = _impossible(row)
    answers = _answers(row, options, impossible is True)
    name = f"question id {row.id}" if row.id not in (None, "") else row.where
    if impossible and answers:
        problems[IMPOSSIBLE_WITH_ANSWERS].append(name)
        answers = []
    if not answers and impossible is False:
        problems[POSSIBLE_WITHOUT_ANSWERS].append(name)
    good = []
    for text, start in answers:
        if not text.strip():
            problems[BLANK_ANSWER].append(name)
        elif start < 0 or context[start : start + len(text)] != text:
            problems[WRONG_OFFSET].append(name)
        else:
            good.append((text, start))
    if answers and not good:
        problems[NO_ANSWER_LEFT].append(name)
        return None
    inputs = {"id": _word(row.id), "title": _word(row.title), "context": context, "question": question}
    return Example(inputs, {"text": [text for text, _ in good], "answer_start": [start for _, start in good]})


def _text(row: QuestionRow, option: str, options: Mapping[str, Any]) -> str:
    value = row.values[option]
    if _missing(value) or (isinstance(value, str) and not value.strip()):
        raise UserError(f'{row.where}: "{options[option]}" is empty; fill it or remove the row')
    if not isinstance(value, str):
        raise UserError(f'{row.where}: "{options[option]}" holds a {type(value).__name__}; text is expected')
    return value


def _impossible(row: QuestionRow) -> bool | None:
    if _missing(row.impossible):
        return None
    if isinstance(row.impossible, str) and row.impossible.strip().lower() in ("true", "false", ""):
        return {"true": True, "false": False}.get(row.impossible.strip().lower())
    if not isinstance(row.impossible, bool):
        raise UserError(f'{row.where}: "is_impossible" is {_quoted(row.impossible)}; true or false is expected')
    return row.impossible


def _answers(row: QuestionRow, options: Mapping[str, Any], impossible: bool) -> list[tuple[str, int]]:
    """Read (text, offset) of each answer. Raises UserError unless they have one of the two shapes."""
    value, column = row.values["answers_column"], options["answers_column"]
    if _missing(value):
        if impossible:
            return []
        raise UserError(f'{row.where}: "{column}" is empty; for a question without answer give an empty list')
    if isinstance(value, Mapping):
        texts, starts = value.get("text"), value.get("answer_start")
        if not isinstance(texts, list) or not isinstance(starts, list):
            raise UserError(f'{row.where}: "{column}" is {_quoted(value)}; {ANSWERS_SHAPE}')
        if len(texts) != len(starts):
            sizes = f"{len(texts)} text but {len(starts)} answer_start"
            raise UserError(f'{row.where}: "{column}" has {sizes}; give an offset for each text')
        pairs = list(zip(texts, starts, strict=True))
    elif isinstance(value, list) and all(isinstance(entry, Mapping) for entry in value):
        pairs = [(entry.get("text"), entry.get("answer_start")) for entry in value]
    else:
        raise UserError(f'{row.where}: "{column}" is {_quoted(value)}; {ANSWERS_SHAPE}')
    return [(_answer_text(row, text), _offset(row, start)) for text, start in pairs]


def _answer_text(row: QuestionRow, text: Any) -> str:
    if not isinstance(text, str):
        raise UserError(f"{row.where}: an answer's text is {_quoted(text)}; text is expected")
    return text


def _offset(row: QuestionRow, start: Any) -> int:
    """Read an offset as an integer, also from a whole floating-point number, as some tables store it."""
    if isinstance(start, bool) or not isinstance(start, int | float) or start != start // 1:
        raise UserError(f"{row.where}: answer_start is {_quoted(start)}; a whole number of characters from 0 is expected")
    return int(start)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _word(value: Any) -> str:
    return "" if _missing(value) else str(value).strip()


def _quoted(value: Any, most: int = 60) -> str:
    """Quote a value on one line, cut after `most` characters."""
    text = " ".join(str(value).split())
    return f'"{text[:most]}..."' if len(text) > most else f'"{text}"'


def _report(problem: Problem, where: list[str]) -> str:
    they = "it was" if len(where) == 1 else "they were"
    return f"{counted(len(where), problem.one, problem.many)} (first: {where[0]}); {they} {problem.done}"


def _check_answerable(tables: Mapping[str, Table], splits: Mapping[str, tuple[Example, ...]]) -> None:
    """Raise UserError where a split without any answer can only be one whose answers are hidden, or training is empty."""
    answerable = {split: sum(bool(e.target["text"]) for e in rows) for split, rows in splits.items()}
    trained_on_some = 0 < answerable["train"] < len(splits["train"])
    for split, count in answerable.items():
        if not count and not (split != "train" and trained_on_some):
            asked = len(splits[split])
            questions = "its only question has no answer" if asked == 1 else f"none of its {asked:,} questions has an answer"
            raise UserError(f"{tables[split].name}: {questions}; give a file with the answers, or leave this one out")


def _note(name: str, rows: tuple[Example, ...]) -> str:
    passages = len({e.inputs["context"] for e in rows})
    titles = len({e.inputs["title"] for e in rows} - {""})
    articles = f" of {counted(titles, 'article')}" if titles else ""
    unanswerable = sum(not e.target["text"] for e in rows)
    answers = f"{unanswerable:,} unanswerable" if unanswerable else "all answerable"
    return f"{name}: {counted(len(rows), 'question')} on {counted(passages, 'passage')}{articles}, {answers}"
