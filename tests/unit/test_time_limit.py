"""The clock that ends a study, and what is said then."""

import signal
import threading
import time
from collections import Counter

import pytest

from support.fakes import FakeExecutor, dataset, outcome_of, run, spec
from transfergain.analysis.findings import load
from transfergain.outcome import Outcome
from transfergain.running.agenda import Agenda
from transfergain.running.order import Purpose
from transfergain.running.time_limit import OutOfTime, TimeLimit, lines


def test_an_alarm_interrupts_whatever_runs():
    before = signal.getsignal(signal.SIGALRM)
    limit = TimeLimit(3.1, time.monotonic())  # three seconds of it are for the findings
    with pytest.raises(OutOfTime), limit:
        time.sleep(30)
    assert limit.reached
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_time_that_is_over_ends_at_once_and_without_a_limit_nothing_does():
    with pytest.raises(OutOfTime), TimeLimit(1.0, time.monotonic() - 5):
        time.sleep(30)
    with TimeLimit(None, 0.0) as limit:
        limit.begin(3, 0)
        limit.end_trial(spec(), Outcome("done"))
    assert not limit.reached


def test_beside_the_main_thread_the_clock_is_looked_at_when_trials_report():
    heard = []

    def study():
        with TimeLimit(3.1, time.monotonic()) as limit:
            limit.step(spec(), 1, 10, None)
            time.sleep(0.2)
            heard.append("in time")
            try:
                limit.step(spec(), 2, 10, None)
            except OutOfTime:
                heard.append("over")

    thread = threading.Thread(target=study)
    thread.start()
    thread.join()
    assert heard == ["in time", "over"]


def test_a_longer_study_leaves_more_time_for_its_findings_within_bounds():
    assert [seconds - TimeLimit(seconds, 0.0)._ends for seconds in (10.0, 100.0, 3600.0)] == [3.0, 10.0, 15.0]


def agenda(ended, **left):
    counts = Counter({("reviews", Purpose[name]): count for name, count in left.items()})
    return Agenda([spec(replicate=i) for i in range(ended)], {}, [], frozenset(), {}, [], 0, counts)


def test_what_was_not_reached_is_said_by_question():
    assert lines(1200, agenda(31, REST=7, LABELS=5)) == [
        "Time limit of 20 min reached with 31 trials done; 12 are left; the same command goes on.",
        "Not reached on reviews: data efficiency (5), other arms and budgets (7)",
    ]
    first, _ = lines(60, agenda(0, TUNING=2))
    assert first == (
        "Time limit of 60 s reached before the first trial had ended: nothing is measured yet; 2 are left; "
        "`transfergain plan` with the same flags says what it takes."
    )
    assert lines(60, agenda(5)) == ["Time limit of 60 s reached just as all was done."]


@pytest.mark.parametrize("after", [0, 7, 12])
def test_a_study_out_of_time_holds_what_is_done_and_goes_on(tmp_path, after):
    done = []

    def behave(spec, data):
        if len(done) == after:
            raise OutOfTime
        done.append(spec)
        return outcome_of(spec, data)

    keys = {"seeds": "auto", "max_seeds": 4}
    with pytest.raises(OutOfTime):
        run(tmp_path, executor=FakeExecutor(behave=behave), time_limit="20m", **keys)
    assert load(tmp_path).trials["done"] == after
    run(tmp_path, {"reviews": dataset()}, **keys)
    run(tmp_path / "whole", {"reviews": dataset()}, **keys)
    assert load(tmp_path).to_json() == load(tmp_path / "whole").to_json()
