"""Simulated studies that look at their results after some seeds, and how often they find something.

Run as a program it prints the tables of docs/decisions/0040-looks-at-seeds.md: `python tests/simulation/simulated_looks.py`.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtr
from simulated import Setting, hits, truth

from transfergain.analysis import stats
from transfergain.analysis.sequential import FUTILE, Looks, conditional_power, nominal_levels

CLUSTERS = 100
BATCH = 2000


@dataclass(frozen=True)
class Kind:
    """Where the variance of a difference comes from; what each seed's mean varies by has a variance of 1."""

    seeds_part: float
    """Part of the variance of a mean over 6 seeds that more seeds reduce."""
    residual: float
    """Part of that which is the single examples' luck."""

    def draw(self, studies: int, seeds: int, rng: np.random.Generator) -> "Drawn":
        """Draw studies whose truth is 0."""
        cluster = CLUSTERS * (1 - self.seeds_part) / self.seeds_part / 6
        by_cluster = np.sqrt(cluster) * rng.standard_normal((studies, CLUSTERS))
        sums, rows, squares, found = np.zeros((studies, CLUSTERS)), [], np.zeros(studies), []
        for k in range(1, seeds + 1):
            by_seed = np.sqrt(1 - self.residual) * rng.standard_normal((studies, 1))
            values = by_cluster + by_seed
            if self.residual:
                values = values + np.sqrt(self.residual * CLUSTERS) * rng.standard_normal((studies, CLUSTERS))
            sums += values
            squares += (values**2).sum(axis=1)
            rows.append(values.mean(axis=1))
            if k > 1:
                found.append(mean_squares(np.array(rows), sums, squares))
        means = np.cumsum(rows, axis=0) / np.arange(1, seeds + 1)[:, None]
        return Drawn(means, np.array(found))


class Drawn(NamedTuple):
    """What simulated studies have after each number of seeds."""

    means: np.ndarray
    """(seeds, studies)."""
    squares: np.ndarray
    """(seeds - 1, studies, 3), from two seeds on."""

    def p_values(self, looks: Looks, design: Looks | None = None, effect: float = 0.0) -> np.ndarray:
        """P-values (looks, studies), each look tested as `design` says; on its own where that is None."""
        cells = ((k, self.means[k - 1] + effect, self.squares[k - 2]) for k in looks.counts)
        return np.array([stats.p_values(means, squares, k, CLUSTERS, design) for k, means, squares in cells])


def mean_squares(rows: np.ndarray, sums: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Mean squares (studies, 3) from the means of seeds (k, studies), sums over seeds, and sums of squares."""
    k, mean = len(rows), rows.mean(axis=0)
    by_seed = CLUSTERS * ((rows - mean) ** 2).sum(axis=0)
    by_cluster = k * ((sums / k - mean[:, None]) ** 2).sum(axis=1)
    rest = squares - k * CLUSTERS * mean**2 - by_seed - by_cluster
    degrees = k - 1, CLUSTERS - 1, (k - 1) * (CLUSTERS - 1)
    return np.stack([by_seed, by_cluster, np.maximum(rest, 0)], axis=1) / degrees


class Rejections(NamedTuple):
    """Shares of simulated studies that find something."""

    used: float
    """By `stats.p_values` with the looks."""
    by_level: float
    """By the plain two-way p-value against the level of the look, which corrects the clusters' tail too."""
    naive: float
    """By p < .05 at any look."""
    clock: float
    """As `used`, where a clock ends the study after a look at random."""
    small: tuple[float, ...]
    """By `used` at the smaller levels of SMALL."""


SMALL = (0.025, 0.01, 0.005)


def rejections(kind: Kind, looks: Looks, studies: int, effect: float = 0.0, seed: int = 0) -> Rejections:
    """Simulate `studies` studies and count."""
    rng, sums = np.random.default_rng(seed), np.zeros(4 + len(SMALL))
    nominal = np.array([1 - looks.level(k) for k in looks.counts])[:, None]
    for _ in range(studies // BATCH):
        drawn = kind.draw(BATCH, looks.counts[-1], rng)
        plain, used = drawn.p_values(looks, None, effect), drawn.p_values(looks, looks, effect)
        seen = np.arange(len(looks.counts))[:, None] <= rng.integers(len(looks.counts), size=BATCH)
        least = used.min(axis=0)
        found = (least < 0.05, (plain < nominal).any(axis=0), (plain < 0.05).any(axis=0), ((used < 0.05) & seen).any(axis=0))
        sums += [share.sum() for share in (*found, *(least < a for a in SMALL))]
    shares = (sums / (studies // BATCH * BATCH)).tolist()
    return Rejections(*shares[:4], tuple(shares[4:]))


def raised(kind: Kind, designs: Sequence[Looks], studies: int, seed: int = 0) -> float:
    """Share of studies of equal arms in which one of these designs rejects, each given more seeds where those before it
    left the question open.
    """
    rng, count = np.random.default_rng(seed), 0
    for _ in range(studies // BATCH):
        drawn = kind.draw(BATCH, max(looks.counts[-1] for looks in designs), rng)
        found = [(drawn.p_values(looks, looks, 0.0) < 0.05).any(axis=0) for looks in designs]
        count += int(np.logical_or.reduce(found).sum())
    return count / (studies // BATCH * BATCH)


def covered(setting: Setting, looks: Looks, studies: int, seed: int = 0) -> tuple[float, float]:
    """Shares of studies of accuracy whose intervals hold the truth: all of them, and the one at which the study stops."""
    rng, expected = np.random.default_rng(seed), truth(setting, "accuracy")
    together = stopped = 0
    for _ in range(studies):
        reference, treated = hits(setting, rng)
        values = treated.astype(float) - reference
        within, first = [], None
        for k in looks.counts:
            _, variance = stats.two_way(values[:k])
            mean = values[:k].mean()
            within.append(stats.p_value(mean - expected, variance, k, setting.clusters, looks) >= 0.05)
            if first is None and stats.p_value(mean, variance, k, setting.clusters, looks) < 0.05:
                first = within[-1]
        together += all(within)
        stopped += within[-1] if first is None else first
    return together / studies, stopped / studies


class Course(NamedTuple):
    """How studies go that stop at success, at futility, or at the last look."""

    power: float
    seeds: float
    """Mean number of seeds."""


def course(kind: Kind, looks: Looks, studies: int, effect: float, threshold: float, seed: int = 0) -> Course:
    """Simulate studies of an effect in standard deviations between seeds; they stop below `threshold` as futile."""
    drawn = kind.draw(studies, looks.counts[-1], np.random.default_rng(seed))
    found = drawn.p_values(looks, looks, effect) < 0.05
    seeds, success = np.full(studies, looks.counts[-1]), found[-1].copy()
    going = np.ones(studies, bool)
    for k, now in zip(looks.counts[:-1], found, strict=False):
        stop = going & now
        success[stop] = True
        for i in np.flatnonzero(going & ~now) if threshold else ():
            mean, (ms_seed, ms_cluster, ms_rest) = drawn.means[k - 1, i] + effect, drawn.squares[k - 2, i]
            by_seed, by_cluster = max(0.0, ms_seed - ms_rest) / CLUSTERS, max(0.0, ms_cluster - ms_rest) / k
            components = stats.Components(by_seed, by_cluster, ms_rest, k, CLUSTERS)
            if conditional_power(mean, components, looks) < threshold:
                stop[i], success[i] = True, False
        seeds[stop] = k
        going &= ~stop
    return Course(float(success.mean()), float(seeds.mean()))


def fixed_power(seeds: int, effect: float, studies: int) -> float:
    """Power of Student's t test over a fixed number of seeds."""
    return by_student([seeds], [0.05], effect, studies).power


def by_student(counts: Sequence[int], nominal: Sequence[float], effect: float, studies: int) -> Course:
    """Simulate studies that test by Student's t over seeds, at the nominal level of each look."""
    values = np.random.default_rng(0).standard_normal((studies, counts[-1])) + effect
    found, seeds = np.zeros(studies, bool), np.full(studies, counts[-1])
    for k, level in zip(counts, nominal, strict=True):
        t = values[:, :k].mean(axis=1) / values[:, :k].std(axis=1, ddof=1) * np.sqrt(k)
        now = ~found & (2 * stdtr(k - 1, -np.abs(t)) < level)
        found, seeds = found | now, np.where(now, k, seeds)
    return Course(float(found.mean()), float(seeds.mean()))


def designs(looks: Looks) -> dict[str, list[float]]:
    """The nominal levels of other ways to spend alpha over the same looks."""
    t = np.array(looks.counts) / looks.counts[-1]
    spent = {
        "t": t,
        "t squared": t**2,
        "like Pocock, log(1 + (e - 1) t)": np.log1p((np.e - 1) * t),
        "like O'Brien and Fleming": 2 * ndtr(ndtri(0.025) / np.sqrt(t)) / 0.05,
    }
    used = {"used": [1 - looks.level(k) for k in looks.counts]}
    return used | {name: nominal_levels(looks.counts, 0.05 * np.diff(s, prepend=0)) for name, s in spent.items()}


SEEDS_ONLY = Kind(1.0, 0.02)
KINDS = {
    "seeds alone": SEEDS_ONLY,
    "equal arms, no seed differs but by single examples": Kind(1.0, 1.0),
    "seeds, 80 %": Kind(0.8, 0.3),
    "seeds, 50 %": Kind(0.5, 0.3),
    "seeds, 50 %, mostly single examples": Kind(0.5, 0.95),
    "seeds, 20 %": Kind(0.2, 0.3),
    "clusters alone": Kind(0.01, 0.5),
}
ACCURACY = {
    "equal arms": Setting(12, 300, (0.02, 0.02), (0.65, 0.65), own_difficulty=0.0),
    "gain of 17 points, 300 test examples": Setting(12, 300),
    "gain of 17 points, 1,000 test examples": Setting(12, 1000, (0.03, 0.03)),
    "gain of 2 points, 300 test examples": Setting(12, 300, (0.02, 0.02), (0.65, 0.67)),
}
EFFECTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
RAISED = {
    "at most 12": [Looks.auto(12)],
    "at most 5, then 10": [Looks.auto(5), Looks.auto(10)],
    "at most 12, then 24": [Looks.auto(12), Looks.auto(24)],
    "at most 4, then 8, 16 and 30": [Looks.auto(4), Looks.auto(8), Looks.auto(16), Looks.auto(30)],
    "fixed 3, then at most 12": [Looks.fixed(3), Looks.auto(12)],
    "fixed 3, then fixed 8": [Looks.fixed(3), Looks.fixed(8)],
}


def table(*heads: str) -> None:
    """Print the head of a table in Markdown."""
    print("\n|", " | ".join(heads), "|")
    print("|---" * len(heads) + "|")


def row(*cells: str) -> None:
    """Print a row of it."""
    print("|", " | ".join(cells), "|", flush=True)


def main() -> None:
    """Print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--most", type=int, default=12)
    chosen = parser.parse_args()
    looks, studies, few = Looks.auto(chosen.most), chosen.studies, chosen.studies // 10

    print(f"Nominal levels in %; then power in % and mean seeds by effect in seed sd, {studies:,} studies")
    table("spending", *map(str, looks.counts), *(f"effect {effect:g}" for effect in EFFECTS))
    for name, nominal in designs(looks).items():
        courses = [by_student(looks.counts, nominal, effect, studies) for effect in EFFECTS]
        row(name, *(f"{100 * n:.2f}" for n in nominal), *(f"{100 * c.power:.1f}, {c.seeds:.1f}" for c in courses))
    row("8 seeds", *["" for _ in looks.counts], *(f"{100 * fixed_power(8, effect, studies):.1f}" for effect in EFFECTS))

    print(f"\nRejection where the truth is 0, {studies:,} studies")
    table("variance", "rejected", "ended by a clock", "levels alone", "naive", *(f"p < {a}" for a in SMALL))
    for name, kind in KINDS.items():
        f = rejections(kind, looks, studies)
        shares = (f.used, f.clock, f.by_level, f.naive)
        row(name, *(f"{s:.1%}" for s in shares), *(f"{s:.2%}" for s in f.small))

    print(f"\nRejection where the truth is 0 and seeds are raised after a look, {studies:,} studies")
    table("seeds", *(some := ("seeds alone", "seeds, 50 %", "clusters alone")))
    for name, designs_ in RAISED.items():
        row(name, *(f"{raised(KINDS[kind], designs_, studies):.1%}" for kind in some))

    print(f"\nCoverage, accuracy, {few:,} studies")
    table("studies", "all looks' intervals", "the interval where it stops")
    for name, setting in ACCURACY.items():
        row(name, *(f"{s:.1%}" for s in covered(setting, looks, few)))

    print(f"\nFutility, power in % and mean seeds, {few:,} studies")
    thresholds = (0.0, FUTILE, 2 * FUTILE)
    table("effect in seed sd", *(f"below {threshold:g}" for threshold in thresholds))
    for effect in EFFECTS[:4]:
        courses = [course(SEEDS_ONLY, looks, few, effect, threshold) for threshold in thresholds]
        row(f"{effect:g}", *(f"{100 * c.power:.1f}, {c.seeds:.1f}" for c in courses))


if __name__ == "__main__":
    main()
