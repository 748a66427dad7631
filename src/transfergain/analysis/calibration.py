"""Measure how far stated confidence can be believed, at home and away, raw and temperature-scaled (docs/methods.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.analysis import stats, words
from transfergain.analysis.gain import Cell
from transfergain.analysis.rows import CalibrationRow, GainRow, Measure, Verdict
from transfergain.analysis.stats import Estimate, Floats, Values
from transfergain.analysis.trials import DatasetTrials
from transfergain.arms import REFERENCE
from transfergain.metrics.calibration import CALIBRATION_BINS, place, reliability
from transfergain.outcome import CALIBRATION
from transfergain.split import TEST, Split

CONFIDENCE, SCALED, BRIER, BRIER_SCALED, HIT = range(len(CALIBRATION))


class Definition(NamedTuple):
    """How one figure of calibration is computed; lower is better."""

    title: str
    values: Callable[[NDArray[Any], int], Floats]
    """(cases (N, 5), column) -> one value a case (N,), whose mean is the figure."""
    column: int


def _signed_errors(cases: NDArray[Any], column: int) -> Floats:
    """Return confidence - hit, with the sign of its sum in the case's bin: their mean is the expected calibration error.

    They are its influence values (the infinitesimal jackknife). Leaving cases out one at a time will not do: where a bin's
    sum is near 0, its absolute value has a kink, and a pseudo-value is N times that.
    """
    where, error = place(cases[:, column]), cases[:, column].astype(np.float64) - cases[:, HIT]
    return np.asarray(np.sign(np.bincount(where, weights=error, minlength=CALIBRATION_BINS))[where] * error)


def _as_they_are(cases: NDArray[Any], column: int) -> Floats:
    return cases[:, column].astype(np.float64)


DEFINITIONS = {
    Measure.ECE: Definition("calibration error", _signed_errors, CONFIDENCE),
    Measure.ECE_SCALED: Definition("temperature-scaled calibration error", _signed_errors, SCALED),
    Measure.BRIER: Definition("Brier score", _as_they_are, BRIER),
    Measure.BRIER_SCALED: Definition("temperature-scaled Brier score", _as_they_are, BRIER_SCALED),
}


def rows(trials: DatasetTrials, gains: Sequence[GainRow]) -> list[CalibrationRow]:
    """Measure every arm, scratch too, at every budget, on natural splits whose probabilities were kept.

    `gains` tell at which budgets scratch learned: one that knows nothing is calibrated by saying so.
    """
    learned = {gain.budget for gain, _ in trials.repeated(gains) if gain.split == TEST and gain.reference_learned}
    return [
        _row(trials, cell, split, measure, cell.budget in learned)
        for cells in trials.cells.values()
        for cell in cells.values()
        for split in cell.splits()
        if split.natural and _seeds([cell], split)
        for measure in DEFINITIONS
    ]


def _seeds(cells: Sequence[Cell], split: Split) -> list[int]:
    """List the seeds with at least two cases on the split in every cell, as many in each."""
    sets = []
    for cell in cells:
        known = {r: o.evaluated[split].calibration for r, o in cell.outcomes.items() if split in o.evaluated}
        sets.append({(r, len(cases)) for r, cases in known.items() if cases is not None and len(cases) > 1})
    shared = set.intersection(*sets)
    sizes = [n for _, n in shared]
    usual = max(set(sizes), key=sizes.count, default=0)
    return sorted(r for r, n in shared if n == usual)


def _values(cell: Cell, split: Split, seeds: Sequence[int], definition: Definition) -> Values:
    values = np.stack([definition.values(_cases(cell, split, r), definition.column) for r in seeds])
    return Values(values.mean(axis=1), values)


def _cases(cell: Cell, split: Split, seed: int) -> NDArray[Any]:
    cases = cell.outcomes[seed].evaluated[split].calibration
    assert cases is not None
    return cases


def _row(trials: DatasetTrials, cell: Cell, split: Split, measure: Measure, learned: bool) -> CalibrationRow:
    """Measure the arm's own figure, and its difference to that of a scratch that learned, paired; below 0 is better."""
    definition, seeds = DEFINITIONS[measure], _seeds([cell], split)
    own = stats.of_score(_values(cell, split, seeds, definition))
    bins: list[list[float]] = []
    if definition.values is _signed_errors:
        cases = np.concatenate([_cases(cell, split, r) for r in seeds])
        bins = reliability(cases[:, definition.column], cases[:, HIT]).tolist()
    text = f"{trials.dataset}: the {definition.title} of {cell.arm} with {cell.budget:,} labels is "
    text += f"{words.scored(own.estimate, own.low, own.high)} on {split.title}"
    row = CalibrationRow(
        **trials.place(cell, split),
        measure=measure,
        reference="",
        bins=bins,
        n_seeds=len(seeds),
        estimate=own.estimate,
        low=own.low,
        high=own.high,
        sentence=f"{text}.",
    )
    against = _against_reference(trials, cell, split, definition) if learned else None
    if against is None:
        return row
    verdict = _judge(against)
    said = {Verdict.SUPPORTED: "better", Verdict.NEGATIVE_TRANSFER: "worse"}.get(verdict, "no clear difference")
    text += f", {words.gained(against.estimate, against.low, against.high)} against {REFERENCE}: {said}."
    row = replace(row, difference=against.estimate, difference_low=against.low, difference_high=against.high)
    return replace(row, verdict=verdict, reference=REFERENCE, sentence=text)


def _against_reference(trials: DatasetTrials, cell: Cell, split: Split, definition: Definition) -> Estimate | None:
    """Compare with scratch at the same budget; None for scratch itself, and where too few seeds are shared."""
    reference = trials.reference.get(cell.budget)
    if reference is None or cell.arm == REFERENCE:
        return None
    look = trials.look_at(_seeds([cell, reference], split))
    if not look.seeds or not look.begun:
        return None
    mine, theirs = (_values(c, split, look.seeds, definition) for c in (cell, reference))
    return look.interval(mine.minus(theirs))


def _judge(against: Estimate) -> Verdict:
    if against.low is None or against.high is None:
        return Verdict.INCONCLUSIVE
    if against.high < 0:
        return Verdict.SUPPORTED
    return Verdict.NEGATIVE_TRANSFER if against.low > 0 else Verdict.INCONCLUSIVE
