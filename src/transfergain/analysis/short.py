"""Say each benefit in one short line, from the rows that answer it; scores in per cent, gains in points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TypeVar

from transfergain.analysis import words
from transfergain.analysis.benefits import BenefitTables
from transfergain.analysis.candidates import Difference
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
from transfergain.analysis.summary import BenefitLine
from transfergain.arms import REFERENCE
from transfergain.split import TEST

AnyRow = TypeVar("AnyRow", bound=Row)
UNLEARNED = {
    Benefit.DATA_EFFICIENCY: f"{REFERENCE} is near chance: no score that fewer labels could match",
    Benefit.CONVERGENCE: f"{REFERENCE} is near chance: no level to reach sooner",
}
"""What a benefit says where scratch never learned: a saving or a speed-up against it would be no figure to believe."""
BEYOND = {
    Verdict.SUPPORTED: "more robust than its score at home explains",
    Verdict.NEGATIVE_TRANSFER: "less robust than its score at home explains",
    Verdict.INCONCLUSIVE: "not shown to be more robust than its score at home explains",
    Verdict.PARTLY: "on some, more robust than its score at home explains",
}
"""What is added on robustness beyond accuracy; nothing where it is not identifiable."""


def lines(
    answers: Sequence[BenefitRow], tables: BenefitTables, metric: str, learned: bool, over_floor: Difference | None
) -> list[BenefitLine]:
    """Shorten the answers of one data set; *robustness beyond accuracy* goes into the line of robustness."""
    beyond = next((row.verdict for row in answers if row.benefit is Benefit.BEYOND_ACCURACY), None)
    found = []
    for row in answers:
        if row.benefit is Benefit.BEYOND_ACCURACY:
            continue
        if not learned and row.benefit in UNLEARNED and row.verdict is not Verdict.NOT_MEASURED:
            found.append(BenefitLine(benefit=row.benefit, verdict=Verdict.NOT_MEASURED, text=UNLEARNED[row.benefit]))
            continue
        text = _text(row, _Own(row, metric, tables), beyond, over_floor)
        if not learned and row.verdict is not Verdict.NOT_MEASURED:
            text = f"{text}; {REFERENCE} is near chance"
        found.append(BenefitLine(benefit=row.benefit, verdict=row.verdict, text=text))
    return found


class _Own:
    """The rows of one arm on one data set's primary metric."""

    def __init__(self, answer: BenefitRow, metric: str, tables: BenefitTables) -> None:
        def own(rows: Sequence[AnyRow]) -> list[AnyRow]:
            return [row for row in rows if (row.dataset, row.arm, row.metric) == (answer.dataset, answer.arm, metric)]

        self.gains = own(tables.gains)
        self.efficiency = sorted(own(tables.data_efficiency), key=lambda row: row.budget)
        self.convergence = own(tables.convergence)
        self.robustness = own(tables.robustness)


def _at_top(rows: Sequence[AnyRow]) -> list[AnyRow]:
    return [row for row in rows if row.budget == max(each.budget for each in rows)]


def _text(answer: BenefitRow, own: _Own, beyond: Verdict | None, over_floor: Difference | None) -> str:
    if answer.verdict is Verdict.NOT_MEASURED:
        return _nothing(answer)
    if answer.benefit is Benefit.PERFORMANCE:
        return _performance(_at_top([row for row in own.gains if row.split == TEST])[0], over_floor)
    if answer.benefit is Benefit.DATA_EFFICIENCY:
        return _labels(own.efficiency)
    if answer.benefit is Benefit.CONVERGENCE:
        return _speed(_at_top([row for row in own.convergence if row.unit == "steps"])[0])
    return _away(own, beyond)


def _nothing(answer: BenefitRow) -> str:
    if not answer.arm:
        return f"no arm beside {REFERENCE}"
    if answer.benefit is Benefit.ROBUSTNESS:
        return "no test set of another domain, no noisy text"
    return f"no seed of {answer.arm} and {REFERENCE} has finished with the same labels"


def _performance(row: GainRow, over_floor: Difference | None) -> str:
    """Write `83.8 to 91.9 %; over tfidf +6.9 points (95 %: +5.1 to +8.6)`: the answer has the gain over scratch in full."""
    text = words.from_to(1 - row.reference_error, 1 - row.error)
    if over_floor is None:
        return f"{text}, {words.points(row.estimate)}{_in_brackets(row)}"
    return f"{text}; over {over_floor.against} {words.points(over_floor.estimate)}{_in_brackets(over_floor)}"


def gain(row: GainRow) -> str:
    """Write `83.8 to 91.9 %, +8.1 points (95 %: +6.8 to +9.4)`."""
    moved = words.from_to(1 - row.reference_error, 1 - row.error)
    return f"{moved}, {words.points(row.estimate)}{_in_brackets(row)}"


def _in_brackets(row: GainRow | MeasureRow | Difference) -> str:
    if hidden(row):
        return f" ({words.seeds(row.n_seeds)}, too few for an interval)"
    interval = words.interval(row.low, row.high)
    return f" ({interval})" if interval else ""


def hidden(row: GainRow | MeasureRow | Difference) -> bool:
    """Tell whether a figure rests on so few seeds, and is so open, that its interval would say nothing."""
    return row.n_seeds < 3 and row.verdict is Verdict.INCONCLUSIVE


def _labels(rows: Sequence[EfficiencyRow]) -> str:
    multiples = [row for row in rows if row.measure is Measure.MULTIPLIER]
    savings = [row for row in rows if row.measure is Measure.LABEL_SAVING and row.estimate is not None]
    if not savings:
        return f"{_multiple(multiples[0])}; a curve takes more than one number of labels"
    row = savings[0]
    clear = [multiple for multiple in multiples if multiple.verdict is Verdict.SUPPORTED]
    if row.verdict is Verdict.INCONCLUSIVE and clear:
        return f"open with all labels; {_multiple(clear[0])}"
    return f"open: {_share_saved(row)}" if row.verdict is Verdict.INCONCLUSIVE else _saving(row)


def _saving(row: EfficiencyRow) -> str:
    """Write `96 labels do what 1,400 do from scratch, 93 % saved (95 %: 90 % to more than 94 %)`."""
    assert row.estimate is not None
    top, needed = f"{row.n_max:,}", words.number((1 - row.estimate) * row.n_max)
    if row.censored is Censored.BELOW:
        return f"more than {top} labels for what {REFERENCE} does with {top}"
    fewer, more = (" or fewer", " or more") if row.censored is Censored.ABOVE else ("", "")
    text = f"{needed} labels{fewer} do what {top} do from {REFERENCE}"
    if row.estimate < 0.005:
        return text
    open_ = row.low is None or row.low == row.high
    return f"{text}, {words.percent(row.estimate)}{more} saved" + ("" if open_ else f" ({_range(row)})")


def _share_saved(row: EfficiencyRow) -> str:
    """Say how much an undecided saving may be."""
    if row.low is None or hidden(row):
        return f"{words.seeds(row.n_seeds)}, too few for an interval"
    return f"from none to {_most(row)} of the labels saved (95 %)" if row.low <= 0 else f"saved are {_range(row)}"


def _range(row: EfficiencyRow) -> str:
    return f"95 %: {words.percent(row.low or 0.0)} to {_most(row)}"


def _most(row: EfficiencyRow) -> str:
    assert row.high is not None
    return f"more than {words.percent(row.high)}" if row.high_open else words.percent(row.high)


def _multiple(row: EfficiencyRow) -> str:
    if row.estimate is None:
        return "no seed finished with every number of labels"
    worth, budget = words.number(row.estimate * row.budget), f"{row.budget:,} labels"
    if row.censored is Censored.ABOVE:
        return f"{budget} do what more than {worth} do from {REFERENCE}"
    if row.censored is Censored.BELOW:
        return f"{budget} do what fewer than {worth} do from {REFERENCE}"
    return f"{budget} do what {worth} do from {REFERENCE} ({words.times(row.estimate)})"


def _speed(row: ConvergenceRow) -> str:
    if not row.times:
        return f"no speed to compare: neither {row.arm} nor {REFERENCE} rose on dev"
    mine, theirs = (_mean(times) for times in (row.times, row.times_reference))
    if not mine:
        return f"never at {REFERENCE}'s level in {words.number(max(row.horizons))} steps"
    if not theirs:
        return f"{mine} steps to a level that {REFERENCE} never held in {words.number(max(row.horizons_reference))}"
    if row.estimate is None:
        return f"{mine} steps, {REFERENCE} {theirs}; too coarse a measurement for a ratio"
    at = {Censored.ABOVE: "at least ", Censored.BELOW: "at most ", Censored.NO: ""}[row.censored]
    return f"{mine} steps instead of {theirs} ({at}{words.times(row.estimate)}{_ratio_interval(row)})"


def _ratio_interval(row: ConvergenceRow) -> str:
    if row.low is None or row.high is None or row.low_open or row.high_open or hidden(row):
        return ""
    return f", 95 %: {words.times(row.low)} to {words.times(row.high)}"


def _mean(times: Sequence[float | None]) -> str:
    known = [math.log(time) for time in times if time is not None]
    return words.number(math.exp(fmean(known))) if known else ""


def _away(own: _Own, beyond: Verdict | None) -> str:
    shifts = [row for row in _at_top(own.robustness) if row.measure is Measure.OOD_GAIN]
    if shifts:
        text = "; ".join(f"{row.split.title} {_on_shift(row, own.gains)}" for row in shifts)
        return f"{text}; {BEYOND[beyond]}" if beyond in BEYOND else text
    noisy = [row for row in _at_top(own.robustness) if row.measure is Measure.PERTURBATION_GAIN]
    worst = min(noisy, key=lambda row: row.estimate or 0.0)
    better = [row.verdict for row in noisy].count(Verdict.SUPPORTED)
    return f"better on {better} of {len(noisy)} noisy test sets; least on {worst.split.title}, {_points(worst)}"


def _on_shift(row: RobustnessRow, gains: Sequence[GainRow]) -> str:
    own = [each for each in gains if (each.split, each.budget) == (row.split, row.budget)]
    return gain(own[0]) if own else _points(row)


def _points(row: RobustnessRow) -> str:
    assert row.estimate is not None
    return words.points(row.estimate) + _in_brackets(row)
