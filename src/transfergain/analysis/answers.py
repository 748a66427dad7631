"""Say how the leading questions of one data set stand, in the midst of a study: answered, open, or beyond its seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from transfergain.analysis import benefits, convergence, data_efficiency, gain, performance, robustness
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.leading import Leading
from transfergain.analysis.rows import (
    Benefit,
    ConvergenceRow,
    EfficiencyRow,
    GainRow,
    Measure,
    MeasureRow,
    RobustnessRow,
    Verdict,
)
from transfergain.analysis.sequential import Looks, futile
from transfergain.analysis.trials import by_dataset
from transfergain.analysis.verdict import ALPHA, RATIO_MARGIN
from transfergain.arms import ARMS, REFERENCE
from transfergain.store import StoredTrial


@dataclass(frozen=True)
class Answer:
    """How one question stands."""

    verdict: Verdict
    futile: bool = False
    """Whether the seeds that are left would hardly decide it, if it is open."""

    @property
    def open(self) -> bool:
        """Tell whether more seeds may decide it."""
        return self.verdict is Verdict.INCONCLUSIVE and not self.futile


class _Tables(NamedTuple):
    """The tables that the leading questions are answered from."""

    gains: Sequence[GainRow]
    data_efficiency: Sequence[EfficiencyRow]
    convergence: Sequence[ConvergenceRow]
    robustness: Sequence[RobustnessRow]


def answers(
    rows: Sequence[StoredTrial], dataset: str, entry: DatasetEntry, arm: str, margin: float, studied: int, seeds: int
) -> Mapping[Benefit, Answer]:
    """Answer the leading questions of a data set from the rows given, those of the study's first `seeds` seeds alone.

    Of `studied` data sets each is answered by itself here, so p is multiplied by their number. Holm's correction, by which
    the findings are judged, is never stricter: what is decided here stays so.
    """
    data = {dataset: entry}
    found = gain.cells(rows, {name: ARMS[name].pretrained for name in (REFERENCE, arm)}, {dataset: entry.labels})
    scores = performance.against_chance(gain.scores(found), data)
    gains = [_stricter(row, studied) for row in gain.gains(found, scores, margin, data)]
    known = by_dataset(found, data)
    with_scratch = [trials for trials in known if trials.has_scratch]
    tables = _Tables(
        gains,
        [row for trials in with_scratch for row in data_efficiency.rows(trials)],
        [row for trials in with_scratch for row in convergence.rows(trials)[0]],
        [row for trials in known for row in robustness.rows(trials, gains)],
    )
    looks, mine = Looks(tuple(entry.looks)), Leading.of(tables, dataset, arm, entry.metric)
    flat = mine.gain is not None and not mine.gain.reference_learned

    def beyond(benefit: Benefit) -> bool:
        ratio = benefit in benefits.OVER_SCRATCH  # to what scratch has learned: no seeds are spent where that is nothing
        return (flat and ratio) or _hopeless(mine.figures(benefit), ratio, margin, looks, seeds)

    return {
        row.benefit: Answer(row.verdict, beyond(row.benefit))
        for row in benefits.lead(arm, data, tables)
        if row.benefit is not Benefit.BEYOND_ACCURACY  # it describes; no seeds are spent on it
    }


def _stricter(row: GainRow, studied: int) -> GainRow:
    """Take back *supported* where p would not survive the correction over all data sets of the study."""
    if row.verdict is Verdict.SUPPORTED and row.p_holm is not None and row.p_holm * studied >= ALPHA:
        return replace(row, verdict=Verdict.INCONCLUSIVE)
    return row


def _hopeless(figures: Sequence[GainRow | MeasureRow], ratio: bool, margin: float, looks: Looks, seeds: int) -> bool:
    """Tell whether each figure that leaves a question open would do so with all seeds too."""
    scaled = [_scaled(row, ratio) for row in figures if row.verdict is Verdict.INCONCLUSIVE]
    matters = math.log(RATIO_MARGIN) if ratio else margin
    return bool(scaled) and all(figure is not None and futile(*figure, matters, looks, seeds) for figure in scaled)


def _scaled(row: GainRow | MeasureRow, ratio: bool) -> tuple[float, float, float] | None:
    """Put a figure on a scale on which 0 is no effect; None where its interval is open, and so promises nothing."""
    if row.estimate is None or row.low is None or row.high is None:
        return None
    if isinstance(row, MeasureRow) and (row.low_open or row.high_open):
        return None
    found = row.estimate, row.low, row.high
    if not ratio:
        return found
    if isinstance(row, MeasureRow) and row.measure is Measure.LABEL_SAVING:  # a share of 3/4 saved is a ratio of 4
        found = 1 / (1 - row.estimate), 1 / (1 - row.low), 1 / (1 - row.high)
    return None if min(found) <= 0 else (math.log(found[0]), math.log(found[1]), math.log(found[2]))
