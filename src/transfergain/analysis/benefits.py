"""Answer the claims in the order of the report, each with one verdict and one sentence a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from transfergain.analysis import words
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.rows import (
    Benefit,
    BenefitRow,
    Censored,
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
from transfergain.split import TEST

AnyRow = TypeVar("AnyRow", bound=Row)
Answer = tuple[Verdict, str]
"""A verdict, and the sentence that says why."""
NO_ANSWER: Answer = (Verdict.NOT_MEASURED, "")
MOST_CAREFUL_FIRST = (Verdict.INCONCLUSIVE, Verdict.NOT_SUPPORTED, Verdict.NEGATIVE_TRANSFER, Verdict.NOT_MEASURED)


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

    Which row answers is fixed by the plan, never by the outcome: the largest budget; for data efficiency the labels saved
    at scratch's score with all of them, or where one budget gives no curve, the multiple of labels at that budget.
    """
    found = list[BenefitRow]()
    for dataset, entry in data.items():

        def mine(rows: Sequence[AnyRow], dataset: str = dataset, metric: str = entry.metric) -> list[AnyRow]:
            return [row for row in rows if (row.dataset, row.arm, row.metric) == (dataset, arm, metric)]

        answers = {
            Benefit.PERFORMANCE: _performance(mine(tables.gains)),
            Benefit.DATA_EFFICIENCY: _data_efficiency(mine(tables.data_efficiency), mine(tables.gains)),
            Benefit.CONVERGENCE: _convergence(mine(tables.convergence)),
            Benefit.ROBUSTNESS: _robustness(mine(tables.robustness)),
        }
        if beyond := _beyond_accuracy(mine(tables.robustness)):
            answers[Benefit.BEYOND_ACCURACY] = beyond
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


def _data_efficiency(rows: Sequence[EfficiencyRow], gains: Sequence[GainRow]) -> Answer:
    """Answer by the label saving; where that is open, *partly* when a multiple of labels at some budget is supported."""
    multiples = sorted((row for row in rows if row.measure is Measure.MULTIPLIER), key=lambda row: row.budget)
    savings = [row for row in rows if row.measure is Measure.LABEL_SAVING and row.estimate is not None]
    for row in savings or multiples[:1]:
        verdict, more = row.verdict, _multiple(multiples[0]) if savings else ""
        elsewhere = [other for other in multiples if other.verdict is Verdict.SUPPORTED and other is not row]
        if row.verdict in (Verdict.INCONCLUSIVE, Verdict.NOT_SUPPORTED) and elsewhere:
            budgets = words.listed([f"{other.budget:,}" for other in elsewhere])
            verdict, more = Verdict.PARTLY, f"; a label does more than one without with {budgets} labels"
        elif row.verdict is Verdict.INCONCLUSIVE:
            more = _what_it_takes(gains)
        tail = f"{words.with_endless(row)}."
        return verdict, f"{row.sentence.removesuffix(tail)}{more}{tail}"
    return NO_ANSWER


def _what_it_takes(gains: Sequence[GainRow]) -> str:
    """Say what would settle a saving: it is settled where the gain with all labels is."""
    top = next(iter(_at_top([row for row in gains if row.split == TEST])), None)
    if top is None or top.verdict is not Verdict.INCONCLUSIVE or not top.why.startswith("needs"):
        return ""
    return f"; like the gain with all labels it {top.why}"


def _multiple(row: EfficiencyRow) -> str:
    """Add what a label is worth at the smallest budget; nothing where the saving says as much."""
    if row.verdict is not Verdict.SUPPORTED or row.estimate is None or row.censored is not Censored.NO:
        return ""
    worth = words.number(row.estimate * row.budget)
    return f"; {row.budget:,} labels with it do what {worth} do without ({words.times(row.estimate)})"


def _convergence(rows: Sequence[ConvergenceRow]) -> Answer:
    for row in _at_top([row for row in rows if row.unit == "steps"]):
        return row.verdict, row.sentence
    return NO_ANSWER


def _robustness(rows: Sequence[RobustnessRow]) -> Answer:
    gains = [row for row in _at_top(rows) if row.measure is Measure.OOD_GAIN]
    if len(gains) == 1:
        return gains[0].verdict, gains[0].sentence
    if gains:
        parts = [f"on {gain.split.title} {_signed(gain)}, {gain.verdict}" for gain in gains]
        return _together([gain.verdict for gain in gains]), f"{gains[0].dataset}: {gains[0].arm} {'; '.join(parts)}."
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


def _beyond_accuracy(rows: Sequence[RobustnessRow]) -> Answer | None:
    """Answer whether gains on shifts go beyond what the accuracy at home explains; None in a study without shifts."""
    found = [row for row in rows if row.measure is Measure.EFFECTIVE_ROBUSTNESS]
    if not found:
        return None
    first, *others = (row.sentence.removesuffix(".").removeprefix(f"{row.dataset}: ") for row in found)
    return _together([row.verdict for row in found]), f"{found[0].dataset}: {'; '.join([first, *others])}."
