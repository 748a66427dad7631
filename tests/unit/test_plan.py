"""What a plan counts and reckons, without measuring anything."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from support.fakes import dataset, outcome_of
from transfergain.analysis.words import duration
from transfergain.commands import plan, plan_cells
from transfergain.commands.plan import Plan
from transfergain.commands.plan_cells import USUAL_STEPS, CellPlan, cell_plan, seconds
from transfergain.data.draws import budget_sizes
from transfergain.errors import UserError
from transfergain.outcome import CurvePoint, Outcome
from transfergain.running.order import Purpose
from transfergain.running.planner import Planner, StudyCell
from transfergain.running.search import RUNGS
from transfergain.running.speed import SHORT_TRIAL_DEV, SHORT_TRIAL_STEPS, Speed, few_dev, short_trial, speed_of
from transfergain.store import StoredTrial
from transfergain.study import Study
from transfergain.types import Example, Pools


def planner(**keys):
    study = Study(**{"arms": "scratch,full", "budgets": [20, 30], "seeds": 3, "tune": 4} | keys)
    return Planner(study, {"reviews": dataset()}, "sha256:0", "fp32")


def row(spec, seconds=2.0):
    return StoredTrial(spec, Outcome(**vars(outcome_of(spec, dataset())) | {"seconds": seconds}))


def cell(planned, rows=(), speeds=None, arm="full", budget=20):
    return cell_plan(planned, list(rows), speeds or {}, StudyCell(planned.datasets["reviews"], arm, budget))


def test_counts_are_those_of_both_rounds_and_of_the_seeds():
    assert cell(planner()).tuning == 0, "tuned at the largest budget alone"
    found = cell(planner(), budget=30)
    assert (found.tuning, found.reports, found.done) == (4 + 2, 3, 0)
    assert [cell(planner(tune=n), budget=30).tuning for n in (2, 0)] == [2, 0]


def test_what_is_done_is_counted_and_timed_by_the_store():
    planned = planner()
    data = planned.datasets["reviews"]
    rows = [row(s) for s in planned.tuning(StudyCell(data, "full", 30))]
    rows += [row(s, 6.0) for s in planned.reporting(StudyCell(data, "full", 30), planned.recipe(data, 1e-4))[:2]]
    found = cell(planned, rows, budget=30)
    assert (found.done, found.source, found.seconds_report, found.seconds_tuning) == (6, "store", 6.0, 2.0)
    assert cell(planned, rows, arm="scratch", budget=30).done == 0
    assert cell(planner(epochs=3), rows, budget=30).done == 0, "another recipe is another trial"
    assert cell(planner(seeds=5), rows, budget=30).reports - 3 == 2


def test_seeds_that_may_follow_are_those_of_the_cells_that_questions_read():
    planned = planner(arms="scratch,full,probe", budgets=[10, 20, 30], seeds="auto", max_seeds=12)
    more = {(arm, b): cell(planned, arm=arm, budget=b).more for arm in planned.study.arms for b in (10, 20, 30)}
    read = {("scratch", 30), ("full", 10), ("full", 20), ("full", 30)}
    assert more == {place: 9 * (place in read) for place in more}
    assert cell(planned).reports == 3
    assert cell(planner()).more == 0


def test_what_is_left_is_the_time_of_what_is_not_done():
    found = CellPlan("reviews", "full", 20, Purpose.GAIN, 6, 3, 0, 4, 2.0, 10.0, 14.0, "measured")
    assert (found.left, found.most) == (2 * 2.0 + 3 * 10.0, 2 * 2.0 + 3 * 14.0)
    assert replace(found, more=9).most == 2 * 2.0 + 12 * 14.0
    assert replace(found, done=9).left == 0
    assert replace(found, done=11, more=9).left == 0
    whole = Plan([found, found], 4, 2, 1, "cpu", 2**30)
    assert whole.seconds == found.left
    assert json.loads(whole.to_json())["seconds_most"] == found.most


def test_milestones_follow_the_order_of_trials():
    gain = CellPlan("reviews", "full", 20, Purpose.GAIN, 6, 8, 0, 0, 1.0, 10.0, 14.0, "measured")
    cells = [gain, replace(gain, purpose=Purpose.LABELS, tuning=0), replace(gain, purpose=Purpose.REST)]
    found = Plan(cells, 4, 1, 1, "cpu", 2**30)
    assert found.milestones() == {"first answer": 36.0, "all benefits": 66.0, "all": 6 + 80 + 80 + 6 + 80}


def test_a_trial_takes_the_usual_steps_and_at_most_those_of_the_cap():
    planned = planner()
    speeds = {("reviews", "full"): Speed(1.0, 0.1, 0.01), ("reviews", "probe"): Speed(2.0, 1e-6, 0.0)}
    data = planned.datasets["reviews"]
    by = seconds(planned, speeds, data, "full", 20)
    assert 1.0 < by.tuning[RUNGS[0]] < by.tuning[RUNGS[1]] < by.report < by.most
    assert by.tuning[RUNGS[0]] == pytest.approx(1 + 300 * 0.1 + 23 * 4 * 0.01), "23 readings of 4 dev examples"
    assert by.tuning[RUNGS[1]] == pytest.approx(1 + USUAL_STEPS * 0.1 + 24 * 4 * 0.01), "most end before"
    assert by.report == pytest.approx(1 + USUAL_STEPS * 0.1 + (24 * 4 + 10) * 0.01)
    assert by.most == pytest.approx(1 + 3000 * 0.1 + (33 * 4 + 10) * 0.01)
    near = seconds(planner(epochs=1, min_steps=60), speeds, data, "full", 20)
    assert near.report == near.most == pytest.approx(1 + 60 * 0.1 + (15 * 4 + 10) * 0.01), "no run goes beyond the cap"
    probe = seconds(planned, speeds, data, "probe", 20)
    assert probe.most == pytest.approx(2 + 3000e-6 + 10 * 0.01), "sealed examples go through the whole model"
    assert seconds(planned, speeds, data, "scratch", 20) is None


def test_shifts_and_adaptations_take_their_time():
    speeds = {("reviews", "full"): Speed(1.0, 0.1, 0.01)}
    shifted = dataset(shift=True)

    def most(data):
        planned = Planner(Study(arms="scratch,full", budgets=[20]), {"reviews": data}, "sha256:0", "fp32")
        return seconds(planned, speeds, data, "full", 20).most

    assert most(shifted) - most(dataset()) == pytest.approx(10 * 0.01), "ten examples more"
    pools = Pools(train=shifted.train, dev=shifted.dev)  # 30 labels: enough for 16, not for 64
    adapted = replace(shifted, targets={"tweets": pools}, target_fingerprints={"tweets": "labels"})
    assert most(adapted) - most(shifted) == pytest.approx(3 * (USUAL_STEPS / 5 * 0.1 + 10 * 0.01)), (
        "three ways, a fifth of the steps"
    )


def test_steps_and_evaluations_are_timed_by_the_difference_of_two_trials():
    def ran(steps, evaluations):
        """Two seconds of loading, 0.1 a step, 0.5 an evaluation."""
        curve = [CurvePoint(i, 0.5, 0.5) for i in range(evaluations - 1)]
        last = CurvePoint(steps, 0.5, 0.5, seconds=0.1 * steps)
        return Outcome("done", curve=(*curve, last), seconds=2 + 0.1 * steps + 0.5 * evaluations)

    speed = speed_of(ran(8, 4), ran(24, 6), n_dev=50)
    assert (speed.fixed, speed.step, speed.example) == pytest.approx((2.0, 0.1, 0.01))
    assert speed_of(Outcome("failed"), ran(24, 6), n_dev=50) is None


def test_trials_that_read_dev_once_each_count_loading_as_reading():
    """As where text is generated: dev is read every 16 steps there, and `plan` ended in a division by zero."""
    once = [Outcome("done", curve=(CurvePoint(n, 0.5, 0.5, seconds=0.1 * n),), seconds=2.5 + 0.1 * n) for n in (4, 12)]
    speed = speed_of(*once, n_dev=50)
    assert (speed.fixed, speed.step, speed.example) == pytest.approx((0.0, 0.1, 2.5 / 50))


@pytest.mark.parametrize("steps", SHORT_TRIAL_STEPS)
def test_a_short_trial_ends_after_its_steps_and_reads_no_sealed_split(steps):
    planned = planner()
    spec = short_trial(planned, StudyCell(planned.datasets["reviews"], "full", 30), steps)
    assert spec.stop_at == steps
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
    cells = [CellPlan("reviews", "full", 20, Purpose.GAIN, 6, 3, 9, 4, 2.0, 10.0, 14.0, "measured")]
    plan.show(Plan(cells, 4, 2, 1, "cpu", 2**30), console)
    text = console.export_text()
    assert "9 trials, 4 done, and 4 of floors · 2 workers of 1 thread on cpu · up to 1.0 GB" in text
    assert (
        "first answer after about 17 s · all benefits after about 17 s · all after about 17 s · up to 12 seeds at most 86 s"
        in text
    )


@pytest.mark.parametrize(
    ("more", "ending"), [(0, "all is done"), (2, "all is done, but for more seeds where a question is open")]
)
def test_a_plan_of_what_is_done_names_no_time(more, ending):
    cells = [CellPlan("reviews", "full", 20, Purpose.GAIN, 0, 3, more, 3, 2.0, 10.0, 14.0, "store")]
    assert plan._times(Plan(cells, 4, 2, 1, "cpu", None)) == ending


def test_pretrainings_are_counted_and_their_time_is_added_to_the_arm_that_costs_as_much():
    planned = planner(arms="scratch,scratch-long,self", pretrain_steps=100, pretraining_seeds=2)
    (made,) = plan_cells.pretrainings(planned, [], {("reviews", "self"): Speed(3.0, 0.5, 0.0)})
    assert (made.arm, made.budget, made.purpose, made.reports, made.done) == ("self", 0, Purpose.PRETRAINING, 2, 0)
    assert (made.seconds_report, made.left, made.source) == (53.0, 106.0, "measured")
    speeds = dict.fromkeys([("reviews", arm) for arm in planned.study.arms], Speed(1.0, 0.01, 0.0))
    short, long, own = (cell(planned, speeds=speeds, arm=arm) for arm in planned.study.arms)
    assert plan_cells.longer(long, [made]).seconds_report == short.seconds_report + 53.0
    assert plan_cells.longer(own, [made]) == own
    several = planner(arms="scratch,scratch-long,self", pretrain_steps="50,100", unlabelled="wiki=wiki.txt")
    made_by = plan_cells.pretrainings(several, [], {("reviews", "self"): Speed(3.0, 0.5, 0.0)})
    assert [(made.course, made.seconds_report) for made in made_by] == [("", 53.0), ("50 steps", 28.0), ("wiki", 53.0)]
    assert plan_cells.longer(long, made_by).seconds_report == short.seconds_report + 53.0
    rows = [row(spec, 40.0) for spec in planned.pretrainings("reviews", "self")[:1]]
    (made,) = plan_cells.pretrainings(planned, rows, {})
    assert (made.done, made.left, made.source) == (1, 40.0, "store")
