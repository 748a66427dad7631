"""Sentiment analysis: one opinion a text, few classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from transfergain.data.formats.table import Table
from transfergain.data.prepare import Parsed
from transfergain.errors import UserError
from transfergain.tasks.classification import CLASSIFICATION, parse

MAX_CLASSES = 11
"""Ratings go from 0 to 10 at the most; more classes are topics or a column chosen by mistake."""


def parse_sentiment(tables: Mapping[str, Table], columns: Mapping[str, str]) -> Parsed:
    """As for classification, with at most 11 classes. Raises UserError naming the file and row."""
    parsed = parse(tables, columns)
    if len(parsed.labels) > MAX_CLASSES:
        raise UserError(
            f'{tables["train"].name} column "{columns["label_column"]}" has {len(parsed.labels)} different labels, more '
            f"than sentiment has ({MAX_CLASSES}); use --task classification, or name another --label-column"
        )
    return parsed


SENTIMENT = replace(
    CLASSIFICATION,
    name="sentiment",
    title="Sentiment",
    parse=parse_sentiment,
    citation="Pang, Lee and Vaithyanathan 2002, Thumbs up?",
)
