"""Every verdict is reached, from intervals and from counts, and always says why."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfergain.analysis import stats
from transfergain.analysis.verdict import VERDICTS, judge
from transfergain.metrics import METRICS

FINISH = METRICS["accuracy"].finish
COMPONENTS = stats.Components(seed=0.0004, cluster=0.1, residual=0.1, seeds=5, clusters=400)


def estimate(low, high, p=0.5):
    return stats.Estimate((low + high) / 2, low, high, p, COMPONENTS)


def test_every_verdict_from_its_interval():
    cases = {
        "supported": (estimate(0.02, 0.06, 0.001), 0.001, 0),
        "negative transfer": (estimate(-0.06, -0.02, 0.001), 0.001, 0),
        "not supported": (estimate(-0.02, 0.008), 0.4, 0),
        "inconclusive": (estimate(-0.02, 0.05), 0.4, 0),
        "void": (estimate(0.02, 0.06, 0.001), 0.001, 3),
    }
    assert set(cases) == set(VERDICTS)
    for word, (result, p_holm, unconverged) in cases.items():
        verdict = judge(result, p_holm, 0.01, unconverged, 5)
        assert verdict.verdict == word
        assert verdict.why


def counts_with(rng, accuracy, seeds=5, clusters=600):
    """Hits with an accuracy, independent."""
    hits = rng.random((seeds, clusters)) < accuracy
    return np.stack([hits, np.ones_like(hits)], axis=-1).astype(int)


@pytest.mark.parametrize(
    ("scratch", "treated", "margin", "word"),
    [
        (0.6, 0.8, 0.01, "supported"),
        (0.8, 0.6, 0.01, "negative transfer"),
        (0.7, 0.7, 0.1, "not supported"),
        (0.7, 0.71, 0.01, "inconclusive"),
    ],
)
def test_verdicts_from_counts(scratch, treated, margin, word):
    rng = np.random.default_rng(0)
    against = counts_with(rng, scratch)
    result = stats.paired_interval(counts_with(rng, treated), against, FINISH)
    assert judge(result, result.p_value, margin, 0, 5).verdict == word


def test_a_gain_is_meaningful_from_the_margin_on():
    assert judge(estimate(0.01, 0.03), 0.001, 0.01, 0, 5).why == "meaningful"
    assert judge(estimate(0.009, 0.03), 0.001, 0.01, 0, 5).why == "may be under 1 point"
    assert judge(estimate(0.009, 0.03), 0.001, 0.025, 0, 5).why == "may be under 2.5 points"


def test_half_of_the_seeds_unconverged_void_it():
    result = estimate(0.02, 0.06)
    assert [judge(result, 0.001, 0.01, k, 5).verdict for k in range(6)] == ["supported"] * 3 + ["void"] * 3
    assert judge(result, 0.001, 0.01, 2, 4).verdict == "void"
    assert "2 of 4 seeds" in judge(result, 0.001, 0.01, 2, 4).why


def test_nothing_is_said_against_an_arm_that_was_cut_short():
    worse, useless, better = estimate(-0.06, -0.02, 0.001), estimate(-0.02, 0.008), estimate(0.02, 0.06, 0.001)
    words = [judge(worse, 0.001, 0.01, 0, 5, arm_unconverged=k).verdict for k in range(6)]
    assert words == ["negative transfer"] * 3 + ["inconclusive"] * 3
    assert judge(useless, 0.4, 0.01, 0, 5, arm_unconverged=3).verdict == "inconclusive"
    why = judge(worse, 0.001, 0.01, 0, 5, arm_unconverged=4).why
    assert why.startswith("the pretrained arm was still improving at the step cap in 4 of 5 seeds")
    assert judge(better, 0.001, 0.01, 0, 5, arm_unconverged=5).verdict == "supported", "more steps would only add to it"
    assert judge(worse, 0.001, 0.01, 3, 5, arm_unconverged=5).verdict == "void"


def test_one_seed_is_said_plainly():
    counts = counts_with(np.random.default_rng(1), 0.7, seeds=1)
    verdict = judge(stats.paired_interval(counts, counts, FINISH), None, 0.01, 0, 1)
    assert verdict == ("inconclusive", "one seed shows no variance between seeds; run at least 3", None, False)
    assert judge(stats.paired_interval(counts, counts, FINISH), None, 0.01, 1, 1).verdict == "void"


@pytest.mark.parametrize(("value", "word"), [(0.1, "supported"), (0.0, "not supported"), (-0.1, "negative transfer")])
def test_no_variance_at_all(value, word):
    result = stats.Estimate(value, value, value, float(value == 0), COMPONENTS)
    verdict = judge(result, result.p_value, 0.01, 0, 5)
    assert verdict == (word, "no variance at all between seeds and test examples", None, False)


def test_significant_alone_but_not_among_the_data_sets():
    verdict = judge(estimate(0.002, 0.05, 0.03), 0.09, 0.01, 0, 5)
    assert verdict.verdict == "inconclusive"
    assert "p = 0.09 after Holm" in verdict.why


def test_inconclusive_says_what_it_takes():
    result = estimate(-0.01, 0.11)
    seeds, clusters = stats.needed(COMPONENTS, 0.05)
    found = stats.detectable(COMPONENTS, 5, 400)
    verdict = judge(result, 0.4, 0.01, 0, 5)
    assert verdict.seeds == seeds
    why = verdict.why
    options = f"{seeds} seeds or {clusters:,} test examples"
    assert why == f"needs about {options} (detectable now: {100 * found:.1f} points)"
    helped_by_seeds = stats.Components(seed=0.01, cluster=0.0, residual=0.1, seeds=5, clusters=400)
    why = judge(stats.Estimate(0.05, -0.05, 0.15, 0.2, helped_by_seeds), 0.2, 0.01, 0, 5).why
    assert why.startswith(f"needs about {stats.needed(helped_by_seeds, 0.05)[0]} seeds (detectable now: ")
    hopeless = stats.Components(seed=1.0, cluster=1.0, residual=1.0, seeds=5, clusters=40)
    verdict = judge(stats.Estimate(0.0, -0.9, 0.9, 1.0, hopeless), 1.0, 0.001, 0, 5)
    assert verdict.why.startswith("needs far more seeds and test examples") and verdict.seeds is None


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 5), st.integers(2, 30), st.floats(0, 1), st.floats(0, 1), st.integers(0, 5),
    st.sampled_from([0.0, 0.01, 0.2]), st.integers(1, 4),
)  # fmt: skip
def test_a_verdict_for_everything_and_never_nan(seed, seeds, clusters, one, other, unconverged, margin, family):
    rng = np.random.default_rng(seed)
    result = stats.paired_interval(counts_with(rng, one, seeds, clusters), counts_with(rng, other, seeds, clusters), FINISH)
    p_holm = None if result.p_value is None else min(1.0, family * result.p_value)
    verdict = judge(result, p_holm, margin, min(unconverged, seeds), seeds)
    assert verdict.verdict in VERDICTS
    assert verdict.why
    assert "nan" not in verdict.why
    assert all(x is None or math.isfinite(x) for x in (result.estimate, result.low, result.high, result.p_value))
    if verdict.verdict == "supported":
        assert result.estimate > 0
        assert p_holm < 0.05
    if verdict.verdict == "negative transfer":
        assert result.estimate < 0
