"""Decide which seeds a figure is made of, and at which level it is judged: the same however a study was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from transfergain.analysis import stats
from transfergain.analysis.rows import Verdict
from transfergain.analysis.sequential import Looks
from transfergain.analysis.stats import Estimate, Values

PLAIN_LEVEL = 0.95


@dataclass(frozen=True)
class Look:
    """The seeds of a figure: those of the last look of the study's design that they allow."""

    design: Looks
    seeds: Sequence[int]

    @classmethod
    def of(cls, counts: Sequence[int], common: Sequence[int]) -> Look:
        """Take the first seeds of those in common; no count, or one, is a design without looks in between."""
        design = Looks(tuple(counts)) if len(counts) > 1 else Looks.fixed(max(1, len(common)))
        return cls(design, list(common)[: design.reached(len(common))])

    @property
    def level(self) -> float:
        """Return the level of Student's t interval over seeds at this look."""
        return self.design.level(max(1, len(self.seeds)))

    @property
    def begun(self) -> bool:
        """Tell whether the seeds are enough for the first look: before it nothing is decided."""
        return self.design.begun(len(self.seeds))

    @property
    def clause(self) -> str:
        """Say that the interval's 95 % holds over all looks; empty for one look."""
        return "" if self.level == PLAIN_LEVEL else ", over all looks"

    def earlier(self) -> Iterator[Look]:
        """Yield the looks before this one, the latest first."""
        for count in reversed(self.design.counts):
            if count < len(self.seeds):
                yield Look(self.design, self.seeds[:count])

    def interval(self, values: Values) -> Estimate:
        """Estimate a mean of these seeds with the design's interval and p."""
        return stats.interval(*values, looks=self.design)


Figure = TypeVar("Figure")


def settled(look: Look, figure: Callable[[Look], Figure], verdict: Callable[[Figure], Verdict]) -> Figure:
    """Make a figure at a look, or where that leaves it open at the latest look before that decided it.

    What was decided stays so: seeds that came later were for other questions. The intervals of all looks hold the truth
    together (docs/decisions/0040-looks-at-seeds.md), so the choice among them costs nothing.
    """
    last = figure(look)
    if verdict(last) is not Verdict.INCONCLUSIVE:
        return last
    before = map(figure, look.earlier())
    return next((found for found in before if verdict(found) is not Verdict.INCONCLUSIVE), last)
