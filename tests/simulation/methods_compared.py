"""Coverage of candidate intervals for a mean over few seeds and many test examples, from the mean squares alone.

The three mean squares of the two-way model are drawn as scaled chi-squares and the mean as a normal variable, so that a
hundred thousand studies take a second. Prints the table of docs/methods.md: `python tests/simulation/methods_compared.py`.
"""

import functools

import numpy as np
from scipy.special import stdtrit

from transfergain.analysis import stats

DRAWS, CLUSTERS = 20_000, 300
RESIDUALS = (0.3, 1.0, 4.0, np.inf)
"""Residual over cluster variance; infinite where the examples favour neither arm, as in an A/A study."""
SHARES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95)
"""Seeds' part of the variance of the mean."""
GRID = np.linspace(0, 1, 201)


@functools.lru_cache
def tail_quantiles(seeds: int) -> np.ndarray:
    """The project's quantile at each share of GRID."""
    return np.array([stats.quantile(0.05, share, seeds, CLUSTERS) for share in GRID])


def satterthwaite(ms_seed, ms_cluster, ms_rest, seeds, keep_larger):
    """Student's t with Satterthwaite's degrees of freedom; `keep_larger`: of a mean square at least."""
    ds, dc = seeds - 1, CLUSTERS - 1
    total = ms_seed + np.maximum(ms_cluster - ms_rest, 0)
    degrees = total**2 / (ms_seed**2 / ds + ms_cluster**2 / dc + ms_rest**2 / (ds * dc))
    if keep_larger:
        alone = total < np.maximum(ms_seed, ms_cluster) * (1 + 1e-12)
        total = np.maximum(total, ms_cluster)
        degrees = np.where(alone, np.where(ms_seed >= ms_cluster, ds, dc), degrees)
    return stdtrit(np.maximum(degrees, 0.5), 0.975) * np.sqrt(total)


def half_widths(ms_seed, ms_cluster, ms_rest, seeds):
    """Half widths of every method, in units in which the mean's variance is that of a mean square."""
    by_cluster = np.maximum(ms_cluster - ms_rest, 0)
    total = ms_seed + by_cluster
    share = ms_seed / total
    few, many = stdtrit(seeds - 1, 0.975), stdtrit(CLUSTERS - 1, 0.975)
    return {
        "Student t over seeds": few * np.sqrt(ms_seed),
        "Satterthwaite, larger mean square kept": satterthwaite(ms_seed, ms_cluster, ms_rest, seeds, True),
        "Satterthwaite": satterthwaite(ms_seed, ms_cluster, ms_rest, seeds, False),
        "Cochran-Cox": (share * few + (1 - share) * many) * np.sqrt(total),
        "Banerjee": np.sqrt(share * few**2 + (1 - share) * many**2) * np.sqrt(total),
        "weighted tails (used)": np.interp(share, GRID, tail_quantiles(seeds)) * np.sqrt(total),
    }


def study(rng, residual, share, seeds):
    """(coverage, median half width over that with known variance) by method, in one kind of study."""
    cluster, rest = (1.0, residual) if residual < np.inf else (0.0, 1.0)
    without = seeds * cluster + rest  # of the mean, times seeds and clusters; the seeds' component left out
    # The seeds' part holds the residual too: with share 0 of the component, ms_seed is expected to be the residual's.
    expected_seed = rest + without * share / (1 - share)
    ds, dc = seeds - 1, CLUSTERS - 1
    squares = [
        expected * rng.chisquare(degrees, DRAWS) / degrees
        for expected, degrees in ((expected_seed, ds), (without, dc), (rest, ds * dc))
    ]
    deviation = np.sqrt(without / (1 - share))
    error = np.abs(rng.normal(0, deviation, DRAWS))
    found = half_widths(*squares, seeds)
    return {name: (np.mean(error <= half), np.median(half) / (1.96 * deviation)) for name, half in found.items()}


def main() -> None:
    """Print, by number of seeds, the least and greatest coverage of each method and its mean relative width."""
    rng = np.random.default_rng(0)
    print("| seeds | method | least coverage | greatest coverage | width over that with known variance |")
    print("|---|---|---|---|---|")
    for seeds in (2, 3, 4, 5, 8, 10):
        kinds = [study(rng, residual, share, seeds) for residual in RESIDUALS for share in SHARES]
        for name in kinds[0]:
            coverage, width = zip(*(kind[name] for kind in kinds), strict=True)
            print(f"| {seeds} | {name} | {min(coverage):.1%} | {max(coverage):.1%} | {np.mean(width):.2f} |", flush=True)


if __name__ == "__main__":
    main()
