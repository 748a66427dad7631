"""Where one arm overtakes another, on made-up studies."""

import numpy as np
import pytest

from support.planted import findings, of_files, planted, trials
from support.synthetic import DATA, World, pick
from transfergain.analysis import break_even, gain

ARMS = ("scratch", "full", "probe", "lora")
BUDGETS = (64, 128, 256, 512)


def crossings(rows, label_cost=None, currency=""):
    """The rows of these trials, without all else that findings hold."""
    cells = gain.cells(rows, {arm: arm != "scratch" for arm in ARMS}, {})
    return break_even.rows(cells, {"reviews": DATA}, "full", label_cost, currency)


def even(score, seeds=6, budgets=BUDGETS, **asked):
    """Full against scratch."""
    rows = crossings(trials(World(score=score, budgets=budgets, seeds=seeds, n_test=2000)), **asked)
    return next(row for row in rows if row.reference == "scratch")


def rising(arm, budget):
    """Full starts 12 points behind scratch and ends 12 ahead: they meet at 181 labels, the middle of their logarithms."""
    gained = {64: -0.12, 128: -0.04, 256: 0.04, 512: 0.12}[budget]
    return 0.7 + (gained if arm == "full" else 0.0)


def test_a_crossing_is_found_with_its_interval_and_its_price():
    row = even(rising, label_cost=0.4, currency="EUR")
    assert row.low < 181 < row.high and row.estimate == pytest.approx(181, rel=0.2) and row.overtakes == "full"
    assert row.cost == pytest.approx(0.4 * row.estimate)
    assert row.sentence.startswith(
        f"reviews: full overtakes scratch at about {row.estimate:.0f} labels ({row.cost:.0f} EUR; 95 % interval "
    )


def test_swapped_curves_cross_at_the_same_place_and_the_other_overtakes():
    row = even(lambda arm, budget: 1.4 - rising(arm, budget))
    assert row.overtakes == "scratch" and row.low < 181 < row.high
    assert row.sentence.startswith("reviews: scratch overtakes full at about ")


def test_curves_that_never_cross_are_bounded():
    row = even(lambda arm, budget: rising(arm, budget) - (0.2 if arm == "full" else 0))
    assert (row.censored, row.estimate, row.high_open, row.cost) == ("above", 512, True, None)
    assert row.sentence.startswith("reviews: full does not overtake scratch with up to 512 labels")
    ahead = even(lambda arm, budget: rising(arm, budget) + (0.2 if arm == "full" else 0))
    assert (ahead.censored, ahead.estimate) == ("below", 64)
    assert ahead.sentence.startswith("reviews: full is ahead of scratch with 64 labels already")


def test_equal_curves_are_open():
    row = even(lambda arm, budget: 0.7)
    assert row.low_open and row.high_open
    assert "is ahead is open from 64 to 512 labels." in row.sentence


def test_one_seed_has_a_place_and_no_interval():
    row = even(rising, seeds=1)
    assert row.low is None and row.estimate == pytest.approx(181, rel=0.5)
    assert row.sentence.endswith("(no interval from one seed).")


def test_two_numbers_of_labels_are_enough_and_one_is_not():
    row = even(rising, budgets=(64, 512))
    assert row.low < 181 < row.high
    alone = even(rising, budgets=(512,))
    assert alone.sentence.endswith("break even takes two numbers of labels or more (--budgets).") and alone.cost is None


def test_the_leading_arm_is_compared_with_all_others():
    known = planted("crossing curves")
    assert {row.reference for row in known.break_even} == {"majority", "tfidf", "scratch", "probe", "lora"}
    assert any("scratch overtakes full at about" in said for said in known.summary.datasets[0].more_labels.forecast)


@pytest.mark.long
def test_what_is_not_sure_is_said_to_be_probable():
    """Full ends a little ahead, a little behind, or begins a little ahead: no test tells the ends apart."""
    gained = np.array([-0.12, -0.08, -0.04, 0.012])

    def close(gains):
        return lambda arm, budget: 0.7 + (gains[BUDGETS.index(budget)] if arm == "full" else 0.0)

    ends = even(close(gained))
    assert ends.high_open and not ends.low_open and ends.censored == ""
    assert ends.sentence.startswith("reviews: full may overtake scratch at about ")
    behind = even(close(gained - 0.016))
    assert (behind.censored, behind.high_open) == ("above", True) and behind.low < 512
    assert behind.sentence.startswith(
        "reviews: full probably does not overtake scratch with up to 512 labels (95 % interval "
    )
    begins = even(close(gained[::-1] * -1 + 0.028))
    assert (begins.censored, begins.low_open) == ("below", True) and begins.high > 64
    assert begins.sentence.startswith("reviews: full is probably ahead of scratch with 64 labels already (95 % interval ")


def rises(arm, budget):
    """Full has 62 % with 64 labels and 8 points more with each doubling: 74 % with 181."""
    return {64: 0.62, 128: 0.70, 256: 0.78, 512: 0.86}[budget] if arm == "full" else 0.5


def over_a_file(score, level, files=1, seeds=6, **asked):
    """The rows about predictions of that accuracy, by arm."""
    world = World(score=score, budgets=BUDGETS, seeds=seeds, n_test=2000)
    rows = crossings([*trials(world), *of_files(world, "gpt", level, files)], **asked)
    return {row.arm: row for row in pick(rows, reference="gpt")}


@pytest.mark.long
@pytest.mark.parametrize("files", [1, 3])
def test_an_arm_overtakes_predictions_of_files(files):
    found = over_a_file(rises, 0.74, files, label_cost=0.4, currency="EUR")
    row = found["full"]
    assert row.low < 181 < row.high and row.estimate == pytest.approx(181, rel=0.15) and row.n_seeds == 6
    assert (row.overtakes, row.reference, row.cost) == ("full", "gpt", pytest.approx(0.4 * row.estimate))
    assert row.sentence.startswith(
        f"reviews: full overtakes gpt at about {row.estimate:.0f} labels ({row.cost:.0f} EUR; 95 %"
    )
    assert set(found) == set(ARMS), "every arm, and no floor"
    assert (
        found["probe"].sentence
        == "reviews: probe does not overtake gpt with up to 512 labels (95 % interval: more than 512)."
    )


def test_predictions_below_or_above_the_whole_curve_are_bounds():
    below = over_a_file(rises, 0.4)
    assert (below["full"].censored, below["full"].estimate) == ("below", 64)
    assert below["full"].sentence.startswith("reviews: full is ahead of gpt with 64 labels already")


def test_an_arm_that_falls_below_predictions_is_overtaken_by_them():
    found = over_a_file(lambda arm, budget: 1.48 - rises("full", budget), 0.74)
    assert found["full"].overtakes == "gpt" and found["full"].low < 181 < found["full"].high
    assert found["full"].sentence.startswith("reviews: gpt overtakes full at about ")


def test_an_arm_that_does_not_move_stays_below_predictions_and_not_they_above_it():
    found = over_a_file(lambda arm, budget: 0.6, 0.74)
    assert found["full"].sentence.startswith("reviews: full does not overtake gpt with up to 512 labels")


def test_one_seed_against_a_file_has_a_place_and_no_interval():
    found = over_a_file(rises, 0.74, seeds=1)
    assert found["full"].low is None and found["full"].sentence.endswith("(no interval from one seed).")


@pytest.mark.long
def test_predictions_of_files_have_no_learning_curve_of_their_own():
    world = World(score=rises, budgets=BUDGETS, seeds=2, n_test=200)
    known = findings([*trials(world), *of_files(world, "gpt", 0.74)])
    assert not pick(known.forecast, arm="gpt") and pick(known.forecast, arm="full")
