"""Where one arm overtakes another, on made-up studies."""

import pytest

from support.planted import findings, planted, trials
from support.synthetic import World, pick

BUDGETS = (64, 128, 256, 512)


def even(score, seeds=6, budgets=BUDGETS, reference="scratch", **asked):
    known = findings(trials(World(score=score, budgets=budgets, seeds=seeds, n_test=2000)), **asked)
    (row,) = pick(known.break_even, reference=reference)
    return row


def rising(arm, budget):
    """Full starts 12 points behind scratch and ends 12 ahead: they meet at 181 labels, the middle of their logarithms."""
    gained = {64: -0.12, 128: -0.04, 256: 0.04, 512: 0.12}[budget]
    return 0.7 + (gained if arm == "full" else 0.0)


def test_a_crossing_is_found_with_its_interval_and_its_price():
    row = even(rising, label_cost=0.4, currency="EUR")
    assert row.low < 181 < row.high and row.estimate == pytest.approx(181, rel=0.2) and row.overtakes == "full"
    assert row.cost == pytest.approx(0.4 * row.estimate)
    assert row.sentence.startswith(
        f"reviews: full overtakes scratch at about {row.estimate:.0f} labels ({row.cost:.0f} EUR)"
    )
    assert "(95 % interval " in row.sentence


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
