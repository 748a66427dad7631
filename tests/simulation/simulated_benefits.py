"""Simulated studies of data efficiency, convergence and robustness whose truth is known, and how often intervals hold it.

Answers are those of simulated.py: right when a latent normal variable is positive. Here every seed trains scratch at
several budgets and the pretrained arm at one or more, and is tested at home and under a shift. Dev curves rise
exponentially to a level of their own, with noise that partly stays from one evaluation to the next, and stop as the
training loop stops.

Run as a program it prints the tables of docs/methods.md: `python tests/simulation/simulated_benefits.py`.
"""

import argparse
import functools
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, stdtrit
from simulated import latent

from transfergain.analysis import convergence, effective, levels, stats
from transfergain.analysis.inversion import invert
from transfergain.analysis.stats import Values

SEEDS = (3, 5, 8, 10)


def answers(rng, seeds, clusters, accuracies, sd, difficulty=0.5, own=0.15, together=0.3, arms=None):
    """Hits (cells, seeds, clusters) as floats. Cells of one arm (`arms`, all of their own without) share its difficulty.

    `sd` between seeds is that of all cells, or one for each. A seed's luck is shared by all cells to `together`, and by the
    budgets of an arm to as much again: budgets nest.
    """
    arms = range(len(accuracies)) if arms is None else arms
    normal = functools.partial(rng.standard_normal, dtype=np.float32)
    shared, luck = math.sqrt(difficulty) * normal(clusters), normal((seeds, 1))
    of_arm = {arm: (math.sqrt(own) * normal(clusters), normal((seeds, 1))) for arm in dict.fromkeys(arms)}
    noise, found = math.sqrt(1 - difficulty - own), []
    for accuracy, arm, spread in zip(accuracies, arms, np.broadcast_to(sd, len(accuracies)), strict=True):
        level = latent(accuracy, float(spread))
        by_seed = math.sqrt(together) * (luck + of_arm[arm][1]) + math.sqrt(1 - 2 * together) * normal((seeds, 1))
        found.append(level.level + level.seed * by_seed + shared + of_arm[arm][0] + noise * normal((seeds, clusters)) > 0)
    return np.array(found, dtype=np.float64)


@dataclass(frozen=True)
class Curve:
    """A study of data efficiency: scratch's accuracies by budget, and the arm's at `budget`."""

    seeds: int
    clusters: int = 300
    sd: float = 0.02
    scratch: tuple = (0.58, 0.66, 0.76)
    arm: float = 0.70
    budgets: tuple = (64, 256, 1024)

    def truth(self):
        """The budget, on the curve that is linear in log n between the measured ones; infinite beyond, 0 before."""
        x = np.log(self.budgets)
        if self.arm > self.scratch[-1]:
            return math.inf
        return 0.0 if self.arm < self.scratch[0] else float(np.interp(self.arm, self.scratch, x))


class Share(NamedTuple):
    """Of studies."""

    covered: float
    rejected: float
    open: float
    seed_bootstrap: float
    two_stage: float
    by_seed: float


def isotonic_rows(y):
    """Isotonic smoothing of every row of (draws, K): max over starts of min over ends of averages (Barlow et al. 1972)."""
    k = y.shape[1]
    sums = np.concatenate([np.zeros((len(y), 1)), np.cumsum(y, axis=1)], axis=1)
    mean = np.array([[(sums[:, j + 1] - sums[:, i]) / max(j + 1 - i, 1) for j in range(k)] for i in range(k)])
    return np.stack([np.max([mean[i, t:].min(axis=0) for i in range(t + 1)], axis=0) for t in range(k)], axis=1)


def crossings(targets, curves, x):
    """Where rows of curves (draws, K) reach their targets, -inf and inf beyond."""
    smooth, found = isotonic_rows(curves), np.full(len(targets), np.inf)
    for k in range(curves.shape[1] - 1, 0, -1):
        a, b = smooth[:, k - 1], smooth[:, k]
        share = (targets - a) / np.where(b > a, b - a, 1)
        found = np.where(targets <= b, x[k - 1] + np.clip(share, 0, 1) * (x[k] - x[k - 1]), found)
    return np.where(targets < smooth[:, 0], -np.inf, found)


def others(rng, hits, x, truth, draws=400):
    """Whether three intervals hold the truth: percentile over seeds, percentile over seeds and examples, t over seeds."""
    cells, seeds, clusters = hits.shape
    covered = []
    for examples in (False, True):
        by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
        if examples:
            weights = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws) / clusters
            scores = np.einsum("dn,csn->dcs", weights, hits, optimize=True)
        else:
            scores = np.broadcast_to(hits.mean(axis=2), (draws, cells, seeds))
        means = np.einsum("ds,dcs->dc", by_seed, scores)
        low, high = np.quantile(crossings(means[:, -1], means[:, :-1], x), [0.025, 0.975], method="nearest")
        covered.append(low <= truth <= high)
    means = hits.mean(axis=2).T
    logs = np.clip(crossings(means[:, -1], means[:, :-1], x), x[0], x[-1])
    half = stdtrit(seeds - 1, 0.975) * logs.std(ddof=1) / math.sqrt(seeds)
    return [*covered, abs(logs.mean() - np.clip(truth, x[0], x[-1])) <= half]


def multiplier(setting, studies, compare=False, seed=0):
    """Coverage of the interval of a label-equivalent, and how often it excludes the arm's own budget, the first."""
    rng, x = np.random.default_rng([seed, setting.seeds, setting.clusters]), np.log(setting.budgets)
    truth, sums = setting.truth(), np.zeros(6)
    at = x[setting.scratch.index(setting.arm)] if setting.arm in setting.scratch else x[0]
    for _ in range(studies):
        accuracies = (*setting.scratch, setting.arm)
        hits = answers(rng, setting.seeds, setting.clusters, accuracies, setting.sd, arms=[0] * len(x) + [1])
        parts = [Values(h.mean(axis=1), h) for h in hits]
        found = invert(parts[-1], parts[:-1], x)
        low, high = -np.inf if found.low_open else found.low, np.inf if found.high_open else found.high
        more = others(rng, hits, x, truth) if compare else [0, 0, 0]
        sums += (low <= truth <= high, not low <= at <= high, found.low_open or found.high_open, *more)
    return Share(*(sums / studies).tolist())


@dataclass(frozen=True)
class Training:
    """A study of convergence: rates (steps until 63 %), their spread over seeds, evaluations, noise on dev."""

    seeds: int
    rates: tuple = (25.0, 120.0)
    """Of the arm, of scratch."""
    levels: tuple = (0.82, 0.68)
    spread: float = 0.25
    """Standard deviation of log rates; as much as half of it shared by the pair."""
    level_sd: float = 0.02
    noise: float = 0.01
    every: int = 10
    cap: int = 1000
    patience: int = 10
    chance: float = 0.5


class Point(NamedTuple):
    """What of a CurvePoint is read."""

    step: int
    score: float


def dev_curves(rng, setting, pairs):
    """`pairs` (curve of the arm, curve of scratch), each a list of Points."""
    steps = np.arange(setting.every, setting.cap + 1, setting.every)
    both, found = rng.standard_normal(pairs), []
    for rate, level in zip(setting.rates, setting.levels, strict=True):
        rates = rate * np.exp(setting.spread * (math.sqrt(0.5) * both + math.sqrt(0.5) * rng.standard_normal(pairs)))
        ends = level + setting.level_sd * rng.standard_normal(pairs)
        scores = setting.chance + (ends - setting.chance)[:, None] * (1 - np.exp(-steps / rates[:, None]))
        noise = rng.standard_normal((pairs, len(steps)))
        for t in range(1, len(steps)):  # the dev set is the same, and so is much of its luck
            noise[:, t] = 0.7 * noise[:, t - 1] + math.sqrt(1 - 0.49) * noise[:, t]
        scores += setting.noise * noise
        best = np.maximum.accumulate(scores, axis=1)
        stale = best[:, setting.patience :] <= best[:, : -setting.patience]
        ends_at = np.where(stale.any(axis=1), stale.argmax(axis=1) + setting.patience, len(steps) - 1)
        found.append([[*map(Point, steps[: end + 1].tolist(), row[: end + 1].tolist())]
                      for row, end in zip(scores, ends_at, strict=True)])  # fmt: skip
    return list(zip(*found, strict=True))


def pair_times(setting, pair):
    """(crossing of the arm, of scratch), with the target that scratch sets."""
    target = levels.goal(levels.plateau([point.score for point in pair[1]]), setting.chance)
    return [levels.crossing(curve, target) for curve in pair]


@functools.lru_cache
def true_speed_up(setting, pairs=10_000):
    """(log ratio in the long run, of so many pairs; share of pairs without bounds; how often the arm, and scratch, arrive).

    Times that are bounds only are left out; where they are many, no figure is the truth.
    """
    times = [pair_times(setting, pair) for pair in dev_curves(np.random.default_rng(1), setting, pairs)]
    known = [math.log(s.time / a.time) for a, s in times if a.time and s.time and not a.at_first]
    reached = [np.mean([t[i].time is not None for t in times]) for i in (0, 1)]
    return float(np.mean(known)), len(known) / len(times), *map(float, reached)


def speed_up(setting, studies, seed=0, pairs=10_000):
    """(coverage, share with an open end, share "faster", coverage of a percentile bootstrap, of an unpaired t, no figure).

    Coverage is that of studies with an interval; "faster" of all, with the arm there as often as scratch.
    """
    rng, sums, silent = np.random.default_rng([seed, setting.seeds]), np.zeros(5), 0
    truth = true_speed_up(replace(setting, seeds=0), pairs)[0]
    for _ in range(studies):
        pairs = [pair_times(setting, pair) for pair in dev_curves(rng, setting, setting.seeds)]
        arm, scratch = zip(*pairs, strict=True)
        found = convergence.speed_up(arm, scratch)
        if found.low is None:
            silent += 1
            continue
        often = sum(c.time is not None for c in arm) >= sum(c.time is not None for c in scratch)
        low, high = -np.inf if found.low_open else math.log(found.low), np.inf if found.high_open else math.log(found.high)
        logs = np.array([[math.log(c.time or c.horizon) for c in part] for part in (scratch, arm)])
        ratios = logs[0] - logs[1]
        drawn = ratios[rng.integers(0, setting.seeds, (500, setting.seeds))].mean(axis=1)
        ends = np.quantile(drawn, [0.025, 0.975])
        v = logs.var(axis=1, ddof=1) / setting.seeds
        half = stdtrit(v.sum() ** 2 / (v**2).sum() * (setting.seeds - 1), 0.975) * math.sqrt(v.sum())
        sums += (low <= truth <= high, found.low_open or found.high_open, low > 0 and often, ends[0] <= truth <= ends[1],
                 abs(ratios.mean() - truth) <= half)  # fmt: skip
    shares = sums / max(studies - silent, 1)
    return [shares[0], shares[1], sums[2] / studies, shares[3], shares[4], silent / studies]


@dataclass(frozen=True)
class Away:
    """A study of robustness: accuracies at home of scratch and of the arm by budget; away, those of a line in logits."""

    seeds: int
    clusters: int = 300
    sd: float = 0.02
    scratch: tuple = (0.62, 0.70, 0.78)
    arm: tuple = (0.72, 0.80, 0.86)
    slope: float = 0.8
    intercept: float = -0.2
    effect: float = 0.0

    def away(self):
        """Accuracies away, scratch's then the arm's."""
        line = self.slope * logit([*self.scratch, *self.arm]) + self.intercept
        return expit(line + self.effect * np.repeat([0, 1], [len(self.scratch), len(self.arm)])).tolist()


def robustness(setting, studies, seed=0):
    """Coverage of the arm's gap, retention, and effective robustness, and how often the last excludes 0."""
    rng, sums, n = np.random.default_rng([seed, setting.seeds]), np.zeros(4), len(setting.scratch)
    home, away = (*setting.scratch, *setting.arm), setting.away()
    arms = [0] * n + [1] * len(setting.arm)
    mine = np.array(arms, dtype=np.float64)
    gap, kept = home[-1] - away[-1], away[-1] / home[-1]
    for _ in range(studies):
        inside, outside = (answers(rng, setting.seeds, setting.clusters, a, setting.sd, arms=arms) for a in (home, away))
        cells = [[Values(h.mean(axis=1), h) for h in pair] for pair in zip(inside, outside, strict=True)]
        found, _ = effective._estimate(cells, mine)
        h, a = cells[-1]
        lost = stats.sum_interval(h.scores.mean() - a.scores.mean(), [h, Values(-a.scores, -a.values)])
        i, o = h.scores.mean(), a.scores.mean()
        share = stats.sum_interval(o / i, [Values(a.scores / i, a.values / i),
                                           Values(-h.scores * o / i**2, -h.values * o / i**2)])  # fmt: skip
        sums += (lost.low <= gap <= lost.high, share.low <= kept <= share.high, found.low <= setting.effect <= found.high,
                 not found.low <= 0 <= found.high)  # fmt: skip
    return sums / studies


MULTIPLIERS = {
    "7.0x of 16x": Curve(3),
    "14x of 16x": Curve(3, arm=0.75),
    "2.0x of 16x": Curve(3, arm=0.62),
    "4.0x, the budget next in line": Curve(3, arm=0.66),
    "7.0x, 2,000 examples": Curve(3, clusters=2000),
    "7.0x, seed sd .03": Curve(3, sd=0.03),
    "1x, an arm like scratch": Curve(3, arm=0.58),
    "beyond: .80 for .76": Curve(3, arm=0.80),
}
SPEED_UPS = {
    "usual": Training(3),
    "noisy dev": Training(3, noise=0.02),
    "few evaluations": Training(3, every=30, patience=5),
    "an arm like scratch": Training(3, rates=(120.0, 120.0), levels=(0.68, 0.68)),
}
AWAY = {
    "on the line": Away(3),
    "above it by .3": Away(3, effect=0.3),
    "2,000 examples": Away(3, clusters=2000),
}


def _cells(kinds, of):
    return [[name, *(of(replace(setting, seeds=s)) for s in SEEDS)] for name, setting in kinds.items()]


def _table(title, rows, pick):
    print(f"\n{title}\n\n| | {' | '.join(f'{s} seeds' for s in SEEDS)} |\n|---|{'---|' * len(SEEDS)}")
    for name, *cells in rows:
        print(f"| {name} | {' | '.join(pick(cell) for cell in cells)} |", flush=True)


def _percent(*shares):
    return " / ".join(f"{100 * share:.1f}" for share in shares)


def main():
    """Print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--only", default="multiplier,speed-up,robustness")
    parser.add_argument("--compare", action="store_true", help="the other methods, too")
    given = parser.parse_args()
    if "multiplier" in given.only:
        rows = _cells(MULTIPLIERS, lambda s: multiplier(s, given.studies, compare=given.compare))
        _table("multiplier: inversion / seed bootstrap / two-stage bootstrap / t over seeds", rows,
               lambda c: _percent(c.covered, c.seed_bootstrap, c.two_stage, c.by_seed))  # fmt: skip
        _table("interval excludes 1x / open at an end", rows, lambda c: _percent(c.rejected, c.open))
    if "speed-up" in given.only:
        rows = _cells(SPEED_UPS, lambda s: speed_up(s, given.studies))
        _table("speed-up: paired t / seed bootstrap / unpaired t; open", rows, lambda c: _percent(c[0], c[3], c[4], c[1]))
        _table("said to be faster / no figure", rows, lambda c: _percent(c[2], c[5]))
        print([(name, true_speed_up(replace(s, seeds=0))) for name, s in SPEED_UPS.items()])
    if "robustness" in given.only:
        rows = _cells(AWAY, lambda s: robustness(s, given.studies))
        _table("gap / retention / effective robustness", rows, lambda c: _percent(*c[:3]))
        _table("effective robustness excludes 0", rows, lambda c: _percent(c[3]))


if __name__ == "__main__":
    main()
