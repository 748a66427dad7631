"""Label-equivalents, multipliers, saving and area on made-up studies."""

import math
from dataclasses import replace

import numpy as np
import pytest

from support.synthetic import World, analysed, as_json, pick, study
from transfergain.split import TEST
from transfergain.store import StoredTrial


def table(world, seed=0):
    return analysed(study(world, seed))["data_efficiency"]


def test_a_planted_multiplier_is_found():
    """The arm does with 64 what scratch does with 512, but for the noise of 1,000 examples and 8 seeds."""
    rows = table(World(seeds=8, n_test=1000))
    (row,) = pick(rows, measure="multiplier", budget=64)
    (labels,) = pick(rows, measure="label_equivalent", budget=64)
    assert row.low < 8 < row.high and row.verdict == "supported"
    assert row.estimate == pytest.approx(8, rel=0.35)
    assert labels.estimate == pytest.approx(64 * row.estimate) and labels.n_max == 1024
    assert row.sentence.startswith("reviews: 64 labels with full do what ")
    assert f"{row.estimate:.1f}x, 95 % interval" in row.sentence


def test_beyond_the_range_it_is_more_than():
    rows = table(World(seeds=5))
    (row,) = pick(rows, measure="multiplier", budget=256)
    assert (row.censored, row.estimate, row.high_open) == ("above", 4.0, True)
    assert "256 labels with full do what more than 1,024 do without (more than 4.0x" in row.sentence
    (top,) = pick(rows, measure="multiplier", budget=1024)
    assert (top.verdict, top.estimate) == ("supported", 1.0)


def test_a_worse_arm_is_negative_transfer_and_not_clipped():
    worse = World(seeds=6, n_test=1000, score=lambda arm, b: 0.55 + 0.05 * np.log2(b / 64) - (0.12 if arm == "full" else 0))
    rows = table(worse)
    (row,) = pick(rows, measure="multiplier", budget=1024)
    assert row.verdict == "negative transfer" and row.estimate < 0.5
    (low,) = pick(rows, measure="multiplier", budget=64)
    assert (low.censored, low.low_open, low.verdict) == ("below", True, "negative transfer")
    assert "fewer than 64 do without" in low.sentence
    (area,) = pick(rows, measure="area")
    assert area.estimate == pytest.approx(-0.12, abs=0.03) and area.verdict == "negative transfer"
    (saving,) = pick(rows, measure="label_saving")
    assert (saving.censored, saving.verdict) == ("below", "negative transfer")


def test_label_saving_is_the_arms_curve_at_scratchs_top_score():
    """The arm with 128 labels does what scratch does with 1,024: a saving of 7/8."""
    (row,) = pick(table(World(seeds=8, n_test=1000)), measure="label_saving")
    assert row.low < 0.875 < row.high and row.verdict == "supported"
    assert row.estimate == pytest.approx(0.875, abs=0.06)


def test_the_area_between_curves_is_normalised_to_the_range():
    (row,) = pick(table(World(seeds=8, n_test=1000)), measure="area")
    assert row.estimate == pytest.approx(0.15, abs=0.02) and row.low < 0.15 < row.high


def test_swapped_arms_swap_the_area_exactly():
    rows = study(World(seeds=4))
    names = {"scratch": "full", "full": "scratch"}
    swapped = [StoredTrial(replace(row.spec, arm=names[row.spec.arm]), row.outcome) for row in rows]
    (one,), (other,) = (pick(analysed(r)["data_efficiency"], measure="area") for r in (rows, swapped))
    assert one.estimate == -other.estimate and (one.low, one.high) == (-other.high, -other.low)


def test_scratch_at_chance_is_an_answer():
    """The arm at the smallest budget beats scratch at the largest: a bound, and no need to know scratch's curve."""
    rows = table(World(seeds=5, score=lambda arm, b: 0.8 if arm == "full" else 0.5))
    for row in pick(rows, measure="multiplier"):
        assert (row.censored, row.verdict) == ("above", "supported")
        assert row.sentence.startswith("reviews: scratch is not clearly above chance with up to 1,024 labels; ")
        assert f"{row.budget:,} labels with full do what more than 1,024 do without" in row.sentence
    (saving,) = pick(rows, measure="label_saving")
    assert (saving.censored, saving.verdict, saving.estimate) == ("above", "supported", 1 - 64 / 1024)
    assert "64 labels or fewer with full do what 1,024 do without, a saving of 94 % or more" in saving.sentence


def test_both_at_chance_support_nothing():
    rows = table(World(seeds=5, score=lambda arm, b: 0.5))
    for row in rows:
        assert row.verdict in ("inconclusive", "not supported"), row.sentence
    (saving,) = pick(rows, measure="label_saving")
    assert saving.sentence == (
        "reviews: scratch is not clearly above chance with up to 1,024 labels, and full is not clearly better with as many: "
        "inconclusive."
    )


@pytest.mark.long
def test_whether_scratch_beats_chance_is_asked_one_sided():
    """As a speed-up asks it: 5 % on the side of interest, so an interval of 95 % that just reaches chance is no obstacle."""
    found = []
    for level in np.arange(0.5, 0.66, 0.015):
        tables = analysed(study(World(seeds=4, budgets=(64, 256), score=lambda a, b, x=level: 0.8 if a == "full" else x)))
        (score,) = pick(tables["scores"], arm="scratch", budget=256, split=TEST, metric="accuracy")
        (row, *_) = pick(tables["data_efficiency"], measure="multiplier")
        found.append((score.low > 0.5, "not clearly above chance" not in row.sentence))
    assert {(False, False), (False, True), (True, True)} == set(found)


def test_scratch_that_was_cut_short_makes_figures_upper_bounds():
    world = World(n_test=1000)
    plain, late = table(world), table(replace(world, converged=lambda arm, seed: arm != "scratch"))
    for one, other in zip(plain, late, strict=True):
        assert (one.verdict, one.estimate) == (other.verdict, other.estimate)
        assert (one.endless.reading, other.endless.reading) == ("same", "upper bound")
        assert "scratch had not ended by itself in 5 of 5 seeds" in other.sentence
    (area,) = pick(late, measure="area")
    assert area.endless.to_gain == area.estimate and "it would have to gain 15 more points" in area.sentence


def test_an_arm_that_was_cut_short_may_still_save_more():
    worse = World(seeds=5, score=lambda arm, budget: (0.62 if arm == "full" else 0.7) + 0.03 * math.log2(budget / 64))
    found = table(replace(worse, converged=lambda arm, seed: arm != "full"))
    assert [row.verdict for row in found] == [row.verdict for row in table(worse)]
    for row in found:
        assert row.endless.reading == "lower bound"
        assert row.sentence.endswith("; with endless training maybe more: full had not ended by itself in 5 of 5 seeds.")


def test_one_budget_and_one_seed_are_said():
    rows = table(World(budgets=(64,)))
    (row,) = pick(rows, measure="multiplier")
    assert row.verdict == "supported" and "64 labels with full do what more than 64 do without" in row.sentence
    assert "how many takes two numbers of labels or more (--budgets)" in row.sentence
    assert "is not known: it takes two numbers of labels or more (--budgets)" in pick(rows, measure="area")[0].sentence
    rows = table(World(seeds=1))
    assert all(row.low is None and row.verdict == "inconclusive" for row in rows)
    assert "no interval from one seed" in pick(rows, measure="multiplier", budget=64)[0].sentence


def test_arms_with_other_seeds_have_nothing_to_compare():
    rows = [row for row in study(World(seeds=4)) if (row.spec.arm == "full") == (row.spec.replicate < 2)]
    found = analysed(rows)["data_efficiency"]
    assert found and all(
        row.estimate is None and "no seed finished with every number of labels" in row.sentence for row in found
    )


@pytest.mark.parametrize("seeds", [1, 2, 3])
@pytest.mark.parametrize("budgets", [(64,), (64, 256)])
def test_never_nan(seeds, budgets):
    rows = study(World(seeds=seeds, budgets=budgets, n_test=30, arms=("scratch", "full", "probe"), adapted=(16,)))
    as_json(analysed(rows))
    same = [replace(row, outcome=rows[0].outcome) for row in rows]  # all arms, seeds and budgets alike
    tables = analysed(same)
    as_json(tables)
    assert all(row.estimate in (0, None) for row in tables["data_efficiency"] if row.measure == "area")
    without = [row for row in rows if row.spec.arm != "full"]
    assert {row.arm for row in analysed(without)["data_efficiency"]} == {"probe"}
    alone = analysed([row for row in rows if row.spec.arm == "scratch"])
    assert not alone["data_efficiency"] and not alone["convergence"]
    assert analysed([])["aggregate"] == []
