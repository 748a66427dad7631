"""A sample of the sealed texts, and where the arms disagree about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from transfergain.analysis.findings import Findings
from transfergain.perturbations import PREFIX, perturbed
from transfergain.report import reading
from transfergain.report.page.figures import Column, Group, Row, Table
from transfergain.types import Dataset, Evaluated, Example, Phase, Status

SAMPLE = 200
"""Texts of a split that are kept: the first, as the order of a sealed split means nothing."""
LONGEST = 600
"""Characters kept of a text."""
SHOWN = 12
Value = Any


def sample(data: Dataset, splits: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The first texts of `test` and of every shift, and of those of test as the `perturbed:` splits have them.

    Rows of {dataset, split, index, text, target, perturbed: {split: text}}, in JSON's types; to be kept in the store.
    """
    corrupted = {s: perturbed(data.test[:SAMPLE], s) for s in splits if s.startswith(PREFIX) and s.endswith("@5")}
    return [
        {
            "dataset": data.name,
            "split": split,
            "index": i,
            "text": _text(example),
            "target": example.target if isinstance(example.target, int | str) else _flat(example.target),
            "perturbed": {name: _text(rows[i]) for name, rows in corrupted.items()} if split == "test" else {},
        }
        for split, examples in data.splits().items()
        for i, example in enumerate(examples[:SAMPLE])
    ]


def _text(example: Example) -> str:
    text = " ‖ ".join(_flat(value) for value in example.inputs.values() if isinstance(value, str | list | tuple))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _flat(value: Value) -> str:
    """Words of a nested value, spaced."""
    if isinstance(value, Mapping):
        return _flat(list(value.values()))
    return " ".join(map(_flat, value)) if isinstance(value, list | tuple) else str(value)


def disagreements(findings: Findings, dataset: str) -> list[Table]:
    """Sampled texts that scratch and the leading arm read differently in most seeds, and those that a perturbation turns."""
    kept = [row for row in findings.examples if row["dataset"] == dataset]
    arm, budget = reading.leading_arm(findings, dataset), reading.top_budget(findings, dataset)
    if not kept or arm is None:
        return []
    reference = next(row["reference"] for row in findings.gains if row["dataset"] == dataset)
    found = {name: _by_seed(findings, dataset, name, budget) for name in (reference, arm)}
    labels = findings.data[dataset]["labels"]
    rows = [_compared(row, found[reference], found[arm], labels) for row in kept]
    groups = [
        Group(f"{title}: {len(body)} of {len(kept):,} sampled texts", body[:SHOWN])
        for title, want in (
            (f"{arm} right, {reference} wrong", (False, True)),
            (f"{reference} right, {arm} wrong", (True, False)),
        )
        if (body := [cells for right, cells in rows if right == want])
    ]  # fmt: skip
    columns = (Column("text"), Column("split"), Column("right answer"), Column(reference), Column(arm))
    tables = (
        [Table(f"Where the arms disagree on {dataset}, most seeds, {budget:,} labels", columns, groups)] if groups else []
    )
    return tables + _turned(kept, arm, found[arm], labels, dataset)


def _turned(
    kept: Sequence[Row], arm: str, outcomes: Sequence[Mapping[str, Evaluated]], labels: Sequence[str], dataset: str
) -> list[Table]:
    """Texts that the arm reads differently once perturbed."""
    body = []
    for row in kept:
        before = _usual(outcomes, row["split"], row["index"])
        for split, text in row.get("perturbed", {}).items():
            after = _usual(outcomes, split, row["index"])
            if before and after and _flat(after[0]) != _flat(before[0]):
                said = [_say(answer[0], labels) for answer in (before, after)]
                body.append([row["text"], text, split.removeprefix(PREFIX), *said])
    columns = (Column("text"), Column("perturbed"), Column("by"), Column("answer before"), Column("after"))
    caption = f"Where a perturbation changes the answer of {arm} on {dataset}: {len(body):,} found"
    return [Table(caption, columns, [Group("", body[:SHOWN])])] if body else []


def _by_seed(findings: Findings, dataset: str, arm: str, budget: int | None) -> list[Mapping[str, Evaluated]]:
    return [
        row.outcome.evaluated for row in findings.rows
        if (row.spec.dataset, row.spec.arm, row.spec.budget, row.spec.phase) == (dataset, arm, budget, Phase.REPORT)
        and row.outcome.status == Status.DONE
    ]  # fmt: skip


def _usual(outcomes: Sequence[Mapping[str, Evaluated]], split: str, index: int) -> tuple[Value, int] | None:
    """The most frequent prediction over seeds, and in how many seeds; None where the split was not evaluated."""
    found = [o[split].predictions[index] for o in outcomes if split in o and index < len(o[split].predictions)]
    if not found:
        return None
    key, count = Counter(map(_flat, found)).most_common(1)[0]
    return next(value for value in found if _flat(value) == key), count


def _compared(
    row: Row, reference: Sequence[Mapping[str, Evaluated]], arm: Sequence[Mapping[str, Evaluated]], labels: Sequence[str]
) -> tuple[tuple[bool, bool] | None, list[str]]:
    """(reference right, arm right), and the cells of the row."""
    answers = [_usual(found, row["split"], row["index"]) for found in (reference, arm)]
    target = _flat(row["target"])
    said = [
        "" if a is None else f"{_say(a[0], labels)} ({a[1]} of {len(o)})"
        for a, o in zip(answers, (reference, arm), strict=True)
    ]
    cells = [row["text"], row["split"], _say(row["target"], labels), *said]
    if answers[0] is None or answers[1] is None:
        return None, cells
    return (_flat(answers[0][0]) == target, _flat(answers[1][0]) == target), cells


def _say(value: Value, labels: Sequence[str]) -> str:
    """A prediction or target in words: a class by its name."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(labels):
        return labels[value]
    if isinstance(value, list | tuple) and value and all(isinstance(v, int) and v < len(labels) for v in value):
        return " ".join(labels[v] for v in value)
    return _flat(value)
