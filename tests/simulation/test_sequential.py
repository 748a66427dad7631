"""Studies that look after some seeds (simulated_looks.py): rejection, coverage, power; long versions in decision 0040."""

import math

import pytest
from simulated_looks import ACCURACY, KINDS, RAISED, SEEDS_ONLY, SMALL, course, covered, fixed_power, raised, rejections

from transfergain.analysis.sequential import FUTILE, Looks

AUTO = Looks.auto(12)


def within(share, low, high, studies, width=3.5):
    """Whether a share of so many studies lies between the two but for chance."""
    slack = width * math.sqrt(high * (1 - high) / studies)
    return low - slack <= share <= high + slack


@pytest.mark.parametrize("kind", ["seeds alone", "seeds, 50 %", "clusters alone"])
def test_looking_often_rejects_as_often_as_looking_once(kind):
    found = rejections(KINDS[kind], AUTO, 4000)
    assert within(found.used, 0.04, 0.06, 4000)
    assert found.clock <= found.used
    assert found.naive > found.used


def test_peeking_without_levels_of_its_own_rejects_far_too_often():
    assert rejections(SEEDS_ONLY, AUTO, 2000).naive > 0.12


@pytest.mark.long
def test_seeds_that_are_raised_after_a_look_find_too_much():
    """What the advice to raise them and the warning say: 5 to 7 or 9 %, and up to 11 %."""
    found = {name: raised(SEEDS_ONLY, designs, 4000) for name, designs in RAISED.items()}
    assert found["at most 12"] < found["at most 12, then 24"]
    assert within(found["at most 5, then 10"], 0.06, 0.075, 4000)
    assert within(found["fixed 3, then fixed 8"], 0.085, 0.095, 4000)
    assert within(max(found.values()), 0.10, 0.115, 4000)


def test_levels_that_correct_the_test_set_too_are_too_strict():
    """Why `stats.tail` corrects the seeds' tail alone."""
    assert rejections(KINDS["seeds, 20 %"], AUTO, 4000).by_level < 0.035


def test_small_p_values_are_as_rare_as_they_say():
    found = rejections(SEEDS_ONLY, AUTO, 6000, seed=1)
    assert all(within(share, a, a, 6000) for share, a in zip(found.small, SMALL, strict=True))


def test_coverage_of_a_planted_gain_over_all_looks():
    together, stopped = covered(ACCURACY["gain of 17 points, 300 test examples"], AUTO, 300)
    assert within(together, 0.93, 0.97, 300)
    assert stopped >= together


def test_a_large_effect_needs_few_seeds_and_a_middling_one_is_found_more_often():
    assert course(SEEDS_ONLY, AUTO, 500, 4.0, 0.0).seeds < 5
    assert course(SEEDS_ONLY, AUTO, 1000, 1.0, 0.0).power > fixed_power(8, 1.0, 1000) + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_rejection_is_4_to_6_percent(kind):
    found = rejections(KINDS[kind], AUTO, 20_000, seed=2)
    assert 0.04 <= found.used <= 0.06
    assert found.clock <= found.used
    assert all(share <= 1.2 * a for share, a in zip(found.small, SMALL, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("most", [4, 6, 20, 30])
@pytest.mark.parametrize("kind", ["seeds alone", "seeds, 50 %", "clusters alone"])
def test_rejection_with_other_looks(kind, most):
    assert within(rejections(KINDS[kind], Looks.auto(most), 20_000, seed=3).used, 0.04, 0.06, 20_000, width=2)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ACCURACY.values(), ids=ACCURACY)
def test_coverage_is_93_to_97_percent(setting):
    together, stopped = covered(setting, AUTO, 2000)
    assert 0.93 <= together <= 0.97
    assert stopped >= together


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.5, 1.0])
def test_futility_loses_little_power_and_spares_seeds(effect):
    without, stopping = (course(SEEDS_ONLY, AUTO, 3000, effect, threshold) for threshold in (0.0, FUTILE))
    assert without.power - 0.02 < stopping.power <= without.power
    assert stopping.seeds < without.seeds
