"""Text classification: one class a text, or a pair of texts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.counts import counted, share
from transfergain.data.formats import labels, lines
from transfergain.data.formats.table import Parsed, Reader, Table, require_columns
from transfergain.data.read import ending
from transfergain.data.recognise import Guess
from transfergain.errors import UserError
from transfergain.floors.majority import MAJORITY
from transfergain.floors.tfidf import TFIDF
from transfergain.tasks import multi_label, texts
from transfergain.tasks.base import Encoded, Task
from transfergain.tasks.given import Given, read_label
from transfergain.tasks.multi_label import LABEL_SEPARATOR, MULTI_LABEL
from transfergain.tasks.texts import LABEL_COLUMN, TEXT_COLUMN, TEXT_PAIR_COLUMN, recognise
from transfergain.types import Example, Target

FEW, PLENTY = 2, 20
"""Examples of a class that look like slips, where classes have so many on average."""
APART, SURE = 0.1, 3.0
"""From which difference on, and from how many standard errors, a class's shares of train and test are told."""


def parse(tables: Mapping[str, Table], columns: Mapping[str, Any]) -> Parsed:
    """Make examples of rows with a text, or a pair of texts, and a label; the target is the class index.

    Labels may be words, integers or booleans; classes are those of the train table, integers in numeric order, words
    in alphabetical order. Raises UserError naming the file and row.
    """
    inputs = {split: texts.read(table, columns) for split, table in tables.items()}
    found = {split: _labels(table, columns[LABEL_COLUMN.name]) for split, table in tables.items()}
    whole = labels.whole(found)
    found = {split: [whole.get(label, label) for label in values] for split, values in found.items()}
    names = sorted(set(found["train"]), key=texts.label_order)
    where = f'{tables["train"].name} column "{columns["label_column"]}"'
    if len(names) < 2:
        raise UserError(f'{where} has one class only ("{names[0]}"); a comparison needs at least two')
    doubts = labels.check(found["train"], tables["train"].where)
    if len(names) > 20 and len(names) > len(found["train"]) / 2:
        raise UserError(
            f"{where} has {len(names):,} different values in {len(found['train']):,} rows; that is no class label: "
            "name another --label-column"
        )
    index = {name: i for i, name in enumerate(names)}
    splits: dict[str, tuple[Example, ...]] = {}
    for split, values in found.items():
        for row, label in enumerate(values):
            if label not in index:
                raise UserError(texts.unknown_label(tables, split, row, label, names))
        splits[split] = tuple(Example(given, index[label]) for given, label in zip(inputs[split], values, strict=True))
    shares, tested = (Counter(e.target for e in splits.get(split, ())) for split in ("train", "test"))
    balance = ", ".join(f"{names[i]} {share(shares[i], len(found['train']))}" for i in range(min(len(names), 6)))
    more = f" and {counted(len(names) - 6, 'more class', 'more classes')}" if len(names) > 6 else ""
    note = f"{texts.columns_said(columns)} · {len(names)} classes: {balance}{more}"
    notes = (note, f"labels such as {next(iter(whole))} read as {next(iter(whole.values()))}") if whole else (note,)
    doubts = [*(f"{where}: {doubt}" for doubt in (*doubts, *labels.alike(names))), *texts.unread(tables["train"], columns)]
    return Parsed(tuple(names), splits, notes, (*doubts, *_rare(names, shares), *_moved(names, shares, tested)))


def _rare(names: Sequence[str], counts: Mapping[int, int]) -> list[str]:
    """Warn of classes that next to nothing is known of where the others have plenty: slips of the pen, most often."""
    few = [name for i, name in enumerate(names) if counts[i] <= FEW]
    if not few or sum(counts.values()) < PLENTY * len(names):
        return []
    have = "class has" if len(few) == 1 else "classes have"
    return [f'{len(few)} {have} no more than {FEW} examples in train (first: "{few[0]}"): a slip of the pen?']


def _moved(names: Sequence[str], train: Counter[int], test: Counter[int]) -> list[str]:
    """Warn where a class of test, given as a file, is much more or less frequent than in train."""
    n, m = train.total(), test.total()
    if not m:
        return []
    apart = [abs(test[i] / m - train[i] / n) for i in range(len(names))]
    i, difference = apart.index(max(apart)), max(apart)
    pooled = (test[i] + train[i]) / (m + n)
    if difference < APART or difference < SURE * math.sqrt(pooled * (1 - pooled) * (1 / m + 1 / n)):
        return []
    parts = f'"{names[i]}" {share(test[i], m)} and {share(train[i], n)}'
    return [
        f"classes are shared out otherwise in test than in train ({parts}): an arm loses there by what it has learned of "
        "how frequent they are, and may score no more than chance though it has learned something of the texts"
    ]


def _labels(table: Table, column: str) -> list[str]:
    require_columns(table, ((LABEL_COLUMN.flag, column),))
    return texts.cells(table, column, labels.label, one_is_well=True)


def readers(options: Mapping[str, Any]) -> Mapping[str, Reader]:
    """Read .txt with a class a line, before the text or in a second file; its columns are called as the user says."""
    several = bool(options.get(MULTI_LABEL.name))
    return {".txt": partial(lines.read, **_columns(options), several=several)}


def recognise_any(table: Table) -> Guess | None:
    """Guess the columns, and whether a text has several labels."""
    return multi_label.recognise(table) or recognise(table)


def recognise_file(
    path: Path, given: Mapping[str, Any], guess: Callable[[Table], Guess | None] = recognise_any
) -> Guess | None:
    """Recognise .txt with a class a line; `guess` has the last word on the classes."""
    if ending(path) != ".txt" or not lines.recognises(path) or (found := guess(lines.read(path, several=True))) is None:
        return None
    return found | _columns(given)


def _columns(given: Mapping[str, Any]) -> dict[str, Any]:
    return {column.name: given.get(column.name, column.default) for column in (TEXT_COLUMN, LABEL_COLUMN)}


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


ONE_CLASS = Task(
    name="classification",
    title="Classification",
    pipeline="text-classification",
    options=(TEXT_COLUMN, LABEL_COLUMN, TEXT_PAIR_COLUMN),
    auto_class="AutoModelForSequenceClassification",
    metrics=("accuracy", "macro_f1"),
    floors=(MAJORITY, TFIDF),
    target=Target.LABEL,
    parse=parse,
    recognise=recognise,
    recognise_file=recognise_file,
    readers=readers,
    text=texts.whole,
    stratum=lambda example: int(example.target),
    encode=texts.encode,
    decode=decode,
    chance=chance,
    probabilities=probabilities,
    unlabelled=lambda texts: Example(texts, 0),
    given=Given({"text": TEXT_COLUMN.name, "text_pair": TEXT_PAIR_COLUMN.name}, read_label),
    citation="Lewis 1992, text categorisation as one class a document; scikit-learn's accuracy_score and f1_score",
)
"""What sentiment is made of, too."""
CLASSIFICATION = replace(
    ONE_CLASS,
    options=(*ONE_CLASS.options, MULTI_LABEL, LABEL_SEPARATOR),
    recognise=recognise_any,
    variants={MULTI_LABEL.name: multi_label.several(ONE_CLASS)},
)
