"""What is recommended: the cheapest that is not worse than the best by the margin; and which floor is to be beaten."""

from dataclasses import replace

import numpy as np
import pytest

from support.planted import at, findings, trials
from support.synthetic import PARAMETERS, World
from transfergain.analysis import stats
from transfergain.analysis.reference import best_floor
from transfergain.analysis.rows import Verdict
from transfergain.metrics import METRICS
from transfergain.split import TEST
from transfergain.tasks import TASKS


def studied(levels, **world):
    return findings(trials(World(**{"budgets": (1024,), "n_test": 1000, "score": at(levels)} | world)))


@pytest.mark.parametrize(
    ("levels", "take"),
    [
        ({"lora": 0.879, "full": 0.88}, "lora"),
        ({"lora": 0.86, "full": 0.89}, "full"),
        ({"probe": 0.88, "lora": 0.88, "full": 0.88}, "probe"),
        ({"tfidf": 0.88, "full": 0.88}, "tfidf"),
        ({"tfidf": 0.85, "full": 0.88, "lora": 0.8}, "full"),
        ({"scratch": 0.93, "full": 0.88, "lora": 0.8}, "scratch"),
    ],
)
def test_the_cheapest_that_is_good_enough(levels, take):
    found = studied(levels, n_test=9000)
    assert found.summary.recommendation == {"reviews": take}


def test_an_arm_that_trains_nearly_as_much_is_no_cheaper(monkeypatch):
    """As SetFit, which trains all but the head, and for longer."""
    monkeypatch.setitem(PARAMETERS, "lora", int(0.99 * PARAMETERS["full"]))
    assert studied({"lora": 0.878, "full": 0.88}, n_test=9000).summary.recommendation == {"reviews": "full"}
    monkeypatch.setitem(PARAMETERS, "lora", int(0.49 * PARAMETERS["full"]))
    assert studied({"lora": 0.878, "full": 0.88}, n_test=9000).summary.recommendation == {"reviews": "lora"}


def test_a_wider_margin_takes_a_cheaper_arm():
    levels = {"lora": 0.86, "full": 0.88}
    rows = studied(levels, n_test=9000).rows
    assert [findings(rows, margin=m).summary.recommendation["reviews"] for m in (0.01, 0.03)] == ["full", "lora"]


def test_why_says_the_distance_and_the_price():
    why = studied({"lora": 0.879, "full": 0.88}, n_test=9000).summary.datasets[0].recommendation.why
    assert "points against full fine-tuning (95 %: " in why and why.endswith("trains 1 % of the weights")


def test_scratch_alone_is_nothing_to_take_yet():
    """The first trial of every study is scratch's; while it was all there was, it was recommended."""
    rows = [row for row in studied({}).rows if row.spec.arm == "scratch"]
    found = findings(rows, arms=("scratch", "full")).summary.datasets[0].recommendation
    assert (found.name, found.score, found.why) == ("", None, "only training from scratch has finished")


def test_the_floor_to_beat_is_fixed_by_the_task():
    """Even where another one scores more on the test set."""
    for task, kind in TASKS.items():
        names = [floor.name for floor in kind.floors]
        assert best_floor(task, names[::-1]) == names[-1]
    found = studied({"majority": 0.8, "tfidf": 0.7})
    assert {row.over_floor.against for row in found.candidates if row.over_floor} == {"tfidf"}
    assert best_floor("sentiment", []) == "" and best_floor("a new task", ["it"]) == "it"


def test_the_gain_over_the_floor_is_the_paired_interval():
    found = studied({})
    row = next(row for row in found.candidates if row.arm == "full")
    kept = {}
    for arm in ("full", "tfidf"):
        outcomes = [r.outcome for r in found.rows if r.spec.arm == arm]
        kept[arm] = np.stack([o.evaluated[TEST].counts["accuracy"] for o in outcomes])
    known = stats.paired_interval(kept["full"], kept["tfidf"], METRICS["accuracy"].finish)
    assert (row.over_floor.estimate, row.over_floor.low, row.over_floor.high) == pytest.approx(
        (known.estimate, known.low, known.high)
    )
    assert row.over_floor.verdict is Verdict.SUPPORTED and row.over_floor.p_holm == row.over_floor.p_value


def test_holm_corrects_over_data_sets():
    one = trials(World(score=at({}), budgets=(1024,)))
    two = [replace(row, spec=replace(row.spec, dataset="news")) for row in one]
    found = [row.over_floor for row in findings(one + two).candidates if row.arm == "probe"]
    assert [over.p_holm for over in found] == pytest.approx([min(1, 2 * over.p_value) for over in found])


def test_a_study_that_looks_pairs_with_the_seeds_of_its_look():
    rows = trials(World(score=at({}), budgets=(1024,), seeds=5))
    floors_at_three = [row for row in rows if row.spec.arm not in ("majority", "tfidf") or row.spec.replicate < 3]
    data = findings(rows).data
    looking = {name: replace(entry, looks=(3, 5)) for name, entry in data.items()}
    row = next(row for row in findings(floors_at_three, looking).candidates if row.arm == "full")
    assert row.over_floor.n_seeds == 3 and row.n_seeds == 5
