"""Answer the claims in the order of the report, each with one verdict and one sentence a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from transfergain.analysis import words
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.leading import BenefitTables, Leading
from transfergain.analysis.rows import (
    Benefit,
    BenefitRow,
    Censored,
    EfficiencyRow,
    GainRow,
    Measure,
    MeasureRow,
    RobustnessRow,
    Verdict,
)
from transfergain.arms import ARMS, REFERENCE
from transfergain.arms.base import Start
from transfergain.arms.full import FULL
from transfergain.counts import counted

Answer = tuple[Verdict, str]
"""A verdict, and the sentence that says why."""
NO_ANSWER: Answer = (Verdict.NOT_MEASURED, "")
OVER_SCRATCH = (Benefit.DATA_EFFICIENCY, Benefit.CONVERGENCE)
"""Read off what scratch has learned, with how many labels and how soon: they take the scratch arm, and one that learned."""
MOST_CAREFUL_FIRST = (Verdict.INCONCLUSIVE, Verdict.NOT_SUPPORTED, Verdict.NEGATIVE_TRANSFER, Verdict.NOT_MEASURED)


def leading_arm(arms: Iterable[str]) -> str:
    """Name the arm that the first answer is about: full fine-tuning, else the first pretrained arm that was asked for.

    One that never sees the checkpoint comes last. Empty where the study has none. The plan decides it, never the outcome.
    """
    pretrained = sorted((arm for arm in arms if ARMS[arm].pretrained), key=lambda arm: ARMS[arm].pretrains is Start.FRESH)
    return FULL.name if FULL.name in pretrained else next(iter(pretrained), "")


def lead(arm: str, data: Mapping[str, DatasetEntry], tables: BenefitTables) -> list[BenefitRow]:
    """Answer each claim for each data set about the leading arm; `analysis.leading` says from which rows."""
    found = list[BenefitRow]()
    for dataset, entry in data.items():
        mine = Leading.of(tables, dataset, arm, entry.metric)
        answers = {
            Benefit.PERFORMANCE: _performance(mine.gain),
            Benefit.DATA_EFFICIENCY: _data_efficiency(mine),
            Benefit.CONVERGENCE: NO_ANSWER if mine.speed is None else (mine.speed.verdict, mine.speed.sentence),
            Benefit.ROBUSTNESS: _robustness(mine.away),
        }
        if beyond := _beyond_accuracy(mine.beyond):
            answers[Benefit.BEYOND_ACCURACY] = beyond
        for benefit, (verdict, sentence) in answers.items():
            sentence = sentence or f"{dataset}: {nothing(benefit, arm, entry.reference, mine.gain is not None)}."
            found.append(BenefitRow(benefit=benefit, dataset=dataset, arm=arm, verdict=verdict, sentence=sentence))
    return found


def nothing(benefit: Benefit, arm: str, reference: str, compared: bool) -> str:
    """Say why a benefit was not measured; `compared`: whether a seed of both the arm and the reference has finished."""
    if not arm:
        return f"the study has no arm beside {REFERENCE}"
    if benefit in OVER_SCRATCH and reference != REFERENCE:
        return f"takes the {REFERENCE} arm, which was not asked for: name {REFERENCE} in --arms"
    if benefit is Benefit.ROBUSTNESS and compared:
        return "no test set from another domain (--shift) and no noisy text (--perturbations)"
    return f"no finished seed of both {arm} and {reference}"


def _performance(row: GainRow | None) -> Answer:
    if row is None:
        return NO_ANSWER
    below = row.verdict is Verdict.SUPPORTED and row.below_floor
    return (Verdict.NOT_SUPPORTED if below else row.verdict), row.sentence


def _data_efficiency(mine: Leading) -> Answer:
    """Answer by the label saving; where that is open, *partly* when a multiple of labels at some budget is supported."""
    row = mine.saving or next(iter(mine.multiples), None)
    if row is None:
        return NO_ANSWER
    verdict, more = row.verdict, _multiple(mine.multiples[0]) if mine.saving else ""
    elsewhere = [other for other in mine.multiples if other.verdict is Verdict.SUPPORTED and other is not row]
    if row.verdict in (Verdict.INCONCLUSIVE, Verdict.NOT_SUPPORTED) and elsewhere:
        budgets = words.listed([f"{other.budget:,}" for other in elsewhere])
        verdict, more = Verdict.PARTLY, f"; a label does more than one without with {budgets} labels"
    elif row.verdict is Verdict.INCONCLUSIVE:
        more = _what_it_takes(mine.gain)
    tail = f"{words.with_endless(row)}."
    return verdict, f"{row.sentence.removesuffix(tail)}{more}{tail}"


def _what_it_takes(top: GainRow | None) -> str:
    """Say what would settle a saving: it is settled where the gain with all labels is."""
    if top is None or top.verdict is not Verdict.INCONCLUSIVE or not top.why.startswith("needs"):
        return ""
    return f"; like the gain with all labels it {top.why}"


def _multiple(row: EfficiencyRow) -> str:
    """Add what a label is worth at the smallest budget; nothing where the saving says as much."""
    if row.verdict is not Verdict.SUPPORTED or row.estimate is None or row.censored is not Censored.NO:
        return ""
    worth = words.number(row.estimate * row.budget)
    return f"; {row.budget:,} labels with it do what {worth} do without ({words.times(row.estimate)})"


def _robustness(rows: Sequence[RobustnessRow]) -> Answer:
    if not rows:
        return NO_ANSWER
    first = rows[0]
    if first.measure is Measure.OOD_GAIN and len(rows) == 1:
        return first.verdict, first.sentence
    verdicts = [row.verdict for row in rows]
    if first.measure is Measure.OOD_GAIN:
        parts = [f"on {row.split.title} {_gained(row)}, {row.verdict}" for row in rows]
        return _together(verdicts), f"{first.dataset}: {first.arm} over {first.reference} {'; '.join(parts)}."
    worst = min(rows, key=lambda row: _known(row.estimate))
    sentence = (
        f"{worst.dataset}: {worst.arm} gains on {verdicts.count(Verdict.SUPPORTED)} of "
        f"{counted(len(rows), 'perturbed test set')} and loses on "
        f"{verdicts.count(Verdict.NEGATIVE_TRANSFER)}; least on {worst.split.title}, {_gained(worst)}."
    )
    return _together(verdicts), sentence


def _known(estimate: float | None) -> float:
    assert estimate is not None, "gains on perturbed sets always have an estimate"
    return estimate


def _gained(row: MeasureRow) -> str:
    return words.gained(_known(row.estimate), row.low, row.high)


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    """Sum verdicts up: the one that all share, *partly* where some are supported, else the most careful one."""
    if len(set(verdicts)) == 1:
        return verdicts[0]
    if Verdict.SUPPORTED in verdicts:
        return Verdict.PARTLY
    return next(verdict for verdict in MOST_CAREFUL_FIRST if verdict in verdicts)


def _beyond_accuracy(found: Sequence[RobustnessRow]) -> Answer | None:
    """Answer whether gains on shifts go beyond what the accuracy at home explains; None in a study that cannot ask."""
    if not found:
        return None
    first, *others = (row.sentence.removesuffix(".").removeprefix(f"{row.dataset}: ") for row in found)
    return _together([row.verdict for row in found]), f"{found[0].dataset}: {'; '.join([first, *others])}."
