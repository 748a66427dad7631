"""How a study runs its trials, stores them, and goes on."""

import json
from dataclasses import replace

import pytest

from support.fakes import FakeExecutor, Follower, Stop, dataset, fails, kept, outcome_of, rows, run
from transfergain.analysis.findings import load
from transfergain.running.planner import Planner
from transfergain.running.search import learning_rates
from transfergain.split import TEST, shift
from transfergain.study import Study
from transfergain.types import Recipe


def test_everything_planned_is_run_once_and_stored(tmp_path):
    ran, counts = run(tmp_path, seeds=3, tune=2)
    assert counts == {"done": 2 * 2 + 2 * 3 + 2 * 3}  # tuning, two arms, two floors
    assert len({s.id for s in ran}) == len(ran) == 16
    assert {r.spec.id for r in rows(tmp_path)} == {s.id for s in ran}


def test_a_second_run_has_nothing_to_do(tmp_path):
    run(tmp_path, seeds=3)
    before = load(tmp_path).to_json()
    ran, counts = run(tmp_path, seeds=3)
    assert ran == []
    assert counts == {"done": 14}
    assert load(tmp_path).to_json() == before


def test_a_failing_trial_is_a_row_and_the_study_goes_on(tmp_path):
    executor = fails(when=lambda s: s.arm == "full" and s.replicate == 1)
    ran, counts = run(tmp_path, executor=executor, seeds=3)
    assert len(ran) == 14
    assert counts == {"done": 13, "failed": 1}
    failed = [r for r in rows(tmp_path) if r.outcome.status == "failed"]
    assert [(r.spec.arm, r.spec.replicate) for r in failed] == [("full", 1)]
    assert failed[0].outcome.error == "RuntimeError: no luck with full"
    findings = load(tmp_path)
    assert findings.trials == {"done": 13, "failed": 1, "skipped": 0, "pending": 0}
    gain = next(g for g in findings.gains if g.metric == "accuracy")
    assert gain.n_seeds == 2
    assert any("failed: RuntimeError: no luck with full" in w.text for w in findings.warnings)


def test_a_failed_trial_is_tried_again_by_the_next_run(tmp_path):
    run(tmp_path, executor=fails(when=lambda s: s.arm == "full" and s.replicate == 1), seeds=3)
    ran, counts = run(tmp_path, seeds=3)
    assert [(s.arm, s.replicate) for s in ran] == [("full", 1)]
    assert counts == {"done": 14}
    run(tmp_path / "clean", seeds=3)
    assert load(tmp_path).to_json() == load(tmp_path / "clean").to_json()


@pytest.mark.parametrize(
    ("more", "new"),
    [({"seeds": 4}, {(a, 20, r) for a in ("scratch", "full", "majority", "tfidf") for r in (2, 3)}),
     ({"budgets": [10, 20]}, {(a, 10, r) for a in ("scratch", "full", "majority", "tfidf") for r in (0, 1)}),
     ({"arms": "scratch,full,probe"}, {("probe", 20, r) for r in (0, 1)})],
    ids=["seeds", "budgets", "arms"],
)  # fmt: skip
def test_a_larger_study_runs_only_what_is_new(tmp_path, more, new):
    run(tmp_path)
    before = {r.spec.id for r in rows(tmp_path)}
    ran, counts = run(tmp_path, **more)
    assert {(s.arm, s.budget, s.replicate) for s in ran if s.phase == "report"} == new
    assert not {s.id for s in ran} & before
    assert sum(counts.values()) == len(before) + len(ran)
    run(tmp_path / "at once", **more)
    assert load(tmp_path).table("gains") == load(tmp_path / "at once").table("gains")


def test_a_smaller_study_keeps_rows_but_not_in_its_findings(tmp_path):
    run(tmp_path, seeds=4)
    stored = len(rows(tmp_path))
    ran, _ = run(tmp_path, seeds=2)
    assert ran == []
    assert len(rows(tmp_path)) == stored
    assert {row.n_seeds for row in load(tmp_path).scores} == {2}


def test_another_choice_of_tuning_leaves_stale_rows_out_of_the_findings(tmp_path):
    run(tmp_path, tune=1, seeds=2)
    old = learning_rates(1)[0]
    ran, _ = run(tmp_path, tune=2, seeds=2)
    new = max(learning_rates(2))
    assert new != old
    assert len([s for s in ran if s.phase == "tune"]) == 2  # one more learning rate an arm; the first is kept
    stale = [r for r in rows(tmp_path) if r.spec.phase == "report" and r.spec.recipe and r.spec.recipe.learning_rate == old]
    assert len(stale) == 4
    findings = load(tmp_path)
    rates = {r.spec.recipe.learning_rate for r in findings.rows if r.spec.phase == "report" and r.spec.recipe}
    assert rates == {new}
    assert findings.trials == {"done": 4 + 4 + 4, "failed": 0, "skipped": 0, "pending": 0}


@pytest.mark.parametrize("after", range(0, 16, 3))
def test_an_interrupted_run_has_findings_and_continues(tmp_path, after):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, executor=Stop(after), seeds=3, tune=2)
    findings = load(tmp_path)
    json.loads(findings.to_json(), parse_constant=pytest.fail)
    assert findings.trials["done"] == after
    assert findings.trials["pending"] == (16 if after >= 10 else 10) - after  # what arms report follows from tuning
    pending = findings.trials["pending"]
    said = "1 trial has not run yet" if pending == 1 else f"{pending} trials have not run yet"
    assert any(w.text.startswith(said) for w in findings.warnings)
    ran, counts = run(tmp_path, seeds=3, tune=2)
    assert len(ran) == 16 - after
    assert counts == {"done": 16}
    run(tmp_path / "clean", seeds=3, tune=2)
    assert load(tmp_path).to_json() == load(tmp_path / "clean").to_json()


def test_interrupted_tuning_keeps_the_findings_that_were_there(tmp_path):
    run(tmp_path, seeds=3)
    before = load(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, executor=Stop(0), seeds=3, tune=2)
    assert load(tmp_path).gains == before.gains


@pytest.mark.parametrize(
    "changed", [{"epochs": 3}, {"arms": "scratch,probe"}, {"seeds": 2}, {"budgets": [30]}, {"max_length": 16}], ids=str
)
def test_interrupted_tuning_shows_no_trial_that_the_changed_study_would_not_run(tmp_path, changed):
    run(tmp_path, seeds=3)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, executor=Stop(0), **{"seeds": 3, "tune": 2} | changed)
    study = Study(**{"arms": "scratch,full", "budgets": [20], "seeds": 3} | changed)
    planner = Planner(study, {"reviews": dataset()}, "sha256:0", "fp32")
    rate = learning_rates(1)[0]
    possible = {s.id for cell in planner.cells() for s in planner.reporting(cell, planner.recipe(cell.data, rate))}
    shown = {r.spec.id for r in load(tmp_path).rows if r.spec.phase == "report" and r.spec.recipe}
    assert shown <= possible
    assert {r.spec.arm for r in load(tmp_path).rows} <= {*study.arms, "majority", "tfidf"}


def test_results_delivered_twice_count_once(tmp_path):
    follower = Follower()
    ran, counts = run(tmp_path, executor=FakeExecutor(times=2), watcher=follower, seeds=3)
    assert counts == {"done": 14}
    assert len(follower.finished) == len(ran) == 14
    run(tmp_path / "once", seeds=3)
    assert load(tmp_path).to_json() == load(tmp_path / "once").to_json()
    assert kept(tmp_path) == kept(tmp_path / "once") != {}


def test_a_late_failure_does_not_undo_a_result(tmp_path):
    def behave(spec, data):
        calls.append(spec.id)
        if calls.count(spec.id) > 1:
            raise RuntimeError("the other worker died")
        return outcome_of(spec, data)

    calls = []
    _, counts = run(tmp_path, executor=FakeExecutor(behave=behave, times=2))
    assert counts == {"done": 10}
    assert not any("died" in r.outcome.error for r in rows(tmp_path))


def test_the_watcher_hears_of_all_trials_at_once_of_steps_and_ends(tmp_path):
    follower = Follower()
    run(tmp_path, watcher=follower)
    assert follower.begun == [(10, 0), (10, 6), (10, 10)], "with those whose learning rate is not known yet"
    assert follower.steps == 10
    assert [status for _, status in follower.finished] == ["done"] * 10
    follower = Follower()
    run(tmp_path, watcher=follower, seeds=3)
    assert follower.begun == [(14, 10), (14, 14)]
    assert not follower.notes


def lasting(seconds):
    """An executor whose trials of `arm` last `seconds[arm]`."""

    def behave(spec, data):
        return replace(outcome_of(spec, data), seconds=seconds.get(spec.arm, 0.0))

    return FakeExecutor(behave=behave)


def test_the_time_to_a_first_answer_is_said_once_when_both_arms_have_run(tmp_path):
    follower = Follower()
    run(tmp_path, {"reviews": dataset()}, lasting({"scratch": 100.0, "full": 40.0, "lora": 9.0}), follower,
        arms="scratch,full,lora", tune=0, seeds=3)  # fmt: skip
    assert follower.notes == ["about 5 min to a first answer"]  # two seeds more of 100 and 40 seconds
    heard = [(spec.arm, spec.replicate) for spec, _ in follower.finished if spec.recipe]
    assert heard[:2] == [("scratch", 0), ("full", 0)] or heard[:2] == [("full", 0), ("scratch", 0)]


def test_the_time_to_a_first_answer_is_said_before_any_trial_where_the_store_knows_it(tmp_path):
    run(tmp_path, executor=lasting({"scratch": 100.0, "full": 40.0}), tune=0, seeds=1)
    stopped, follower = Stop(after=0, behave=outcome_of), Follower()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, executor=stopped, watcher=follower, tune=0, seeds=3)
    assert follower.finished == []
    assert follower.notes == ["about 5 min to a first answer"]


def test_shifts_added_later_run_the_reported_trials_again(tmp_path):
    run(tmp_path)
    ran, _ = run(tmp_path, {"reviews": dataset(shift=True)})
    assert {s.phase for s in ran} == {"report"}
    assert {row.split for row in load(tmp_path).gains} == {TEST, shift("tweets")}


def test_the_recipe_differs_between_arms_in_the_learning_rate_alone(tmp_path):
    ran, _ = run(tmp_path, tune=3, epochs=7, batch_size=5)
    recipes = [s.recipe for s in ran if s.recipe]
    assert {Recipe(**vars(r) | {"learning_rate": 0.0}) for r in recipes} == {
        Recipe(0.0, epochs=7, batch_size=5, precision="fp32")
    }
