"""Every verdict is reached, from intervals and from counts, and always says why."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.planted import WORLDS, findings, trials
from support.synthetic import DATA, TWEETS
from transfergain.analysis import power, stats
from transfergain.analysis.rows import Verdict
from transfergain.analysis.sequential import Looks
from transfergain.analysis.verdict import VERDICTS, judge
from transfergain.metrics import METRICS

FINISH = METRICS["accuracy"].finish
COMPONENTS = stats.Components(seed=0.0004, cluster=0.1, residual=0.1, seeds=5, clusters=400)


def estimate(low, high, p=0.5):
    return stats.Estimate((low + high) / 2, low, high, p, COMPONENTS)


def test_every_verdict_from_its_interval():
    cases = {
        "supported": (estimate(0.02, 0.06, 0.001), 0.001),
        "negative transfer": (estimate(-0.06, -0.02, 0.001), 0.001),
        "not supported": (estimate(-0.02, 0.008), 0.4),
        "inconclusive": (estimate(-0.02, 0.05), 0.4),
    }
    assert set(cases) == set(VERDICTS)
    for word, (result, p_holm) in cases.items():
        verdict = judge(result, p_holm, 0.01)
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
    assert judge(result, result.p_value, margin).verdict == word


def test_a_gain_matters_from_the_margin_on():
    assert judge(estimate(0.01, 0.03), 0.001, 0.01).why == "at least 1 point"
    assert judge(estimate(0.009, 0.03), 0.001, 0.01).why == "maybe less than 1 point"
    assert judge(estimate(0.009, 0.03), 0.001, 0.025).why == "maybe less than 2.5 points"


def test_looking_several_times_asks_for_more_seeds():
    """Looking several times has its price: the intervals are wider, and so is what they would find."""
    helped_by_seeds = stats.Components(seed=0.01, cluster=0.0, residual=0.1, seeds=5, clusters=400)
    result = stats.Estimate(0.05, -0.05, 0.15, 0.2, helped_by_seeds)
    once, often = judge(result, 0.4, 0.01), judge(result, 0.4, 0.01, Looks.auto(12))
    assert often.seeds > once.seeds
    assert often.why != once.why


def test_one_seed_is_said_plainly():
    counts = counts_with(np.random.default_rng(1), 0.7, seeds=1)
    verdict = judge(stats.paired_interval(counts, counts, FINISH), None, 0.01)
    assert verdict == ("inconclusive", "one seed shows no variance between seeds; run at least 3", None)


@pytest.mark.parametrize(("value", "word"), [(0.1, "supported"), (0.0, "not supported"), (-0.1, "negative transfer")])
def test_no_variance_at_all(value, word):
    result = stats.Estimate(value, value, value, float(value == 0), COMPONENTS)
    verdict = judge(result, result.p_value, 0.01)
    assert verdict == (word, "no variance at all between seeds and test examples", None)


def test_significant_alone_but_not_among_the_data_sets():
    verdict = judge(estimate(0.002, 0.05, 0.03), 0.09, 0.01)
    assert verdict.verdict == "inconclusive"
    assert "p = 0.09 after Holm" in verdict.why


def test_inconclusive_says_what_it_takes():
    result = estimate(-0.01, 0.11)
    seeds, clusters = power.needed(COMPONENTS, 0.05)
    found = power.detectable(COMPONENTS, 5, 400)
    verdict = judge(result, 0.4, 0.01)
    assert verdict.seeds == seeds
    why = verdict.why
    options = f"{seeds} seeds or {clusters:,} test examples"
    assert why == f"needs about {options} (detectable now: {100 * found:.1f} points)"
    helped_by_seeds = stats.Components(seed=0.01, cluster=0.0, residual=0.1, seeds=5, clusters=400)
    why = judge(stats.Estimate(0.05, -0.05, 0.15, 0.2, helped_by_seeds), 0.2, 0.01).why
    assert why.startswith(f"needs about {power.needed(helped_by_seeds, 0.05)[0]} seeds (detectable now: ")
    hopeless = stats.Components(seed=1.0, cluster=1.0, residual=1.0, seeds=5, clusters=40)
    verdict = judge(stats.Estimate(0.0, -0.9, 0.9, 1.0, hopeless), 1.0, 0.001)
    assert verdict.why.startswith("needs far more seeds and test examples") and verdict.seeds is None


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 5), st.integers(2, 30), st.floats(0, 1), st.floats(0, 1),
    st.sampled_from([0.0, 0.01, 0.2]), st.integers(1, 4),
)  # fmt: skip
def test_a_verdict_for_everything_and_never_nan(seed, seeds, clusters, one, other, margin, family):
    rng = np.random.default_rng(seed)
    result = stats.paired_interval(counts_with(rng, one, seeds, clusters), counts_with(rng, other, seeds, clusters), FINISH)
    p_holm = None if result.p_value is None else min(1.0, family * result.p_value)
    verdict = judge(result, p_holm, margin)
    assert verdict.verdict in VERDICTS
    assert verdict.why
    assert "nan" not in verdict.why
    assert all(x is None or math.isfinite(x) for x in (result.estimate, result.low, result.high, result.p_value))
    if verdict.verdict == "supported":
        assert result.estimate > 0
        assert p_holm < 0.05
    if verdict.verdict == "negative transfer":
        assert result.estimate < 0


def auto(rows, seeds):
    """Findings of the same trials in a study that looks from 3 seeds on, cut off after so many."""
    some = [row for row in rows if row.spec.replicate < seeds]
    entry = replace(DATA, shifts={TWEETS.name: 400}, looks=list(Looks.auto(12).counts), reference="scratch")
    return findings(some, dict.fromkeys(dict.fromkeys(row.spec.dataset for row in some), entry))


@pytest.mark.long
@pytest.mark.parametrize("world", ["usual", "negative transfer", "scratch never learned"])
def test_before_the_first_look_nothing_is_decided_however_clear_the_figures(world):
    rows = trials(WORLDS[world])
    early, clear = auto(rows, 2), auto(rows, 3)

    def judged(found):
        return [*found.gains, *found.data_efficiency, *found.convergence, *found.robustness]

    decided = {Verdict.SUPPORTED, Verdict.NOT_SUPPORTED, Verdict.NEGATIVE_TRANSFER}
    assert judged(early) and not [row.sentence for row in judged(early) if row.verdict in decided]
    assert any(row.verdict in decided for row in judged(clear))
    gain = next(row for row in early.gains if row.arm == "full")
    assert gain.n_seeds == 2 and "2 seeds, fewer than the first look takes" in gain.sentence
