"""Sentences that were once false of a made-up study: each says what is true of it now."""

import re
from dataclasses import replace

import pytest

from support.planted import FLOORS, REQUEST, at, fail, findings, trials, usual
from support.synthetic import DATA, PARAMETERS, World
from transfergain.analysis.rows import Benefit, Verdict
from transfergain.outcome import CurvePoint

PAIR = ("scratch", "full")


def named(name, world, seed=0):
    return [replace(row, spec=replace(row.spec, dataset=name)) for row in trials(world, seed)]


def summary(rows, **more):
    (found,) = findings(rows, **more).summary.datasets
    return found


def line(of, benefit):
    return next(row for row in of.benefits if row.benefit is benefit)


@pytest.mark.long
def test_equal_arms_with_one_number_of_labels_save_none():
    """All of the interval was taken to lie beyond the one number of labels, to either side: 98 of 100 were supported."""
    world = World(score=lambda arm, budget: 0.75, budgets=(480,), every=100)
    found = [line(summary(trials(world, seed, PAIR), arms=PAIR), Benefit.DATA_EFFICIENCY) for seed in range(12)]
    assert sum(row.verdict is Verdict.SUPPORTED for row in found) <= 2
    undecided = [row.text for row in found if row.verdict is Verdict.INCONCLUSIVE]
    assert set(undecided) == {"open; a curve takes more than one number of labels"}


def test_an_arm_that_has_learned_is_not_said_to_have_learned_nothing():
    world = World(score=lambda arm, budget: 0.5 if arm == "scratch" else usual(arm, budget), seeds=1)
    assert not summary(trials(world)).answer.startswith("Neither")
    nor = summary(trials(World(score=lambda arm, budget: 0.5, seeds=3)))
    assert nor.answer.startswith("Neither scratch nor full has clearly learned")
    assert "in 3 and 3 of 3 seeds" in nor.answer


def test_a_scratch_with_few_test_texts_is_not_near_chance_but_not_clearly_above():
    of = summary(trials(World(score=at({"scratch": 0.75}), n_test=12, seeds=3)))
    assert not of.reference_learned
    assert "scratch is not clearly above chance" in line(of, Benefit.DATA_EFFICIENCY).text


@pytest.mark.parametrize("arms", [("scratch", "self"), ("scratch", "self", "lora")])
def test_weights_that_never_saw_the_checkpoint_do_not_start_from_it(arms, monkeypatch):
    monkeypatch.setitem(PARAMETERS, "self", 100_000)
    world = World(score=lambda arm, budget: {"self": 0.85}.get(arm) or usual(arm, budget))
    found = findings(trials(world, arms=(*FLOORS, *arms)), arms=arms).summary
    if "lora" in arms:
        assert "Starting from bert-base-uncased with LoRA" in found.answer
    else:
        assert "Pretraining on your own text alone lifts accuracy from " in found.answer
        assert found.question == "Does pretraining on your own text alone beat training from scratch?"


def test_over_all_a_gain_over_scratch_is_not_said_to_hurt():
    below = World(score=lambda arm, budget: 0.5 if arm == "scratch" else usual(arm, budget, {"tfidf": 0.95, "full": 0.75}))
    other = named("b", World(score=usual))
    assert "it is below the floor on 1" in findings(named("posts", below) + other).summary.answer
    between = World(score=at({"tfidf": 0.89, "lora": 0.93, "full": 0.87}), n_test=1000)
    assert "it is no better than a floor on 1" in findings(named("a", between) + other).summary.answer


def test_an_arm_that_was_cut_short_does_not_hurt_for_ever():
    world = World(
        score=at({"scratch": 0.9, "full": 0.8, "lora": 0.79, "tfidf": 0.75}), converged=lambda arm, seed: arm != "full"
    )
    of = summary(trials(world))
    assert of.answer.startswith("No, it hurts, at equal training.")
    assert "Full had not ended by itself in 5 of 5 seeds: with more training the answer may be another one." in of.caveats


@pytest.mark.long
def test_a_floor_that_may_be_worse_is_not_said_to_do():
    world = World(score=at({"tfidf": 0.875, "lora": 0.87, "probe": 0.8}), seeds=3, n_test=100, budgets=(480,))
    of = summary(trials(world, 5))
    assert of.verdict is Verdict.INCONCLUSIVE
    assert of.answer.startswith("There may be no need for it: TF-IDF")
    close = World(score=at({"tfidf": 0.886, "lora": 0.87, "full": 0.88}), seeds=8, n_test=8000, budgets=(1024,))
    assert summary(trials(close)).verdict is Verdict.NOT_SUPPORTED


@pytest.mark.long
def test_partly_says_where_labels_are_saved():
    def score(arm, budget):
        known = {"scratch": (0.6, 0.75, 0.9), "full": (0.8, 0.85, 0.9)}
        return known[arm][(64, 256, 1024).index(budget)] if arm in known else usual(arm, budget)

    row = line(summary(trials(World(score=score, seeds=8, n_test=6000), 1)), Benefit.DATA_EFFICIENCY)
    assert row.verdict is Verdict.PARTLY
    assert row.text == "none saved with all labels; 64 labels do what 391 do from scratch (6.1x)"


def test_a_speed_that_not_all_seeds_reached_says_how_many_did():
    def slow(row):
        if row.spec.arm != "full" or row.spec.replicate != 3:
            return row
        low = tuple(replace(point, score=min(point.score, 0.62)) for point in row.outcome.curve)
        return replace(row, outcome=replace(row.outcome, curve=low))

    rows = [slow(row) for row in trials(World(score=at({"full": 0.72, "scratch": 0.70})))]
    row = line(summary(rows), Benefit.CONVERGENCE)
    assert row.verdict is Verdict.NOT_SUPPORTED
    assert row.text.endswith("; reached in 4 of 5 seeds, by scratch in 5")


def test_the_short_and_the_long_sentence_watched_scratch_for_as_long():
    def flat(row):
        if row.spec.arm != "scratch":
            return row
        curve = tuple(CurvePoint(25 * i, 0.6 + 0.01 * (i % 3), 0.5) for i in range(1, 4 * row.spec.replicate + 5))
        return replace(row, outcome=replace(row.outcome, curve=curve))

    rows = [flat(row) for row in trials(World(seeds=3, score=at({"full": 0.8, "scratch": 0.6})))]
    of = findings(rows)
    long = max((row for row in of.convergence if row.arm == "full"), key=lambda row: row.budget).sentence
    steps = re.search(r" in ([\d,]+) steps; full reaches", long)[1]
    assert line(of.summary.datasets[0], Benefit.CONVERGENCE).text.endswith(f" that scratch never held in {steps}")


def texts(of):
    return [step.text for step in of.next]


def test_next_steps_do_not_contradict_the_answer():
    failed = summary(fail(trials(World(score=usual)), "full", (1, 2, 3, 4)))
    assert not any("three seeds" in text for text in texts(failed))  # five were asked for
    two = summary(trials(World(score=usual, seeds=2, n_test=1000), 1), seeds=2)
    assert two.answer.startswith("Yes") and "three seeds make it surer" in texts(two)
    hurt = World(score=at({"scratch": 0.9, "full": 0.8, "lora": 0.79, "tfidf": 0.75}))
    hurts = summary(trials(hurt), data={"reviews": DATA})
    assert "whether it is so on text of another kind" in texts(hurts)


@pytest.mark.long
def test_what_would_decide_is_the_same_in_the_answer_and_in_what_is_next():
    looks = (3, 4, 5, 6, 8, 10, 12)
    rows = trials(World(score=at({"scratch": 0.86, "full": 0.871}), seeds=12), 1)
    of = summary(rows, data={"reviews": replace(DATA, looks=looks)})
    assert "more seeds alone would hardly decide it" in of.answer
    assert not any("gets more seeds" in text for text in texts(of))


def test_a_shift_whose_trials_failed_was_given():
    rows = fail(trials(World(score=usual)), "full", range(5))
    of = summary(rows, data={"reviews": replace(DATA, shifts={"tweets": 400})})
    assert line(of, Benefit.ROBUSTNESS).text == "no finished seed of both full and scratch"


def test_arms_with_the_same_runs_tie():
    rows = trials(World(score=usual))
    scratch = {(row.spec.budget, row.spec.replicate): row.outcome for row in rows if row.spec.arm == "scratch"}

    def same(row):
        if row.spec.arm in FLOORS:
            return row
        known = scratch[row.spec.budget, row.spec.replicate]
        return replace(row, outcome=replace(known, details=row.outcome.details))

    found = findings([same(row) for row in rows], arms=REQUEST["arms"])
    for row in found.benefits():
        assert row.verdict not in (Verdict.SUPPORTED, Verdict.PARTLY, Verdict.NEGATIVE_TRANSFER), row.sentence


@pytest.mark.long
def test_labels_that_do_not_help_one_arm_may_help_another():
    def score(arm, budget):
        return {"scratch": (0.6, 0.75, 0.9), "full": (0.8, 0.805, 0.805)}[arm][(64, 256, 1024).index(budget)]

    rows = trials(World(score=score, seeds=10, n_test=8000), 3, PAIR)
    said = summary(rows, arms=PAIR).more_labels.text
    assert said.endswith("more labels are not what helps full")
