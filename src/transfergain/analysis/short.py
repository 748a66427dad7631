"""Say each benefit in one short line, from the rows that answer it; scores in per cent, gains in points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from transfergain.analysis import words
from transfergain.analysis.benefits import nothing
from transfergain.analysis.candidates import Difference
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.last_labels import LastLabelsRow
from transfergain.analysis.leading import BenefitTables, Leading
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
    Verdict,
)
from transfergain.analysis.summary import BenefitLine
from transfergain.arms import REFERENCE
from transfergain.counts import counted

Figure = GainRow | MeasureRow | Difference | LastLabelsRow
UNLEARNED = {
    Benefit.DATA_EFFICIENCY: "no score that fewer labels could match",
    Benefit.CONVERGENCE: "no level to reach sooner",
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
    answers: Sequence[BenefitRow],
    tables: BenefitTables,
    entry: DatasetEntry,
    doubt: str,
    over_floor: Difference | None,
) -> list[BenefitLine]:
    """Shorten the answers of one data set; *robustness beyond accuracy* goes into the line of robustness.

    `doubt` says where scratch stands that was not clearly above chance in most seeds; empty where it was.
    """
    beyond = next((row.verdict for row in answers if row.benefit is Benefit.BEYOND_ACCURACY), None)
    found = []
    for row in answers:
        if row.benefit is Benefit.BEYOND_ACCURACY:
            continue
        measured = row.verdict is not Verdict.NOT_MEASURED
        if doubt and row.benefit in UNLEARNED and measured:
            text = f"{doubt}: {UNLEARNED[row.benefit]}"
            found.append(BenefitLine(benefit=row.benefit, verdict=Verdict.NOT_MEASURED, text=text))
            continue
        own = Leading.of(tables, row.dataset, row.arm, entry.metric)
        text = nothing(row.benefit, row.arm, entry.reference, own.gain is not None)
        if measured:
            text = "; ".join(filter(None, [_text(row.benefit, own, beyond, over_floor), doubt]))
        found.append(BenefitLine(benefit=row.benefit, verdict=row.verdict, text=text))
    return found


def _text(benefit: Benefit, own: Leading, beyond: Verdict | None, over_floor: Difference | None) -> str:
    if benefit is Benefit.PERFORMANCE:
        return _performance(own.on_test[-1], over_floor)
    if benefit is Benefit.DATA_EFFICIENCY:
        return _labels(own)
    if benefit is Benefit.CONVERGENCE:
        assert own.speed is not None, "what was measured has a row"
        return _speed(own.speed)
    return _away(own, beyond)


def _performance(row: GainRow, over_floor: Difference | None) -> str:
    """Write `83.8 to 91.9 %; over tfidf +6.9 points (95 %: +5.1 to +8.6)`: the answer has the gain over scratch in full."""
    if over_floor is None or row.reference == over_floor.against:
        return gain(row)
    text = words.from_to(1 - row.reference_error, 1 - row.error)
    return f"{text}; over {over_floor.against} {words.points(over_floor.estimate)}{in_brackets(over_floor)}"


def gain(row: GainRow) -> str:
    """Write `83.8 to 91.9 %, +8.1 points (95 %: +6.8 to +9.4)`; over a floor `91.9 %, tfidf 85.0 %, +6.9 points (...)`."""
    moved = words.from_to(1 - row.reference_error, 1 - row.error)
    if row.reference != REFERENCE:
        moved = f"{words.score(1 - row.error)}, {row.reference} {words.score(1 - row.reference_error)}"
    return f"{moved}, {words.points(row.estimate)}{in_brackets(row)}"


def beside(row: GainRow) -> str:
    """Say how an arm does against predictions that files give: `Full at 91.9 % is 3.1 points better than gpt at 88.8 %.`"""
    by = f"{words.in_percent(abs(row.estimate))} points {'better' if row.estimate >= 0 else 'worse'}"
    theirs = f"{row.reference} at {words.score(1 - row.reference_error)}"
    return f"{row.arm.capitalize()} at {words.score(1 - row.error)} is {by} than {theirs}{in_brackets(row)}."


def in_brackets(row: Figure) -> str:
    """Write ` (95 %: +6.8 to +9.4)`, with a space before it, or that there are too few seeds for it."""
    if hidden(row):
        return f" ({words.seeds(row.n_seeds)}, too few for an interval)"
    interval = words.interval(row.low, row.high)
    return f" ({interval})" if interval else ""


def hidden(row: Figure) -> bool:
    """Tell whether a figure rests on so few seeds, and is so open, that its interval would say nothing."""
    return row.n_seeds < 3 and row.verdict is Verdict.INCONCLUSIVE


def _labels(own: Leading) -> str:
    row = own.saving
    if row is None:
        only = own.multiples[0]
        does = "open" if only.verdict is Verdict.INCONCLUSIVE else _multiple(only)
        return f"{does}; a curve takes more than one number of labels"
    clear = [multiple for multiple in own.multiples if multiple.verdict is Verdict.SUPPORTED]
    if row.verdict in (Verdict.INCONCLUSIVE, Verdict.NOT_SUPPORTED) and clear:
        with_all = "open" if row.verdict is Verdict.INCONCLUSIVE else "none saved"
        return f"{with_all} with all labels; {_multiple(clear[0])}"
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
    open_ = row.low is None or row.high is None or row.low == row.high
    return f"{text}, {words.percent(row.estimate)}{more} saved" + ("" if open_ else f" ({_range(row)})")


def _share_saved(row: EfficiencyRow) -> str:
    """Say how much an undecided saving may be."""
    if row.low is None or row.high is None or hidden(row):
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
        return f"no speed to compare: {row.arm} and {REFERENCE} rose on dev too little, or too late, to tell a level"
    mine, theirs = (_mean(times) for times in (row.times, row.times_reference))
    if not mine:
        return f"never at {REFERENCE}'s level in {words.of_unit(_mean(row.horizons), 'steps')}"
    if not theirs:
        return f"{words.of_unit(mine, 'steps')} to a level that {REFERENCE} never held in {_mean(row.horizons_reference)}"
    if row.estimate is None:
        return f"{words.of_unit(mine, 'steps')}, {REFERENCE} {theirs}; too coarse a measurement for a ratio"
    at = {Censored.ABOVE: "at least ", Censored.BELOW: "at most ", Censored.NO: ""}[row.censored]
    ratio = f"{at}{words.times(row.estimate)}{_ratio_interval(row)}"
    return f"{words.of_unit(mine, 'steps')} instead of {theirs} ({ratio}){_reached(row)}"


def _reached(row: ConvergenceRow) -> str:
    """Say how many seeds got there, where not all did: the ratio counts the others as later than they were watched."""
    counts = [sum(time is not None for time in times) for times in (row.times, row.times_reference)]
    if counts == [row.n_seeds] * 2:
        return ""
    return f"; reached in {counts[0]} of {words.seeds(row.n_seeds)}, by {REFERENCE} in {counts[1]}"


def _ratio_interval(row: ConvergenceRow) -> str:
    if row.low is None or row.high is None or row.low_open or row.high_open or hidden(row):
        return ""
    return f", 95 %: {words.times(row.low)} to {words.times(row.high)}"


def _mean(times: Sequence[float | None]) -> str:
    known = [math.log(time) for time in times if time is not None]
    return words.number(math.exp(fmean(known))) if known else ""


def _away(own: Leading, beyond: Verdict | None) -> str:
    first = own.away[0]
    if first.measure is Measure.OOD_GAIN:
        text = "; ".join(f"{row.split.title} {_on_shift(row, own.gains)}" for row in own.away)
        return f"{text}; {BEYOND[beyond]}" if beyond in BEYOND else text
    worst = min(own.away, key=lambda row: row.estimate or 0.0)
    better = [row.verdict for row in own.away].count(Verdict.SUPPORTED)
    return (
        f"better on {better} of {counted(len(own.away), 'noisy test set')}; least on {worst.split.title}, {_points(worst)}"
    )


def _on_shift(row: RobustnessRow, gains: Sequence[GainRow]) -> str:
    own = [each for each in gains if (each.split, each.budget) == (row.split, row.budget)]
    return gain(own[0]) if own else _points(row)


def _points(row: RobustnessRow) -> str:
    assert row.estimate is not None
    return words.points(row.estimate) + in_brackets(row)
