"""Answer the four claims in the order of the report, each with one verdict and one sentence a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from transfergain.analysis import words
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.rows import (
    Benefit,
    BenefitRow,
    ConvergenceRow,
    EfficiencyRow,
    GainRow,
    Measure,
    MeasureRow,
    RobustnessRow,
    Row,
    Verdict,
)
from transfergain.arms import REFERENCE
from transfergain.arms.full import FULL
from transfergain.split import TEST, Split

AnyRow = TypeVar("AnyRow", bound=Row)
Answer = tuple[Verdict, str]
"""A verdict, and the sentence that says why."""
NO_ANSWER: Answer = (Verdict.NOT_MEASURED, "")
MOST_CAREFUL_FIRST = (Verdict.VOID, Verdict.INCONCLUSIVE, Verdict.NOT_SUPPORTED, Verdict.NEGATIVE_TRANSFER)


class BenefitTables(Protocol):
    """The tables of `Findings` that are read here."""

    @property
    def gains(self) -> Sequence[GainRow]: ...
    @property
    def data_efficiency(self) -> Sequence[EfficiencyRow]: ...
    @property
    def convergence(self) -> Sequence[ConvergenceRow]: ...
    @property
    def robustness(self) -> Sequence[RobustnessRow]: ...


def leading_arm(arms: Iterable[str]) -> str:
    """Name the arm that the first answer is about: full fine-tuning, else the first pretrained arm that was asked for.

    Empty where the study has none. The plan decides it, never the outcome.
    """
    pretrained = [arm for arm in arms if arm != REFERENCE]
    return FULL.name if FULL.name in pretrained else next(iter(pretrained), "")


def lead(arm: str, data: Mapping[str, DatasetEntry], tables: BenefitTables) -> list[BenefitRow]:
    """Answer each claim for each data set about the leading arm.

    Which row answers is fixed by the plan, never by the outcome: the largest budget, but for data efficiency the smallest,
    where the range to measure a multiple of labels in is the widest.
    """
    found = list[BenefitRow]()
    for dataset, entry in data.items():

        def mine(rows: Sequence[AnyRow], dataset: str = dataset, metric: str = entry.metric) -> list[AnyRow]:
            return [row for row in rows if (row.dataset, row.arm, row.metric) == (dataset, arm, metric)]

        answers = {
            Benefit.PERFORMANCE: _performance(mine(tables.gains)),
            Benefit.DATA_EFFICIENCY: _data_efficiency(mine(tables.data_efficiency)),
            Benefit.CONVERGENCE: _convergence(mine(tables.convergence)),
            Benefit.ROBUSTNESS: _robustness(mine(tables.robustness)),
        }
        for benefit, (verdict, sentence) in answers.items():
            sentence = sentence or f"{dataset}: {_nothing(benefit, arm)}."
            found.append(BenefitRow(benefit=benefit, dataset=dataset, arm=arm, verdict=verdict, sentence=sentence))
    return found


def _nothing(benefit: Benefit, arm: str) -> str:
    if not arm:
        return f"the study has no arm beside {REFERENCE}"
    if benefit is Benefit.ROBUSTNESS:
        return "no test set from another domain (--shift) and no perturbation"
    return f"no seed of {arm} and {REFERENCE} has finished with the same labels"


def _at_top(rows: Sequence[AnyRow]) -> list[AnyRow]:
    largest = max((row.budget for row in rows), default=0)
    return [row for row in rows if row.budget == largest]


def _performance(gains: Sequence[GainRow]) -> Answer:
    for row in _at_top([row for row in gains if row.split == TEST]):
        below = row.verdict is Verdict.SUPPORTED and row.below_floor
        return (Verdict.NOT_SUPPORTED if below else row.verdict), row.sentence
    return NO_ANSWER


def _data_efficiency(rows: Sequence[EfficiencyRow]) -> Answer:
    multipliers = sorted((row for row in rows if row.measure is Measure.MULTIPLIER), key=lambda row: row.budget)
    if not multipliers:
        return NO_ANSWER
    first, *others = multipliers
    elsewhere = [row for row in others if row.verdict is Verdict.SUPPORTED]
    if elsewhere and first.verdict in (Verdict.INCONCLUSIVE, Verdict.NOT_SUPPORTED, Verdict.NEGATIVE_TRANSFER):
        budgets = words.listed([f"{row.budget:,}" for row in elsewhere])
        return Verdict.PARTLY, f"{first.sentence.removesuffix('.')}; supported with {budgets} labels."
    return first.verdict, first.sentence


def _convergence(rows: Sequence[ConvergenceRow]) -> Answer:
    for row in _at_top([row for row in rows if row.unit == "steps"]):
        return row.verdict, row.sentence
    return NO_ANSWER


def _robustness(rows: Sequence[RobustnessRow]) -> Answer:
    gains = [row for row in _at_top(rows) if row.measure is Measure.OOD_GAIN]
    if gains:
        return _shifted(gains, {row.split: row for row in rows if row.measure is Measure.EFFECTIVE_ROBUSTNESS})
    perturbed = [row for row in _at_top(rows) if row.measure is Measure.PERTURBATION_GAIN]
    if not perturbed:
        return NO_ANSWER
    verdicts = [row.verdict for row in perturbed]
    worst = min(perturbed, key=lambda row: _known(row.estimate))
    sentence = (
        f"{worst.dataset}: {worst.arm} gains on {verdicts.count(Verdict.SUPPORTED)} of {len(perturbed)} perturbed test sets "
        f"and loses on {verdicts.count(Verdict.NEGATIVE_TRANSFER)}; least on {worst.split.title}, {_signed(worst)}."
    )
    return _together(verdicts), sentence


def _known(estimate: float | None) -> float:
    assert estimate is not None, "gains on perturbed sets always have an estimate"
    return estimate


def _signed(row: MeasureRow) -> str:
    return words.signed(_known(row.estimate), row.low, row.high)


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    """Sum verdicts up: the one that all share, *partly* where some are supported, else the most careful one."""
    if len(set(verdicts)) == 1:
        return verdicts[0]
    if Verdict.SUPPORTED in verdicts:
        return Verdict.PARTLY
    return next(verdict for verdict in MOST_CAREFUL_FIRST if verdict in verdicts)


def _shifted(gains: Sequence[RobustnessRow], effective: Mapping[Split, RobustnessRow]) -> Answer:
    """Answer about shifts: *supported* where the arm is better on every one, by more than its accuracy at home explains."""
    verdicts, parts = list[Verdict](), list[str]()
    for gain in gains:
        row, verdict = effective.get(gain.split), gain.verdict
        text = f"on {gain.split.title} {_signed(gain)}, {verdict}"
        if verdict is Verdict.SUPPORTED:
            verdict, clause = _beyond_accuracy(row)
            text += f"; {clause}"
        verdicts.append(verdict)
        parts.append(text)
    verdict = Verdict.PARTLY if Verdict.PARTLY in verdicts else _together(verdicts)
    return verdict, f"{gains[0].dataset}: {gains[0].arm} {'. '.join(parts)}."


def _beyond_accuracy(row: RobustnessRow | None) -> Answer:
    """Judge a supported gain on a shift by what the accuracy at home explains of it."""
    if row is None or row.estimate is None:
        return Verdict.PARTLY, "whether beyond what its accuracy explains is not identifiable"
    if row.verdict is Verdict.SUPPORTED:
        return Verdict.SUPPORTED, f"more robust than its accuracy explains ({_signed(row)} logits)"
    less = "less" if row.verdict is Verdict.NEGATIVE_TRANSFER else "not more"
    return Verdict.PARTLY, f"more accurate, {less} robust for its accuracy ({_signed(row)} logits)"
