"""Which rows answer a benefit: fixed by the plan, for the answer and for whether seeds would help alike."""

from types import SimpleNamespace

import pytest

from support.synthetic import DATA, World, analysed, study
from transfergain.analysis.benefits import lead
from transfergain.analysis.leading import Leading
from transfergain.analysis.rows import Benefit


@pytest.fixture(scope="module")
def tables():
    return SimpleNamespace(**analysed(study(World(perturbations=("keyboard",)))))


def test_the_largest_budget_and_the_saving_answer(tables):
    mine = Leading.of(tables, "reviews", "full", "accuracy")
    (gain,), (saving,), (speed,) = (mine.figures(benefit) for benefit in list(Benefit)[:3])
    assert (gain.budget, str(gain.split), speed.budget, speed.unit) == (1024, "test", 1024, "steps")
    assert saving.measure == "label_saving"
    answers = {row.benefit: row for row in lead("full", {"reviews": DATA}, tables)}
    assert answers[Benefit.PERFORMANCE].sentence == gain.sentence and answers[Benefit.CONVERGENCE].sentence == speed.sentence


def test_noise_answers_nothing_where_there_is_a_shift(tables):
    (away,) = Leading.of(tables, "reviews", "full", "accuracy").figures(Benefit.ROBUSTNESS)
    assert str(away.split) == "shift:tweets" and away.budget == 1024
    noisy = [row for row in tables.robustness if row.measure != "ood_gain"]
    without = SimpleNamespace(**vars(tables) | {"robustness": noisy})
    found = Leading.of(without, "reviews", "full", "accuracy").figures(Benefit.ROBUSTNESS)
    assert {row.measure for row in found} == {"perturbation_gain"} and {row.budget for row in found} == {1024}


def test_one_budget_is_answered_by_what_a_label_is_worth():
    one = SimpleNamespace(**analysed(study(World(budgets=(480,)))))
    (row,) = Leading.of(one, "reviews", "full", "accuracy").figures(Benefit.DATA_EFFICIENCY)
    assert row.measure == "multiplier"


def test_an_arm_that_is_not_there_has_no_rows(tables):
    mine = Leading.of(tables, "reviews", "lora", "accuracy")
    assert mine.gain is None and all(not mine.figures(benefit) for benefit in Benefit)
