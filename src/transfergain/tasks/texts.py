"""Read texts, alone or in pairs, and tell their columns and those of their labels: what tasks of whole texts share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transfergain import scripts
from transfergain.counts import counted
from transfergain.data.formats import labels
from transfergain.data.formats.table import SAMPLE_ROWS, Table, require_columns
from transfergain.data.recognise import Guess, named
from transfergain.errors import UserError
from transfergain.options import Option, OptionKind
from transfergain.tasks.base import Encoded
from transfergain.types import Example

TEXT_COLUMN = Option(
    "text_column",
    "text",
    "column of the texts",
    OptionKind.COLUMN,
    usual_names=(
        "text", "sentence", "review", "content", "comment", "tweet", "message", "body", "document", "utterance",
    ),
)  # fmt: skip
LABEL_COLUMN = Option(
    "label_column",
    "label",
    "column of the labels",
    OptionKind.COLUMN,
    usual_names=(
        "label", "labels", "sentiment", "class", "category", "intent", "topic", "target", "rating", "stars", "gold_label",
        "relevance",
    ),
)  # fmt: skip
TEXT_PAIR_COLUMN = Option(
    "text_pair_column", None, "column of the second texts, where pairs of texts are classified", OptionKind.READING
)
PAIRS = (
    ("premise", "hypothesis"), ("sentence1", "sentence2"), ("question1", "question2"), ("question", "sentence"),
    ("text", "text_pair"), ("text1", "text2"), ("text_a", "text_b"), ("sentence_a", "sentence_b"), ("query", "passage"),
    ("query", "document"), ("claim", "evidence"),
)  # fmt: skip
"""What data sets call the two texts of a pair: natural language inference, paraphrase, relevance."""


def columns_said(columns: Mapping[str, Any]) -> str:
    """Name the columns that are read: `text/label`, of pairs `premise + hypothesis/label`."""
    pair = columns.get(TEXT_PAIR_COLUMN.name)
    return f"{columns['text_column']}{f' + {pair}' if pair else ''}/{columns['label_column']}"


def unknown_label(tables: Mapping[str, Table], split: str, row: int, label: str, names: Sequence[str]) -> str:
    """Say that a row has a label that train lacks."""
    return (
        f'{tables[split].where(row)}: the label "{label}" does not occur in {tables["train"].name}; '
        f"its labels are {_some(names)}"
    )


def read(table: Table, columns: Mapping[str, Any]) -> list[dict[str, str]]:
    """Read the text, or the pair of texts, of each row, as an example's inputs. Raises UserError naming the row."""
    first, second = columns[TEXT_COLUMN.name], columns.get(TEXT_PAIR_COLUMN.name)
    if first == second:
        raise UserError(f'{TEXT_COLUMN.flag} and {TEXT_PAIR_COLUMN.flag} both name "{first}"; a pair is of two columns')
    if first not in table.columns() and (pair := pair_of(table.columns())):
        raise UserError(
            f'{table.name} has no column "{first}"; its columns {pair[0]} and {pair[1]} look like pairs of texts: '
            f"give {TEXT_COLUMN.flag} {pair[0]} {TEXT_PAIR_COLUMN.flag} {pair[1]}"
        )
    wanted = {"text": (TEXT_COLUMN.flag, first)} | ({"text_pair": (TEXT_PAIR_COLUMN.flag, second)} if second else {})
    require_columns(table, wanted.values())
    values = {name: cells(table, column, _text) for name, (_, column) in wanted.items()}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def unread(table: Table, columns: Mapping[str, Any]) -> list[str]:
    """Warn where the second texts of what look like pairs are not read."""
    pair = pair_of(table.columns())
    if columns.get(TEXT_PAIR_COLUMN.name) or not pair or columns[TEXT_COLUMN.name] not in pair:
        return []
    other = pair[1] if columns[TEXT_COLUMN.name] == pair[0] else pair[0]
    return [
        f'{table.name}: "{other}" is not read; if a row is a pair of texts, give {TEXT_COLUMN.flag} {pair[0]} '
        f"{TEXT_PAIR_COLUMN.flag} {pair[1]}"
    ]


def pair_of(columns: Sequence[str]) -> tuple[str, str] | None:
    """Find the two columns of a pair of texts by their usual names; None without."""
    lower = {column.casefold(): column for column in reversed(columns)}
    return next(((lower[a], lower[b]) for a, b in PAIRS if a in lower and b in lower), None)


def cells(table: Table, column: str, spell: Callable[[Any], str], one_is_well: bool = False) -> list[str]:
    """Read a column with one value a row, none of them empty. Raises UserError naming the row."""
    nested = [i for i, row in enumerate(table.rows) if _is_nested(row.get(column), one_is_well)]
    if nested:
        kind = type(table.rows[nested[0]][column]).__name__
        several = f"; for several labels a text give {labels.SEVERAL_FLAG}" if one_is_well and kind == "list" else ""
        raise UserError(f'{table.where(nested[0])}: "{column}" holds a {kind}; one value a row is expected{several}')
    values = [spell(row.get(column)) for row in table.rows]
    bad = [i for i, value in enumerate(values) if not value]
    if bad:
        more = f" (and {counted(len(bad) - 1, 'row')} more)" if len(bad) > 1 else ""
        raise UserError(f'{table.where(bad[0])}{more}: "{column}" is empty; fill it or remove the row')
    return values


def _is_nested(value: Any, one_is_well: bool) -> bool:
    """Tell whether a cell holds more than a value; tools of annotation write a list of one label."""
    lone = one_is_well and isinstance(value, list) and len(value) == 1 and not isinstance(value[0], list | dict)
    return isinstance(value, list | dict) and not lone


def _text(value: Any) -> str:
    return "" if labels.is_missing(value) else str(value).strip()


def label_order(label: str) -> tuple[int, int, str]:
    """Order labels: whole numbers first, by their value, then words by the alphabet."""
    try:
        return (0, int(label), label)
    except ValueError:
        return (1, 0, label)


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def recognise(table: Table) -> Guess | None:
    """Guess the columns of text and label, by their names, else by what they hold; those of pairs by their names alone."""
    columns = table.columns()
    plain = [c for c in columns if not any(_is_nested(row.get(c), one_is_well=True) for row in table.rows[:SAMPLE_ROWS])]
    pair = pair_of(plain)
    if pair and (label := named([c for c in plain if c not in pair], LABEL_COLUMN)):
        return {TEXT_COLUMN.name: pair[0], TEXT_PAIR_COLUMN.name: pair[1], LABEL_COLUMN.name: label}
    text = named(plain, TEXT_COLUMN) or _wordiest(table, plain)
    rest = [column for column in plain if column != text]
    label = named(rest, LABEL_COLUMN) or _fewest_values(table, rest)
    return {TEXT_COLUMN.name: text, LABEL_COLUMN.name: label} if text and label else None


def _wordiest(table: Table, columns: Sequence[str]) -> str | None:
    """Find the column with the most words a row, if they are two or more on average."""
    sample = table.rows[:SAMPLE_ROWS]
    words = {c: sum(len(scripts.split(str(row.get(c) or ""))) for row in sample) / max(1, len(sample)) for c in columns}
    best = max(words, key=lambda c: words[c], default=None)
    return best if best is not None and words[best] >= 2 else None


def _fewest_values(table: Table, columns: Sequence[str]) -> str | None:
    """Find the column with the fewest different values, two or more, and many rows to each of them."""
    sample = table.rows[:SAMPLE_ROWS]
    values = {c: len({str(row.get(c)) for row in sample}) for c in columns}
    likely = {c: n for c, n in values.items() if 2 <= n <= max(2, len(sample) // 5)}
    return min(likely, key=lambda c: likely[c], default=None)


def encode(examples: Sequence[Example], tokenizer: Any, options: Mapping[str, Any]) -> Encoded:
    """Encode an example as one feature: the tokenizer's id lists, cut at `max_length`, and `labels` as an integer.

    Of pairs the tokenizer joins both texts in its own way, and cuts the longer of the two.
    """
    second = [e.inputs["text_pair"] for e in examples if "text_pair" in e.inputs]
    ids = tokenizer([e.inputs["text"] for e in examples], second or None, truncation=True, max_length=options["max_length"])
    return Encoded(
        [
            {key: ids[key][i] for key in ids.keys()} | {"labels": e.target}  # noqa: SIM118 (BatchEncoding)
            for i, e in enumerate(examples)
        ]
    )


def whole(example: Example) -> str:
    """Join all that is read of an example."""
    return " ‖ ".join(map(str, example.inputs.values()))
