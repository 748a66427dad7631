"""What a plan counts and reckons, without measuring anything."""

import json

import pytest
from fakes import dataset, outcome_of
from rich.console import Console

from transfergain import plan
from transfergain.plan import Cell, Plan, Speed, _cell, _probe, _seconds, _speed, duration
from transfergain.store import Row
from transfergain.study import RUNGS, Planner, Study
from transfergain.types import Outcome


def planner(**keys):
    study = Study(**{"arms": "scratch,full", "budgets": [20, 30], "seeds": 3, "tune": 4} | keys)
    return Planner(study, {"reviews": dataset()}, "sha256:0", "fp32")


def row(spec, seconds=2.0):
    return Row(spec, Outcome(**vars(outcome_of(spec, dataset())) | {"seconds": seconds}))


def cell(planned, rows=(), speeds=None, arm="full", budget=20):
    return _cell(planned, list(rows), speeds or {}, planned.datasets["reviews"], arm, budget)


def test_counts_are_those_of_both_rounds_and_of_the_seeds():
    found = cell(planner())
    assert (found.tuning, found.reports, found.done) == (4 + 2, 3, 0)
    assert (cell(planner(tune=2)).tuning, cell(planner(tune=0)).tuning) == (2, 0)


def test_what_is_done_is_counted_and_timed_by_the_store():
    planned = planner()
    data = planned.datasets["reviews"]
    rows = [row(s) for s in planned.tuning(data, "full", 20)]
    rows += [row(s, 6.0) for s in planned.reporting(data, "full", 20, planned.recipe(data, 1e-4))[:2]]
    found = cell(planned, rows)
    assert (found.done, found.source, found.seconds_report, found.seconds_tuning) == (6, "store", 6.0, 2.0)
    assert cell(planned, rows, arm="scratch").done == 0
    assert cell(planner(epochs=3), rows).done == 0, "another recipe is another trial"
    assert cell(planner(seeds=5), rows).reports - 3 == 2


def test_what_is_left_is_the_time_of_what_is_not_done():
    found = Cell("reviews", "full", 20, 6, 3, 4, 2.0, 10.0, 14.0, "measured")
    assert (found.left, found.most) == (2 * 2.0 + 3 * 10.0, 2 * 2.0 + 3 * 14.0)
    assert Cell("reviews", "full", 20, 6, 3, 9, 2.0, 10.0, 14.0, "measured").left == 0
    whole = Plan([found, found], 4, 2, 1, "cpu", 2**30)
    assert whole.seconds == found.left
    assert json.loads(whole.to_json())["seconds_most"] == found.most


def test_a_longer_trial_takes_longer_and_a_rung_its_share():
    planned, speed = planner(), Speed(fixed=1.0, step=0.1)
    data = planned.datasets["reviews"]
    by = _seconds(planned, speed, data, "full", 20)
    assert 1.0 < by[RUNGS[0]] < by[RUNGS[1]] < by["report"] < by["most"]
    assert by["most"] == pytest.approx(1 + 300 * 0.1 + (16 * 4 + 10) * 0.1 / 3 / 16)


def test_a_step_is_timed_by_the_difference_of_two_trials():
    short, long = (Outcome("done", seconds=seconds) for seconds in (3.0, 4.6))
    speed = _speed(short, long)
    assert (speed.step, speed.fixed) == pytest.approx((0.1, 2.2))
    assert _speed(Outcome("failed"), long) is None


@pytest.mark.parametrize("steps", plan.PROBE)
def test_a_probe_ends_after_its_steps_with_one_evaluation_and_no_sealed_split(steps):
    planned = planner()
    spec = _probe(planned, planned.datasets["reviews"], "full", 30, steps)
    assert spec.recipe.steps_to(spec.rung, 24) == steps == spec.recipe.max_steps(24) // spec.recipe.evaluations
    assert spec.splits == () and spec.phase == "tune"


@pytest.mark.parametrize(("seconds", "words"), [(3.21, "3.2 s"), (40, "40 s"), (840, "14 min"), (11520, "3.2 h")])
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words


def test_the_table_and_the_total_are_shown():
    console = Console(width=160, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    plan.show(Plan([Cell("reviews", "full", 20, 6, 3, 4, 2.0, 10.0, 14.0, "measured")], 4, 2, 1, "cpu", 2**30), console)
    text = console.export_text()
    assert (
        "9 trials, 4 done, and 4 of floors · about 17 s on cpu, at most 23 s · 2 workers of 1 thread · up to 1.0 GB" in text
    )
