"""Compare two scores on the same test set: paired by seed and example, or by example alone where one side has no seeds.

Predictions that a file gives are one system as it is, or a few replicates of it that have no seeds in common with an arm's.
Each side then brings the variance between its own runs, and the test set that of the difference of their means. With one
file there is nothing between runs on that side, and this is the two-way interval of `stats` for its differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from transfergain.analysis import stats
from transfergain.analysis.look import PLAIN_LEVEL, Look, settled
from transfergain.analysis.rows import Verdict
from transfergain.analysis.stats import ROUNDING_VARIANCE, Components, Design, Estimate, Values
from transfergain.analysis.verdict import judge


class Part(NamedTuple):
    """A part of a variance, and what its size is estimated with."""

    variance: float
    degrees: float
    runs: int = 0
    """Of the part between runs; 0 of that between test clusters."""
    looks: Design | None = None


@dataclass(frozen=True)
class Side:
    """One of two systems that are compared."""

    given: bool
    """Whether a file gives its predictions: then its seeds are numbers of files, and pair with nobody's."""
    seeds: Sequence[int]
    at: Callable[[Sequence[int]], Values]
    """Seeds -> their scores and pseudo-values on the test set."""


class Pair(NamedTuple):
    """Two systems and the difference of their scores."""

    look: Look
    """The seeds: those in common, or of the one side that has seeds; of two files, the files of the first side."""
    mine: Values
    theirs: Values
    result: Estimate

    @property
    def better(self) -> float:
        """Compute the share of pairs of runs in which mine is better; a tie counts half."""
        mine, theirs = self.mine.scores, self.theirs.scores
        paired = len(mine) == len(theirs) == len(self.look.seeds)
        difference = mine - theirs if paired else np.subtract.outer(mine, theirs)
        return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def compare(mine: Side, theirs: Side, looks: Sequence[int]) -> Pair | None:
    """Compare two sides; None where they have no seed in common. `looks` are those of the study."""
    look = _look(mine, theirs, looks)
    return _at(mine, theirs, look) if look.seeds else None


def answer(mine: Side, theirs: Side, looks: Sequence[int], margin: float) -> Pair | None:
    """Compare two sides for a question that looks decide, before p is corrected: what one decided stays so."""

    def verdict(pair: Pair) -> Verdict:
        return judge(pair.result, pair.result.p_value, margin, pair.look.design).verdict

    look = _look(mine, theirs, looks)
    return settled(look, partial(_at, mine, theirs), verdict) if look.seeds else None


def _look(mine: Side, theirs: Side, looks: Sequence[int]) -> Look:
    """Choose the seeds: those in common, or of the one side that has seeds; of two files, the files of the first side."""
    if not (mine.given or theirs.given):
        return Look.of(looks, [seed for seed in mine.seeds if seed in theirs.seeds])
    seeded = next((side for side in (mine, theirs) if not side.given), None)
    return Look.of(looks if seeded else (), (seeded or mine).seeds)


def _at(mine: Side, theirs: Side, look: Look) -> Pair:
    """Compare two sides at a look: seed by seed, or where files give the predictions of one, without pairing."""
    treated, against = (side.at(side.seeds if side.given else look.seeds) for side in (mine, theirs))
    if not (mine.given or theirs.given):
        result = look.interval(treated.minus(against))
    else:
        designs = [None if side.given else look.design for side in (mine, theirs)]
        unknown = len(look.seeds) < 2 and not (mine.given and theirs.given)
        result = difference(treated, against, designs, unknown)
    return Pair(look, treated, against, stats.possible_gain(result, float(against.scores.mean())))


def difference(
    mine: Values, theirs: Values, looks: Sequence[Design | None] = (None, None), unknown: bool = False
) -> Estimate:
    """Estimate the difference of the mean scores of two systems that share the test set and no seeds.

    `looks` are the designs of either side's seeds; `unknown`: an arm with one seed, whose variance is not known.
    """
    estimate = float(mine.scores.mean() - theirs.scores.mean())
    if unknown:
        return Estimate(estimate, None, None, None, None)
    by_cluster = mine.values.mean(axis=0) - theirs.values.mean(axis=0)
    parts = _parts([mine, theirs], looks, by_cluster)
    found = around(estimate, parts)
    varied = [side for side in (mine, theirs) if len(side.scores) > 1]
    if len(varied) != 1:
        return found
    return replace(found, components=_components(mine, theirs))


def p_value(mine: Values, theirs: Values, looks: Sequence[Design | None] = (None, None)) -> float:
    """Test two-sided that two such systems have the same mean score: the inversion of the interval of `difference`."""
    by_cluster = mine.values.mean(axis=0) - theirs.values.mean(axis=0)
    return _tested(float(mine.scores.mean() - theirs.scores.mean()), _parts([mine, theirs], looks, by_cluster))


def score(values: Values) -> Estimate:
    """Estimate the mean score of predictions that files give; its interval is cut at 0 and 1."""
    found = around(float(values.scores.mean()), _parts([values], [None], values.values.mean(axis=0)))
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))


def _components(mine: Values, theirs: Values) -> Components:
    """Read the variance components where one side alone has runs: those of its differences to the other."""
    return stats.two_way(mine.values - theirs.values)[0]


def _parts(sides: Sequence[Values], looks: Sequence[Design | None], by_cluster: stats.Floats) -> list[Part]:
    """Divide the variance of a difference of means: between runs, those of both sides together, and between test clusters.

    Two sides with runs of their own are Welch's case (1947): their variances add, with his degrees of freedom.
    """
    clusters, rest, runs = len(by_cluster), 0.0, list[Part]()
    for side, design in zip(sides, looks, strict=True):
        count = len(side.scores)
        if count > 1:
            squares = stats.mean_squares(side.values)
            runs.append(Part(stats.mean_variance(squares, count, clusters).seeds, count - 1, count, design))
            rest += squares[2] / (count * clusters)
    spread = Part(max(0.0, float(by_cluster.var(ddof=1)) / clusters - rest), clusters - 1)
    return [*_together(runs), spread]


def _together(parts: Sequence[Part]) -> list[Part]:
    """Add the parts between the runs of two sides; the looks are those of the one side that may have some."""
    total = sum(part.variance for part in parts)
    if len(parts) < 2 or total == 0:
        return list(parts[:1])
    degrees = total**2 / sum(part.variance**2 / part.degrees for part in parts)
    looked = next((part for part in parts if part.looks), parts[0])
    return [Part(total, degrees, looked.runs, looked.looks)]


def around(estimate: float, parts: Sequence[Part], level: float = PLAIN_LEVEL) -> Estimate:
    """Put an interval around an estimate whose variance has these parts; the test is its inversion."""
    total, p = sum(part.variance for part in parts), _tested(estimate, parts)
    if total <= ROUNDING_VARIANCE:
        return Estimate(estimate, estimate, estimate, p, None)
    half = _quantile(1 - level, parts) * math.sqrt(total)
    return Estimate(estimate, estimate - half, estimate + half, p, None)


def _tested(estimate: float, parts: Sequence[Part]) -> float:
    """Test two-sided that the truth is 0. Without any variance it is 1 for an estimate of 0, and else 0."""
    total = sum(part.variance for part in parts)
    if total <= ROUNDING_VARIANCE:
        return 1.0 if abs(estimate) < 1e-12 else 0.0
    return tail(abs(estimate) / math.sqrt(total), parts)


def tail(x: float, parts: Sequence[Part]) -> float:
    """Compute the two-sided p of a mean `x` standard errors from the hypothesis: tails weighted as in `stats.tail`."""
    total = sum(part.variance for part in parts)
    return sum(part.variance / total * _tail(x, part) for part in parts)


def _tail(x: float, part: Part) -> float:
    plain = 2 * float(stdtr(part.degrees, -x))
    return plain if part.looks is None else float(part.looks.p_values(np.array(plain), part.runs))


def _quantile(p: float, parts: Sequence[Part]) -> float:
    """Find the x whose `tail` is p, by bisection."""
    ends = [float(stdtrit(part.degrees, 1 - p / 2)) for part in parts]
    low, high = min(ends), max(ends)
    while tail(high, parts) > p * (1 + 1e-9):
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if tail(middle, parts) > p else (low, middle)
    return high
