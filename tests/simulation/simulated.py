"""Simulated studies whose truth is known, and how often the interval of `analysis.stats` holds it.

An example is answered correctly when a latent normal variable is positive: the arm's level, the example's difficulty for
everyone, its difficulty for this arm, the seed's luck for both arms and for this arm, and noise of the trial. The expected
score over all examples then has a closed form given the seed, and over all seeds a one-dimensional integral.

Run as a program it prints the tables of docs/methods.md: `python tests/simulation/simulated.py`.
"""

import argparse
import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from transfergain.analysis import stats
from transfergain.metrics import METRICS

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@dataclass(frozen=True)
class Setting:
    """One kind of study. The defaults resemble SST-2 with few labels: scratch .65, fine-tuned .82."""

    seeds: int
    clusters: int
    sds: tuple[float, float] = (0.02, 0.02)
    """Standard deviation of accuracy between seeds, of the reference and of the treated arm, test noise left out."""
    accuracies: tuple[float, float] = (0.65, 0.82)
    difficulty: float = 0.5
    """Share of the latent variance (the seeds' left out) that is the example's difficulty, in both arms alike."""
    own_difficulty: float = 0.15
    """Share that is the example's difficulty for one arm."""
    together: float = 0.3
    """Share of the seeds' latent variance that both arms have in common."""
    classes: tuple[float, ...] = (0.5, 0.5)
    """Class frequencies; for macro F1."""


class Latent(NamedTuple):
    """Level and seed deviation of one arm's latent variable, whose variance without the seeds' is 1."""

    level: float
    seed: float


@functools.lru_cache
def latent(accuracy: float, sd: float) -> Latent:
    """The latent variable whose accuracy has this mean and this standard deviation over seeds, found by bisection."""
    low, high = 0.0, 3.0
    while high - low > 1e-9:
        deviation = (low + high) / 2
        by_seed = ndtr(ndtri(accuracy) * np.sqrt(1 + deviation**2) + deviation * NODES)
        spread = np.sqrt(WEIGHTS @ (by_seed - accuracy) ** 2)
        low, high = (deviation, high) if spread < sd else (low, deviation)
    return Latent(float(ndtri(accuracy) * np.sqrt(1 + low**2)), low)


def hits(setting: Setting, rng: np.random.Generator) -> list[np.ndarray]:
    """Hits (seeds, clusters) of the reference and of the treated arm, in one simulated study."""
    s, n = setting.seeds, setting.clusters
    normal = functools.partial(rng.standard_normal, dtype=np.float32)
    shared, luck = np.sqrt(setting.difficulty) * normal(n), normal((s, 1))
    noise = np.float32(np.sqrt(1 - setting.difficulty - setting.own_difficulty))
    found = []
    for accuracy, sd in zip(setting.accuracies, setting.sds, strict=True):
        arm = latent(accuracy, sd)
        by_seed = np.sqrt(setting.together) * luck + np.sqrt(1 - setting.together) * normal((s, 1))
        by_example = shared + np.sqrt(setting.own_difficulty) * normal(n)
        found.append(arm.level + arm.seed * by_seed + by_example + noise * normal((s, n)) > 0)
    return found


def accuracy_counts(hit: np.ndarray) -> np.ndarray:
    """Counts of accuracy (seeds, clusters, 2)."""
    return np.stack([hit, np.ones_like(hit)], axis=-1).astype(np.int8)


def macro_f1_counts(hit: np.ndarray, setting: Setting, rng: np.random.Generator, targets: np.ndarray) -> np.ndarray:
    """Counts of macro F1 (seeds, clusters, 3 * classes); an example that is missed goes to another class at random."""
    classes = len(setting.classes)
    missed = (targets + rng.integers(1, classes, size=hit.shape)) % classes
    one_hot = np.eye(classes, dtype=np.int8)
    predicted, actual = one_hot[np.where(hit, targets, missed)], np.broadcast_to(one_hot[targets], (*hit.shape, classes))
    return np.concatenate([predicted * actual, predicted, actual], axis=-1)


def truth(setting: Setting, metric: str) -> float:
    """The expected gain over all seeds, each tested on all examples there are."""
    scores = []
    for accuracy, sd in zip(setting.accuracies, setting.sds, strict=True):
        arm, shares = latent(accuracy, sd), np.array(setting.classes)
        right = ndtr(arm.level + arm.seed * NODES)[:, None]
        if metric == "accuracy":
            score = right[:, 0]
        else:
            wrong = (1 - right) * (1 - shares) / (len(shares) - 1)
            score = (2 * right * shares / (right * shares + wrong + shares)).mean(axis=1)
        scores.append(float(WEIGHTS @ score))
    return scores[1] - scores[0]


class Tally(NamedTuple):
    """Shares of simulated studies, and mean width."""

    covered: float
    """Studies whose interval holds the truth."""
    rejected: float
    """Studies with p < .05."""
    width: float
    """Mean width of the interval, in score."""
    by_seeds_alone: float
    """Coverage of Student's t over the seeds' scores, for comparison."""


def tally(setting: Setting, studies: int, metric: str = "accuracy", seed: int = 0) -> Tally:
    """Simulate `studies` studies and count."""
    rng = np.random.default_rng([seed, setting.seeds, setting.clusters])
    finish, expected = METRICS[metric].finish, truth(setting, metric)
    sums = np.zeros(4)
    for _ in range(studies):
        reference, treated = hits(setting, rng)
        if metric == "accuracy":
            counts = [accuracy_counts(h) for h in (treated, reference)]
        else:
            targets = rng.choice(len(setting.classes), size=setting.clusters, p=setting.classes)
            counts = [macro_f1_counts(h, setting, rng, targets) for h in (treated, reference)]
        found = stats.paired_interval(*counts, finish)
        differences = finish(counts[0].sum(axis=1)) - finish(counts[1].sum(axis=1))
        half = stdtrit(setting.seeds - 1, 0.975) * differences.std(ddof=1) / np.sqrt(setting.seeds)
        sums += (
            found.low <= expected <= found.high,
            found.p_value < 0.05,
            found.high - found.low,
            abs(differences.mean() - expected) <= half,
        )
    return Tally(*(sums / studies).tolist())


SEEDS = (3, 5, 8, 10)
SIZES = (300, 2000)
SPREADS = ((0.01, 0.01), (0.02, 0.02), (0.03, 0.03))
THREE_CLASSES = (0.5, 0.3, 0.2)


def planted() -> list[tuple[str, Setting]]:
    """(metric, setting) of the studies with a gain of 17 points."""
    found = [("accuracy", Setting(s, n, sds)) for sds in SPREADS for n in SIZES for s in SEEDS]
    return found + [("macro_f1", Setting(s, n, classes=THREE_CLASSES)) for n in SIZES for s in SEEDS]


def null() -> list[tuple[str, Setting]]:
    """(metric, setting) of the A/A studies: two arms that are the same in distribution."""
    same = {"accuracies": (0.65, 0.65), "own_difficulty": 0.0}
    return [("accuracy", Setting(s, n, (sd, sd), **same)) for sd in (0.0, 0.02) for n in SIZES for s in SEEDS]


def main() -> None:
    """Print both tables in Markdown."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args().studies
    for title, cells in (("planted gain", planted()), ("A/A", null())):
        print(f"\n{title}, {studies:,} studies a row\n")
        print("| metric | seed sd | test examples | seeds | coverage | p < .05 | mean width | Student t over seeds |")
        print("|---|---|---|---|---|---|---|---|")
        for metric, setting in cells:
            t = tally(setting, studies, metric)
            sds = " / ".join(f"{sd:.2f}" for sd in dict.fromkeys(setting.sds))
            print(
                f"| {metric} | {sds} | {setting.clusters:,} | {setting.seeds} | {t.covered:.1%} | {t.rejected:.1%} | "
                f"{t.width:.3f} | {t.by_seeds_alone:.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
