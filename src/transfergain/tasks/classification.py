"""Text classification: one class a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.data.formats import labels, lines
from transfergain.data.formats.table import SAMPLE_ROWS, Parsed, Reader, Table, require_columns
from transfergain.data.read import ending
from transfergain.data.recognise import Guess, named
from transfergain.errors import UserError
from transfergain.floors.majority import MAJORITY
from transfergain.floors.tfidf import TFIDF
from transfergain.options import Option, OptionKind
from transfergain.tasks.base import Encoded, Task
from transfergain.tasks.given import Given, read_label
from transfergain.types import Example, Target

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
        "label", "labels", "sentiment", "class", "category", "intent", "topic", "target", "rating", "stars",
    ),
)  # fmt: skip


def parse(tables: Mapping[str, Table], columns: Mapping[str, str]) -> Parsed:
    """Make examples of rows with a text and a label; the target is the class index.

    Labels may be words, integers or booleans; classes are those of the train table, integers in numeric order, words
    in alphabetical order. Raises UserError naming the file and row.
    """
    raw = {split: _read(table, columns) for split, table in tables.items()}
    whole = labels.whole({split: [label for _, label in pairs] for split, pairs in raw.items()})
    raw = {split: [(text, whole.get(label, label)) for text, label in pairs] for split, pairs in raw.items()}
    names = sorted({label for _, label in raw["train"]}, key=_label_order)
    where = f'{tables["train"].name} column "{columns["label_column"]}"'
    if len(names) < 2:
        raise UserError(f'{where} has one class only ("{names[0]}"); a comparison needs at least two')
    doubts = labels.check([label for _, label in raw["train"]], tables["train"].where)
    if len(names) > 20 and len(names) > len(raw["train"]) / 2:
        raise UserError(
            f"{where} has {len(names):,} different values in {len(raw['train']):,} rows; that is no class label: "
            "name another --label-column"
        )
    index = {name: i for i, name in enumerate(names)}
    splits: dict[str, tuple[Example, ...]] = {}
    for split, pairs in raw.items():
        for row, (_, label) in enumerate(pairs):
            if label not in index:
                raise UserError(
                    f'{tables[split].where(row)}: the label "{label}" does not occur in {tables["train"].name}; '
                    f"its labels are {_some(names)}"
                )
        splits[split] = tuple(Example({"text": text}, index[label]) for text, label in pairs)
    shares = Counter(e.target for e in splits["train"])
    balance = ", ".join(f"{names[i]} {shares[i] / len(raw['train']):.0%}" for i in range(min(len(names), 6)))
    more = f" and {len(names) - 6} more classes" if len(names) > 6 else ""
    note = f"{columns['text_column']}/{columns['label_column']} · {len(names)} classes: {balance}{more}"
    notes = (note, f"labels such as {next(iter(whole))} read as {next(iter(whole.values()))}") if whole else (note,)
    return Parsed(tuple(names), splits, notes, tuple(f"{where}: {doubt}" for doubt in (*doubts, *labels.alike(names))))


def _read(table: Table, columns: Mapping[str, str]) -> list[tuple[str, str]]:
    text_column, label_column = columns["text_column"], columns["label_column"]
    require_columns(table, (("--text-column", text_column), ("--label-column", label_column)))
    for column in (text_column, label_column):
        nested = [i for i, row in enumerate(table.rows) if _is_nested(row.get(column), column == label_column)]
        if nested:
            kind = type(table.rows[nested[0]][column]).__name__
            raise UserError(f'{table.where(nested[0])}: "{column}" holds a {kind}; one value a row is expected')
    texts = [_text(row.get(text_column)) for row in table.rows]
    found = [labels.label(row.get(label_column)) for row in table.rows]
    for column, values in ((text_column, texts), (label_column, found)):
        bad = [i for i, value in enumerate(values) if not value]
        if bad:
            more = f" (and {len(bad) - 1:,} rows more)" if len(bad) > 1 else ""
            raise UserError(f'{table.where(bad[0])}{more}: "{column}" is empty; fill it or remove the row')
    return list(zip(texts, found, strict=True))


def _is_nested(value: Any, one_is_well: bool) -> bool:
    """Tell whether a cell holds more than a value; tools of annotation write a list of one label."""
    lone = one_is_well and isinstance(value, list) and len(value) == 1 and not isinstance(value[0], list | dict)
    return isinstance(value, list | dict) and not lone


def _text(value: Any) -> str:
    return "" if labels.is_missing(value) else str(value).strip()


def _label_order(label: str) -> tuple[int, int, str]:
    try:
        return (0, int(label), label)
    except ValueError:
        return (1, 0, label)


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def recognise(table: Table) -> Guess | None:
    """Guess the columns of text and label, by their names, else by what they hold."""
    columns = table.columns()
    plain = [c for c in columns if not any(_is_nested(row.get(c), one_is_well=True) for row in table.rows[:SAMPLE_ROWS])]
    text = named(plain, TEXT_COLUMN) or _wordiest(table, plain)
    rest = [column for column in plain if column != text]
    label = named(rest, LABEL_COLUMN) or _fewest_values(table, rest)
    return {TEXT_COLUMN.name: text, LABEL_COLUMN.name: label} if text and label else None


def readers(options: Mapping[str, Any]) -> Mapping[str, Reader]:
    """Read .txt with a class a line, before the text or in a second file; its columns are called as the user says."""
    columns = {column.name: options.get(column.name, column.default) for column in (TEXT_COLUMN, LABEL_COLUMN)}
    return {".txt": partial(lines.read, **columns)}


def recognise_file(path: Path, given: Mapping[str, Any], guess: Callable[[Table], Guess | None] = recognise) -> Guess | None:
    """Recognise .txt with a class a line; `guess` has the last word on the classes."""
    if ending(path) != ".txt" or not lines.recognises(path) or guess(lines.read(path)) is None:
        return None
    return {column.name: given.get(column.name, column.default) for column in (TEXT_COLUMN, LABEL_COLUMN)}


def _wordiest(table: Table, columns: Sequence[str]) -> str | None:
    """Find the column with the most words a row, if they are two or more on average."""
    sample = table.rows[:SAMPLE_ROWS]
    words = {c: sum(len(str(row.get(c) or "").split()) for row in sample) / max(1, len(sample)) for c in columns}
    best = max(words, key=lambda c: words[c], default=None)
    return best if best is not None and words[best] >= 2 else None


def _fewest_values(table: Table, columns: Sequence[str]) -> str | None:
    """Find the column with the fewest different values, two or more, and many rows to each of them."""
    sample = table.rows[:SAMPLE_ROWS]
    values = {c: len({str(row.get(c)) for row in sample}) for c in columns}
    likely = {c: n for c, n in values.items() if 2 <= n <= max(2, len(sample) // 5)}
    return min(likely, key=lambda c: likely[c], default=None)


def encode(examples: Sequence[Example], tokenizer: Any, options: Mapping[str, Any]) -> Encoded:
    """Encode an example as one feature: the tokenizer's id lists, cut at `max_length`, and `labels` as an integer."""
    ids = tokenizer([e.inputs["text"] for e in examples], truncation=True, max_length=options["max_length"])
    return Encoded(
        [
            {key: ids[key][i] for key in ids.keys()} | {"labels": e.target}  # noqa: SIM118 (BatchEncoding)
            for i, e in enumerate(examples)
        ]
    )


def decode(
    outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example], setting: Any, tokenizer: Any
) -> list[int]:
    """Take the class of the largest logit; each output has shape (classes,)."""
    return [int(logits.argmax()) for logits in outputs]


def probabilities(
    outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Stack the logits (examples, classes) and true classes (examples,)."""
    return np.stack(outputs), np.array([e.target for e in examples])


def chance(examples: Sequence[Example], labels: Sequence[str]) -> float:
    """Compute the accuracy of the split's own majority class."""
    return max(Counter(e.target for e in examples).values()) / len(examples)


CLASSIFICATION = Task(
    name="classification",
    title="Classification",
    pipeline="text-classification",
    options=(TEXT_COLUMN, LABEL_COLUMN),
    auto_class="AutoModelForSequenceClassification",
    metrics=("accuracy", "macro_f1"),
    floors=(MAJORITY, TFIDF),
    target=Target.LABEL,
    parse=parse,
    recognise=recognise,
    recognise_file=recognise_file,
    readers=readers,
    text=lambda example: str(example.inputs["text"]),
    stratum=lambda example: int(example.target),
    encode=encode,
    decode=decode,
    chance=chance,
    probabilities=probabilities,
    given=Given({"text": TEXT_COLUMN.name}, read_label),
    citation="Lewis 1992, text categorisation as one class a document; scikit-learn's accuracy_score and f1_score",
)
