"""Compare all that a user may take at the largest budget, arms and floors: with the best score, and with the best floor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from transfergain.analysis import pairing, stats
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.flat import Flat
from transfergain.analysis.gain import Cell
from transfergain.analysis.pairing import Side
from transfergain.analysis.reference import best_floor
from transfergain.analysis.rows import Row, Verdict
from transfergain.analysis.stats import Values
from transfergain.analysis.verdict import ALPHA, judge
from transfergain.metrics import METRICS
from transfergain.split import TEST


@dataclass(frozen=True, kw_only=True)
class Difference(Flat):
    """A difference of two scores, paired by seed and test cluster."""

    against: str
    """The arm or floor whose score is taken off."""
    score: float
    """Mean over the seeds that both have; so is `score_against`."""
    score_against: float
    estimate: float
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    """Corrected over the data sets of the study, for differences to the best floor."""
    n_seeds: int
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class CandidateRow(Row):
    """What an arm, a floor or predictions that files give score on the test set at the largest budget, beside the others."""

    is_floor: bool
    is_given: bool
    """Whether files give its predictions: what these cost is not known here."""
    score: float
    low: float | None
    high: float | None
    n_seeds: int
    at_chance: int
    """Seeds that are not clearly above chance."""
    trained_parameters: float | None
    """Weights that training moves: what makes a candidate cheap. None of a floor."""
    is_best: bool
    """Whether its score is the highest; of equals, the first."""
    over_best: Difference | None
    """Over the candidate with the highest score; None for itself, and where they have no seed in common."""
    over_floor: Difference | None
    """Over the best floor, which the task names (docs/methods.md); None of a floor."""


def rows(found: Sequence[Cell], data: Mapping[str, DatasetEntry], margin: float) -> list[CandidateRow]:
    """Gather the candidates of every data set, floors first, in the order of the study."""
    compared = [row for name, entry in data.items() for row in _of_dataset(found, name, entry, margin)]
    tested: dict[str, list[tuple[int, Difference, float]]] = defaultdict(list)
    for i, row in enumerate(compared):
        if row.over_floor is not None and row.over_floor.p_value is not None:
            tested[row.arm].append((i, row.over_floor, row.over_floor.p_value))
    for family in tested.values():
        for (i, difference, _), p in zip(family, stats.holm([p for *_, p in family]), strict=True):
            compared[i] = replace(compared[i], over_floor=_corrected(difference, p))
    return compared


def _of_dataset(found: Sequence[Cell], name: str, entry: DatasetEntry, margin: float) -> list[CandidateRow]:
    cells = _at_top([cell for cell in found if cell.dataset == name], entry.reference)
    known = _Known(cells, entry, margin)
    return [known.row(cell) for cell in sorted(cells.values(), key=lambda cell: not cell.is_floor)]


def _at_top(cells: Sequence[Cell], reference: str) -> dict[str, Cell]:
    """Pick the cells of the largest budget at which an arm and the reference have finished together, else an arm."""
    budgets = defaultdict(list)
    for cell in cells:
        budgets[cell.budget].append(cell)

    def rank(budget: int) -> tuple[bool, bool, int]:
        here = budgets[budget]
        both = any(c.pretrained for c in here) and any(c.arm == reference for c in here)
        return both, any(c.is_arm for c in here), budget

    return {cell.arm: cell for cell in budgets[max(budgets, key=rank)]} if budgets else {}


class _Known:
    """The candidates of one data set: who is best, and which floor is to be beaten."""

    def __init__(self, cells: Mapping[str, Cell], entry: DatasetEntry, margin: float) -> None:
        self.cells, self.entry, self.margin = cells, entry, margin
        self._values = {arm: self._scored(cell) for arm, cell in cells.items()}
        self.best = max(cells, key=lambda arm: float(self._values[arm].scores.mean()), default="")
        self.floor = best_floor(entry.task, [arm for arm, cell in cells.items() if cell.is_floor])

    def _scored(self, cell: Cell) -> Values:
        return stats.pseudo_values(cell.counts(TEST, self.entry.metric, cell.outcomes), METRICS[self.entry.metric].finish)

    def row(self, cell: Cell) -> CandidateRow:
        values = self._values[cell.arm]
        score = pairing.score(values) if cell.given else stats.of_score(values)
        trained = [n for o in cell.outcomes.values() if (n := o.details.trained_parameters) is not None]
        return CandidateRow(
            task=cell.task,
            dataset=cell.dataset,
            arm=cell.arm,
            budget=cell.budget,
            split=TEST,
            metric=self.entry.metric,
            is_floor=cell.is_floor,
            is_given=cell.given,
            score=score.estimate,
            low=score.low,
            high=score.high,
            n_seeds=len(cell.outcomes),
            at_chance=len(cell.at_chance(self.entry.metric, self.entry.chance)),
            trained_parameters=float(np.mean(trained)) if trained else None,
            is_best=cell.arm == self.best,
            over_best=self._difference(cell.arm, self.best),
            over_floor=None if cell.is_floor else self._difference(cell.arm, self.floor),
        )

    def _difference(self, arm: str, against: str) -> Difference | None:
        if not against or arm == against:
            return None
        pair = pairing.compare(self._side(self.cells[arm]), self._side(self.cells[against]), self.entry.looks)
        if pair is None:
            return None
        look, treated, reference, found = pair
        return Difference(
            against=against,
            score=float(treated.scores.mean()),
            score_against=float(reference.scores.mean()),
            estimate=found.estimate,
            low=found.low,
            high=found.high,
            p_value=found.p_value,
            p_holm=None,
            n_seeds=len(look.seeds),
            verdict=judge(found, found.p_value, self.margin, look.design).verdict,
        )

    def _side(self, cell: Cell) -> Side:
        values, known = self._values[cell.arm], list(cell.outcomes)

        def at(seeds: Sequence[int]) -> Values:
            rows = [known.index(seed) for seed in seeds]
            return Values(values.scores[rows], values.values[rows])

        return Side(cell.given, known, at)


def _corrected(difference: Difference, p: float) -> Difference:
    """Put in the p that is corrected over data sets, and take back *supported* where it is no longer small."""
    lost = difference.verdict is Verdict.SUPPORTED and p >= ALPHA
    return replace(difference, p_holm=p, verdict=Verdict.INCONCLUSIVE if lost else difference.verdict)
