"""How often intervals against predictions that files give hold the truth: with one file, several, or two files alone."""

import numpy as np
import pytest

from transfergain.analysis import pairing
from transfergain.analysis.stats import Values

EXAMPLES = 300
SETTINGS = {
    "3 seeds, 1 file": (3, 1),
    "5 seeds, 1 file": (5, 1),
    "10 seeds, 1 file": (10, 1),
    "3 seeds, 3 files": (3, 3),
    "5 seeds, 3 files": (5, 3),
    "5 seeds, 2 files": (5, 2),
    "two files": (1, 1),
    "3 files, 3 files": (3, 3),
}


def system(rng, runs, difficulty, level, between):
    """Hits (runs, examples) of a system: a level, the examples' difficulty, and luck of each run."""
    by_run = between * rng.standard_normal((runs, 1)) if runs > 1 else 0.0
    chance = np.clip(level + difficulty + by_run, 0.02, 0.98)
    hits = (rng.random((runs, len(difficulty))) < chance).astype(float)
    return Values(hits.mean(axis=1), hits)


def covered(rng, seeds, files, between=0.03):
    """Whether the interval holds the true difference, which is 0.1 for systems of one spread of difficulties."""
    difficulty = rng.uniform(-0.18, 0.08, EXAMPLES)
    mine = system(rng, seeds, difficulty, 0.85, between)
    theirs = system(rng, files, difficulty, 0.75, between)
    found = pairing.difference(mine, theirs)
    return found.low <= 0.1 <= found.high


def coverage(setting, draws, seed=0):
    rng = np.random.default_rng(seed)
    return float(np.mean([covered(rng, *SETTINGS[setting]) for _ in range(draws)]))


@pytest.mark.parametrize("setting", SETTINGS)
def test_intervals_hold_the_truth(setting):
    assert 0.91 <= coverage(setting, 300) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_intervals_hold_the_truth_in_many_draws(setting):
    assert 0.92 <= coverage(setting, 4000) <= 0.985
