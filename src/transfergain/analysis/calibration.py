"""How far stated confidence can be believed, at home and under shift, raw and temperature-scaled (docs/methods.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.analysis import stats, words
from transfergain.analysis.gain import Cell
from transfergain.analysis.stats import Floats, Values
from transfergain.analysis.view import Row, View
from transfergain.arms import REFERENCE
from transfergain.metrics.calibration import BINS, place, reliability
from transfergain.types import CALIBRATION

CONFIDENCE, SCALED, BRIER, BRIER_SCALED, HIT = range(len(CALIBRATION))


class Measure(NamedTuple):
    """One figure of calibration: lower is better."""

    title: str
    values: Callable[[NDArray[Any], int], Floats]
    """(cases (N, 5), column) -> one value a case (N,), whose mean is the figure."""
    column: int


def _signed_errors(cases: NDArray[Any], column: int) -> Floats:
    """Confidence - hit, with the sign of its sum in the case's bin: their mean is the expected calibration error.

    They are its influence values (the infinitesimal jackknife). Leaving cases out one at a time will not do: where a bin's
    sum is near 0, its absolute value has a kink, and a pseudo-value is N times that.
    """
    where, error = place(cases[:, column]), cases[:, column].astype(np.float64) - cases[:, HIT]
    return np.asarray(np.sign(np.bincount(where, weights=error, minlength=BINS))[where] * error)


def _as_they_are(cases: NDArray[Any], column: int) -> Floats:
    return cases[:, column].astype(np.float64)


MEASURES: dict[str, Measure] = {
    "ece": Measure("calibration error", _signed_errors, CONFIDENCE),
    "ece_scaled": Measure("temperature-scaled calibration error", _signed_errors, SCALED),
    "brier": Measure("Brier score", _as_they_are, BRIER),
    "brier_scaled": Measure("temperature-scaled Brier score", _as_they_are, BRIER_SCALED),
}


def rows(view: View) -> list[Row]:
    """Every arm, the reference too, at every budget, on the test set and on shifts, where probabilities were kept."""
    found = []
    for cells in view.cells.values():
        for cell in cells.values():
            for split in cell.splits():
                if split == "test" or split.startswith("shift:"):
                    found += [_row(view, cell, split, name) for name in MEASURES if _seeds([cell], split)]
    return found


def _seeds(cells: Sequence[Cell], split: str) -> list[int]:
    """The seeds with at least two cases on the split in every cell, as many in each."""
    sets = []
    for cell in cells:
        known = {r: o.evaluated[split].calibration for r, o in cell.outcomes.items() if split in o.evaluated}
        sets.append({(r, len(cases)) for r, cases in known.items() if cases is not None and len(cases) > 1})
    shared = set.intersection(*sets)
    sizes = [n for _, n in shared]
    usual = max(set(sizes), key=sizes.count, default=0)
    return sorted(r for r, n in shared if n == usual)


def _values(cell: Cell, split: str, seeds: Sequence[int], measure: Measure) -> Values:
    values = np.stack([measure.values(_cases(cell, split, r), measure.column) for r in seeds])
    return Values(values.mean(axis=1), values)


def _cases(cell: Cell, split: str, seed: int) -> NDArray[Any]:
    cases = cell.outcomes[seed].evaluated[split].calibration
    assert cases is not None
    return cases


def _row(view: View, cell: Cell, split: str, name: str) -> Row:
    """The arm's own figure with its interval, and `difference` to the reference's, paired; below 0 is better."""
    measure, seeds = MEASURES[name], _seeds([cell], split)
    own = stats.interval(*_values(cell, split, seeds, measure))
    bins: list[list[float]] = []
    if measure.values is _signed_errors:
        cases = np.concatenate([_cases(cell, split, r) for r in seeds])
        bins = reliability(cases[:, measure.column], cases[:, HIT]).tolist()
    where = words.split_name(split)
    text = f"{view.dataset}: the {measure.title} of {cell.arm} with {cell.budget:,} labels is "
    text += f"{words.plain(own.estimate, own.low, own.high)} on {where}"
    more: Row = {"difference": None, "difference_low": None, "difference_high": None, "reference": ""}
    reference = view.reference.get(cell.budget)
    paired = _seeds([cell, reference], split) if reference and cell.arm != REFERENCE else []
    if reference and paired:
        mine, theirs = (_values(c, split, paired, measure) for c in (cell, reference))
        against = stats.interval(*mine.minus(theirs))
        word = _word(against)
        more = {"difference": against.estimate, "difference_low": against.low, "difference_high": against.high,
                "verdict": word, "reference": REFERENCE}  # fmt: skip
        said = {"supported": "better", "negative transfer": "worse"}.get(word, "no clear difference")
        text += f", {words.signed(against.estimate, against.low, against.high)} against {REFERENCE}: {said}"
    known = {"bins": bins, "n_seeds": len(seeds), "estimate": own.estimate, "low": own.low, "high": own.high}
    return view.row(name, cell, split, **known | more, sentence=f"{text}.")


def _word(against: stats.Estimate) -> str:
    if against.low is None or against.high is None:
        return "inconclusive"
    return "supported" if against.high < 0 else "negative transfer" if against.low > 0 else "inconclusive"
