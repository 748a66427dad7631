"""What a plan counts and reckons, without measuring anything."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from support.fakes import dataset, outcome_of
from transfergain.analysis.words import duration
from transfergain.commands import plan
from transfergain.commands.plan import CellPlan, Plan, _cell, _seconds
from transfergain.data.draws import budget_sizes
from transfergain.errors import UserError
from transfergain.running.planner import Planner, StudyCell
from transfergain.running.search import RUNGS
from transfergain.running.speed import SHORT_TRIAL_DEV, SHORT_TRIAL_STEPS, Speed, few_dev, short_trial, speed_of
from transfergain.store import StoredTrial
from transfergain.study import Study
from transfergain.types import CurvePoint, Example, Outcome, Pools


def planner(**keys):
    study = Study(**{"arms": "scratch,full", "budgets": [20, 30], "seeds": 3, "tune": 4} | keys)
    return Planner(study, {"reviews": dataset()}, "sha256:0", "fp32")


def row(spec, seconds=2.0):
    return StoredTrial(spec, Outcome(**vars(outcome_of(spec, dataset())) | {"seconds": seconds}))


def cell(planned, rows=(), speeds=None, arm="full", budget=20):
    return _cell(planned, list(rows), speeds or {}, planned.datasets["reviews"], arm, budget)


def test_counts_are_those_of_both_rounds_and_of_the_seeds():
    found = cell(planner())
    assert (found.tuning, found.reports, found.done) == (4 + 2, 3, 0)
    assert (cell(planner(tune=2)).tuning, cell(planner(tune=0)).tuning) == (2, 0)


def test_what_is_done_is_counted_and_timed_by_the_store():
    planned = planner()
    data = planned.datasets["reviews"]
    rows = [row(s) for s in planned.tuning(StudyCell(data, "full", 20))]
    rows += [row(s, 6.0) for s in planned.reporting(StudyCell(data, "full", 20), planned.recipe(data, 1e-4))[:2]]
    found = cell(planned, rows)
    assert (found.done, found.source, found.seconds_report, found.seconds_tuning) == (6, "store", 6.0, 2.0)
    assert cell(planned, rows, arm="scratch").done == 0
    assert cell(planner(epochs=3), rows).done == 0, "another recipe is another trial"
    assert cell(planner(seeds=5), rows).reports - 3 == 2


def test_what_is_left_is_the_time_of_what_is_not_done():
    found = CellPlan("reviews", "full", 20, 6, 3, 4, 2.0, 10.0, 14.0, "measured")
    assert (found.left, found.most) == (2 * 2.0 + 3 * 10.0, 2 * 2.0 + 3 * 14.0)
    assert CellPlan("reviews", "full", 20, 6, 3, 9, 2.0, 10.0, 14.0, "measured").left == 0
    whole = Plan([found, found], 4, 2, 1, "cpu", 2**30)
    assert whole.seconds == found.left
    assert json.loads(whole.to_json())["seconds_most"] == found.most


def test_a_longer_trial_takes_longer_and_a_rung_its_share():
    planned = planner()
    speeds = {("reviews", "full"): Speed(1.0, 0.1, 0.01), ("reviews", "probe"): Speed(2.0, 1e-6, 0.0)}
    data = planned.datasets["reviews"]
    by = _seconds(planned, speeds, data, "full", 20)
    assert 1.0 < by.tuning[RUNGS[0]] < by.tuning[RUNGS[1]] < by.report < by.most
    evaluations = 16 + 3  # three more before the first
    assert by.most == pytest.approx(1 + 300 * 0.1 + (evaluations * 4 + 10) * 0.01)
    probe = _seconds(planned, speeds, data, "probe", 20)
    assert probe.most == pytest.approx(2 + 300e-6 + 10 * 0.01), "sealed examples go through the whole model"
    assert _seconds(planned, speeds, data, "scratch", 20) is None


def test_shifts_and_adaptations_take_their_time():
    speeds = {("reviews", "full"): Speed(1.0, 0.1, 0.01)}
    shifted = dataset(shift=True)

    def most(data):
        planned = Planner(Study(arms="scratch,full", budgets=[20]), {"reviews": data}, "sha256:0", "fp32")
        return _seconds(planned, speeds, data, "full", 20).most

    assert most(shifted) - most(dataset()) == pytest.approx(10 * 0.01), "ten examples more"
    pools = Pools(train=shifted.train, dev=shifted.dev)  # 30 labels: enough for 16, not for 64
    adapted = replace(shifted, targets={"tweets": pools}, target_fingerprints={"tweets": "labels"})
    assert most(adapted) - most(shifted) == pytest.approx(3 * (60 * 0.1 + 10 * 0.01)), "three ways, a fifth of the steps"


def test_steps_and_evaluations_are_timed_by_the_difference_of_two_trials():
    def ran(steps, evaluations):
        """Two seconds of loading, 0.1 a step, 0.5 an evaluation."""
        curve = [CurvePoint(i, 0.5, 0.5, "stable") for i in range(evaluations - 1)]
        last = CurvePoint(steps, 0.5, 0.5, "stable", seconds=0.1 * steps)
        return Outcome("done", curve=(*curve, last), seconds=2 + 0.1 * steps + 0.5 * evaluations)

    speed = speed_of(ran(8, 4), ran(24, 6), n_dev=50)
    assert (speed.fixed, speed.step, speed.example) == pytest.approx((2.0, 0.1, 0.01))
    assert speed_of(Outcome("failed"), ran(24, 6), n_dev=50) is None


@pytest.mark.parametrize("steps", SHORT_TRIAL_STEPS)
def test_a_short_trial_ends_after_its_steps_and_reads_no_sealed_split(steps):
    planned = planner()
    spec = short_trial(planned, StudyCell(planned.datasets["reviews"], "full", 30), steps)
    assert spec.recipe.steps_to(spec.rung, 24) == steps
    assert spec.recipe.max_steps(24) // spec.recipe.evaluations == min(SHORT_TRIAL_STEPS)
    assert spec.splits == () and spec.phase == "tune"


def test_a_short_trial_has_the_training_examples_of_its_cell_and_few_dev_ones():
    rows = tuple(Example({"text": f"text {i}"}, i % 2) for i in range(2500))
    large = replace(dataset(), train=rows[:2000], dev=rows[2000:])
    planned = Planner(Study(arms="scratch,full", budgets=[2500]), {"reviews": large}, "sha256:0", "fp32")
    spec = short_trial(planned, StudyCell(large, "full", 2500), 4)
    assert budget_sizes(spec.budget, 2000, len(few_dev(large).dev)) == (2000, SHORT_TRIAL_DEV)
    assert few_dev(large).dev[-1] is rows[2000 + 7 * 63], "spread over all of them"


@pytest.mark.parametrize(("seconds", "words"), [(3.21, "3.2 s"), (40, "40 s"), (840, "14 min"), (11520, "3.2 h")])
def test_durations_in_words(seconds, words):
    assert duration(seconds, tenths=True) == words
    assert duration(seconds) == words.replace("3.2 s", "3 s")


def test_an_unknown_executor_is_refused_as_by_run():
    with pytest.raises(UserError, match=r'--executor: unknown executor "lokal"\. Did you mean "local"'):
        plan.plan(Study(executor="lokal"), Console(quiet=True))


def test_the_table_and_the_total_are_shown():
    console = Console(width=160, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    plan.show(Plan([CellPlan("reviews", "full", 20, 6, 3, 4, 2.0, 10.0, 14.0, "measured")], 4, 2, 1, "cpu", 2**30), console)
    text = console.export_text()
    assert (
        "9 trials, 4 done, and 4 of floors · about 17 s on cpu, at most 23 s · 2 workers of 1 thread · up to 1.0 GB" in text
    )
