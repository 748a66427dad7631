"""Pick the rows that answer the benefits of one arm on one data set. The plan decides which, never the outcome.

The largest budget answers; data efficiency is answered by the labels saved at scratch's score with all of them, or where
one budget gives no curve, by the multiple of labels at that budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from transfergain.analysis.rows import (
    Benefit,
    ConvergenceRow,
    EfficiencyRow,
    GainRow,
    Measure,
    MeasureRow,
    RobustnessRow,
    Row,
)
from transfergain.split import TEST

AnyRow = TypeVar("AnyRow", bound=Row)


class BenefitTables(Protocol):
    """The tables of `Findings` that benefits are answered from."""

    @property
    def gains(self) -> Sequence[GainRow]: ...
    @property
    def data_efficiency(self) -> Sequence[EfficiencyRow]: ...
    @property
    def convergence(self) -> Sequence[ConvergenceRow]: ...
    @property
    def robustness(self) -> Sequence[RobustnessRow]: ...


@dataclass(frozen=True)
class Leading:
    """The rows of one arm on one data set's primary metric, those with fewer labels first."""

    gains: Sequence[GainRow]
    efficiency: Sequence[EfficiencyRow]
    convergence: Sequence[ConvergenceRow]
    robustness: Sequence[RobustnessRow]

    @classmethod
    def of(cls, tables: BenefitTables, dataset: str, arm: str, metric: str) -> Leading:
        """Pick the rows of an arm."""

        def own(rows: Sequence[AnyRow]) -> list[AnyRow]:
            mine = [row for row in rows if (row.dataset, row.arm, row.metric) == (dataset, arm, metric)]
            return sorted(mine, key=lambda row: row.budget)

        return cls(own(tables.gains), own(tables.data_efficiency), own(tables.convergence), own(tables.robustness))

    @property
    def on_test(self) -> list[GainRow]:
        """List the gains on the test set; the last answers performance."""
        return [row for row in self.gains if row.split == TEST]

    @property
    def gain(self) -> GainRow | None:
        """Return the gain on the test set with the most labels."""
        return self.on_test[-1] if self.on_test else None

    @property
    def saving(self) -> EfficiencyRow | None:
        """Return the share of labels saved; None where it is not known."""
        known = [row for row in self.efficiency if row.measure is Measure.LABEL_SAVING and row.estimate is not None]
        return known[0] if known else None

    @property
    def multiples(self) -> list[EfficiencyRow]:
        """List what a label is worth, by budget."""
        return [row for row in self.efficiency if row.measure is Measure.MULTIPLIER]

    @property
    def speed(self) -> ConvergenceRow | None:
        """Return the speed-up in steps."""
        steps = _at_top([row for row in self.convergence if row.unit == "steps"])
        return steps[0] if steps else None

    @property
    def away(self) -> list[RobustnessRow]:
        """List the gains on shifts; in a study without shifts, those on perturbed text."""
        top = _at_top(self.robustness)
        shifts, noisy = (
            [row for row in top if row.measure is measure] for measure in (Measure.OOD_GAIN, Measure.PERTURBATION_GAIN)
        )
        return shifts or noisy

    @property
    def beyond(self) -> list[RobustnessRow]:
        """List robustness beyond accuracy, a row a shift."""
        return [row for row in self.robustness if row.measure is Measure.EFFECTIVE_ROBUSTNESS]

    def figures(self, benefit: Benefit) -> Sequence[GainRow | MeasureRow]:
        """List the rows that answer a benefit."""
        found: dict[Benefit, Sequence[GainRow | MeasureRow | None]] = {
            Benefit.PERFORMANCE: [self.gain],
            Benefit.DATA_EFFICIENCY: [self.saving or next(iter(self.multiples), None)],
            Benefit.CONVERGENCE: [self.speed],
            Benefit.ROBUSTNESS: self.away,
            Benefit.BEYOND_ACCURACY: self.beyond,
        }
        return [row for row in found[benefit] if row is not None]


def _at_top(rows: Sequence[AnyRow]) -> list[AnyRow]:
    return [row for row in rows if row.budget == rows[-1].budget]
