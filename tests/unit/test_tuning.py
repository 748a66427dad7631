"""How a study chooses the learning rates of its arms."""

from dataclasses import replace

import pytest

from support.fakes import FakeExecutor, Follower, Stop, dataset, fails, outcome_of, rows, run
from transfergain.analysis.findings import load
from transfergain.outcome import CurvePoint, Details, Outcome
from transfergain.running.search import FEWEST_RATES_TO_HALVE, LEARNING_RATES, RUNGS, learning_rates
from transfergain.running.tuning import merit
from transfergain.split import TEST, shift
from transfergain.store import Store


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
