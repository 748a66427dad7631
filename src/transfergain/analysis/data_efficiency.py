"""Measure label-equivalents, multipliers, label saving and the area between learning curves (docs/methods.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from transfergain.analysis import stats, words
from transfergain.analysis.gain import Cell
from transfergain.analysis.inversion import Inverse, invert
from transfergain.analysis.rows import Censored, EfficiencyRow, Measure, Verdict
from transfergain.analysis.stats import Floats, Values
from transfergain.analysis.trials import DatasetTrials, common
from transfergain.analysis.verdict import judge_ratio, judge_sign
from transfergain.arms import REFERENCE
from transfergain.split import TEST

OPPOSITE = {Censored.ABOVE: Censored.BELOW, Censored.BELOW: Censored.ABOVE, Censored.NO: Censored.NO}


def rows(trials: DatasetTrials) -> list[EfficiencyRow]:
    """Measure one data set."""
    found: list[EfficiencyRow] = []
    if trials.reference:
        for cells in trials.treated.values():
            for cell in cells.values():
                found += _equivalents(trials, cell)
            found += _whole_curves(trials, cells)
    return found


def _equivalents(trials: DatasetTrials, cell: Cell) -> list[EfficiencyRow]:
    """Measure `label_equivalent` and `multiplier` of an arm at one budget."""
    curve = list(trials.reference.values())
    seeds, n, budgets = common([cell, *curve]), cell.budget, [c.budget for c in curve]
    problem = _undefined(trials, curve, seeds)
    if problem:
        does = f"the labels that scratch needs for what {cell.arm} does with {n:,}"
        sentence = f"{trials.dataset}: {does} are undefined: {problem}."
        return [
            replace(_blank(trials, cell, measure, budgets[-1], len(seeds)), sentence=sentence)
            for measure in (Measure.LABEL_EQUIVALENT, Measure.MULTIPLIER)
        ]
    found = invert(
        trials.values(cell, TEST, seeds), [trials.values(c, TEST, seeds) for c in curve], [math.log(b) for b in budgets]
    )
    labels, ratio = _scaled(found, budgets, 1.0), _scaled(found, budgets, float(n))
    verdict = judge_ratio(ratio.low, ratio.high, ratio.low_open, ratio.high_open)
    verdict, still = trials.settled(verdict, [cell], [c for c in curve if c.budget >= n], seeds)
    sentence = f"{_sentence(trials, cell, labels, ratio, budgets)}: {verdict}{still}."
    return [
        _filled(_blank(trials, cell, measure, budgets[-1], len(seeds)), figure, verdict, sentence)
        for measure, figure in ((Measure.LABEL_EQUIVALENT, labels), (Measure.MULTIPLIER, ratio))
    ]


def _blank(trials: DatasetTrials, cell: Cell, measure: Measure, n_max: int, n_seeds: int) -> EfficiencyRow:
    """Begin a row: inconclusive as long as it has no figure."""
    place = trials.place(cell, TEST)
    about = EfficiencyRow(**place, measure=measure, reference=REFERENCE, n_max=n_max, n_seeds=n_seeds)
    return replace(about, verdict=Verdict.INCONCLUSIVE)


def _filled(row: EfficiencyRow, figure: Inverse, verdict: Verdict, sentence: str) -> EfficiencyRow:
    """Put a figure in its row."""
    return replace(row, **figure._asdict(), verdict=verdict, sentence=sentence)


def _undefined(trials: DatasetTrials, curve: Sequence[Cell], seeds: Sequence[int]) -> str:
    """Say why scratch's curve cannot be inverted; empty where it can."""
    if not seeds:
        return "no seed finished at every budget"
    top = trials.values(curve[-1], TEST, seeds)
    result = stats.interval(*top, level=0.9)  # one-sided at 5 %, as a speed-up asks it
    above = result.estimate if result.low is None else result.low
    if above <= trials.chance:
        return f"scratch does not clearly beat chance ({trials.chance:.3f}) with all {curve[-1].budget:,} labels"
    return ""


def _at(x: float, budgets: Sequence[int]) -> float:
    """Return exp(x), and exactly the budget where x is the logarithm of one."""
    return float(next((b for b in budgets if abs(math.log(b) - x) < 1e-9), math.exp(x)))


def _scaled(found: Inverse, budgets: Sequence[int], by: float) -> Inverse:
    """Turn an inverse over log budgets into labels, divided by `by`."""
    low, high = (None if end is None else _at(end, budgets) / by for end in (found.low, found.high))
    return found._replace(estimate=_at(found.estimate, budgets) / by, low=low, high=high)


def _sentence(trials: DatasetTrials, cell: Cell, labels: Inverse, ratio: Inverse, budgets: Sequence[int]) -> str:
    does = f"{trials.dataset}: {cell.budget:,} labels with {cell.arm} do what"
    if labels.censored is Censored.ABOVE:
        does += f" more than {budgets[-1]:,} do without (more than {words.times(ratio.estimate)}"
    elif labels.censored is Censored.BELOW:
        does += f" fewer than {budgets[0]:,} do without (less than {words.times(ratio.estimate)}"
    else:
        does += f" {words.number(labels.estimate)} do without ({words.times(ratio.estimate)}"
    does += f", {words.measured_interval(ratio.low, ratio.high, ratio.low_open, ratio.high_open)})"
    if len(budgets) == 1:
        does += "; one budget gives no learning curve to read labels from"
    return does


@dataclass(frozen=True)
class _Curves:
    """The learning curves of an arm and of scratch over the budgets that both have."""

    trials: DatasetTrials
    mine: Sequence[Cell]
    theirs: Sequence[Cell]
    seeds: Sequence[int]

    @property
    def budgets(self) -> list[int]:
        return [cell.budget for cell in self.mine]

    def values(self, cells: Sequence[Cell]) -> list[Values]:
        return [self.trials.values(cell, TEST, self.seeds) for cell in cells]

    def row(self, measure: Measure) -> EfficiencyRow:
        top = self.mine[-1]
        return _blank(self.trials, top, measure, top.budget, len(self.seeds))


def _whole_curves(trials: DatasetTrials, cells: Mapping[int, Cell]) -> list[EfficiencyRow]:
    """Measure `label_saving` and `area`."""
    budgets = [b for b in cells if b in trials.reference]
    if not budgets:
        return []
    mine, theirs = [cells[b] for b in budgets], [trials.reference[b] for b in budgets]
    curves = _Curves(trials, mine, theirs, common([*mine, *theirs]))
    if len(budgets) > 1 and curves.seeds:
        return [_saving(curves), _area(curves)]
    why = "one budget is no curve" if len(budgets) < 2 else "no seed finished at every budget"
    named = {Measure.LABEL_SAVING: "label saving", Measure.AREA: "area between the learning curves"}
    return [
        replace(curves.row(measure), sentence=f"{trials.dataset}: the {name} of {mine[-1].arm} is undefined: {why}.")
        for measure, name in named.items()
    ]


def _saving(curves: _Curves) -> EfficiencyRow:
    """Measure the share of labels saved at scratch's own score with all of them: the arm's curve, inverted there."""
    budgets, arm = curves.budgets, curves.mine[-1].arm
    found = invert(curves.values(curves.theirs)[-1], curves.values(curves.mine), [math.log(b) for b in budgets])
    needed = _scaled(found, budgets, float(budgets[-1]))
    saving = Inverse(
        estimate=1 - needed.estimate,
        censored=OPPOSITE[needed.censored],
        low=None if needed.high is None else 1 - needed.high,
        high=None if needed.low is None else 1 - needed.low,
        low_open=needed.high_open,
        high_open=needed.low_open,
    )
    verdict, still = curves.trials.settled(_judge_saving(saving), curves.mine, curves.theirs[-1:], curves.seeds)
    labels = _at(found.estimate, budgets)
    amount = {
        Censored.ABOVE: f"fewer than {labels:,.0f}",
        Censored.BELOW: f"more than {labels:,.0f}",
        Censored.NO: words.number(labels),
    }[saving.censored]
    sentence = f"{curves.trials.dataset}: {arm} needs {amount} labels for scratch's score with {budgets[-1]:,}"
    return _filled(curves.row(Measure.LABEL_SAVING), saving, verdict, f"{sentence}{_saved(saving)}: {verdict}{still}.")


def _saved(saving: Inverse) -> str:
    """`, a saving of 75 % (95 % interval 60 % to more than 80 %)`."""
    if saving.low is None or saving.high is None:
        return f" ({words.measured_interval(None, None, False, False)})"
    left, right = f"{100 * saving.low:.0f} %", f"{100 * saving.high:.0f} %"
    left = f"less than {left}" if saving.low_open else left
    right = f"more than {right}" if saving.high_open else right
    more = " or more" if saving.censored is Censored.ABOVE else ""
    return f", a saving of {100 * saving.estimate:.0f} %{more} ({words.LEVEL} {left} to {right})"


def _judge_saving(saving: Inverse) -> Verdict:
    """Judge a saving. It is never below what the top budget allows, so its interval ends at 0, open, where there may be
    none.
    """
    if saving.low is None:
        return Verdict.INCONCLUSIVE
    if saving.low > 0 and not saving.low_open:
        return Verdict.SUPPORTED
    if saving.censored is Censored.BELOW and saving.low == saving.high == 0:
        return Verdict.NEGATIVE_TRANSFER
    return Verdict.INCONCLUSIVE


def _weights(budgets: Sequence[int]) -> Floats:
    """Weigh the points of a curve in its mean height over log n, by the trapezoid rule."""
    x = np.log(np.array(budgets, dtype=np.float64))
    steps = np.diff(x)
    weights = np.zeros(len(x))
    weights[:-1] += steps / 2
    weights[1:] += steps / 2
    return np.asarray(weights / (x[-1] - x[0]))


def _area(curves: _Curves) -> EfficiencyRow:
    """Measure the mean height of the arm's learning curve over scratch's."""
    budgets, pairs = curves.budgets, zip(curves.values(curves.mine), curves.values(curves.theirs), strict=True)
    parts, weights = [mine.minus(theirs) for mine, theirs in pairs], _weights(budgets)
    result = stats.interval(
        np.sum([w * part.scores for w, part in zip(weights, parts, strict=True)], axis=0),
        np.sum([w * part.values for w, part in zip(weights, parts, strict=True)], axis=0),
    )
    verdict, still = curves.trials.settled(judge_sign(result.low, result.high), curves.mine, curves.theirs, curves.seeds)
    sentence = (
        f"{curves.trials.dataset}: between {budgets[0]:,} and {budgets[-1]:,} labels the learning curve of "
        f"{curves.mine[-1].arm} differs from scratch's by {words.signed(result.estimate, result.low, result.high)} on "
        f"average: {verdict}{still}."
    )
    figure = Inverse(result.estimate, Censored.NO, result.low, result.high, False, False)
    return _filled(curves.row(Measure.AREA), figure, verdict, sentence)
