"""Gather one data set's finished trials as the benefits read them: cells by arm and budget, pseudo-values computed once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from transfergain.analysis import endless, stats
from transfergain.analysis.endless import Endless
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.gain import Cell
from transfergain.analysis.look import Look
from transfergain.analysis.rows import GainRow, RowPlace, Verdict
from transfergain.analysis.stats import Floats, Values
from transfergain.arms import REFERENCE
from transfergain.metrics import METRICS
from transfergain.split import TEST, Split


class RepeatedGain(RowPlace):
    """A gain as the arguments of a benefit's row that repeats it."""

    reference: str
    estimate: float
    low: float | None
    high: float | None
    n_seeds: int
    verdict: Verdict
    sentence: str
    endless: Endless
    level: float


@dataclass
class DatasetTrials:
    """The arms of one data set. Every benefit is measured on the primary metric, `metric`."""

    task: str
    dataset: str
    metric: str
    chance: float
    cells: Mapping[str, Mapping[int, Cell]]
    """Arm -> budget -> cell, both in order."""
    looks: Sequence[int] = ()
    """See `DatasetEntry.looks`."""
    floor: Mapping[int, Cell] = field(default_factory=dict)
    """Budget -> cell of the floor that gains are over, in a study without scratch."""
    has_scratch: bool = True
    """Whether scratch was asked for: what is read off its curves, its speed and its labels, takes it."""
    _known: dict[tuple[str, int, Split, int], tuple[float, Floats]] = field(default_factory=dict, repr=False)

    @property
    def reference(self) -> Mapping[int, Cell]:
        """Return scratch's cells by budget; none where none of its trials finished."""
        return self.cells.get(REFERENCE, {})

    @property
    def against(self) -> Mapping[int, Cell]:
        """Return the cells of what gains are over, by budget: scratch's, or the floor's."""
        return self.reference if self.has_scratch else self.floor

    @property
    def treated(self) -> Mapping[str, Mapping[int, Cell]]:
        """Return the cells of the other arms, by arm and budget."""
        return {arm: cells for arm, cells in self.cells.items() if arm != REFERENCE}

    def pairs(self) -> list[tuple[Cell, Cell]]:
        """Pair every arm's cell with scratch's at that budget, where both have a seed in common."""
        return [
            (cell, self.reference[budget])
            for cells in self.treated.values()
            for budget, cell in cells.items()
            if budget in self.reference and common([cell, self.reference[budget]])
        ]

    def values(self, cell: Cell, split: Split, replicates: Iterable[int]) -> Values:
        """Compute scores (S,) and jackknife pseudo-values (S, N) of a cell's seeds on a split."""
        finish, found = METRICS[self.metric].finish, []
        for r in replicates:
            key = (cell.arm, cell.budget, split, r)
            if key not in self._known:
                scores, values = stats.pseudo_values(cell.counts(split, self.metric, [r]), finish)
                self._known[key] = float(scores[0]), values[0]
            found.append(self._known[key])
        return Values(np.array([score for score, _ in found]), np.stack([values for _, values in found]))

    def look(self, cells: Iterable[Cell], split: Split = TEST) -> Look:
        """Choose the seeds of a figure made of these cells, and the level of its interval."""
        return self.look_at(common(cells, split))

    def look_at(self, seeds: Sequence[int]) -> Look:
        """Choose among the seeds that all parts of a figure have."""
        return Look.of(self.looks, seeds)

    def endless(self, mine: Sequence[Cell], reference: Sequence[Cell], look: Look, gain: float | None = None) -> Endless:
        """Read what training without an end could make of a figure; see `endless.read`."""
        return endless.read([c.outcomes for c in mine], [c.outcomes for c in reference], look.seeds, gain)

    def place(self, cell: Cell, split: Split) -> RowPlace:
        """Return what every row of a benefit begins with."""
        return {
            "task": self.task,
            "dataset": self.dataset,
            "arm": cell.arm,
            "budget": cell.budget,
            "split": split,
            "metric": self.metric,
        }

    def repeated(self, gains: Iterable[GainRow]) -> Iterator[tuple[GainRow, RepeatedGain]]:
        """Pair the gains on this data set's primary metric with what a benefit's row repeats of them."""
        for gain in gains:
            if (gain.dataset, gain.metric) == (self.dataset, self.metric):
                yield (
                    gain,
                    {
                        **self.place(self.cells[gain.arm][gain.budget], gain.split),
                        "reference": gain.reference,
                        "estimate": gain.estimate,
                        "low": gain.low,
                        "high": gain.high,
                        "n_seeds": gain.n_seeds,
                        "verdict": gain.verdict,
                        "sentence": gain.sentence,
                        "endless": gain.endless,
                        "level": gain.level,
                    },
                )


def common(cells: Iterable[Cell], split: Split = TEST) -> list[int]:
    """List the seeds that finished in every cell and were evaluated on the split there, in order."""
    sets = [{r for r, outcome in cell.outcomes.items() if split in outcome.evaluated} for cell in cells]
    return sorted(set.intersection(*sets)) if sets else []


def by_dataset(found: Sequence[Cell], data: Mapping[str, DatasetEntry]) -> list[DatasetTrials]:
    """Gather the cells of each data set that has finished trials of arms."""
    arms: dict[str, dict[str, dict[int, Cell]]] = defaultdict(lambda: defaultdict(dict))
    floors: dict[str, dict[int, Cell]] = defaultdict(dict)
    for cell in found:
        if cell.is_arm:
            arms[cell.dataset][cell.arm][cell.budget] = cell
        elif cell.arm == data[cell.dataset].reference:
            floors[cell.dataset][cell.budget] = cell
    return [
        DatasetTrials(
            task=next(iter(next(iter(cells.values())).values())).task,
            dataset=dataset,
            metric=data[dataset].metric,
            chance=data[dataset].chance,
            cells={arm: dict(sorted(by_budget.items())) for arm, by_budget in cells.items()},
            looks=data[dataset].looks,
            floor=floors[dataset],
            has_scratch=data[dataset].reference == REFERENCE,
        )
        for dataset, cells in arms.items()
    ]
