"""Forecast every learning curve of a study, and say what the next labels buy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from transfergain.analysis import stats
from transfergain.analysis.entries import DatasetEntry, StudyRequest
from transfergain.analysis.forecast import measured, said
from transfergain.analysis.forecast.fit import LEVEL, Ensemble
from transfergain.analysis.forecast.needed import Needed, diminishing, needed
from transfergain.analysis.forecast.rows import FARTHEST, FEWEST, ForecastRow, judge
from transfergain.analysis.gain import Cell
from transfergain.analysis.learning_curves import LearningCurve, by_dataset
from transfergain.analysis.rows import Censored, Measure
from transfergain.analysis.stats import Values
from transfergain.analysis.verdict import ALPHA
from transfergain.data.draws import max_budget
from transfergain.types import LEAST_BUDGET

ALWAYS = (1, 2, FARTHEST)
"""Times the most labels that were measured: what is forecast without being asked for. The first begins the band."""
POINT = 0.01


def rows(found: Sequence[Cell], data: Mapping[str, DatasetEntry], study: StudyRequest) -> list[ForecastRow]:
    """Forecast every arm, and every floor that learns from labels; predictions that files give learn from none."""
    curves = [curve for some in by_dataset(found, data).values() for curve in some if not curve.given]
    return [row for curve in curves if curve.seeds for row in _Forecast(curve, study).rows()]


@dataclass(frozen=True)
class _Forecast:
    """The forecast of one arm or floor."""

    curve: LearningCurve
    study: StudyRequest

    @cached_property
    def seeds(self) -> Sequence[int]:
        """Return the seeds that the study's looks allow."""
        return self.curve.look().seeds

    @cached_property
    def values(self) -> list[Values]:
        """Return the scores of those seeds with every number of labels."""
        return self.curve.values(self.seeds)

    @property
    def alone(self) -> bool:
        """Tell whether there is one seed, which says nothing of the spread between seeds."""
        return len(self.seeds) < 2

    @property
    def least(self) -> int:
        """Return the fewest labels that were measured."""
        return self.curve.labels[0]

    @property
    def most(self) -> int:
        """Return the most labels that were measured."""
        return self.curve.labels[-1]

    @cached_property
    def measured(self) -> ForecastRow:
        """Return what every row begins with, where there is no forecast too."""
        return ForecastRow(
            **self.curve.place(self.most),
            measure=Measure.FORECAST,
            reference="",
            n_seeds=len(self.seeds),
            level=LEVEL,
            largest=self.most,
            score=float(self.values[-1].scores.mean()),
            points=len(self.curve.labels),
        )

    @cached_property
    def ensemble(self) -> Ensemble:
        """Return the forecast of any number of labels."""
        return Ensemble(measured.of(self.curve.labels, self.values))

    @cached_property
    def known(self) -> ForecastRow:
        """Return what every row of a forecast begins with."""
        fitted = 1 - self.ensemble.at([self.most])[0].median
        return replace(self.measured, fitted=fitted, falls=falling(self.curve.labels, self.values))

    def rows(self) -> Iterator[ForecastRow]:
        """Forecast scores, and the labels that scores take; or say what is missing."""
        if len(self.curve.labels) < FEWEST:
            yield _with(replace(self.measured, missing=self._missing()), said.too_few(self.measured))
        elif self._learns():
            yield from self._ahead()
            yield from self._needed()

    def _learns(self) -> bool:
        """Tell whether there is a curve to go on: a floor at chance, which always says the same, has none."""
        above = self.measured.score > self.curve.entry.chance + POINT
        return (above or not self.curve.is_floor) and measured.learns(self.values)

    def _ahead(self) -> Iterator[ForecastRow]:
        """Forecast the scores with more labels, those that were asked for among them."""
        asked, ends = set(self.study.forecast), (self.least, FARTHEST * self.most)
        inside = sorted({*(times * self.most for times in ALWAYS), *(n for n in asked if ends[0] <= n <= ends[1])})
        for n, mixture in zip(inside, self.ensemble.at(inside), strict=True):
            low, high = (None, None) if self.alone else (1 - error for error in reversed(mixture.interval))
            cost = self._cost(n - self.most)
            row = replace(self.known, budget=n, estimate=1 - mixture.median, low=low, high=high, cost=cost)
            row = replace(row, verdict=judge([row], self.study.margin))
            yield _with(row, said.forecast(row, self.study.currency) + said.careful(row))
        for n in sorted(asked - set(inside)):
            row = replace(self.known, budget=n)
            yield _with(row, said.too_far(row))

    def _needed(self) -> Iterator[ForecastRow]:
        """Say how many labels the next point takes, from where on they bring less, and how many the user's target takes."""
        farthest = FARTHEST * self.most
        target = min(1.0, (self.known.fitted or 0.0) + POINT)
        found = needed(self.ensemble, target, (self.most, farthest), alone=True)
        yield self._counted(Measure.NEXT_POINT, target, found._replace(estimate=found.estimate - self.most), 0)
        if found.censored is Censored.NO and not self.known.falls:
            yield self._diminishing()
        if (error := self.study.target_error) is not None:
            found = needed(self.ensemble, 1 - error, (self.least, farthest), self.alone)
            yield self._counted(Measure.LABELS_NEEDED, 1 - error, found, self.most)

    def _diminishing(self) -> ForecastRow:
        """Say from where on labels bring less than a point, a round number at a time of about those there are."""
        per = min((m * 10**e for e in range(9) for m in (1, 2, 5)), key=lambda n: abs(math.log(n / self.most)))
        found = diminishing(self.ensemble, per, POINT, (self.most, FARTHEST * self.most))
        row = replace(self.known, measure=Measure.DIMINISHING, per=per, cost=self._cost(per), **found._asdict())
        return _with(row, said.diminishing(row, self.study.currency))

    def _counted(self, measure: Measure, target: float, found: Needed, there: int) -> ForecastRow:
        """Make the row of labels that a score takes, `there` of which need no buying."""
        cost = None if found.censored is Censored.ABOVE else self._cost(found.estimate - there)
        row = replace(self.known, measure=measure, target=target, **found._asdict(), cost=cost)
        return _with(row, said.needed(row, self.study.currency) + said.careful(row))

    def _cost(self, labels: float) -> float | None:
        price = self.study.label_cost
        return None if price is None or labels <= 0 else price * labels

    def _missing(self) -> Sequence[int]:
        """Choose the numbers of labels that would make a forecast: all labels first, as it reaches four times as far."""
        known, room = set(self.curve.labels), max_budget(self.curve.entry.n_train, self.curve.entry.n_dev)
        if room > 1.25 * self.most:
            known.add(room)
        while len(known) < FEWEST and min(known) > LEAST_BUDGET:
            known.add(max(LEAST_BUDGET, min(known) // 2))
        return sorted(known)


def _with(row: ForecastRow, sentence: str) -> ForecastRow:
    return replace(row, sentence=f"{row.dataset}: {sentence}.")


def falling(labels: Sequence[int], values: Sequence[Values]) -> tuple[int, ...]:
    """Find two numbers of labels between which the score clearly falls: paired, over all pairs (Holm); none if nowhere."""
    pairs = list(itertools.combinations(range(len(labels)), 2))
    found = [stats.interval(*values[j].minus(values[i])) for i, j in pairs]
    tests = [(1.0 if e.p_value is None or e.estimate >= 0 else e.p_value) for e in found]
    p, (i, j) = min(zip(stats.holm(tests), pairs, strict=True))
    return (labels[i], labels[j]) if p < ALPHA else ()
