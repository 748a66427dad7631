"""The answer of planted studies: what is said first, what is recommended, and that no sentence says nothing."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from support.planted import FIVE, FLOORS, NAMES, at, findings, planted, trials
from support.synthetic import DATA, World
from transfergain.analysis.advice import PENDING
from transfergain.analysis.rows import Verdict
from transfergain.analysis.words import in_percent
from transfergain.split import TEST
from transfergain.types import Status

FIRST = {
    "floor wins": "No need for it: TF-IDF + logistic regression reaches accuracy 9",
    "scratch never learned": "Scratch never learned: accuracy of 48.2 % is not clearly above chance (50.0 %) in 5 of 5",
    "negative transfer": "No, it hurts. Starting from bert-base-uncased lowers accuracy from ",
    "equal arms": "Undecided; more seeds alone would hardly decide it. Starting from bert-base-uncased ",
    "one seed": "One seed, so no verdict yet. Starting from bert-base-uncased lifts accuracy from ",
    "two seeds": "2 seeds are too few for a verdict. Starting from bert-base-uncased lifts accuracy from ",
    "one budget": "Yes. Starting from bert-base-uncased lifts accuracy from ",
    "perfect scores": "No need for it: TF-IDF + logistic regression reaches accuracy 100.0 % without a transformer; ",
    "failed trials": "Yes. Starting from bert-base-uncased lifts accuracy from ",
    "crossing curves": "No, it hurts. Starting from bert-base-uncased lowers accuracy from ",
    "no scratch": "Yes, it beats the best floor. Full fine-tuning from bert-base-uncased has accuracy 86.5 % with 1,024 "
    "labels, TF-IDF + logistic regression 70.5 % (+16.1 points, 95 %: +10.4 to +21.7; 5 seeds).",
    "five data sets": "Starting from bert-base-uncased pays on 2 of 5 data sets; a floor does as well on 1, it hurts on 1, "
    "undecided on 1. Scratch is not clearly above chance on posts.",
}
TAKE = {"floor wins": "tfidf", "scratch never learned": "full", "negative transfer": "scratch", "one budget": "full",
        "perfect scores": "tfidf", "failed trials": "full", "crossing curves": "scratch", "no scratch": "lora"}  # fmt: skip


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    return request.param, planted(request.param)


def test_the_answer_comes_first(case):
    name, known = case
    assert known.summary.answer.startswith(FIRST[name])
    if name in TAKE:
        assert known.summary.recommendation == {"reviews": TAKE[name]}


def test_every_figure_of_an_answer_is_that_of_a_row(case):
    """A number of a sentence with a decimal is a score, or a difference of two, of some row to a tenth of a point."""
    _, known = case
    rows = [*known.gains, *known.candidates, *known.scores]
    values = {in_percent(abs(x)) for x in _numbers(rows)} | {in_percent(1 - x) for x in _numbers(known.gains)}
    for of in known.summary.datasets:
        for figure in re.findall(r"\d+\.\d(?= |$|,|;|\)|\.)(?!x)", of.answer + " " + of.benefits[0].text):
            assert figure in values, (figure, of.answer)


def _numbers(rows):
    for row in rows:
        stack = [row.to_dict()]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                stack += value.values()
            elif isinstance(value, list):
                stack += value
            elif isinstance(value, float):
                yield value
    yield 0.5  # chance


def test_the_summary_is_json(case):
    content = json.loads(case[1].to_json())["summary"]
    assert list(content["recommendation"]) == list(case[1].data)
    assert json.dumps(content, allow_nan=False)


def test_no_interval_leaves_the_possible_range(case):
    for row in case[1].candidates:
        assert row.low is None or 0 <= row.low <= row.score <= row.high <= 1
        for over in (row.over_best, row.over_floor):
            if over and over.low is not None:
                assert -over.score_against - 1e-9 <= over.low <= over.estimate <= over.high <= 1 - over.score_against + 1e-9
    for row in case[1].gains:
        if row.low is not None:
            assert row.reference_error - 1 - 1e-9 <= row.low <= row.high <= row.reference_error + 1e-9


def test_without_scratch_gains_are_over_the_floor_to_beat():
    known = planted("no scratch")
    of = known.summary.datasets[0]
    assert {row.reference for row in known.gains} == {of.reference} == {of.over_reference.against} == {"tfidf"}
    assert of.over_reference.estimate == pytest.approx(of.over_floor.estimate) and of.reference_learned
    assert known.summary.question == "Does starting from bert-base-uncased beat the best floor?"
    assert [line.verdict for line in of.benefits] == ["supported", "not measured", "not measured", "supported"]
    for line in of.benefits[1:3]:
        assert line.text == "takes the scratch arm, which was not asked for: name scratch in --arms"
    assert ("arms", "scratch,full,probe,lora") in [(step.key, step.value) for step in of.next]
    assert "Without the scratch arm nothing is said of what the pretrained weights bring." in of.caveats
    assert not known.convergence and not known.data_efficiency


def test_an_arm_below_the_floor_is_said_so():
    levels = {"tfidf": 0.85, "full": 0.7, "probe": 0.9, "lora": 0.6}
    rows = trials(World(score=at(levels), n_test=2000, budgets=(1024,)), arms=(*FLOORS, "full", "probe", "lora"))
    found = findings(rows, arms=["full", "probe", "lora"]).summary
    assert found.answer.startswith("No, it is below the best floor. Full fine-tuning from bert-base-uncased has accuracy ")
    assert found.recommendation == {"reviews": "probe"}


def test_what_the_last_labels_brought_is_paired():
    known = planted("usual")
    of = known.summary.datasets[0]
    row = of.more_labels.row
    by_budget = {
        budget: [s for r in known.scores if (r.arm, r.budget, r.split, r.metric) == ("full", budget, TEST, "accuracy")
                 for s in r.per_seed]
        for budget in (256, 1024)
    }  # fmt: skip
    assert (row.fewer, row.budget, row.n_seeds) == (256, 1024, 5)
    assert row.estimate == pytest.approx(np.mean(by_budget[1024]) - np.mean(by_budget[256]))
    assert of.more_labels.text.startswith("the last step in labels, 256 to 1,024, brought full nothing clear (+")


@pytest.mark.parametrize(
    ("slope", "said"),
    [(0.12, "brought full 1"), (-0.012, "brought full next to nothing ("), (-0.12, "cost full 1")],
)
def test_the_last_doubling_brought_something_or_nothing(slope, said):
    def score(arm, budget):
        return (0.75 if arm == "full" else 0.5) + (slope * np.log2(budget / 480) if arm == "full" else 0.0)

    rows = trials(World(score=score, budgets=(240, 480), n_test=6000, seeds=8), arms=("scratch", "full"))
    text = findings(rows, arms=["scratch", "full"]).summary.datasets[0].more_labels.text
    assert text.startswith(f"the last doubling of labels, 240 to 480, {said}")
    assert ("not what helps" in text) == (slope < 0)


def test_one_number_of_labels_says_which_flag_would_tell():
    more = planted("one budget").summary.datasets[0].more_labels
    assert more.row is None and (more.step.key, more.step.value) == ("budgets", "120,240,480")


def test_nothing_is_green_over_a_scratch_that_never_learned_without_saying_so():
    of = planted("scratch never learned").summary.datasets[0]
    assert not of.reference_learned
    green = [line for line in of.benefits if line.verdict is Verdict.SUPPORTED]
    assert green and all(line.text.endswith("; scratch is near chance") for line in green)
    assert [line.verdict for line in of.benefits[1:3]] == [Verdict.NOT_MEASURED] * 2
    assert of.verdict is of.over_floor.verdict


def test_calibration_is_not_compared_with_a_scratch_that_never_learned():
    found = planted("scratch never learned").calibration
    assert {row.verdict for row in found} == {Verdict.NONE} and all(row.difference is None for row in found)
    assert any(row.difference is not None for row in planted("negative transfer").calibration)


def test_a_scratch_and_an_arm_that_never_learned_say_nothing():
    of = findings(trials(World(score=lambda arm, budget: 0.5, seeds=3))).summary.datasets[0]
    assert of.answer.startswith("Neither scratch nor full has clearly learned: accuracy of ")
    assert of.verdict is Verdict.INCONCLUSIVE


def test_two_seeds_have_no_interval():
    of = planted("two seeds").summary.datasets[0]
    assert "95 %" not in of.answer and "too few for an interval" in of.benefits[0].text
    assert (of.next[0].key, of.next[0].value) == ("seeds", "3")


def test_seeds_that_are_planned_are_not_asked_for():
    """A time limit ended a study after one seed, and it asked for --seeds 3, which is fewer than it would add by itself."""
    one = planted("one seed")
    assert next(step.key for step in one.summary.datasets[0].next) == "seeds"
    cut = replace(one, trials={**one.trials, PENDING: 8})
    first, *others = cut.summary.datasets[0].next
    assert "same command" in first.text and "seeds" not in {step.key for step in others}


def test_curves_that_cross_are_told_of():
    of = planted("crossing curves").summary.datasets[0]
    assert re.search(r" With 64 labels it helps: 55\.5 to 76\.0 %, \+20\.5 points", of.answer)


def test_failed_trials_are_the_first_caveat_and_the_first_step():
    of = planted("failed trials").summary.datasets[0]
    assert of.caveats[0] == "Trials without a score: 6 failed."
    assert of.next[0].text.startswith("the same command runs what is missing")


def test_a_scratch_that_was_cut_short_is_told_of():
    of = planted("cut short").summary.datasets[0]
    assert of.answer.startswith("Yes, at equal training. ")
    assert of.caveats[0] == "Scratch had not ended by itself in 5 of 5 seeds: with more training the gain may be smaller."


def test_of_a_gain_that_is_none_nothing_is_said_to_be_smaller():
    rows = trials(World(budgets=(128,), score=at({"scratch": 0.5, "full": 0.49}), seeds=3))
    rows = [replace(row, outcome=replace(row.outcome, converged=False)) for row in rows]
    of = findings(rows).summary.datasets[0]
    assert "says nothing about a gain" in of.answer
    assert of.caveats[0].endswith("with more training the answer may be another one.")


def test_every_data_set_has_its_own_answer():
    summary = planted("five data sets").summary
    alone = {world: planted(world).summary.datasets[0] for world in FIVE.values() if world in FIRST}
    for of in summary.datasets:
        if FIVE[of.dataset] in alone:
            assert of.answer == alone[FIVE[of.dataset]].answer


def test_nothing_finished_is_said():
    rows = [replace(row, outcome=replace(row.outcome, status=Status.FAILED)) for row in trials(World(seeds=1))]
    summary = findings(rows).summary
    assert summary.answer == "No answer yet: no finished seed of both full and scratch."
    assert summary.recommendation == {"reviews": ""}


def test_a_gain_below_the_margin_is_a_little():
    levels = {"full": 0.692, "lora": 0.692, "probe": 0.69, "tfidf": 0.6}
    world = World(score=at(levels), seeds=25, n_test=3000, budgets=(1024,))
    assert findings(trials(world)).summary.datasets[0].answer.startswith("Yes, a little. ")


@pytest.mark.parametrize(
    ("request_", "step"),
    [({"quick": True}, ("quick", "")), ({"tune": 0}, ("tune", "4"))],
)
def test_next_steps_follow_the_request(request_, step):
    of = findings(trials(World(score=at({}), budgets=(1024,))), **request_).summary.datasets[0]
    assert step in [(each.key, each.value) for each in of.next]


@pytest.mark.long
def test_a_study_that_looks_gets_a_higher_maximum_where_that_may_decide_it():
    looking = {"reviews": replace(DATA, looks=(3, 4, 5))}
    worth_it = findings(trials(World(score=at({"scratch": 0.865})), 1), looking).summary.datasets[0]
    assert "about 10 seeds would probably decide it" in worth_it.answer
    assert (worth_it.next[0].key, worth_it.next[0].value) == ("max_seeds", "10")
    hopeless = findings(planted("equal arms").rows, looking).summary.datasets[0]
    assert "more seeds alone would hardly decide it" in hopeless.answer
    assert not hopeless.next[0].key and "label more test examples" in hopeless.next[0].text
