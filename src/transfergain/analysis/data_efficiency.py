"""Measure label-equivalents, multipliers, label saving and the area between learning curves (docs/methods.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from transfergain.analysis import stats, words
from transfergain.analysis.gain import Cell
from transfergain.analysis.inversion import Inverse, invert
from transfergain.analysis.look import Look, settled
from transfergain.analysis.rows import Censored, EfficiencyRow, Measure, Verdict
from transfergain.analysis.stats import Floats, Values
from transfergain.analysis.trials import DatasetTrials
from transfergain.analysis.verdict import RATIO_MARGIN, judge_ratio, judge_sign
from transfergain.arms import REFERENCE
from transfergain.split import TEST

NO_SEED = "no seed finished with every number of labels"
OPPOSITE = {Censored.ABOVE: Censored.BELOW, Censored.BELOW: Censored.ABOVE, Censored.NO: Censored.NO}


def rows(trials: DatasetTrials) -> list[EfficiencyRow]:
    """Measure one data set."""
    found: list[EfficiencyRow] = []
    if curve := list(trials.reference.values()):
        for cells in trials.treated.values():
            for cell in cells.values():
                measured = partial(_equivalents, trials, cell, curve)
                worth = settled(trials.look([cell, *curve]), measured, lambda units: units[0].verdict)
                found += worth
            found += _whole_curves(trials, cells)
    return found


def _equivalents(trials: DatasetTrials, cell: Cell, curve: Sequence[Cell], look: Look) -> list[EfficiencyRow]:
    """Measure `label_equivalent` and `multiplier` of an arm at one budget: one figure in two units, judged once."""
    n, budgets = cell.budget, [c.budget for c in curve]
    blank = [_blank(trials, cell, m, budgets[-1], look) for m in (Measure.LABEL_EQUIVALENT, Measure.MULTIPLIER)]
    if not look.seeds:
        sentence = f"{trials.dataset}: what {n:,} labels with {cell.arm} are worth is not known: {NO_SEED}."
        return [replace(row, sentence=sentence) for row in blank]
    found = invert(
        trials.values(cell, TEST, look.seeds),
        [trials.values(c, TEST, look.seeds) for c in curve],
        [math.log(b) for b in budgets],
        look.design,
    )
    labels, ratio = _scaled(found, budgets, 1.0), _scaled(found, budgets, float(n))
    verdict = judge_ratio(ratio.low, ratio.high, ratio.low_open, ratio.high_open, begun=look.begun)
    endless = trials.endless([cell], [c for c in curve if c.budget >= n], look)
    does = _sentence(cell, labels, ratio, budgets, look.clause)
    start = _from_chance(trials, curve[-1], look, does, verdict, f"{cell.arm} is not clearly better with {n:,}")
    return [
        _filled(replace(row, endless=endless), figure, verdict, start)
        for row, figure in zip(blank, (labels, ratio), strict=True)
    ]


def _blank(trials: DatasetTrials, cell: Cell, measure: Measure, n_max: int, look: Look) -> EfficiencyRow:
    """Begin a row: inconclusive as long as it has no figure."""
    place = trials.place(cell, TEST)
    about = EfficiencyRow(**place, measure=measure, reference=REFERENCE, n_max=n_max, n_seeds=len(look.seeds))
    return replace(about, verdict=Verdict.INCONCLUSIVE, level=look.level)


def _filled(row: EfficiencyRow, figure: Inverse, verdict: Verdict, start: str) -> EfficiencyRow:
    """Put a figure in its row; `start` is the sentence up to the verdict."""
    row = replace(row, **figure._asdict(), verdict=verdict)
    return replace(row, sentence=f"{row.dataset}: {start}: {verdict}{words.with_endless(row)}.")


def _from_chance(trials: DatasetTrials, top: Cell, look: Look, does: str, verdict: Verdict, no_better: str) -> str:
    """Begin a sentence with scratch at chance where most of its seeds are with all labels, as the answer tells it."""
    stuck = top.at_chance(trials.metric, trials.chance) & set(look.seeds)
    if 2 * len(stuck) <= len(look.seeds):
        return does
    start = f"{REFERENCE} is not clearly above chance with up to {top.budget:,} labels"
    if verdict is Verdict.SUPPORTED:
        return f"{start}; {does}"
    return f"{start}, and {no_better}"


def _at(x: float, budgets: Sequence[int]) -> float:
    """Return exp(x), and exactly the budget where x is the logarithm of one."""
    return float(next((b for b in budgets if abs(math.log(b) - x) < 1e-9), math.exp(x)))


def _scaled(found: Inverse, budgets: Sequence[int], by: float) -> Inverse:
    """Turn an inverse over log budgets into labels, divided by `by`."""
    low, high = (None if end is None else _at(end, budgets) / by for end in (found.low, found.high))
    return found._replace(estimate=_at(found.estimate, budgets) / by, low=low, high=high)


def _sentence(cell: Cell, labels: Inverse, ratio: Inverse, budgets: Sequence[int], over_looks: str) -> str:
    does = f"{cell.budget:,} labels with {cell.arm} do what"
    if len(budgets) == 1:
        many = "how many takes two numbers of labels or more (--budgets)"
        if labels.low_open and labels.high_open:
            return f"whether {cell.budget:,} labels with {cell.arm} do what more or fewer do without is open; {many}"
        as_many = {Censored.ABOVE: "more than ", Censored.BELOW: "fewer than ", Censored.NO: ""}[labels.censored]
        return f"{does} {as_many}{budgets[0]:,} do without; {many}"
    if labels.censored is Censored.ABOVE:
        does += f" more than {budgets[-1]:,} do without (more than {words.times(ratio.estimate)}"
    elif labels.censored is Censored.BELOW:
        does += f" fewer than {budgets[0]:,} do without (less than {words.times(ratio.estimate)}"
    else:
        does += f" {words.number(labels.estimate)} do without ({words.times(ratio.estimate)}"
    return does + f", {words.measured_interval(ratio.low, ratio.high, ratio.low_open, ratio.high_open)}{over_looks})"


@dataclass(frozen=True)
class _Curves:
    """The learning curves of an arm and of scratch over the budgets that both have."""

    trials: DatasetTrials
    mine: Sequence[Cell]
    theirs: Sequence[Cell]

    @property
    def budgets(self) -> list[int]:
        return [cell.budget for cell in self.mine]

    def values(self, cells: Sequence[Cell], look: Look) -> list[Values]:
        return [self.trials.values(cell, TEST, look.seeds) for cell in cells]

    def row(self, measure: Measure, look: Look) -> EfficiencyRow:
        top = self.mine[-1]
        return _blank(self.trials, top, measure, top.budget, look)


def _whole_curves(trials: DatasetTrials, cells: Mapping[int, Cell]) -> list[EfficiencyRow]:
    """Measure `label_saving`, which reads scratch at the largest budget alone, and `area`."""
    both = [b for b in cells if b in trials.reference]
    if not both:
        return []
    top, up_to = trials.reference[both[-1]], [cell for b, cell in cells.items() if b <= both[-1]]
    named = {
        Measure.LABEL_SAVING: ("label saving", _saving, _Curves(trials, up_to, [top])),
        Measure.AREA: (
            "area between the learning curves",
            _area,
            _Curves(trials, [cells[b] for b in both], [trials.reference[b] for b in both]),
        ),
    }
    found = []
    for measure, (name, measured, curves) in named.items():
        look = trials.look([*curves.mine, *curves.theirs])
        if len(curves.mine) > 1 and look.seeds:
            found.append(settled(look, partial(measured, curves, measure), lambda row: row.verdict))
        else:
            row = curves.row(measure, look)
            why = "it takes two numbers of labels or more (--budgets)" if len(curves.mine) < 2 else NO_SEED
            found.append(replace(row, sentence=f"{trials.dataset}: the {name} of {row.arm} is not known: {why}."))
    return found


def _saving(curves: _Curves, measure: Measure, look: Look) -> EfficiencyRow:
    """Measure the share of labels saved at scratch's own score with all of them: the arm's curve, inverted there."""
    row = curves.row(measure, look)
    budgets, theirs = curves.budgets, curves.theirs
    goal, mine = curves.values(theirs, look)[0], curves.values(curves.mine, look)
    found = invert(goal, mine, [math.log(b) for b in budgets], look.design)
    needed = _scaled(found, budgets, float(budgets[-1]))
    saving = Inverse(
        estimate=1 - needed.estimate,
        censored=OPPOSITE[needed.censored],
        low=None if needed.high is None else 1 - needed.high,
        high=None if needed.low is None else 1 - needed.low,
        low_open=needed.high_open,
        high_open=needed.low_open,
    )
    labels, top, verdict = words.number(_at(found.estimate, budgets)), f"{budgets[-1]:,}", _judge_saving(saving, look.begun)
    does = {
        Censored.ABOVE: f"{labels} labels or fewer with {row.arm} do what {top} do without",
        Censored.BELOW: f"{row.arm} needs more than {labels} labels for what {top} do without",
        Censored.NO: f"{labels} labels with {row.arm} do what {top} do without",
    }[saving.censored]
    does, no_better = does + _saved(saving, look.clause), f"{row.arm} is not clearly better with as many"
    start = _from_chance(curves.trials, theirs[0], look, does, verdict, no_better)
    row = replace(row, endless=curves.trials.endless(curves.mine, theirs, look))
    return _filled(row, saving, verdict, start)


def _saved(saving: Inverse, over_looks: str) -> str:
    """`, a saving of 75 % (95 % interval 60 % to more than 80 %)`."""
    interval = words.measured_interval(saving.low, saving.high, saving.low_open, saving.high_open, words.percent)
    if saving.censored is Censored.BELOW:
        return ""
    more = " or more" if saving.censored is Censored.ABOVE else ""
    return f", a saving of {words.percent(saving.estimate)}{more} ({interval}{over_looks})"


def _judge_saving(saving: Inverse, begun: bool) -> Verdict:
    """Judge a saving. It is never below what the top budget allows, so its interval ends at 0, open, where there may be
    none.
    """
    if saving.low is None or not begun:
        return Verdict.INCONCLUSIVE
    if saving.low > 0 and not saving.low_open:
        return Verdict.SUPPORTED
    if saving.censored is Censored.BELOW and saving.low == saving.high == 0:
        return Verdict.NEGATIVE_TRANSFER
    ruled_out = saving.high is not None and saving.high < 1 - 1 / RATIO_MARGIN and not saving.high_open
    return Verdict.NOT_SUPPORTED if ruled_out else Verdict.INCONCLUSIVE


def _weights(budgets: Sequence[int]) -> Floats:
    """Weigh the points of a curve in its mean height over log n, by the trapezoid rule."""
    x = np.log(np.array(budgets, dtype=np.float64))
    steps = np.diff(x)
    weights = np.zeros(len(x))
    weights[:-1] += steps / 2
    weights[1:] += steps / 2
    return np.asarray(weights / (x[-1] - x[0]))


def _area(curves: _Curves, measure: Measure, look: Look) -> EfficiencyRow:
    """Measure the mean height of the arm's learning curve over scratch's."""
    row = curves.row(measure, look)
    budgets, pairs = curves.budgets, zip(*(curves.values(c, look) for c in (curves.mine, curves.theirs)), strict=True)
    parts, weights = [mine.minus(theirs) for mine, theirs in pairs], _weights(budgets)
    scores, values = (
        np.sum([w * part[i] for w, part in zip(weights, parts, strict=True)], axis=0) for i in range(len(Values._fields))
    )
    under = sum(w * float(cell.scores.mean()) for w, cell in zip(weights, curves.values(curves.theirs, look), strict=True))
    result = stats.possible_gain(look.interval(Values(scores, values)), under)
    start = (
        f"between {budgets[0]:,} and {budgets[-1]:,} labels the gain of {row.arm} over {REFERENCE} is "
        f"{words.gained(result.estimate, result.low, result.high)} on average{look.clause}"
    )
    figure = Inverse(result.estimate, Censored.NO, result.low, result.high, False, False)
    row = replace(row, endless=curves.trials.endless(curves.mine, curves.theirs, look, result.estimate))
    return _filled(row, figure, judge_sign(result.low, result.high, begun=look.begun), start)
