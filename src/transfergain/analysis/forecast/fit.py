"""Forecast a learning curve: an ensemble of families with a random residual, weighted by how well each explains the curve.

On the scale of log odds, the error with n labels is a shape of `families`, an unknown level, and a residual: a fractional
Brownian motion over log n, a Gaussian process whose uncertainty grows with the distance from what was measured. Given shape
and size of the residual everything is normal and has a formula, so nothing is searched for or drawn: the forecast is the
average over all shapes and sizes, each weighted by its prior times the likelihood of what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, logit, ndtr

from transfergain.analysis.forecast import families
from transfergain.analysis.forecast.measured import Measured
from transfergain.analysis.stats import Floats

LEVEL = 0.9
"""Of a forecast's interval."""
LEVEL_SD = 0.5
"""Of the curve's level around that of its last point, in log odds: as good as unknown."""
RESIDUALS = (0.02, 0.05, 0.1, 0.2, 0.4)
RESIDUAL_PRIOR = (0.15, 0.25, 0.3, 0.2, 0.1)
"""Standard deviations of the residual a doubling of labels, in log odds, and how likely each is before anything is seen;
chosen on simulated and on some real curves (docs/decisions/0050-forecast.md).
"""
PERSISTENCE = 1.5
"""Power of the distance, in doublings, that the residual's variance grows by: 1 forgets where it was going, 2 keeps on."""
NEGLIGIBLE = 1e-4
"""Weight, relative to the largest, below which a member of the ensemble is left out."""


class Ensemble:
    """All shapes and residuals, weighted by a measured curve."""

    def __init__(self, curve: Measured) -> None:
        self.curve = curve
        inside = (curve.errors * curve.examples + 0.5) / (curve.examples + 1)  # 0 and 1 have no log odds
        self._y = logit(inside)
        slope = 1 / (inside * (1 - inside))
        self._noise = curve.covariance * np.outer(slope, slope) + np.diag((slope * 0.5 / curve.examples) ** 2)
        self._level = float(inside[-1])
        self._x = np.log2(np.array(curve.labels, dtype=np.float64))

    def _shapes(self, labels: Sequence[float] | Floats) -> Floats:
        """Evaluate all shapes in log odds: (shapes, counts)."""
        n = np.asarray(labels, dtype=np.float64) / self.curve.labels[-1]
        found = np.concatenate(list(families.shapes(n).values()))
        return np.asarray(logit(np.clip(self._level * found, 1e-6, 1 - 1e-6)))

    def _distance(self, x: Floats) -> Floats:
        """Give the distance from the fewest labels, in doublings."""
        return np.asarray(np.maximum(x - self._x[0], 0.0))  # rounding puts the fewest labels themselves below 0

    def _residual(self, a: Floats, b: Floats) -> Floats:
        """Give the residual's covariance between numbers of labels, for a standard deviation of 1 a doubling."""
        s, t = self._distance(a)[:, None], self._distance(b)[None, :]
        return np.asarray((s**PERSISTENCE + t**PERSISTENCE - np.abs(s - t) ** PERSISTENCE) / 2)

    @cached_property
    def _members(self) -> list[tuple[Floats, Floats, float]]:
        """Compute for each size of the residual (the inverse covariance, log weights of shapes, size)."""
        off, shapes, members = self._y - self._shapes(self.curve.labels), np.log(families.prior()), []
        for size, prior in zip(RESIDUALS, RESIDUAL_PRIOR, strict=True):
            total = self._noise + LEVEL_SD**2 + size**2 * self._residual(self._x, self._x)
            inverse, determinant = np.asarray(np.linalg.inv(total), dtype=np.float64), float(np.linalg.slogdet(total)[1])
            likelihood = -0.5 * (np.einsum("gk,kl,gl->g", off, inverse, off) + determinant)
            members.append((inverse, likelihood + shapes + np.log(prior), size))
        return members

    def at(self, labels: Sequence[float] | Floats) -> list[Mixture]:
        """Forecast the log odds of the error with so many labels, each by itself."""
        x = np.log2(np.asarray(labels, dtype=np.float64))
        off, ahead = self._y - self._shapes(self.curve.labels), self._shapes(labels)
        best = max(float(weights.max()) for _, weights, _ in self._members)
        means, spreads, weights = list[Floats](), list[Floats](), list[Floats]()
        for inverse, logs, size in self._members:
            kept = logs > best + np.log(NEGLIGIBLE)
            towards = LEVEL_SD**2 + size**2 * self._residual(x, self._x)
            gain = towards @ inverse
            own = LEVEL_SD**2 + size**2 * self._distance(x) ** PERSISTENCE
            spread = np.sqrt(np.maximum(own - (gain * towards).sum(axis=1), 1e-12))
            means.append(ahead[kept] + off[kept] @ gain.T)
            spreads.append(np.broadcast_to(spread, means[-1].shape))
            weights.append(np.exp(logs[kept] - best))
        mean, spread, weight = np.concatenate(means), np.concatenate(spreads), np.concatenate(weights)
        weight /= weight.sum()
        return [Mixture(mean[:, i], spread[:, i], weight) for i in range(len(x))]


@dataclass(frozen=True)
class Mixture:
    """A mixture of normal distributions of the log odds of an error."""

    means: Floats
    spreads: Floats
    weights: Floats

    def below(self, error: float) -> float:
        """Give the probability that the error is below this one, which is none for an error of 0."""
        return float(self.weights @ ndtr((logit(error) - self.means) / self.spreads))

    @property
    def median(self) -> float:
        """Return the error that the truth is as probably below as above."""
        return self.quantile(0.5)

    @property
    def interval(self) -> tuple[float, float]:
        """Return the ends of the interval of LEVEL."""
        return self.quantile((1 - LEVEL) / 2), self.quantile((1 + LEVEL) / 2)

    def quantile(self, p: float) -> float:
        """Find the error that the truth is below with probability p, by bisection."""
        low, high = float((self.means - 8 * self.spreads).min()), float((self.means + 8 * self.spreads).max())
        for _ in range(30):
            middle = (low + high) / 2
            less = float(self.weights @ ndtr((middle - self.means) / self.spreads)) < p
            low, high = (middle, high) if less else (low, middle)
        return float(expit((low + high) / 2))
