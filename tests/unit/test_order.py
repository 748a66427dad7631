"""The order in which a study runs its trials."""

from support.fakes import dataset, spec
from transfergain.running.order import most_valuable_first
from transfergain.running.planner import Planner
from transfergain.study import Study


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
