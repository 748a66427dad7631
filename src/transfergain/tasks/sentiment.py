"""Sentiment analysis: one opinion a text, few classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from transfergain.data.formats.labels import label
from transfergain.data.formats.table import SAMPLE_ROWS, Parsed, Table
from transfergain.data.recognise import Guess
from transfergain.errors import UserError
from transfergain.tasks.classification import ONE_CLASS, parse, recognise_file
from transfergain.tasks.texts import LABEL_COLUMN, recognise

MAX_CLASSES = 11
"""Ratings go from 0 to 10 at the most; more classes are topics or a column chosen by mistake."""
OPINION_WORDS = set("positive negative neutral pos neg neu mixed good bad happy sad".split())
"""Words that labels of opinions are made of."""
OPINION_COLUMNS = ("sentiment", "rating", "stars", "polarity")
"""Names of columns that hold opinions, whatever their labels."""


def parse_sentiment(tables: Mapping[str, Table], columns: Mapping[str, Any]) -> Parsed:
    """Make examples as for classification, of at most 11 classes. Raises UserError naming the file and row."""
    parsed = parse(tables, columns)
    if len(parsed.labels) > MAX_CLASSES:
        raise UserError(
            f'{tables["train"].name} column "{columns["label_column"]}" has {len(parsed.labels)} different labels, more '
            f"than sentiment has ({MAX_CLASSES}); use --task classification, or name another --label-column"
        )
    return parsed


def recognise_opinions(table: Table) -> Guess | None:
    """Guess the columns as for classification, where the labels are those of opinions."""
    found = recognise(table)
    if found is None:
        return None
    labels = {label(row.get(found[LABEL_COLUMN.name])).casefold() for row in table.rows[:SAMPLE_ROWS]}
    ratings = found[LABEL_COLUMN.name].casefold() in OPINION_COLUMNS and len(labels) <= MAX_CLASSES
    return found if ratings or all(set(name.split()) & OPINION_WORDS for name in labels) else None


SENTIMENT = replace(
    ONE_CLASS,
    name="sentiment",
    title="Sentiment",
    parse=parse_sentiment,
    recognise=recognise_opinions,
    recognise_file=partial(recognise_file, guess=recognise_opinions),
    citation="Pang, Lee and Vaithyanathan 2002, Thumbs up?",
)
