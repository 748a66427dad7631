"""Speed-ups from dev curves: thresholds, crossings, censoring, and what cannot be said."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.synthetic import World, analysed, pick, study
from transfergain.analysis import convergence
from transfergain.analysis.convergence import speed_up
from transfergain.analysis.levels import Crossing, crossing, goal, plateau, stable, targets_of
from transfergain.analysis.rows import ConvergenceRow, Measure, Verdict
from transfergain.outcome import CurvePoint, Outcome
from transfergain.split import DEV


def points(scores, every=10):
    return [CurvePoint(every * (i + 1), s, 0.5, 160 * (i + 1), 2e9 * (i + 1)) for i, s in enumerate(scores)]


def test_a_crossing_is_read_off_the_smoothed_curve():
    found = crossing(points([0.5, 0.72, 0.6, 0.65, 0.75, 0.8]), 0.7)
    pooled = np.mean([0.72, 0.6, 0.65])
    assert found == Crossing(pytest.approx(40 + 10 * (0.7 - pooled) / (0.75 - pooled)), False, 60.0), "not the lucky .72"
    assert crossing(points([0.5, 0.6, 0.7, 0.7]), 0.7).time == 30.0
    assert crossing(points([0.5, 0.6, 0.69]), 0.7) == Crossing(None, False, 30.0)
    assert crossing(points([0.8, 0.8]), 0.7) == Crossing(10.0, True, 20.0)


@settings(max_examples=200)
@given(st.lists(st.floats(0.5, 1), min_size=2, max_size=20).filter(lambda scores: plateau(scores) > 0.51))
def test_a_run_always_reaches_the_level_that_it_sets(scores):
    found = crossing(points(scores), goal(plateau(scores), 0.5))
    assert found.time is not None and 10 <= found.time <= found.horizon


def test_units_are_read_at_the_same_place():
    curve = points([0.5, 0.6, 0.8, 0.8])
    steps, flops = crossing(curve, 0.7).time, crossing(curve, 0.7, "flops").time
    assert steps == pytest.approx(25) and flops == pytest.approx(5e9)


def test_the_plateau_is_the_best_mean_of_final_evaluations():
    assert plateau([0.5, 0.6, 0.7, 0.72, 0.7, 0.71]) == pytest.approx(np.mean([0.72, 0.7, 0.71]))
    assert plateau([0.9, 0.5, 0.5]) == pytest.approx(np.mean([0.9, 0.5, 0.5])), "an early peak that was lost is no level"


def test_only_finite_scores_are_read():
    outcome = Outcome("done", curve=(*points([0.5, 0.6]), CurvePoint(30, math.nan, 0.5)))
    assert [point.score for point in stable(outcome)] == [0.5, 0.6]


def test_a_run_that_stayed_at_chance_sets_no_level():
    """One of four runs of scratch stood at .500 throughout: anything reaches that at once, and nothing was said."""
    curves = [points([0.5, 0.6, 0.7, 0.7]), points([0.5, 0.7, 0.8, 0.8]), points([0.5, 0.5, 0.5, 0.5])]
    usual = (0.7 + 0.8 + 0.5) / 3
    assert targets_of(curves, 0.5) == pytest.approx([goal(t, 0.5) for t in (0.7, 0.8, usual)])
    assert crossing(curves[2], targets_of(curves, 0.5)[2]).time is None


def times(*values, horizon=1000.0, at_first=()):
    return [Crossing(v, i in at_first, horizon) for i, v in enumerate(values)]


def test_a_speed_up_is_the_ratio_of_geometric_means():
    arm, reference = times(10, 20, 40), times(100, 180, 500)
    found = speed_up(arm, reference)
    logs = np.log([10, 9, 12.5])
    half = 4.302652729911275 * logs.std(ddof=1) / math.sqrt(3)
    assert found.estimate == pytest.approx(math.exp(logs.mean()))
    assert (found.low, found.high) == pytest.approx((math.exp(logs.mean() - half), math.exp(logs.mean() + half)))
    assert (found.censored, found.low_open, found.high_open) == ("", False, False)


def test_swapped_runs_are_the_reciprocal():
    arm, reference = times(10, 20, None), times(100, 180, 500)
    one, other = speed_up(arm, reference), speed_up(reference, arm)
    assert one.estimate == pytest.approx(1 / other.estimate, rel=1e-12)
    assert (one.low, one.high) == pytest.approx((1 / other.high, 1 / other.low), rel=1e-12)
    assert (one.censored, other.censored) == ("below", "above")
    assert (one.low_open, one.high_open) == (other.high_open, other.low_open) == (True, False)


def test_bounds_make_a_bound():
    never = speed_up(times(10, 20, 40), times(100, None, None))
    assert never.censored == "above" and never.high_open
    assert never.estimate == pytest.approx((10 * 50 * 25) ** (1 / 3))
    early = speed_up(times(10, 10, 10, at_first={0, 1, 2}), times(100, 100, 100))
    assert early.censored == "above" and (early.low, early.estimate) == pytest.approx((10, 10))


def test_bounds_of_both_kinds_and_silent_pairs_say_nothing():
    assert speed_up(times(10, None, 40), times(None, 180, 500)).estimate is None
    assert speed_up(times(None, None, 40), times(None, None, 500)).estimate is None, "most pairs are silent"
    assert speed_up(times(None, 20, 40), times(None, 200, 400)).estimate == pytest.approx(10), "one of three is"
    assert speed_up([], []).estimate is None
    single = speed_up(times(10), times(100))
    assert (single.estimate, single.low) == (pytest.approx(10), None)


def test_a_planted_speed_up_is_found_in_every_unit():
    tables = analysed(study(World(seeds=8, budgets=(256,), rate=lambda arm: 20.0 if arm == "full" else 100.0)))
    steps, examples, flops = tables["convergence"]
    assert [row.unit for row in tables["convergence"]] == ["steps", "examples", "flops"]
    assert steps.verdict == "supported" and steps.reached == 1.0
    # 20 steps against 100 for 63 % of the way, and the arm's own way is twice as long: -20 log(1 - .95 / 2) against 300.
    assert steps.low < 100 * math.log(20) / (20 * -math.log(1 - 0.95 / 2)) < 1.2 * steps.high
    assert examples.estimate == pytest.approx(steps.estimate)
    assert flops.estimate == pytest.approx(1.5 * steps.estimate), "scratch costs half as much again a step"
    assert steps.target == pytest.approx(0.5 + 0.95 * 0.15, abs=0.01)
    assert len(steps.times) == len(steps.targets) == 8
    assert "instead of" in steps.sentence and "pretraining not counted" in steps.sentence
    (seconds,) = pick(tables["timings"], measure="speed_up")
    assert seconds.unit == "seconds" and seconds.estimate == pytest.approx(steps.estimate)


def test_an_arm_that_gets_there_less_often_is_not_supported():
    worse = World(seeds=6, budgets=(256,), score=lambda arm, budget: 0.6 if arm == "full" else 0.8)
    (row, *_) = analysed(study(worse))["convergence"]
    assert (row.reached, row.reached_reference) == (0.0, 1.0)
    assert row.verdict == "not supported" and "never reaches scratch's level" in row.sentence
    assert all(time is None for time in row.times) and row.horizon == 600


def test_an_arm_that_was_cut_short_may_still_get_there():
    worse = World(seeds=6, budgets=(256,), score=lambda arm, budget: 0.6 if arm == "full" else 0.8)
    (row, *_) = analysed(study(replace(worse, converged=lambda arm, seed: arm != "full")))["convergence"]
    assert (row.verdict, row.endless.reading) == ("not supported", "lower bound")
    assert row.sentence.endswith("; with endless training maybe more: full had not ended by itself in 6 of 6 seeds.")


def speed_up_row(**known):
    """What is known of a speed-up before it has a sentence."""
    place = {"task": "sentiment", "dataset": "reviews", "arm": "full", "budget": 64, "split": DEV, "metric": "accuracy"}
    about = {"measure": Measure.SPEED_UP, "reference": "scratch", "n_seeds": 3, "target": 0.7, "targets": [0.7] * 3}
    return ConvergenceRow(**place, **about, unit="steps", **known)


@pytest.mark.parametrize(
    ("late", "says"), [(500, "in 18 steps instead of 208 ("), (None, "instead of 134 where scratch does (")]
)
def test_a_mean_of_the_seeds_that_get_there_is_called_one(late, says):
    """The ratio knows that the third seed of scratch took longer than it was watched; a mean cannot."""
    mine, theirs = times(10, 15, 40), times(100, 180, late)
    row = speed_up_row(verdict=Verdict.SUPPORTED, **speed_up(mine, theirs)._asdict())
    assert says in convergence._sentence(row, mine, theirs, "")


@pytest.mark.parametrize(
    ("theirs", "says"),
    [((100, 180, None), "which scratch holds in 2 of 3 seeds"), ((None,) * 3, "which scratch does not hold either")],
)
def test_an_arm_that_never_gets_there_is_told_once(theirs, says):
    row = speed_up_row(verdict=Verdict.INCONCLUSIVE)
    told = f"reviews: with 64 labels full never reaches scratch's level (dev 70.0 %), {says}, pretraining not counted"
    assert convergence._sentence(row, times(None, None, None), times(*theirs), "") == f"{told}: inconclusive."


def test_whether_scratch_rose_is_asked_one_sided():
    """Late dev scores of .690, .620 and .585 against a chance of .5 were said not to beat it, by a two-sided interval."""
    assert convergence._above(np.array([0.190, 0.120, 0.085]))
    noise = np.random.default_rng(0).normal(size=(4000, 3))
    assert 0.04 < np.mean([convergence._above(values) for values in noise]) < 0.06


def test_where_scratch_has_no_level_the_arms_own_is_a_bound():
    world = World(seeds=6, budgets=(64,), score=lambda arm, budget: 0.8 if arm == "full" else 0.49)
    (row, *_) = analysed(study(world))["convergence"]
    assert (row.verdict, row.censored, row.reached, row.reached_reference) == ("supported", "above", 1.0, 0.0)
    assert row.target == pytest.approx(0.5 + 0.95 * 0.3, abs=0.02) and row.estimate == pytest.approx(600 / 60, rel=0.2)
    start = "reviews: with 64 labels scratch never clearly left chance (50.0 %) on dev in 600 steps; full reaches dev 7"
    assert row.sentence.startswith(start) and "(at least 9" in row.sentence
    (row, *_) = analysed(study(replace(world, seeds=2)))["convergence"]
    assert row.verdict == "inconclusive", "two seeds are too few to say the same"


def test_a_scratch_that_ended_without_a_level_never_gets_to_the_arms():
    """As on question answering with few articles: scratch has ended by itself, at chance, before the arm is at its level."""
    world = World(seeds=3, budgets=(64,), score=lambda arm, budget: 0.8 if arm == "full" else 0.49)
    short = [
        replace(row, outcome=replace(row.outcome, curve=row.outcome.curve[:2])) if row.spec.arm == "scratch" else row
        for row in study(world)
    ]
    (row, *_) = analysed(short)["convergence"]
    assert row.horizons_reference[0] < row.times[0] and row.estimate < 1
    assert (row.verdict, row.censored) == ("supported", "above")
    assert "on dev in 20 steps, and ended by itself; full reaches dev 7" in row.sentence
    assert "at least" not in row.sentence, "a bound below 1 says nothing"
    cut = [
        replace(row, outcome=replace(row.outcome, converged=False)) if row.spec.arm == "scratch" else row for row in short
    ]
    (row, *_) = analysed(cut)["convergence"]
    assert row.verdict == "inconclusive", "with more steps it might have got there"


def test_where_neither_leaves_chance_there_is_no_speed():
    (row, *_) = analysed(study(World(seeds=6, budgets=(64,), score=lambda arm, budget: 0.5)))["convergence"]
    assert row.estimate is None and row.target is None and row.verdict == "inconclusive"
    assert row.sentence.startswith("reviews: with 64 labels no speed can be compared: scratch never clearly left chance")
    assert row.sentence.endswith("on dev, and neither did full.")


def test_scratch_that_stays_where_it_began_has_no_level_to_reach():
    """As in question answering, where untrained answers share words with the right ones: a chance of 0 is beaten at once."""
    rows = study(World(seeds=6, budgets=(256,)))

    def flat(seed):
        return tuple(CurvePoint(25 * i, 0.6 + 0.01 * ((i + seed) % 3), 0.5) for i in range(1, 20))

    stuck = [
        replace(row, outcome=replace(row.outcome, curve=flat(row.spec.replicate))) if row.spec.arm == "scratch" else row
        for row in rows
    ]
    (row, *_) = analysed(stuck)["convergence"]
    assert (row.verdict, row.censored) == ("supported", "above")
    assert "scratch never clearly rose above its first dev score (61.0 %) in 475 steps; full reaches dev" in row.sentence


def test_the_level_of_a_scratch_that_was_cut_short_may_rise():
    world = World(budgets=(64,))
    (one, *_) = analysed(study(world))["convergence"]
    (row, *_) = analysed(study(replace(world, converged=lambda arm, seed: arm != "scratch")))["convergence"]
    assert (row.verdict, row.estimate, row.endless.reading) == (one.verdict, one.estimate, "open")
    assert "; with endless training scratch's level may still rise: scratch had not ended by itself in 5" in row.sentence


def test_no_curves_are_said():
    rows = study(World(budgets=(64,), seeds=3))
    bare = [replace(row, outcome=replace(row.outcome, curve=())) for row in rows]
    (row,) = analysed(bare)["convergence"]
    assert row.estimate is None and "no seed has dev evaluations" in row.sentence
    unpriced = [
        replace(
            row, outcome=replace(row.outcome, curve=tuple(replace(p, flops=0.0, seconds=0.0) for p in row.outcome.curve))
        )
        for row in rows
    ]
    tables = analysed(unpriced)
    assert [row.unit for row in tables["convergence"]] == ["steps", "examples"]
    assert not pick(tables["timings"], measure="speed_up")


def test_the_goal_is_95_percent_of_the_way():
    assert goal(0.7, 0.5) == pytest.approx(0.69)
