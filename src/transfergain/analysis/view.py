"""One data set's finished trials as the benefits read them: cells by arm and budget, and pseudo-values computed once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transfergain.analysis import stats
from transfergain.analysis.gain import Cell
from transfergain.analysis.stats import Floats, Values
from transfergain.analysis.verdict import AGAINST, STILL, half
from transfergain.arms import REFERENCE
from transfergain.metrics import METRICS

Row = dict[str, Any]


@dataclass
class View:
    """The arms (no floors) of one data set. Every benefit is measured on the primary metric, `metric`."""

    task: str
    dataset: str
    metric: str
    chance: float
    cells: Mapping[str, Mapping[int, Cell]]
    """Arm -> budget -> cell, both in order."""
    _known: dict[tuple[str, int, str, int], tuple[float, Floats]] = field(default_factory=dict, repr=False)

    @property
    def reference(self) -> Mapping[int, Cell]:
        """The reference arm's cells by budget; empty where none of its trials finished."""
        return self.cells.get(REFERENCE, {})

    @property
    def treated(self) -> Mapping[str, Mapping[int, Cell]]:
        """The other arms."""
        return {arm: cells for arm, cells in self.cells.items() if arm != REFERENCE}

    def pairs(self) -> list[tuple[Cell, Cell]]:
        """(cell of an arm, the reference's at that budget), where both have a seed in common."""
        return [
            (cell, self.reference[budget])
            for cells in self.treated.values()
            for budget, cell in cells.items()
            if budget in self.reference and common([cell, self.reference[budget]])
        ]

    def values(self, cell: Cell, split: str, replicates: Iterable[int]) -> Values:
        """Scores (S,) and jackknife pseudo-values (S, N) of a cell's seeds on a split."""
        finish, found = METRICS[self.metric].finish, []
        for r in replicates:
            key = (cell.arm, cell.budget, split, r)
            if key not in self._known:
                scores, values = stats.pseudo_values(cell.counts(split, self.metric, [r]), finish)
                self._known[key] = float(scores[0]), values[0]
            found.append(self._known[key])
        return Values(np.array([score for score, _ in found]), np.stack([values for _, values in found]))

    def unconverged(self, cells: Iterable[Cell], replicates: Sequence[int]) -> bool:
        """True where, in any of the cells, half or more of the seeds were still improving at the step cap."""
        return any(half(cell.unconverged(replicates), len(replicates)) for cell in cells)

    def settled(
        self, word: str, mine: Sequence[Cell], reference: Sequence[Cell], replicates: Sequence[int]
    ) -> tuple[str, str]:
        """(verdict, clause for its sentence): `void` where scratch was cut short, `inconclusive` where the word of the
        interval speaks against an arm that was.
        """
        if self.unconverged(reference, replicates):
            return "void", f"; {REFERENCE} {STILL}"
        if word in AGAINST and self.unconverged(mine, replicates):
            return "inconclusive", f"; {mine[0].arm} {STILL}"
        return word, ""

    def row(self, measure: str, cell: Cell, split: str, **more: Any) -> Row:
        """The keys that every row of every benefit has; `more` overrides and adds."""
        return {
            "task": self.task,
            "dataset": self.dataset,
            "arm": cell.arm,
            "reference": REFERENCE,
            "metric": self.metric,
            "split": split,
            "budget": cell.budget,
            "measure": measure,
            "estimate": None,
            "low": None,
            "high": None,
            "censored": "",
            "low_open": False,
            "high_open": False,
            "n_seeds": 0,
            "verdict": "",
            "sentence": "",
        } | more


def common(cells: Iterable[Cell], split: str = "test") -> list[int]:
    """The seeds that finished in every cell and were evaluated on the split there, in order."""
    sets = [{r for r, outcome in cell.outcomes.items() if split in outcome.evaluated} for cell in cells]
    return sorted(set.intersection(*sets)) if sets else []


def views(found: Sequence[Cell], data: Mapping[str, Any]) -> list[View]:
    """One view a data set that has finished trials of arms."""
    arms: dict[str, dict[str, dict[int, Cell]]] = defaultdict(lambda: defaultdict(dict))
    for cell in found:
        if not cell.is_floor:
            arms[cell.dataset][cell.arm][cell.budget] = cell
    return [
        View(
            next(iter(next(iter(cells.values())).values())).task,
            dataset,
            data[dataset]["metric"],
            data[dataset]["chance"],
            {arm: dict(sorted(by_budget.items())) for arm, by_budget in cells.items()},
        )
        for dataset, cells in arms.items()
    ]
