"""Aggregates over data sets and what stands beside gains, against published definitions on worked examples."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from support.synthetic import DATA, TWEETS, World, analysed, pick, study
from transfergain.analysis.aggregate import interquartile_mean, partial_conjunction, probability_of_improvement
from transfergain.analysis.performance import expected_best, normalised, recipe_rows
from transfergain.analysis.stats import holm
from transfergain.data.contamination import overlap
from transfergain.outcome import Choice, Details
from transfergain.split import TEST


def test_interquartile_mean_of_a_worked_example_and_scipys():
    assert interquartile_mean(np.array([0.0, 1, 2, 3, 4, 5, 6, 100])) == 3.5, "two left out at either end"
    assert interquartile_mean(np.array([1.0, 2, 9])) == 4, "fewer than four: the mean"
    rng = np.random.default_rng(0)
    for n in (5, 10, 23):
        scores = rng.normal(size=(4, n))
        assert interquartile_mean(scores) == pytest.approx(scipy.stats.trim_mean(scores, 0.25, axis=1))


def test_probability_of_improvement_is_the_mann_whitney_statistic():
    assert probability_of_improvement(np.array([3.0, 5.0]), np.array([1.0, 4.0])) == 0.75
    assert probability_of_improvement(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0.5, "ties count half"
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 6, 7).astype(float), rng.integers(0, 6, 5).astype(float)
    expected = scipy.stats.mannwhitneyu(a, b).statistic / 35
    assert probability_of_improvement(a, b) == pytest.approx(expected)
    assert probability_of_improvement(b, a) == pytest.approx(1 - expected)


def test_partial_conjunction_by_hand():
    """p_{u/N} = (N - u + 1) p_(u): 4 x .001, 3 x .01, 2 x .03 > .05."""
    assert partial_conjunction([0.03, 0.001, 0.01, 0.6]) == 2
    assert partial_conjunction([0.04, 0.04, 0.04]) == 0, "3 x .04: not even one for certain"
    assert partial_conjunction([0.01, 0.02, 0.04]) == 3
    assert partial_conjunction([1.0, 1.0]) == partial_conjunction([]) == 0


def test_as_many_data_sets_as_holm_rejects():
    """With Bonferroni's combination the count is that of Holm's step-down procedure."""
    rng = np.random.default_rng(2)
    for _ in range(100):
        p_values = rng.beta(0.3, 2, 5).tolist()
        assert partial_conjunction(p_values) == sum(p <= 0.05 for p in holm(p_values))


def test_partial_conjunction_seldom_claims_too_many():
    """One effect of four: at least two is claimed in at most 5 %."""
    rng = np.random.default_rng(3)
    claims = sum(partial_conjunction([0.0, *rng.random(3).tolist()]) >= 2 for _ in range(2000))
    assert claims / 2000 <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 2000)


def studies(gains, **changes):
    """One data set for each gain over scratch."""
    rows = []
    for i, gain in enumerate(gains):
        world = World(dataset=f"set{i}", score=lambda arm, b, gain=gain: 0.6 + (gain if arm == "full" else 0), **changes)
        rows += study(world, seed=i)
    return rows


def test_aggregates_over_data_sets():
    rows = analysed(studies((0.2, 0.2, 0.0), seeds=4, budgets=(64,)))["aggregate"]
    (u,) = pick(rows, measure="tasks_supported")
    assert (u.estimate, u.of) == (2, 3) and "at least 2 of 3 data sets" in u.sentence
    full, scratch = pick(rows, measure="iqm")
    assert (full.arm, scratch.arm) == ("full", "scratch")
    assert scratch.low < 0.2 < scratch.high and full.estimate > scratch.estimate, "(.6 - .5) / .5"
    (better,) = pick(rows, measure="probability_of_improvement")
    assert 2 / 3 < better.estimate <= 1 and better.low <= better.estimate <= better.high
    assert {(row.task, row.dataset) for row in rows} == {("", "")}


def test_aggregates_repeat_and_one_data_set_has_none():
    rows = studies((0.2, 0.1), seeds=3, budgets=(64,))
    assert analysed(rows)["aggregate"] == analysed(rows[::-1])["aggregate"]
    assert analysed(studies((0.2,), seeds=3, budgets=(64,)))["aggregate"] == []
    single = analysed(studies((0.2, 0.1), seeds=1, budgets=(64,)))["aggregate"]
    assert all(row.low is None for row in single if row.measure != "tasks_supported")
    assert pick(single, measure="tasks_supported")[0].estimate == 0


def test_expected_best_is_the_mean_over_all_draws():
    """Against enumeration of all N^k draws with replacement."""
    scores = [0.5, 0.9, 0.7, 0.6]
    expected = [np.mean([max(draw) for draw in itertools.product(scores, repeat=k)]) for k in range(1, 5)]
    assert expected_best(scores) == pytest.approx(expected)
    assert expected_best([]) == [] and expected_best([0.4]) == [0.4]


def test_recipes_gain_the_curve():
    recipe = {"dataset": "d", "budget": 64, "learning_rate": 1e-4, "at_edge": False, "problem": "", "recipe": {}}
    tried, untried = recipe_rows(
        [recipe | {"arm": "full", "tried": [[1e-4, 0.5], [1e-3, 0.7]]}, recipe | {"arm": "probe", "tried": []}], []
    )
    assert tried.expected_best == pytest.approx([0.6, 0.65]) and untried.expected_best == []
    assert tried.settings == untried.settings == 0


def test_recipes_count_the_settings_that_an_arm_without_steps_chose_among():
    rows = study(World(seeds=2, budgets=(64, 256)))
    chosen = Details(choice=Choice("mean of tokens, all layers", 0.1, 14))
    rows = [
        replace(row, outcome=replace(row.outcome, details=chosen))
        if (row.spec.arm, row.spec.budget) == ("full", 64)
        else row
        for row in rows
    ]
    recipe = {
        "dataset": rows[0].spec.dataset,
        "learning_rate": 0.0,
        "at_edge": False,
        "problem": "",
        "recipe": {},
        "tried": [],
    }
    cells = [(arm, budget) for arm in ("scratch", "full") for budget in (64, 256)]
    found = recipe_rows([recipe | {"arm": arm, "budget": budget} for arm, budget in cells], rows)
    assert [row.settings for row in found] == [14 * (cell == ("full", 64)) for cell in cells]


def test_scores_against_chance_and_collapsed_seeds():
    rows = study(World(seeds=4, budgets=(64,), score=lambda arm, b: 0.8 if arm == "full" else 0.2))
    scores = analysed(rows)["scores"]
    (full,) = pick(scores, arm="full", split=TEST, metric="accuracy")
    (scratch,) = pick(scores, arm="scratch", split=TEST, metric="accuracy")
    assert full.chance_normalised == pytest.approx((full.mean - 0.5) / 0.5) and full.collapsed == 0
    assert scratch.chance_normalised < 0 and scratch.collapsed == 4
    for other in (*pick(scores, metric="macro_f1"), *pick(scores, split=TWEETS)):
        assert other.chance_normalised is None and other.collapsed is None
    assert normalised(0.5, 0.5) == 0 and DATA.chance == 0.5


def test_a_planted_leak_rings():
    """One test text in fifty is in train, whole or as a long quotation: the overlap is found, and nothing else."""
    rng = np.random.default_rng(4)
    vocabulary = [f"word{i}" for i in range(3000)]
    texts = [" ".join(rng.choice(vocabulary, 25)) for _ in range(300)]
    train, test = texts[:200], texts[200:]
    assert overlap(train, test).shared == 0
    leaked = [*test[:98], train[7], f"Quoted: {' '.join(train[9].split()[4:18])}, they said."]
    found = overlap(train, leaked)
    assert (found.shared, found.checked, found.total) == (2, 100, 100)
