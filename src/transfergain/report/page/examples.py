"""Show sampled sealed texts about which the arms disagree, and those that a perturbation turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.findings import Findings
from transfergain.counts import counted
from transfergain.data.sample import SampledText, flat
from transfergain.metrics import entity_f1
from transfergain.outcome import Evaluated
from transfergain.report import reading
from transfergain.report.page.figures import Column, RowGroup, TextTable
from transfergain.split import Split
from transfergain.tasks import find, is_known
from transfergain.types import Phase, Status, Target

MOST_SHOWN = 12
"""Texts in one table."""
Say = Callable[[Any, str], str]
"""(prediction or target, its text) -> in words."""
Evaluations = Sequence[Mapping[Split, Evaluated]]
"""What each seed of an arm predicted."""


def disagreements(findings: Findings, dataset: str) -> list[TextTable]:
    """List texts that scratch and the leading arm read differently in most seeds, and those that a perturbation turns."""
    kept = reading.of(findings.examples, dataset)
    gained = [row for row in reading.of(findings.gains, dataset) if row.arm == findings.leading_arm]
    budget = reading.top_budget(findings, dataset)
    if not kept or not gained:
        return []
    reference, arm = gained[0].reference, gained[0].arm
    by_reference, by_arm = (_by_seed(findings, dataset, name, budget) for name in (reference, arm))
    say = _wording(findings.data[dataset])
    rows = [_compared(text, by_reference, by_arm, say) for text in kept]
    groups = [
        RowGroup(f"{title}: {len(body)} of {counted(len(kept), 'sampled text')}", body[:MOST_SHOWN])
        for title, want in (
            (f"{arm} right, {reference} wrong", (False, True)),
            (f"{reference} right, {arm} wrong", (True, False)),
        )
        if (body := [cells for right, cells in rows if right == want])
    ]  # fmt: skip
    columns = (Column("text"), Column("from"), Column("right answer"), Column(reference), Column(arm))
    caption = f"Where the arms disagree on {dataset}, most seeds, {budget:,} labels"
    tables = [TextTable(caption, columns, groups)] if groups else []
    return tables + _turned(kept, arm, by_arm, say)


def _turned(kept: Sequence[SampledText], arm: str, by_arm: Evaluations, say: Say) -> list[TextTable]:
    """List texts that the arm reads differently once perturbed."""
    body = []
    for sampled in kept:
        before = _usual(by_arm, sampled.split, sampled.index)
        for split, text in sampled.perturbed.items():
            after = _usual(by_arm, split, sampled.index)
            if before and after and flat(after.value) != flat(before.value):
                said = [say(before.value, sampled.text), say(after.value, text)]
                body.append([sampled.text, text, split.title, *said])
    columns = (Column("text"), Column("perturbed"), Column("by"), Column("answer before"), Column("after"))
    caption = f"Where a perturbation changes the answer of {arm} on {kept[0].dataset}: {len(body):,} found"
    return [TextTable(caption, columns, [RowGroup("", body[:MOST_SHOWN])])] if body else []


def _by_seed(findings: Findings, dataset: str, arm: str, budget: int | None) -> Evaluations:
    return [
        trial.outcome.evaluated for trial in findings.rows
        if (trial.spec.dataset, trial.spec.arm, trial.spec.budget, trial.spec.phase) == (dataset, arm, budget, Phase.REPORT)
        and trial.outcome.status == Status.DONE
    ]  # fmt: skip


@dataclass(frozen=True)
class UsualAnswer:
    """What most seeds of an arm predict for one text."""

    value: Any
    """In the task's own type."""
    seeds: int
    """How many predict it."""


def _usual(evaluations: Evaluations, split: Split, index: int) -> UsualAnswer | None:
    """Find the most frequent prediction over seeds; None where the split was not evaluated."""
    found = [e[split].predictions[index] for e in evaluations if split in e and index < len(e[split].predictions)]
    if not found:
        return None
    key, count = Counter(map(flat, found)).most_common(1)[0]
    return UsualAnswer(next(value for value in found if flat(value) == key), count)


def _compared(
    text: SampledText, by_reference: Evaluations, by_arm: Evaluations, say: Say
) -> tuple[tuple[bool, bool] | None, list[str]]:
    """Compare the two on one text: (reference right, arm right), and the cells of its row."""
    answers = [_usual(found, text.split, text.index) for found in (by_reference, by_arm)]
    said = [
        "" if answer is None else f"{say(answer.value, text.text)} ({answer.seeds} of {counted(len(found), 'seed')})"
        for answer, found in zip(answers, (by_reference, by_arm), strict=True)
    ]
    cells = [text.text, text.split.title, say(text.target, text.text), *said]
    right = [flat(answer.value) == flat(text.target) for answer in answers if answer is not None]
    return ((right[0], right[1]) if len(right) == 2 else None), cells


def _wording(entry: DatasetEntry) -> Say:
    """Choose how predictions and targets are said: a class, or labels, by name, tags by the words that have them."""
    labels, target = entry.labels, find(entry.task).target if is_known(entry.task) else None
    if target is Target.TAGS:
        return lambda value, text: _tagged(text.split(" "), _classes(value), labels)
    if target is Target.LABELS:
        return lambda value, text: ", ".join(compress(labels, _classes(value))) or "none"
    return lambda value, text: labels[value] if isinstance(value, int) and 0 <= value < len(labels) else flat(value)


def _classes(value: Any) -> list[int]:
    """Read the class of each word, or 0 or 1 of each label; of a target the store holds them as text."""
    return [int(part) for part in (value.split() if isinstance(value, str) else value)]


def _tagged(words: Sequence[str], classes: Sequence[int], labels: Sequence[str]) -> str:
    """List the entities of a text, each with its type; of a text that was cut, those that are whole."""
    found = sorted(entity_f1.spans(classes, labels), key=lambda span: span[1])
    said = [f"{' '.join(words[start:end])} ({kind})" for kind, start, end in found if end <= len(words)]
    return ", ".join(said) or "none"
