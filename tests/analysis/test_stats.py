"""`analysis.stats` against explicit formulas, enumeration and other libraries."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from transfergain.analysis import power, stats
from transfergain.analysis.sequential import Looks
from transfergain.metrics import METRICS

ACCURACY, MACRO_F1 = METRICS["accuracy"], METRICS["macro_f1"]
LABELS = ("a", "b", "c")


def random_counts(rng, metric=ACCURACY, seeds=4, clusters=30, right=0.7):
    """Counts (seeds, clusters, k) of random predictions over three classes."""
    targets = rng.integers(0, 3, clusters)
    shifts = rng.integers(1, 3, (seeds, clusters)) * (rng.random((seeds, clusters)) > right)
    return np.stack([metric.counts((targets + shift) % 3, targets, LABELS) for shift in shifts])


def test_two_way_by_hand():
    # Rows (seeds) have means 2 and 4, columns 1.5, 3 and 4.5, the grand mean is 3; the residuals are +-0.5 and 0.
    values = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    ms_seed, ms_cluster, ms_rest = 3 * (1 + 1) / 1, 2 * (2.25 + 0 + 2.25) / 2, 4 * 0.25 / 2
    components, variance = stats.two_way(values)
    assert components.seed == pytest.approx((ms_seed - ms_rest) / 3)
    assert components.cluster == pytest.approx((ms_cluster - ms_rest) / 2)
    assert components.residual == pytest.approx(ms_rest)
    assert (components.seeds, components.clusters) == (2, 3)
    assert variance.total == pytest.approx((ms_seed + ms_cluster - ms_rest) / 6)
    assert variance.total == pytest.approx(components.variance(2, 3))
    assert variance.seeds / variance.total == pytest.approx(components.seed_share(2, 3))


def test_two_way_against_another_library():
    formula = pytest.importorskip("statsmodels.formula.api")
    from statsmodels.stats.anova import anova_lm

    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 7)) + rng.normal(size=(4, 1)) + rng.normal(size=7)
    rows, columns = np.indices(values.shape)
    frame = {"value": values.ravel(), "seed": rows.ravel(), "cluster": columns.ravel()}
    table = anova_lm(formula.ols("value ~ C(seed) + C(cluster)", frame).fit())
    squares = table["sum_sq"] / table["df"]
    components, variance = stats.two_way(values)
    assert components.residual == pytest.approx(squares["Residual"])
    assert components.seed == pytest.approx((squares["C(seed)"] - squares["Residual"]) / 7)
    assert components.cluster == pytest.approx((squares["C(cluster)"] - squares["Residual"]) / 4)
    assert variance.total == pytest.approx((squares["C(seed)"] + squares["C(cluster)"] - squares["Residual"]) / 28)


def test_components_are_unbiased():
    rng = np.random.default_rng(1)
    found = [
        stats.two_way(2 * rng.normal(size=(6, 1)) + 3 * rng.normal(size=20) + rng.normal(size=(6, 20)))[0]
        for _ in range(2000)
    ]
    assert np.mean([c.seed for c in found]) == pytest.approx(4, rel=0.06)
    assert np.mean([c.cluster for c in found]) == pytest.approx(9, rel=0.04)
    assert np.mean([c.residual for c in found]) == pytest.approx(1, rel=0.02)


def test_negative_components_count_as_nothing():
    # Every seed and every cluster has mean 0: both mean squares are 0, and only the residual is left.
    components, variance = stats.two_way(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert (components.seed, components.cluster, components.residual) == (0, 0, 4)
    assert variance == (1, 0)


def test_scores_that_tie_by_chance_are_not_certainty():
    hits = np.array([[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 1]])
    found = stats.score_interval(np.stack([hits, np.ones_like(hits)], axis=-1), ACCURACY.finish)
    assert found.estimate == pytest.approx(1 / 3)
    assert found.low < 0.2
    assert found.high > 0.5


def test_macro_f1_that_ties_but_for_rounding_is_no_certainty_either():
    one = random_counts(np.random.default_rng(12), MACRO_F1, seeds=1, clusters=997)[0]
    counts = np.stack([one, np.roll(one, 1, axis=0), np.roll(one, 2, axis=0)])
    scores, values = stats.pseudo_values(counts, MACRO_F1.finish)
    components, variance = stats.two_way(values)
    assert np.ptp(scores) < 1e-12
    assert variance.seeds == components.residual / values.size > 1e-5


def test_interval_of_identical_seeds_is_that_of_the_clusters():
    values = np.tile(np.random.default_rng(2).normal(size=40), (5, 1))
    found = stats.interval(values.mean(axis=1), values)
    expected = reference.ttest_1samp(values[0], 0)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_interval_of_identical_clusters_is_that_of_the_seeds():
    values = np.tile(np.random.default_rng(3).normal(size=(5, 1)), (1, 40))
    found = stats.interval(values.mean(axis=1), values)
    expected = reference.ttest_1samp(values[:, 0], 0)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


@settings(max_examples=60, deadline=None)
@given(
    st.floats(1e-4, 0.9),
    st.floats(0, 1),
    st.integers(2, 12),
    st.integers(2, 3000),
)
def test_quantile_inverts_tail(p, share, seeds, clusters):
    x = stats.quantile(p, share, seeds, clusters)
    assert stats.tail(x, share, seeds, clusters) == pytest.approx(p, rel=1e-6)
    ends = sorted(reference.t.isf(p / 2, df) for df in (seeds - 1, clusters - 1))
    assert ends[0] * (1 - 1e-9) <= x <= ends[1] * (1 + 1e-9)
    assert stats.tail(0, share, seeds, clusters) == 1


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 40), st.sampled_from([ACCURACY, MACRO_F1]))
def test_swapped_arms_and_p_against_interval(seed, seeds, clusters, metric):
    rng = np.random.default_rng(seed)
    a, b = (random_counts(rng, metric, seeds, clusters, right) for right in (0.8, 0.6))
    one, other = stats.paired_interval(a, b, metric.finish), stats.paired_interval(b, a, metric.finish)
    assert one.estimate == -other.estimate
    assert (one.low, one.high) == (-other.high, -other.low)
    assert one.p_value == other.p_value
    assert one.components == other.components
    assert one.low <= one.estimate <= one.high
    assert (one.p_value < 0.05) == (one.low > 0 or one.high < 0)
    assert all(math.isfinite(x) for x in (one.estimate, one.low, one.high, one.p_value))


def test_no_variance_is_not_divided_by():
    right, wrong = (np.stack([np.full((3, 20), hit), np.ones((3, 20), int)], axis=-1) for hit in (1, 0))
    found = stats.paired_interval(right, wrong, ACCURACY.finish)
    assert (found.estimate, found.low, found.high, found.p_value) == (1, 1, 1, 0)
    found = stats.paired_interval(right, right, ACCURACY.finish)
    assert (found.estimate, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_one_seed_has_no_interval():
    counts = random_counts(np.random.default_rng(4), seeds=1)
    found = stats.score_interval(counts, ACCURACY.finish)
    assert found.estimate == counts[0, :, 0].mean()
    assert (found.low, found.high, found.p_value, found.components) == (None, None, None, None)


def test_one_cluster_and_unpaired_counts_raise():
    counts = random_counts(np.random.default_rng(5))
    with pytest.raises(ValueError, match="two test clusters"):
        stats.score_interval(counts[:, :1], ACCURACY.finish)
    with pytest.raises(ValueError, match="unpaired"):
        stats.paired_interval(counts, counts[:3], ACCURACY.finish)


def test_pseudo_values_of_accuracy_are_the_hits():
    counts = random_counts(np.random.default_rng(6))
    scores, values = stats.pseudo_values(counts, ACCURACY.finish)
    np.testing.assert_allclose(values, counts[..., 0], atol=1e-12)
    np.testing.assert_allclose(scores, counts[..., 0].mean(axis=1))


def test_pseudo_values_of_macro_f1_by_leaving_one_out():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(7)
    targets, predictions = rng.integers(0, 3, 25), rng.integers(0, 3, (2, 25))
    counts = np.stack([MACRO_F1.counts(p, targets, LABELS) for p in predictions])
    scores, values = stats.pseudo_values(counts, MACRO_F1.finish)
    for s, i in itertools.product(range(2), range(25)):
        whole = metrics.f1_score(targets, predictions[s], average="macro")
        without = metrics.f1_score(np.delete(targets, i), np.delete(predictions[s], i), average="macro")
        assert values[s, i] == pytest.approx(25 * whole - 24 * without)
    assert scores == pytest.approx([metrics.f1_score(targets, p, average="macro") for p in predictions])


def test_jackknife_spread_of_macro_f1_is_that_of_new_test_sets():
    rng = np.random.default_rng(8)
    found = [stats.pseudo_values(random_counts(rng, MACRO_F1, 1, 400), MACRO_F1.finish) for _ in range(300)]
    across = np.std([scores[0] for scores, _ in found])
    within = np.mean([values[0].std(ddof=1) / 20 for _, values in found])
    assert within == pytest.approx(across, rel=0.15)


DIFFERENCES = st.lists(st.integers(-50, 50).map(lambda k: k / 200), min_size=1, max_size=7)


@settings(max_examples=100, deadline=None)
@given(DIFFERENCES)
def test_sign_flip_by_enumeration(differences):
    observed = abs(sum(differences))
    flips = [sum(s * d for s, d in zip(signs, differences, strict=True))
             for signs in itertools.product((1, -1), repeat=len(differences))]  # fmt: skip
    expected = sum(abs(total) >= observed - 1e-9 for total in flips) / len(flips)
    assert stats.sign_flip(differences) == expected


@pytest.mark.parametrize("seed", range(5))
def test_sign_flip_against_scipy(seed):
    differences = np.random.default_rng(seed).normal(0.5, 1, 8)
    exact = reference.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert stats.sign_flip(differences.tolist()) == pytest.approx(exact.pvalue)


def test_sign_flip_at_its_limits():
    assert stats.sign_flip([0.1] * 6) == 2 / 2**6
    assert stats.sign_flip([0.0] * 6) == 1
    assert stats.sign_flip([0.1 + i / 100 for i in range(20)]) == 2 / 2**20
    for wrong in ([], [0.1] * 21):
        with pytest.raises(ValueError, match="between 1 and 20"):
            stats.sign_flip(wrong)


P_VALUES = st.lists(st.floats(0, 1), min_size=0, max_size=8)


@settings(max_examples=100, deadline=None)
@given(P_VALUES)
def test_holm_by_its_definition(p_values):
    """The adjusted p is the smallest level at which the step-down procedure rejects the hypothesis."""
    adjusted = stats.holm(p_values)
    ordered = sorted(p_values)
    for p, found in zip(p_values, adjusted, strict=True):
        steps = [(len(p_values) - k) * q for k, q in enumerate(ordered) if q <= p]
        # Equal p-values share the verdict of the first of them to be tested.
        before = steps[: ordered.index(p) + 1]
        assert found == pytest.approx(min(1, max(before)))
        assert found >= p


@pytest.mark.long
@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_against_another_library(p_values):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    assert stats.holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])


COMPONENTS = st.builds(
    stats.Components,
    seed=st.floats(0, 0.01),
    cluster=st.floats(0, 0.3),
    residual=st.floats(0.001, 0.3),
    seeds=st.integers(2, 12),
    clusters=st.integers(10, 3000),
)


@settings(max_examples=60, deadline=None)
@given(COMPONENTS)
def test_detectable_falls_with_seeds_clusters_and_rises_with_power(components):
    s, n = components.seeds, components.clusters
    now = power.detectable(components, s, n)
    assert now > 0
    assert power.detectable(components, s + 1, n) < now
    if s > 3:  # with fewer seeds the wider tails of the seeds' part can outweigh the smaller variance
        assert power.detectable(components, s, 2 * n) < now
    assert power.detectable(components, s, n, power=0.9) > now
    assert power.detectable(components, s, n, level=0.99) > now


@settings(max_examples=60, deadline=None)
@given(COMPONENTS, st.floats(0.9, 1.1), st.sampled_from([None, Looks.auto(12)]))
def test_what_is_detectable_is_told_without_the_smallest_effect_that_is(components, part, looks):
    s, n = components.seeds, components.clusters
    least = power.detectable(components, s, n, looks=looks)
    assume(abs(part - 1) > 1e-9)
    assert power.is_detectable(part * least, components, s, n, looks) is (part > 1)


@settings(max_examples=25, deadline=None)
@given(COMPONENTS, st.floats(0.002, 0.2))
def test_needed_is_the_least_that_detects(components, effect):
    s, n = components.seeds, components.clusters
    seeds, clusters = power.needed(components, effect)
    if seeds is None:
        assert power.detectable(components, 1000, n) > effect
    else:
        assert power.detectable(components, seeds, n) <= effect
        assert seeds == s + 1 or power.detectable(components, seeds - 1, n) > effect
    if clusters is None:
        assert power.detectable(components, s, 900 * n) > effect
    else:
        assert clusters > n
        assert power.detectable(components, s, clusters) <= effect
        assert clusters <= 1.1 * n + 1 or power.detectable(components, s, int(clusters / 1.1) - 1) > effect
    easier = power.needed(components, 2 * effect)
    assert all(b is None or a <= b for a, b in zip(easier, (seeds, clusters), strict=True) if a is not None)


def test_detectable_of_many_seeds_and_clusters_is_the_textbook_value():
    components = stats.Components(seed=1.0, cluster=0.0, residual=0.0, seeds=5000, clusters=5000)
    expected = (reference.norm.isf(0.025) + reference.norm.isf(0.2)) / math.sqrt(5000)
    assert power.detectable(components, 5000, 5000) == pytest.approx(expected, rel=1e-3)


def test_none_needed_where_seeds_cannot_help():
    fixed = stats.Components(seed=0.0, cluster=0.25, residual=0.0, seeds=3, clusters=100)
    seeds, clusters = power.needed(fixed, 0.02)
    assert seeds is None
    assert clusters == pytest.approx(0.25 * (reference.norm.isf(0.025) + reference.norm.isf(0.2)) ** 2 / 0.02**2, rel=0.1)
