import json
import shutil
from dataclasses import replace

import pytest

from support.fakes import FakeExecutor, Follower, Stop, dataset, outcome_of, run, spec
from transfergain.analysis.findings import load
from transfergain.outcome import CurvePoint, Details, Outcome
from transfergain.running import watchers
from transfergain.running.order import most_valuable_first
from transfergain.running.planner import Planner
from transfergain.running.search import FEWEST_RATES_TO_HALVE, LEARNING_RATES, RUNGS, learning_rates
from transfergain.running.tuning import merit
from transfergain.split import TEST, shift
from transfergain.store import Store
from transfergain.study import Study
from transfergain.types import Recipe


def fails(*, when):
    """Behaviour of an executor whose trials raise where `when(spec)` holds."""

    def behave(spec, data):
        if when(spec):
            raise RuntimeError(f"no luck with {spec.arm}")
        return outcome_of(spec, data)

    return FakeExecutor(behave=behave)


def rows(folder):
    with Store(folder) as store:
        return store.rows()


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


def test_floors_come_first_then_tuning_which_sees_no_sealed_split(tmp_path):
    ran, _ = run(tmp_path, {"reviews": dataset(shift=True)}, seeds=2, tune=3)
    assert [s.recipe is None for s in ran] == [True] * 4 + [False] * 10
    assert [s.phase for s in ran] == ["report"] * 4 + ["tune"] * 6 + ["report"] * 4
    assert all(s.splits == () for s in ran if s.phase == "tune")
    assert all([split for split, _ in s.splits] == [TEST, shift("tweets")] for s in ran if s.phase == "report")
    assert not {s.replicate for s in ran if s.phase == "tune"} & {s.replicate for s in ran if s.phase == "report"}


def test_the_best_tuning_trial_gives_the_recipe(tmp_path):
    ran, _ = run(tmp_path, tune=3)
    best = max(learning_rates(3))  # fakes score higher with a higher learning rate
    assert {s.recipe.learning_rate for s in ran if s.phase == "report" and s.recipe} == {best}
    with Store(tmp_path) as store:
        recipes = store.get_meta("recipes")
    assert [r["learning_rate"] for r in recipes] == [best] * 2
    assert all(r["at_edge"] and len(r["tried"]) == 3 and not r["problem"] for r in recipes)
    assert all(LEARNING_RATES[0] <= rate <= LEARNING_RATES[1] for rate, *_ in recipes[0]["tried"])


def test_without_tuning_each_arm_has_its_default(tmp_path):
    from transfergain.arms import ARMS

    ran, _ = run(tmp_path, tune=0, arms="scratch,probe")
    rates = {(s.arm, s.recipe.learning_rate) for s in ran if s.recipe}
    assert rates == {(arm, ARMS[arm].default_learning_rate) for arm in ("scratch", "probe")}


def test_equal_dev_scores_go_to_the_lower_loss_and_no_loss_that_is_not_finite():
    def trial(*losses):
        return Outcome("done", dev_score=0.5, curve=tuple(CurvePoint(i, 0.5, x) for i, x in enumerate(losses)))

    assert merit(trial(0.9, 0.4)) > merit(trial(0.5, 0.5))
    assert merit(trial(float("nan"))) < merit(trial(5.0))
    assert merit(trial(float("nan"), 0.4)) == merit(trial(0.4))
    assert merit(trial(0.7, float("inf"))) == merit(trial(0.7))


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


def test_an_arm_whose_tuning_fails_is_skipped_with_the_reason(tmp_path):
    ran, counts = run(tmp_path, executor=fails(when=lambda s: s.arm == "full"), seeds=3, tune=2)
    assert not [s for s in ran if s.arm == "full" and s.phase == "report"]
    assert counts == {"done": 2 + 3 + 6, "failed": 2, "skipped": 3}
    skipped = [r for r in rows(tmp_path) if r.outcome.status == "skipped"]
    assert {(r.spec.arm, r.spec.phase) for r in skipped} == {("full", "report")}
    reason = "no tuning trial finished: RuntimeError: no luck with full"
    assert {r.outcome.error for r in skipped} == {reason}
    findings = load(tmp_path)
    assert findings.gains == []
    assert any(reason in w.text for w in findings.warnings)
    ran, counts = run(tmp_path, seeds=3, tune=2)  # mended: all of the arm runs, and no skipped row stays in the findings
    assert len(ran) == 2 + 3
    assert counts == {"done": 16}


def test_one_failing_tuning_trial_leaves_the_choice_to_the_others(tmp_path):
    best = max(learning_rates(3))
    executor = fails(when=lambda s: s.phase == "tune" and s.recipe.learning_rate == best)
    ran, counts = run(tmp_path, executor=executor, tune=3)
    second = sorted(learning_rates(3))[-2]
    assert {s.recipe.learning_rate for s in ran if s.phase == "report" and s.recipe} == {second}
    assert counts["failed"] == 2


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


def kept(folder):
    """Model folder -> its weights."""
    models = folder / "models"
    return {f.name: (f / "weights").read_text() for f in models.iterdir()} if models.exists() else {}


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


def test_keep_best_keeps_the_seed_with_the_best_dev_score(tmp_path):
    run(tmp_path, budgets=[20, 30], seeds=6)  # fakes: seeds 2 and 5 share the best dev score; the smaller seed wins
    assert kept(tmp_path) == {"scratch": "scratch 30 2", "full": "full 30 2"}


def test_keep_best_does_not_depend_on_the_order_of_results(tmp_path):
    class Backwards(FakeExecutor):
        def submit(self, jobs, watch):
            return super().submit(jobs[::-1], watch)

    run(tmp_path, executor=Backwards(), seeds=6)
    assert kept(tmp_path) == {"scratch": "scratch 20 2", "full": "full 20 2"}


def test_more_seeds_replace_the_kept_model_only_by_a_better_one(tmp_path):
    run(tmp_path, seeds=2)
    assert kept(tmp_path) == {"scratch": "scratch 20 1", "full": "full 20 1"}
    run(tmp_path, seeds=5)
    assert kept(tmp_path) == {"scratch": "scratch 20 2", "full": "full 20 2"}
    run(tmp_path, seeds=6)
    assert kept(tmp_path) == {"scratch": "scratch 20 2", "full": "full 20 2"}


def test_a_larger_budget_replaces_the_model_of_a_smaller_one_whatever_its_score(tmp_path):
    def behave(spec, data):
        outcome = outcome_of(spec, data)
        return outcome if spec.budget == 20 else Outcome(**vars(outcome) | {"dev_score": outcome.dev_score - 0.2})

    run(tmp_path, budgets=[20])
    run(tmp_path, executor=FakeExecutor(behave=behave), budgets=[20, 30])
    assert kept(tmp_path) == {"scratch": "scratch 30 1", "full": "full 30 1"}


def test_another_recipe_replaces_the_kept_model_whatever_its_score(tmp_path):
    run(tmp_path, epochs=3)
    worse = FakeExecutor(behave=lambda s, d: Outcome(**vars(outcome_of(s, d)) | {"dev_score": 0.1 + s.replicate / 100}))
    run(tmp_path, executor=worse, epochs=2)
    with Store(tmp_path) as store:
        for arm in ("scratch", "full"):
            trial = store.get((tmp_path / "models" / arm / "trial").read_text())
            assert (trial.spec.arm, trial.spec.recipe.epochs, trial.spec.replicate) == (arm, 2, 1)


def test_keep_all_and_keep_none(tmp_path):
    run(tmp_path / "all", keep_models="all", budgets=[20, 30])
    assert kept(tmp_path / "all") == {f"{a}-seed{r}": f"{a} 30 {r}" for a in ("scratch", "full") for r in (0, 1)}
    run(tmp_path / "none", keep_models="none")
    assert kept(tmp_path / "none") == {}


@pytest.mark.parametrize("lost", ["all of it", "its weights"])
def test_a_kept_model_that_somebody_deleted_is_made_again_and_no_row_changes(tmp_path, lost):
    run(tmp_path, seeds=3)
    before, folder = kept(tmp_path), tmp_path / "models" / "full"
    with Store(tmp_path) as store:
        rows = [(row.spec.id, row.outcome.dev_score, row.outcome.seconds) for row in store.rows()]
    shutil.rmtree(folder) if lost == "all of it" else (folder / "model.safetensors").unlink()
    said = []

    class Noting(watchers.Watcher):
        def note(self, line):
            said.append(line)

    ran, counts = run(tmp_path, seeds=3, watcher=Noting())
    assert [(spec.arm, spec.replicate) for spec in ran] == [("full", 2)] and kept(tmp_path) == before
    assert "a kept model was deleted, so its trial runs again: full (seed 2); --keep-models none keeps none" in said
    with Store(tmp_path) as store:
        assert [(row.spec.id, row.outcome.dev_score, row.outcome.seconds) for row in store.rows()] == rows
        assert counts["done"] == len(store.get_meta("plan"))
    assert run(tmp_path, seeds=3)[0] == [], "once is enough"
    shutil.rmtree(folder)
    assert run(tmp_path, seeds=3, keep_models="none")[0] == [], "nobody wants it"


def test_models_of_two_data_sets_do_not_meet(tmp_path):
    run(tmp_path, {"a": dataset("a"), "b": dataset("b")}, tasks=[{}, {}])
    assert set(kept(tmp_path)) == {"a-scratch", "a-full", "b-scratch", "b-full"}


def test_nothing_unfinished_is_left_behind(tmp_path):
    def behave(spec, data):
        if spec.arm == "full" and spec.replicate == 0:
            unfinished = tmp_path / "models" / ".unfinished" / spec.id
            unfinished.mkdir(parents=True, exist_ok=True)
            (unfinished / "half a file").write_text("")
            raise RuntimeError("disk full")
        return outcome_of(spec, data)

    run(tmp_path, executor=FakeExecutor(behave=behave), tune=0)
    assert sorted(f.name for f in (tmp_path / "models").iterdir()) == ["full", "scratch"]


def planned(datasets=None, **keys):
    """A planner of fakes."""
    datasets = datasets or {"reviews": dataset()}
    return Planner(Study(**{"arms": "scratch,full,probe", "seeds": 5} | keys), datasets, "sha256:0", "fp32")


def test_an_interrupted_study_holds_whole_pairs():
    specs = [spec(arm=arm, replicate=r, budget=b) for b in (20, 30) for arm in ("scratch", "full") for r in (0, 1, 2)]
    specs += [spec(arm="majority", recipe=None, replicate=r) for r in (0, 1, 2)]
    order = sorted(specs, key=most_valuable_first(planned(budgets=[20, 30]), {}))
    assert {s.arm for s in order[:2]} == {"scratch", "full"}, "training begins at once"
    assert {s.arm for s in order[2:5]} == {"majority"}
    pairs = [order[i : i + 2] for i in (0, 5, 7)]
    assert all({s.arm for s in pair} == {"scratch", "full"} and {s.budget for s in pair} == {30} for pair in pairs)
    assert [[s.replicate for s in pair] for pair in pairs] == [[0, 0], [1, 1], [2, 2]]
    assert [(s.arm, s.budget, s.replicate) for s in order[9:]] == [
        (arm, 20, r) for arm in ("full", "scratch") for r in (0, 1, 2)
    ], "scratch with fewer labels is for its curve alone"


def test_within_a_seed_the_longest_trials_come_first():
    seconds = {("reviews", "scratch", 20): 9.0, ("reviews", "full", 20): 1.0, ("reviews", "scratch", 30): 5.0,
               ("reviews", "full", 30): 6.0}  # fmt: skip
    specs = [spec(arm=arm, replicate=r, budget=b) for b in (30, 20) for arm in ("full", "scratch") for r in (4, 3)]
    key = most_valuable_first(planned(budgets=[20, 30]), seconds)
    order = [(s.replicate, s.budget, s.arm) for s in sorted(specs, key=key)]
    assert order[:4] == [(3, 20, "scratch"), (3, 20, "full"), (3, 30, "full"), (3, 30, "scratch")]
    assert {r for r, _, _ in order[4:]} == {4}


def test_the_gain_comes_first_then_frozen_features_data_efficiency_other_arms_and_more_seeds():
    arms = ("probe", "lora", "full", "scratch")
    specs = [spec(arm=a, replicate=r, budget=b) for r in (3, 0) for a in arms for b in (10, 20, 30)]
    order = sorted(specs, key=most_valuable_first(planned(budgets=[10, 20, 30]), {}))
    assert {(s.arm, s.budget) for s in order[:2]} == {("scratch", 30), ("full", 30)}
    assert [(s.arm, s.budget) for s in order[2:5]] == [("probe", 30), ("probe", 20), ("probe", 10)], "seconds of work"
    assert {(s.arm, s.budget) for s in order[5:7]} == {("full", 20), ("full", 10)}
    assert {(s.arm, s.budget) for s in order[7:12]} == {
        ("scratch", 20), ("scratch", 10), ("lora", 10), ("lora", 20), ("lora", 30),
    }  # fmt: skip
    assert {s.replicate for s in order[:12]} == {0}
    assert {s.replicate for s in order[12:]} == {3}
    later = [spec(arm="tfidf", recipe=None, replicate=r) for r in (3, 0)]
    assert [s.arm for s in sorted([*specs, *later], key=most_valuable_first(planned(budgets=[10, 20, 30]), {}))[:10]] == [
        s.arm for s in (*order[:2], later[1], *order[2:9])
    ], "floors come after the first pair, and wait for their turn too"


def test_data_sets_take_turns_so_that_each_has_its_answer_early():
    planner = planned({name: dataset(name) for name in "ab"}, tasks=[{"budgets": [20]}] * 2)
    specs = [spec(dataset=d, arm=a, replicate=r) for d in "ab" for a in ("probe", "scratch", "full") for r in (0, 1, 2)]
    order = sorted(specs, key=most_valuable_first(planner, {}))
    assert [(s.dataset, s.replicate) for s in order[:8:2]] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert {s.arm for s in order[:12]} == {"scratch", "full"}


def test_an_arm_is_tuned_once_at_its_largest_budget_and_its_rate_serves_all(tmp_path):
    ran, _ = run(tmp_path, budgets=[20, 30], tune=2, min_steps=1)
    assert [s.budget for s in ran if s.phase == "tune"] == [30] * 4
    assert {(s.budget, s.recipe.learning_rate) for s in ran if s.phase == "report" and s.recipe} == {
        (budget, max(learning_rates(2))) for budget in (20, 30)
    }
    with Store(tmp_path) as store:
        recipes = store.get_meta("recipes")
    assert [(r["arm"], r["budget"]) for r in recipes] == [("scratch", 20), ("full", 20), ("scratch", 30), ("full", 30)]
    assert len({str(r["tried"]) for r in recipes}) == 1


def test_other_arms_are_tuned_when_the_first_answer_is_there(tmp_path):
    ran, _ = run(tmp_path, arms="scratch,full,lora", seeds=3, tune=4)
    trained = [(s.phase, s.arm) for s in ran if s.recipe]
    first = trained.index(("tune", "lora"))
    assert {arm for _, arm in trained[:first]} == {"scratch", "full"}
    assert sum(phase == "report" for phase, _ in trained[:first]) == 6


def test_an_arm_that_takes_no_steps_is_not_tuned_and_runs_with_the_first(tmp_path):
    ran, _ = run(tmp_path, arms="scratch,full,probe", seeds=3, tune=4)
    assert {(s.phase, s.recipe.learning_rate) for s in ran if s.arm == "probe"} == {("report", 0.0)}
    with Store(tmp_path) as store:
        assert [r["tried"] for r in store.get_meta("recipes") if r["arm"] == "probe"] == [[]]


def test_a_wave_has_work_for_all_workers(tmp_path):
    """The second round of two arms has four trials; eight workers begin with other arms beside it."""
    submitted = []

    class Waves(FakeExecutor):
        def submit(self, jobs, watch):
            submitted.append([job.spec for job in jobs])
            return super().submit(jobs, watch)

    run(tmp_path, arms="scratch,full,lora", executor=Waves(workers=8), tune=4)
    finals = next(wave for wave in submitted if any(s.stop_at == RUNGS[1] for s in wave))
    assert [(s.phase, s.arm) for s in finals[4:]] == [("tune", "lora")] * 4


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


def tuned(ran):
    """(arm, step to which they ran) -> learning rates of the tuning trials that ran."""
    found = {}
    for s in ran:
        if s.phase == "tune":
            found.setdefault((s.arm, s.stop_at), []).append(s.recipe.learning_rate)
    return {key: sorted(rates) for key, rates in found.items()}


def late(spec, data):
    """An outcome whose rate order turns round after the first rung: low rates rise late."""
    outcome = outcome_of(spec, data)
    rate = spec.recipe.learning_rate if spec.recipe else 0.0
    score = 0.5 + (100 * rate if spec.stop_at == RUNGS[0] else 0.3 - 100 * rate)
    point = CurvePoint(10, score, 0.5)
    if spec.phase != "tune":
        return outcome
    return replace(outcome, dev_score=score, curve=(point,), details=Details(steps=spec.stop_at))


@pytest.mark.parametrize("count", [4, 5, 8])
def test_every_rate_runs_to_the_first_rung_and_the_better_half_to_the_second(tmp_path, count):
    follower = Follower()
    ran, counts = run(tmp_path, tune=count, watcher=follower)
    rates, half = sorted(learning_rates(count)), (count + 1) // 2
    assert tuned(ran) == {
        (arm, rung): some for arm in ("scratch", "full") for rung, some in zip(RUNGS, (rates, rates[-half:]), strict=True)
    }
    assert counts == {"done": 2 * (count + half) + 8}
    total = 2 * count + 2 * half + 8
    assert follower.begun == [(total, 0), (total, 4 + 2 * count), (total, total - 4), (total, total)]
    assert all(s.splits == () for s in ran if s.phase == "tune")


def test_fewer_rates_than_four_all_run_until_they_end(tmp_path):
    ran, _ = run(tmp_path, tune=FEWEST_RATES_TO_HALVE - 1)
    assert tuned(ran) == {(arm, None): sorted(learning_rates(3)) for arm in ("scratch", "full")}


def test_the_last_round_decides_and_every_rate_is_shown_with_the_steps_it_ran(tmp_path):
    ran, _ = run(tmp_path, executor=FakeExecutor(behave=late), tune=4)
    low, high = sorted(learning_rates(4))[-2:]
    assert {s.recipe.learning_rate for s in ran if s.phase == "report" and s.recipe} == {low}
    with Store(tmp_path) as store:
        recipes = store.get_meta("recipes")
    for recipe in recipes:
        assert [(rate, steps) for rate, _, steps in recipe["tried"]] == [
            (rate, RUNGS[rate in (low, high)]) for rate in sorted(learning_rates(4))
        ]
        assert recipe["tried"][-2][1] == pytest.approx(0.8 - 100 * low)
        assert not recipe["at_edge"]


@pytest.mark.parametrize("after", range(0, 21, 3))
def test_halving_that_is_interrupted_anywhere_continues(tmp_path, after):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, executor=Stop(after, behave=late), tune=4)
    assert load(tmp_path).trials["done"] == after
    ran, counts = run(tmp_path, executor=FakeExecutor(behave=late), tune=4)
    assert len(ran) == 20 - after
    assert counts == {"done": 20}
    run(tmp_path / "clean", executor=FakeExecutor(behave=late), tune=4)
    assert load(tmp_path).to_json() == load(tmp_path / "clean").to_json()


def test_more_rates_run_only_what_is_new(tmp_path):
    run(tmp_path, tune=4)
    before = {r.spec.id for r in rows(tmp_path)}
    ran, _ = run(tmp_path, tune=8)
    assert not {s.id for s in ran} & before
    assert len(tuned(ran)["full", RUNGS[0]]) == 4
    assert load(tmp_path).trials["done"] == 2 * (8 + 4) + 8
    run(tmp_path / "at once", tune=8)
    assert load(tmp_path).to_json() == load(tmp_path / "at once").to_json()


def test_rates_that_fail_leave_no_more_finalists_than_other_arms_have(tmp_path):
    worst, best = min(learning_rates(4)), max(learning_rates(4))
    executor = fails(when=lambda s: s.phase == "tune" and s.arm == "full" and s.recipe.learning_rate in (worst, best))
    ran, counts = run(tmp_path, executor=executor, tune=4)
    assert len(tuned(ran)["full", RUNGS[1]]) == len(tuned(ran)["scratch", RUNGS[1]]) == 2
    assert counts == {"done": 2 * 6 + 8 - 2, "failed": 2}
    ran, counts = run(tmp_path, tune=4)  # mended: what failed is tried again, and the best of all wins
    assert [s.recipe.learning_rate for s in ran if s.stop_at == RUNGS[0]] == sorted(
        (worst, best), key=learning_rates(4).index
    )
    assert {s.recipe.learning_rate for s in ran if s.phase == "report" and s.recipe} == {best}
    run(tmp_path / "clean", tune=4)
    assert load(tmp_path).to_json() == load(tmp_path / "clean").to_json()


def test_an_arm_without_finalists_is_skipped_with_the_reason(tmp_path):
    ran, counts = run(tmp_path, executor=fails(when=lambda s: s.arm == "full" and s.stop_at == RUNGS[1]), tune=4)
    assert not [s for s in ran if s.arm == "full" and s.phase == "report"]
    assert counts == {"done": 4 + 6 + 2 + 4, "failed": 2, "skipped": 2}
    assert any("no tuning trial finished: RuntimeError: no luck with full" in w.text for w in load(tmp_path).warnings)
