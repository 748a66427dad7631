"""Several labels a text, or none: what `--multi-label` makes of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from transfergain.counts import counted, share
from transfergain.data.formats import label_sets as sets
from transfergain.data.formats import labels as spelling
from transfergain.data.formats.labels import DOUBTFUL_WORDS
from transfergain.data.formats.table import SAMPLE_ROWS, Parsed, Table
from transfergain.data.recognise import Guess
from transfergain.errors import UserError
from transfergain.metrics import label_sets
from transfergain.options import Option, OptionKind
from transfergain.tasks import texts
from transfergain.tasks.base import Encoded, Task
from transfergain.tasks.given import read_labels
from transfergain.types import Example, Target

MULTI_LABEL = Option(
    "multi_label", False, "a text has several labels, or none: lists, separated, or 0/1 columns", OptionKind.READING, bool
)
LABEL_SEPARATOR = Option(
    "label_separator",
    None,
    "sign between the labels of a text, with --multi-label where ; | , do not tell",
    OptionKind.READING,
)
"""The separator of a file is one of `label_sets.SIGNS`, where only one of them occurs."""


def parse(tables: Mapping[str, Table], columns: Mapping[str, Any]) -> Parsed:
    """Make examples of rows with a text, or a pair of texts, and labels; the target holds 0 or 1 for each label.

    Labels are those of the train table, the most frequent first. Raises UserError naming the file and row.
    """
    inputs = {split: texts.read(table, columns) for split, table in tables.items()}
    read = sets.reader(tables["train"], columns["label_column"], columns.get(LABEL_SEPARATOR.name))
    found = {split: read(table) for split, table in tables.items()}
    train = found["train"]
    counts = Counter(label for labels in train for label in labels)
    names = sorted(counts, key=lambda label: (-counts[label], texts.label_order(label)))
    where = f'{tables["train"].name} column "{columns["label_column"]}"'
    if len(names) < 2:
        raise UserError(f"{where} has {counted(len(names), 'different label')}; {MULTI_LABEL.flag} takes at least two")
    if len(set(train)) < 2:
        raise UserError(f"{where} has the same labels in every row; a comparison needs texts that differ")
    if len(names) > 20 and len(names) > len(train) / 2:
        raise UserError(
            f"{where} has {len(names):,} different labels in {len(train):,} rows; these are no labels: name another "
            f"{texts.LABEL_COLUMN.flag}, or another {LABEL_SEPARATOR.flag}"
        )
    known = set(names)
    splits: dict[str, tuple[Example, ...]] = {}
    for split, rows in found.items():
        for row, labels in enumerate(rows):
            if strange := sorted(labels - known):
                raise UserError(texts.unknown_label(tables, split, row, strange[0], names))
        splits[split] = tuple(
            Example(given, tuple(int(name in labels) for name in names))
            for given, labels in zip(inputs[split], rows, strict=True)
        )
    doubts = [f"{where}: {doubt}" for doubt in (*_doubts(train), *spelling.alike(names))]
    notes = (_note(columns, names, counts, len(train)), *_without(found))
    return Parsed(tuple(names), splits, notes, (*doubts, *texts.unread(tables["train"], columns)))


def _note(columns: Mapping[str, Any], names: Sequence[str], counts: Mapping[str, int], rows: int) -> str:
    shares = ", ".join(f"{name} {share(counts[name], rows)}" for name in names[:6])
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    mean = sum(counts.values()) / rows
    return f"{texts.columns_said(columns)} · {len(names)} labels, {mean:.2f} a text: {shares}{more}"


def _without(found: Mapping[str, Sequence[frozenset[str]]]) -> list[str]:
    """Count the texts that have no label."""
    empty = {split: sum(not labels for labels in rows) for split, rows in found.items()}
    said = ", ".join(f"{n:,} in {split}" for split, n in empty.items() if n)
    return [f"texts without a label: {said}"] if said else []


def _doubts(train: Sequence[frozenset[str]]) -> list[str]:
    doubts = []
    if all(len(labels) < 2 for labels in train):
        doubts.append(f"no text has more than one label; without {MULTI_LABEL.flag} one class a text is predicted")
    for name, count in Counter(label for labels in train for label in labels if label.casefold() in DOUBTFUL_WORDS).items():
        doubts.append(
            f'"{name}" ({counted(count, "row")}) counts as a label; if it stands for none, leave these cells empty'
        )
    if (empty := sum(not labels for labels in train)) > len(train) / 2:
        doubts.append(f"{empty:,} of {len(train):,} texts have no label; if they were never labelled, remove these rows")
    return doubts


def recognise(table: Table) -> Guess | None:
    """Guess the columns of a text, or a pair, and of its labels, where some texts have several."""
    columns = sets.recognise(table, texts.LABEL_COLUMN.usual_names)
    if columns is None:
        return None
    # With one label a text the columns of texts are told as ever.
    single = replace(table, rows=[
        {name: value for name, value in row.items() if name not in columns.split(",")} | {"label": "ab"[i % 2]}
        for i, row in enumerate(table.rows[:SAMPLE_ROWS])
    ])  # fmt: skip
    found = texts.recognise(single)
    return found and {**found, texts.LABEL_COLUMN.name: columns, MULTI_LABEL.name: True}


def encode(examples: Sequence[Example], tokenizer: Any, options: Mapping[str, Any]) -> Encoded:
    """Encode as for one class a text, with a tuple of 0.0 or 1.0 for each label, which the loss wants as numbers.

    A list would be taken for labels of tokens.
    """
    encoded = texts.encode(examples, tokenizer, options)
    return Encoded([feature | {"labels": tuple(map(float, feature["labels"]))} for feature in encoded.features])


def calibrate(outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example]) -> float:
    """Choose the probability from which on labels are given, for the best micro F1 on dev."""
    return label_sets.best_threshold(_probabilities(outputs), np.array([e.target for e in examples]))[0]


def decode(
    outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example], setting: Any, tokenizer: Any
) -> list[list[int]]:
    """Give each label whose probability reaches the threshold, 1/2 without one; each output has shape (labels,)."""
    found: list[list[int]] = (_probabilities(outputs) >= (0.5 if setting is None else float(setting))).astype(int).tolist()
    return found


def _probabilities(outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.asarray(expit(np.stack(outputs).astype(np.float64)))


def probabilities(
    outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Take each label of each text as a case of two classes, no and yes: the sigmoid is their softmax."""
    logits = np.stack(outputs).ravel()
    return np.stack([np.zeros_like(logits), logits], axis=1), np.array([e.target for e in examples]).ravel()


def stratum(example: Example) -> int:
    """Stratify by the rarest label of a text, as iterative stratification does first (Sechidis et al. 2011); -1 for none.

    Labels are in the order of their frequency, and most sets of labels are too rare to be strata.
    """
    return max((i for i, hit in enumerate(example.target) if hit), default=-1)


def chance(examples: Sequence[Example], labels: Sequence[str]) -> float:
    """Compute the micro F1 of giving all texts the labels that are best for it, by their shares in the split."""
    return label_sets.best_constant(np.mean([e.target for e in examples], axis=0))[1]


def several(task: Task) -> Task:
    """Make of a task of one class a text one of several labels."""
    return replace(
        task,
        name="multi-label",
        title="Multi-label classification",
        metrics=("micro_f1", "label_macro_f1", "subset_accuracy"),
        head={"problem_type": "multi_label_classification"},
        target=Target.LABELS,
        parse=parse,
        stratum=stratum,
        encode=encode,
        decode=decode,
        calibrate=calibrate,
        setting_said=lambda setting: (
            f"Give each label whose score is {float(setting):.4f} or more: chosen on dev for micro F1."
        ),
        chance=chance,
        probabilities=probabilities,
        unlabelled=lambda texts: Example(texts, ()),
        given=task.given and replace(task.given, read=read_labels),
        citation="Tsoumakas and Katakis 2007, Multi-label classification; scikit-learn's f1_score of label indicators; "
        "Lipton et al. 2014, Optimal thresholding of classifiers to maximize F1 measure",
    )
