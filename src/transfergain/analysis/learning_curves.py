"""Gather the learning curve of every arm and floor: its test scores by number of labels, with the seeds that all have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from transfergain.analysis import stats
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.gain import Cell
from transfergain.analysis.look import Look
from transfergain.analysis.rows import RowPlace
from transfergain.analysis.stats import Values
from transfergain.metrics import METRICS
from transfergain.split import TEST


@dataclass(frozen=True)
class LearningCurve:
    """One arm or floor of one data set, or predictions that files give, which are the same with every number of labels."""

    arm: str
    is_floor: bool
    given: bool
    cells: Mapping[int, Cell]
    """Number of labels -> cell, in order."""
    entry: DatasetEntry

    @property
    def labels(self) -> list[int]:
        """List the numbers of labels that were measured."""
        return list(self.cells)

    @property
    def seeds(self) -> list[int]:
        """List the seeds that finished with every number of labels; of predictions that files give, the files."""
        return sorted(set.intersection(*(set(cell.outcomes) for cell in self.cells.values())))

    def look(self, *others: LearningCurve) -> Look:
        """Choose the seeds of a figure made of this curve and others, and the level of its interval."""
        return Look.of(self.entry.looks, sorted(set(self.seeds).intersection(*(other.seeds for other in others))))

    def values(self, seeds: Sequence[int]) -> list[Values]:
        """Compute the scores with every number of labels, by seed and test cluster."""
        finish, metric = METRICS[self.entry.metric].finish, self.entry.metric
        return [stats.pseudo_values(cell.counts(TEST, metric, seeds), finish) for cell in self.cells.values()]

    def only(self, labels: Sequence[int]) -> LearningCurve:
        """Keep some numbers of labels."""
        return replace(self, cells={n: self.cells[n] for n in labels})

    def place(self, budget: int) -> RowPlace:
        """Return what every row about the curve begins with."""
        cell = next(iter(self.cells.values()))
        about: RowPlace = {"task": cell.task, "dataset": cell.dataset, "arm": self.arm, "budget": budget, "split": TEST,
                           "metric": self.entry.metric}  # fmt: skip
        return about


def by_dataset(found: Sequence[Cell], data: Mapping[str, DatasetEntry]) -> dict[str, list[LearningCurve]]:
    """Gather the curves of every data set, floors last, each in the order of the study."""
    cells: dict[tuple[str, str], dict[int, Cell]] = {}
    for cell in sorted(found, key=lambda cell: cell.is_floor):
        cells.setdefault((cell.dataset, cell.arm), {})[cell.budget] = cell
    curves: dict[str, list[LearningCurve]] = {name: [] for name in data}
    for (dataset, arm), own in cells.items():
        a_cell = next(iter(own.values()))
        curve = LearningCurve(arm, a_cell.is_floor, a_cell.given, dict(sorted(own.items())), data[dataset])
        curves[dataset].append(curve)
    return curves
