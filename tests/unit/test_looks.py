"""When a study looks at its results, what it decides, and which trials get more seeds."""

import contextlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from support.fakes import FakeExecutor, Follower, Stop, dataset, evaluated, outcome_of, run
from transfergain.analysis.answers import Answer
from transfergain.analysis.findings import load
from transfergain.analysis.rows import Benefit, Verdict
from transfergain.analysis.sequential import Looks
from transfergain.outcome import CurvePoint
from transfergain.running.looks import read_by, replay
from transfergain.types import Example

CELLS = [(arm, budget) for budget in (20, 40, 80) for arm in ("scratch", "full", "probe")]
AUTO = Looks((3, 4, 6))
YES, OPEN, HOPELESS = Answer(Verdict.SUPPORTED), Answer(Verdict.INCONCLUSIVE), Answer(Verdict.INCONCLUSIVE, futile=True)


def told(by_seeds):
    """Answers planted by the seeds of the look; what is not given is decided."""

    def ask(seeds, look):
        return None if by_seeds.get(look, {}) is None else dict.fromkeys(Benefit, YES) | by_seeds.get(look, {})

    return ask


def test_where_all_is_decided_at_the_first_look_nothing_gets_more():
    needed, looks = replay(CELLS, "full", AUTO, told({}))
    assert set(needed.values()) == {3}
    assert [(look.seeds, look.decided, look.open) for look in looks] == [(3, tuple(Benefit), ())]
    assert looks[0].sentence("sst2") == f"sst2: {', '.join(Benefit)} decided with 3 seeds"


def test_only_what_an_open_question_reads_gets_more_seeds():
    needed, looks = replay(CELLS, "full", AUTO, told({3: {Benefit.DATA_EFFICIENCY: OPEN}}))
    assert {cell for cell, seeds in needed.items() if seeds == 4} == {
        ("scratch", 80), ("full", 20), ("full", 40), ("full", 80),
    }  # fmt: skip
    assert {seeds for cell, seeds in needed.items() if cell[0] == "probe"} == {3}
    assert [look.seeds for look in looks] == [3, 4]
    assert looks[0].sentence("x").endswith("decided with 3 seeds; data efficiency open: on to 4 seeds")
    needed, _ = replay(CELLS, "full", AUTO, told({3: {Benefit.CONVERGENCE: OPEN}}))
    assert {cell for cell, seeds in needed.items() if seeds == 4} == {("scratch", 80), ("full", 80)}


def test_what_is_decided_stays_decided():
    answers = {3: {Benefit.ROBUSTNESS: OPEN}, 4: {Benefit.PERFORMANCE: OPEN, Benefit.ROBUSTNESS: YES}}
    _, looks = replay(CELLS, "full", AUTO, told(answers))
    assert [look.open for look in looks] == [(Benefit.ROBUSTNESS,), ()]


def test_a_question_that_seeds_would_hardly_decide_gets_none():
    needed, looks = replay(CELLS, "full", AUTO, told({3: {Benefit.PERFORMANCE: HOPELESS}}))
    assert set(needed.values()) == {3}
    assert looks[0].sentence("x").endswith("; performance open, and more seeds would hardly decide")


def test_the_last_look_is_the_last():
    needed, looks = replay(CELLS, "full", AUTO, told({n: {Benefit.PERFORMANCE: OPEN} for n in (3, 4, 6)}))
    assert [look.seeds for look in looks] == [3, 4, 6]
    assert needed["full", 80] == needed["scratch", 80] == 6
    assert looks[-1].sentence("x").endswith("performance open: no more than 6 seeds allowed")


def test_a_look_waits_for_the_trials_that_it_needs():
    needed, looks = replay(CELLS, "full", AUTO, told({3: {Benefit.PERFORMANCE: OPEN}, 4: None}))
    assert [look.seeds for look in looks] == [3]
    assert needed["full", 80] == 4
    assert replay(CELLS, "full", AUTO, told({3: None})) == (dict.fromkeys(CELLS, 3), [])


def test_a_fixed_number_of_seeds_is_not_looked_at():
    def never(seeds, look):
        raise AssertionError

    assert replay(CELLS, "full", Looks.fixed(8), never) == (dict.fromkeys(CELLS, 8), [])
    assert replay(CELLS, "", AUTO, never) == (dict.fromkeys(CELLS, 3), []), "scratch alone asks nothing"


def test_an_arm_at_one_budget_is_read_where_it_is():
    cells = [("scratch", 20), ("scratch", 80), ("lora", 80)]
    for question in (Benefit.DATA_EFFICIENCY, Benefit.ROBUSTNESS):
        assert read_by([question], cells, "lora") == {("scratch", 80), ("lora", 80)}


# Whole studies of made-up outcomes.

ROWS = tuple(Example({"text": f"text {i}"}, i % 2) for i in range(500))
LARGE = {"train": ROWS[:80], "dev": ROWS[80:100], "test": ROWS[100:300]}


def worlds(*names):
    return {name: replace(dataset(name), **LARGE) for name in names}


def world(gain, spread=0.0):
    """Outcomes of arms: `gain(data set)` right answers of 200 more than scratch's 100, differing by seed by `spread`.

    Curves rise to their plateau at once with pretraining, later without.
    """

    def behave(spec, data):
        outcome = outcome_of(spec, data, right=100)
        if spec.recipe is None or not spec.splits:
            return outcome
        more = gain(spec.dataset) if spec.arm != "scratch" else 0
        rng = np.random.default_rng([spec.replicate, len(spec.arm)])
        right = int(np.clip(100 + more + spread * rng.standard_normal(), 0, 200))
        reach = 40 if spec.arm == "scratch" else 10
        points = tuple(
            CurvePoint(step, 0.9 if step >= reach else 0.55, 0.5, step, 1e9 * step, 0.1 * step)
            for step in range(10, 170, 10)
        )
        sealed = data.splits()
        found = {split: evaluated([e.target for e in sealed[split]], right) for split, _ in spec.splits}
        return replace(outcome, evaluated=found, curve=points)

    return FakeExecutor(behave=behave)


def seeds_of(ran, **wanted):
    """(arm, budget) -> seeds that ran."""
    rows = [s for s in ran if s.phase == "report" and all(getattr(s, key) == value for key, value in wanted.items())]
    return Counter((s.arm, s.budget) for s in rows)


AUTO_KEYS = {"seeds": "auto", "max_seeds": 6, "budgets": [20, 80], "arms": "scratch,full,probe"}


def test_a_clear_gain_is_decided_with_three_seeds_and_said(tmp_path):
    follower = Follower()
    ran, counts = run(tmp_path, worlds("a"), world(lambda _: 80, 2.0), follower, **AUTO_KEYS)
    assert set(counts) == {"done"}
    assert "performance" in follower.notes[0].split(" decided with 3 seeds")[0]
    assert seeds_of(ran)["probe", 80] == 3
    assert load(tmp_path).data["a"].looks == [3, 4, 5, 6]


def test_a_gain_that_three_seeds_leave_open_gets_more_and_other_arms_none(tmp_path):
    follower = Follower()
    ran, _ = run(tmp_path, worlds("a"), world(lambda _: 40, 12.0), follower, **AUTO_KEYS)
    assert "performance" in follower.notes[0].split(";")[-1]
    assert any("performance decided with" in note for note in follower.notes[1:])
    found = seeds_of(ran)
    assert found["full", 80] > 3
    assert found["scratch", 80] > 3
    assert found["probe", 80] == 3
    assert found["tfidf", 80] == found["full", 80]  # scores that stand side by side are of the same seeds
    assert found["tfidf", 20] == found["full", 20]


def test_a_gain_far_below_the_noise_is_given_up(tmp_path):
    follower = Follower()
    ran, _ = run(tmp_path, worlds("a"), world(lambda _: 12, 12.0), follower, **AUTO_KEYS)
    assert sum("performance open, and more seeds would hardly decide" in note for note in follower.notes) == 1
    assert seeds_of(ran)["full", 80] < 6


@pytest.mark.long
def test_seeds_that_were_raised_after_a_look_are_remembered(tmp_path):
    """The 5 % are spent up to the maximum that was named first; a study that goes on beyond it finds too much."""
    keys = {"seeds": "auto", "max_seeds": 4, "budgets": [80], "arms": "scratch,full"}

    def most_before(**more):
        run(tmp_path, worlds("a"), world(lambda _: 40, 12.0), **keys | more)
        return load(tmp_path).data["a"].most_before

    assert list(most_before()) == []
    assert list(most_before()) == []  # the same again
    assert list(most_before(max_seeds=6)) == [4]
    assert list(most_before(max_seeds=6)) == [4]
    assert list(most_before(max_seeds=8)) == [4, 6]
    (said,) = (warning.text for warning in load(tmp_path).warnings if "raised" in warning.text)
    assert said == (
        "a: its seeds were raised from 4 and 6 to 8 after results had been seen: up to 11 % of studies of equal arms find "
        "something then, in place of 5 %"
    )


@pytest.mark.long
def test_a_taste_and_a_maximum_raised_before_the_first_look_cost_nothing(tmp_path):
    for name, first in {"quick": {"quick": True}, "unseen": {"executor": Stop(2)}}.items():
        executor = first.pop("executor", None)
        keys = {"arms": "scratch,full", "budgets": [20, 80]}
        with contextlib.suppress(KeyboardInterrupt):
            run(tmp_path / name, worlds("a"), executor, **keys | ({"seeds": "auto", "max_seeds": 4} | first))
        run(tmp_path / name, worlds("a"), **keys, seeds="auto", max_seeds=6)
        assert list(load(tmp_path / name).data["a"].most_before) == []


def test_data_sets_decide_for_themselves(tmp_path):
    gains = {"clear": 80, "small": 12}
    follower = Follower()
    run(tmp_path, worlds(*gains), world(gains.get, 2.0), follower, tasks=[{}, {}], **AUTO_KEYS)
    first = {note.split(":")[0]: note for note in follower.notes[:2]}
    assert "performance" in first["clear"].split(" decided with 3 seeds")[0]
    assert "performance" not in first["small"].split(" decided with 3 seeds")[0]


def test_no_seeds_are_spent_on_labels_and_steps_of_a_scratch_that_has_learned_nothing():
    from support.synthetic import DATA, World, study
    from transfergain.analysis.answers import answers

    entry, over_scratch = replace(DATA, looks=(3, 4, 5)), (Benefit.DATA_EFFICIENCY, Benefit.CONVERGENCE)
    open_of = {}
    for level in (0.5, 0.6):
        near = World(seeds=3, n_test=100, budgets=(64, 256), score=lambda arm, _, at=level: at + 0.04 * (arm == "full"))
        found = answers(study(near), "reviews", entry, "full", 0.01, 1, 3)
        open_of[level] = [benefit for benefit in over_scratch if found[benefit].open]
    assert open_of[0.5] == [] and open_of[0.6], "where it has learned something, they stay open"


def test_more_data_sets_ask_for_a_smaller_p():
    from support.synthetic import DATA, World, study
    from transfergain.analysis.answers import answers

    flat = World(seeds=3, budgets=(64, 256), score=lambda arm, budget: 0.62 + 0.1 * (arm == "full"))
    entry = replace(DATA, looks=(3, 4, 5))
    alone, many = (answers(study(flat), "reviews", entry, "full", 0.01, n, 3)[Benefit.PERFORMANCE] for n in (1, 10))
    assert alone.verdict is Verdict.SUPPORTED
    assert many.verdict is Verdict.INCONCLUSIVE


@pytest.mark.long
@pytest.mark.parametrize("gain", [80, 12, 0])
@pytest.mark.parametrize("after", [3, 14, 19, 25, 30, 36])
def test_a_study_interrupted_anywhere_decides_what_it_would_have_decided(tmp_path, gain, after):
    executor = world(lambda _: gain, 12.0)
    try:
        run(tmp_path / "out", worlds("a"), Stop(after, behave=executor.behave), **AUTO_KEYS)
    except KeyboardInterrupt:
        assert load(tmp_path / "out").trials["done"] == after
    run(tmp_path / "out", worlds("a"), executor, **AUTO_KEYS)
    run(tmp_path / "whole", worlds("a"), executor, **AUTO_KEYS)
    assert load(tmp_path / "out").to_json() == load(tmp_path / "whole").to_json()


def test_a_study_of_fixed_seeds_goes_on_with_auto_and_back(tmp_path):
    executor = world(lambda _: 80, 2.0)
    run(tmp_path, worlds("a"), executor, **AUTO_KEYS | {"seeds": 6})
    ran, _ = run(tmp_path, worlds("a"), executor, **AUTO_KEYS)
    assert ran == []
    assert {row.n_seeds for row in load(tmp_path).scores if row.arm == "probe"} == {3}
    ran, _ = run(tmp_path, worlds("a"), executor, **AUTO_KEYS | {"seeds": 4})
    assert ran == []
    assert {row.n_seeds for row in load(tmp_path).scores} == {4}
