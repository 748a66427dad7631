"""Label-equivalents, multipliers, label saving and the area between learning curves (docs/methods.md, data efficiency)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from transfergain.analysis import stats, words
from transfergain.analysis.gain import Cell
from transfergain.analysis.inversion import Inverse, invert
from transfergain.analysis.stats import Floats, Values
from transfergain.analysis.verdict import judge_ratio, judge_sign
from transfergain.analysis.view import Row, View, common

SPLIT = "test"
Settled = Callable[[str], tuple[str, str]]
"""The word of an interval -> (verdict, clause for its sentence): `View.settled` for given cells."""


def rows(view: View) -> list[Row]:
    """All rows of one data set."""
    found: list[Row] = []
    for cells in view.treated.values():
        for cell in cells.values():
            found += _equivalents(view, cell)
        if view.reference:
            found += _whole_curves(view, cells)
    return found


def _equivalents(view: View, cell: Cell) -> list[Row]:
    """`label_equivalent` and `multiplier` of an arm at one budget."""
    if not view.reference:
        return []
    curve = list(view.reference.values())
    seeds, n, n_max = common([cell, *curve]), cell.budget, curve[-1].budget
    base = {"n_max": n_max, "n_seeds": len(seeds)}
    problem = _undefined(view, curve, seeds)
    if problem:
        sentence = (
            f"{view.dataset}: the labels that scratch needs for what {cell.arm} does with {n:,} are undefined: {problem}."
        )
        more = base | {"verdict": "inconclusive", "sentence": sentence}
        return [view.row(measure, cell, SPLIT, **more) for measure in ("label_equivalent", "multiplier")]
    budgets = [c.budget for c in curve]
    found = invert(
        view.values(cell, SPLIT, seeds), [view.values(c, SPLIT, seeds) for c in curve], [math.log(b) for b in budgets]
    )
    labels, ratio = _scaled(found, budgets, 1.0), _scaled(found, budgets, float(n))
    word = judge_ratio(ratio["low"], ratio["high"], ratio["low_open"], ratio["high_open"])
    verdict, still = view.settled(word, [cell], [c for c in curve if c.budget >= n], seeds)
    sentence = f"{_sentence(view, cell, labels, ratio, budgets)}: {verdict}{still}."
    return [
        view.row(measure, cell, SPLIT, **base | part | {"verdict": verdict, "sentence": sentence})
        for measure, part in (("label_equivalent", labels), ("multiplier", ratio))
    ]


def _undefined(view: View, curve: Sequence[Cell], seeds: Sequence[int]) -> str:
    """Why scratch's curve cannot be inverted; empty where it can."""
    if not seeds:
        return "no seed finished at every budget"
    top = view.values(curve[-1], SPLIT, seeds)
    result = stats.interval(*top, level=0.9)  # one-sided at 5 %, as a speed-up asks it
    above = result.estimate if result.low is None else result.low
    if above <= view.chance:
        return f"scratch does not clearly beat chance ({view.chance:.3f}) with all {curve[-1].budget:,} labels"
    return ""


def _at(x: float, budgets: Sequence[int]) -> float:
    """exp(x), and exactly the budget where x is the logarithm of one."""
    return float(next((b for b in budgets if abs(math.log(b) - x) < 1e-9), math.exp(x)))


def _scaled(found: Inverse, budgets: Sequence[int], by: float) -> Row:
    """An inverse over log budgets as labels, divided by `by`."""
    low, high = (None if end is None else _at(end, budgets) / by for end in (found.low, found.high))
    return {
        "estimate": _at(found.estimate, budgets) / by,
        "censored": found.censored,
        "low": low,
        "high": high,
        "low_open": found.low_open,
        "high_open": found.high_open,
    }


def _sentence(view: View, cell: Cell, labels: Row, ratio: Row, budgets: Sequence[int]) -> str:
    does = f"{view.dataset}: {cell.budget:,} labels with {cell.arm} do what"
    if labels["censored"] == "above":
        does += f" more than {budgets[-1]:,} do without (more than {words.times(ratio['estimate'])}"
    elif labels["censored"] == "below":
        does += f" fewer than {budgets[0]:,} do without (less than {words.times(ratio['estimate'])}"
    else:
        does += f" {words.number(labels['estimate'])} do without ({words.times(ratio['estimate'])}"
    does += f", {words.measured_interval(ratio['low'], ratio['high'], ratio['low_open'], ratio['high_open'])})"
    if len(budgets) == 1:
        does += "; one budget gives no learning curve to read labels from"
    return does


def _whole_curves(view: View, cells: Mapping[int, Cell]) -> list[Row]:
    """`label_saving` and `area`, from the arm's curve and the reference's over the budgets that both have."""
    budgets = [b for b in cells if b in view.reference]
    if not budgets:
        return []
    mine, theirs = [cells[b] for b in budgets], [view.reference[b] for b in budgets]
    seeds, top = common([*mine, *theirs]), mine[-1]
    base = {"n_max": budgets[-1], "n_seeds": len(seeds)}
    if len(budgets) < 2 or not seeds:
        why = "one budget is no curve" if len(budgets) < 2 else "no seed finished at every budget"
        named = {"label_saving": "label saving", "area": "area between the learning curves"}
        return [
            view.row(m, top, SPLIT, **base, verdict="inconclusive",
                     sentence=f"{view.dataset}: the {what} of {top.arm} is undefined: {why}.")
            for m, what in named.items()
        ]  # fmt: skip
    curves = [[view.values(c, SPLIT, seeds) for c in part] for part in (mine, theirs)]
    return [
        _saving(view, top, budgets, curves, base, lambda word: view.settled(word, mine, theirs[-1:], seeds)),
        _area(view, top, budgets, curves, base, lambda word: view.settled(word, mine, theirs, seeds)),
    ]


def _saving(
    view: View, top: Cell, budgets: Sequence[int], curves: Sequence[Sequence[Values]], base: Row, settled: Settled
) -> Row:
    """The share of labels saved at scratch's own score with all of them: the arm's curve, inverted there."""
    found = invert(curves[1][-1], curves[0], [math.log(b) for b in budgets])
    part = _scaled(found, budgets, float(budgets[-1]))
    swap = {"above": "below", "below": "above", "": ""}
    saving = {
        "estimate": 1 - part["estimate"],
        "censored": swap[part["censored"]],
        "low": None if part["high"] is None else 1 - part["high"],
        "high": None if part["low"] is None else 1 - part["low"],
        "low_open": part["high_open"],
        "high_open": part["low_open"],
    }
    verdict, still = settled(_saving_verdict(saving))
    needs = _at(found.estimate, budgets)
    amount = {"above": f"fewer than {needs:,.0f}", "below": f"more than {needs:,.0f}", "": words.number(needs)}
    sentence = (
        f"{view.dataset}: {top.arm} needs {amount[saving['censored']]} labels for scratch's score with {budgets[-1]:,}"
    )
    if saving["low"] is None:
        sentence += f" ({words.measured_interval(None, None, False, False)})"
    else:
        left, right = (f"{100 * saving[end]:.0f} %" for end in ("low", "high"))
        left = f"less than {left}" if saving["low_open"] else left
        right = f"more than {right}" if saving["high_open"] else right
        sentence += f", a saving of {100 * saving['estimate']:.0f} %{' or more' if saving['censored'] == 'above' else ''}"
        sentence += f" ({words.LEVEL} {left} to {right})"
    return view.row(
        "label_saving",
        top,
        SPLIT,
        **base | saving | {"verdict": verdict, "sentence": f"{sentence}: {verdict}{still}."},
    )


def _saving_verdict(saving: Row) -> str:
    """A saving is never below what the top budget allows, so its interval ends at 0, open, where there may be none."""
    if saving["low"] is None:
        return "inconclusive"
    if saving["low"] > 0 and not saving["low_open"]:
        return "supported"
    if saving["censored"] == "below" and saving["low"] == saving["high"] == 0:
        return "negative transfer"
    return "inconclusive"


def _weights(budgets: Sequence[int]) -> Floats:
    """Of the points of a curve in its mean height over log n, by the trapezoid rule."""
    x = np.log(np.array(budgets, dtype=np.float64))
    steps = np.diff(x)
    weights = np.zeros(len(x))
    weights[:-1] += steps / 2
    weights[1:] += steps / 2
    return np.asarray(weights / (x[-1] - x[0]))


def _area(
    view: View, top: Cell, budgets: Sequence[int], curves: Sequence[Sequence[Values]], base: Row, settled: Settled
) -> Row:
    parts = [mine.minus(theirs) for mine, theirs in zip(*curves, strict=True)]
    weights = _weights(budgets)
    result = stats.interval(
        np.sum([w * part.scores for w, part in zip(weights, parts, strict=True)], axis=0),
        np.sum([w * part.values for w, part in zip(weights, parts, strict=True)], axis=0),
    )
    verdict, still = settled(judge_sign(result.low, result.high))
    sentence = (
        f"{view.dataset}: between {budgets[0]:,} and {budgets[-1]:,} labels the learning curve of {top.arm} differs "
        f"from scratch's by {words.signed(result.estimate, result.low, result.high)} on average: {verdict}{still}."
    )
    return view.row(
        "area", top, SPLIT, **base, estimate=result.estimate, low=result.low, high=result.high,
        verdict=verdict, sentence=sentence,
    )  # fmt: skip
