"""The vectorised bootstrap: against scipy's and against its definition."""

import numpy as np
import pytest
import scipy.stats

from transfergain.analysis import bootstrap
from transfergain.metrics import METRICS

ACCURACY, MACRO = METRICS["accuracy"].finish, METRICS["macro_f1"].finish


def accuracy_counts(rng, seeds, clusters, accuracy=0.7):
    hit = rng.random((seeds, clusters)) < accuracy
    return np.stack([hit, np.ones_like(hit)], axis=-1).astype(np.int64)


def test_one_seed_is_scipys_bootstrap():
    """Both resample examples of one seed: the same distribution of the mean (Kolmogorov-Smirnov, and the interval)."""
    rng = np.random.default_rng(0)
    counts = accuracy_counts(rng, 1, 120)
    mine = bootstrap.two_stage(counts, ACCURACY, 9999, np.random.default_rng(1))
    theirs = scipy.stats.bootstrap(
        (counts[0, :, 0].astype(float),), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(2)
    )
    # A lattice of 120 points: jitter below its spacing makes the test's distribution continuous.
    jitter = np.random.default_rng(3).uniform(-0.5, 0.5, (2, 9999)) / 120
    assert scipy.stats.ks_2samp(mine + jitter[0], theirs.bootstrap_distribution + jitter[1]).pvalue > 0.01
    assert bootstrap.percentile(mine) == pytest.approx(theirs.confidence_interval, abs=1.5 / 120)


def test_seeds_alone_are_scipys_bootstrap_too():
    """Constant seeds: only the choice of seeds is left, as in resampling the seeds' scores."""
    scores = np.array([0.1, 0.25, 0.4, 0.8, 0.9])
    counts = np.broadcast_to(np.stack([scores, np.ones(5)], axis=-1)[:, None], (5, 40, 2))
    mine = bootstrap.two_stage(counts, ACCURACY, 9999, np.random.default_rng(1))
    theirs = scipy.stats.bootstrap((scores,), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(2))
    jitter = np.random.default_rng(3).uniform(-0.01, 0.01, (2, 9999))
    assert scipy.stats.ks_2samp(mine + jitter[0], theirs.bootstrap_distribution + jitter[1]).pvalue > 0.01


def test_mean_and_variance_are_those_of_the_two_stages():
    rng = np.random.default_rng(4)
    counts = accuracy_counts(rng, 6, 200)
    hit = counts[..., 0].astype(float)
    found = bootstrap.two_stage(counts, ACCURACY, 20_000, rng)
    s, n = hit.shape
    # Var of sum_ij a_i b_j x_ij / SN over independent multinomial a and b: seeds, clusters, and both together.
    by_seed, by_cluster, rest = hit.mean(axis=1), hit.mean(axis=0), None
    rest = hit - by_seed[:, None] - by_cluster[None] + hit.mean()
    variance = by_seed.var() / s + by_cluster.var() / n + (rest**2).mean() / (s * n)
    assert found.mean() == pytest.approx(hit.mean(), abs=4 * np.sqrt(variance / 20_000))
    assert found.var() == pytest.approx(variance, rel=0.05)


def test_every_seed_meets_the_same_examples():
    counts = np.repeat(accuracy_counts(np.random.default_rng(5), 1, 50), 3, axis=0)
    scores = bootstrap.resampled_scores(counts, ACCURACY, 200, np.random.default_rng(6))
    assert (scores == scores[:, :1]).all() and scores.std() > 0


def test_float_counts_and_other_metrics_and_a_last_chunk():
    rng = np.random.default_rng(7)
    targets = rng.integers(0, 3, 60)
    predictions = [np.where(rng.random(60) < 0.8, targets, rng.integers(0, 3, 60)) for _ in range(3)]
    counts = np.stack([METRICS["macro_f1"].counts(p, targets, ("a", "b", "c")) for p in predictions])
    draws = bootstrap.DRAWS_AT_A_TIME + 7
    whole = bootstrap.two_stage(counts, MACRO, draws, np.random.default_rng(8))
    floats = bootstrap.two_stage(counts.astype(float), MACRO, draws, np.random.default_rng(8))
    assert whole.shape == (draws,) and whole == pytest.approx(floats, abs=1e-12)
    assert 0 < whole.min() <= whole.max() <= 1
