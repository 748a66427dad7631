"""Forecast every learning curve of a study, and say what the next labels buy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from transfergain.analysis import stats
from transfergain.analysis.entries import DatasetEntry, StudyRequest
from transfergain.analysis.forecast import measured, said
from transfergain.analysis.forecast.fit import LEVEL, Ensemble
from transfergain.analysis.forecast.needed import Needed, diminishing, needed
from transfergain.analysis.forecast.rows import ForecastRow, judge
from transfergain.analysis.gain import Cell
from transfergain.analysis.learning_curves import LearningCurve, by_dataset
from transfergain.analysis.rows import Censored, Measure
from transfergain.analysis.stats import Values
from transfergain.analysis.verdict import ALPHA

FEWEST = 3
"""Numbers of labels that a forecast takes."""
FARTHEST = 4
"""Times the most labels that were measured: beyond, nothing is said."""
ALWAYS = (1, 2, FARTHEST)
"""Times the most labels that were measured: what is forecast without being asked for. The first begins the band."""
POINT = 0.01
LEAST_BUDGET = 10
"""Labels that a study takes at least."""


def rows(found: Sequence[Cell], data: Mapping[str, DatasetEntry], study: StudyRequest) -> list[ForecastRow]:
    """Forecast every arm, and every floor that learns from labels; predictions that files give learn from none."""
    curves = [curve for some in by_dataset(found, data).values() for curve in some if not curve.given]
    return [row for curve in curves if curve.seeds for row in _Forecast(curve, study).rows()]


class _Forecast:
    """The forecast of one arm or floor."""

    def __init__(self, curve: LearningCurve, study: StudyRequest) -> None:
        self.curve, self.study, self.seeds = curve, study, curve.look().seeds
        self.labels, self.values = curve.labels, curve.values(self.seeds)
        self.least, self.most = self.labels[0], self.labels[-1]
        self.blank = ForecastRow(
            **curve.place(self.most),
            measure=Measure.FORECAST,
            reference="",
            n_seeds=len(self.seeds),
            level=LEVEL,
            largest=self.most,
            score=float(self.values[-1].scores.mean()),
            points=len(self.labels),
        )

    def rows(self) -> Iterator[ForecastRow]:
        """Forecast scores, and the labels that scores take; or say what is missing."""
        if len(self.labels) < FEWEST:
            row = replace(self.blank, missing=self._missing())
            yield _with(row, f"no forecast for {row.arm}: it takes {said.COUNTS[FEWEST]} numbers of labels or more")
        elif self._learns():
            ensemble = Ensemble(measured.of(self.labels, self.values))
            fitted = 1 - ensemble.at([self.most])[0].quantile(0.5)
            self.blank = replace(self.blank, fitted=fitted, falls=falling(self.labels, self.values))
            yield from self._ahead(ensemble)
            yield from self._needed(ensemble)

    def _learns(self) -> bool:
        """Tell whether there is a curve to go on: a floor at chance, which always says the same, has none."""
        above = self.blank.score > self.curve.entry.chance + POINT
        return (above or not self.curve.is_floor) and measured.learns(self.values)

    def _ahead(self, ensemble: Ensemble) -> Iterator[ForecastRow]:
        """Forecast the scores with more labels, those that were asked for among them."""
        inside = sorted({*(times * self.most for times in ALWAYS), *filter(self._known, self.study.forecast)})
        for n, (low, middle, high) in zip(inside, self._scores(ensemble, inside), strict=True):
            row = replace(self.blank, budget=n, estimate=middle, low=low, high=high, cost=self._cost(n - self.most))
            row = replace(row, verdict=judge([row], self.study.margin))
            yield _with(row, said.forecast(row, self.study.currency) + said.careful(row))
        times = said.COUNTS[FARTHEST]
        for n in sorted(set(self.study.forecast) - set(inside)):
            far = f"more than {times} times the {self.most:,}" if n > self.most else f"fewer than the {self.least:,}"
            yield _with(
                replace(self.blank, budget=n),
                f"no forecast for {self.blank.arm}: {n:,} labels are {far} that were measured",
            )

    def _known(self, n: int) -> bool:
        return self.least <= n <= FARTHEST * self.most

    def _scores(self, ensemble: Ensemble, labels: Sequence[int]) -> Iterator[tuple[float | None, float, float | None]]:
        """Give the score's interval and its median for each number of labels; no interval from one seed."""
        for mixture in ensemble.at(labels):
            low, middle, high = (1 - mixture.quantile(p) for p in said.quantiles(LEVEL))
            alone = len(self.seeds) < 2
            yield (None if alone else low), middle, (None if alone else high)

    def _needed(self, ensemble: Ensemble) -> Iterator[ForecastRow]:
        """Say how many labels the next point takes, from where on they bring less, and how many the user's target takes."""
        farthest, alone = FARTHEST * self.most, len(self.seeds) < 2
        target = min(1.0, (self.blank.fitted or 0.0) + POINT)
        found = needed(ensemble, target, (self.most, farthest), alone=True)
        yield self._counted(Measure.NEXT_POINT, target, found._replace(estimate=found.estimate - self.most), 0)
        if found.censored is Censored.NO and not self.blank.falls:
            yield self._diminishing(ensemble)
        if (error := self.study.target_error) is not None:
            found = needed(ensemble, 1 - error, (self.least, farthest), alone)
            yield self._counted(Measure.LABELS_NEEDED, 1 - error, found, self.most)

    def _diminishing(self, ensemble: Ensemble) -> ForecastRow:
        """Say from where on labels bring less than a point, a round number at a time of about those there are."""
        per = min((m * 10**e for e in range(9) for m in (1, 2, 5)), key=lambda n: abs(math.log(n / self.most)))
        found = diminishing(ensemble, per, POINT, (self.most, FARTHEST * self.most))
        row = replace(self.blank, measure=Measure.DIMINISHING, per=per, cost=self._cost(per), **found._asdict())
        return _with(row, said.diminishing(row, self.study.currency))

    def _counted(self, measure: Measure, target: float, found: Needed, there: int) -> ForecastRow:
        """Make the row of labels that a score takes, `there` of which need no buying."""
        cost = None if found.censored is Censored.ABOVE else self._cost(found.estimate - there)
        row = replace(self.blank, measure=measure, target=target, **found._asdict(), cost=cost)
        return _with(row, said.needed(row, self.study.currency) + said.careful(row))

    def _cost(self, labels: float) -> float | None:
        price = self.study.label_cost
        return None if price is None or labels <= 0 else price * labels

    def _missing(self) -> Sequence[int]:
        """Choose the numbers of labels that would make a forecast: all labels first, as it reaches four times as far."""
        known, room = set(self.labels), self.curve.entry.n_train + self.curve.entry.n_dev
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
