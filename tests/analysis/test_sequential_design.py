"""What `Looks` and futility promise exactly; tests/simulation has what they promise in the long run."""

import numpy as np
import pytest
from scipy.special import ndtr, stdtrit

from transfergain.analysis import sequential, stats
from transfergain.analysis.sequential import Looks, conditional_power, futile, nominal_levels, of_interval, spending

AUTO = Looks.auto(12)
MOST = (4, 5, 7, 8, 12, 13, 30)


def test_the_counts_of_auto():
    assert AUTO.counts == (3, 4, 5, 6, 8, 10, 12)
    assert Looks.auto(7).counts == (3, 4, 5, 6, 7)
    assert Looks.auto(3) == Looks.fixed(3)
    assert Looks.auto(30).counts[-3:] == (20, 25, 30)


@pytest.mark.parametrize("counts", [(), (0,), (1, 2), (3, 3), (4, 3)])
def test_other_counts_are_refused(counts):
    with pytest.raises(ValueError, match="no ascending counts"):
        Looks(counts)


def test_which_look_is_reached_and_which_follows():
    assert [AUTO.reached(n) for n in (1, 2, 3, 7, 8, 9, 12, 15)] == [1, 2, 3, 6, 8, 8, 12, 12]
    assert [AUTO.following(n) for n in (0, 3, 6, 7, 11, 12, 15)] == [3, 4, 8, 8, 12, None, None]


def test_below_the_first_look_and_between_looks_the_look_reached_counts():
    assert AUTO.level(2) == AUTO.level(3)
    assert AUTO.level(7) == AUTO.level(6) != AUTO.level(8)
    assert AUTO.p_value(0.01, 7) == AUTO.p_value(0.01, 6)


def test_one_look_is_the_plain_test():
    rng = np.random.default_rng(0)
    scores, values = rng.normal(0.1, 0.1, 5), rng.normal(0.1, 0.3, (5, 40))
    fixed = Looks.fixed(5)
    assert fixed.level(5) == 0.95
    assert fixed.p_value(0.0321, 5) == 0.0321
    assert stats.interval(scores, values, looks=fixed) == stats.interval(scores, values)


@pytest.mark.parametrize("most", MOST)
def test_p_is_below_5_percent_exactly_where_the_level_says_so(most):
    looks = Looks.auto(most)
    for seeds in looks.counts:
        nominal = 1 - looks.level(seeds)
        assert looks.p_value(float(np.nextafter(nominal, 0)), seeds) < 0.05
        assert looks.p_value(nominal, seeds) == pytest.approx(0.05, abs=1e-12)
        assert looks.p_value(nominal, seeds) >= 0.05


@pytest.mark.parametrize("most", MOST)
def test_corrected_p_rises_with_p_and_is_never_smaller(most):
    looks, p = Looks.auto(most), np.concatenate([[0.0], np.geomspace(1e-12, 1, 5000)])
    for seeds, spends in zip(looks.counts, spending(looks.counts), strict=True):
        corrected = looks.p_values(p, seeds)
        assert (np.diff(corrected) >= 0).all()
        assert (corrected >= p).all()
        assert (corrected <= np.minimum(1, p / spends) * (1 + 1e-12)).all()  # the bound that needs no recursion
        assert corrected[0] == 0
        assert corrected[-1] == 1


@pytest.mark.parametrize("most", MOST)
def test_all_of_alpha_is_spent_and_a_fifth_at_the_first_look(most):
    looks = Looks.auto(most)
    assert spending(looks.counts).sum() == pytest.approx(1)
    assert 1 - looks.level(3) == pytest.approx(0.01)
    assert all(1 - looks.level(k) >= 0.05 * s - 1e-12 for k, s in zip(looks.counts, spending(looks.counts), strict=True))


def test_the_recursion_holds_what_is_known_without_looks():
    """Nobody stopped: the p-value after a further seed is uniform again."""
    edges = np.linspace(0, sequential.FARTHEST, 401)
    mass = np.diff(2 * ndtr(edges))
    for seeds in (4, 5, 20):
        before = sequential._correlation((edges[1:] + edges[:-1]) / 2, seeds - 1)
        within = mass @ sequential._within(edges, before, seeds)
        assert within == pytest.approx(2 * ndtr(edges) - 1, abs=3e-4)


def test_the_recursion_is_fine_enough():
    coarse, fine = (nominal_levels(AUTO.counts, 0.05 * spending(AUTO.counts), cells) for cells in (sequential.CELLS, 240))
    assert coarse == pytest.approx(fine, rel=0.02)


def test_the_interval_inverts_the_test():
    rng = np.random.default_rng(1)
    values = rng.normal(0.1, 0.1, (4, 1)) + rng.normal(0, 0.2, 60) + rng.normal(0, 0.2, (4, 60))
    found = stats.interval(values.mean(axis=1), values, looks=AUTO)
    variance = stats.two_way(values)[1]
    assert stats.p_value(found.estimate - found.low, variance, 4, 60, AUTO) == pytest.approx(0.05)
    plain = stats.interval(values.mean(axis=1), values)
    assert found.low < plain.low < plain.high < found.high
    assert found.p_value > plain.p_value


@pytest.mark.parametrize("seeds", AUTO.counts)
def test_only_the_tail_of_the_seeds_is_corrected(seeds):
    assert stats.quantile(0.05, 0.0, seeds, 300, AUTO) == pytest.approx(stats.quantile(0.05, 0.0, seeds, 300))
    by_level = stdtrit(seeds - 1, (1 + AUTO.level(seeds)) / 2)
    assert stats.quantile(0.05, 1.0, seeds, 300, AUTO) == pytest.approx(by_level)


def test_many_p_values_are_each_the_one():
    values = np.random.default_rng(2).normal(0.1, 0.3, (3, 5, 40))
    means, squares = values.mean(axis=(1, 2)), np.array([stats.mean_squares(v) for v in values])
    singly = [stats.interval(v.mean(axis=1), v, looks=AUTO).p_value for v in values]
    assert stats.p_values(means, squares, 5, 40, AUTO) == pytest.approx(singly)


def test_the_components_behind_an_interval():
    logs = np.log([1.4, 1.9, 1.1, 1.5])
    half = stdtrit(3, (1 + AUTO.level(4)) / 2) * logs.std(ddof=1) / 2
    found = of_interval(logs.mean() - half, logs.mean() + half, AUTO, 4)
    assert found.seed == pytest.approx(logs.var(ddof=1))
    assert found.seed_share(4, found.clusters) == 1


def by_seeds(sd, seeds):
    return stats.Components(sd**2, 0.0, 0.0, seeds, 300)


def test_a_small_test_set_is_futile_and_many_seeds_to_come_are_not():
    clusters = stats.Components(1e-6, 0.12, 0.01, 3, 300)  # standard error .02 by the test set, whatever the seeds
    assert futile(0.02, -0.1, 0.14, 0.01, AUTO, 3, clusters)
    assert not futile(0.08, -0.1, 0.26, 0.01, AUTO, 3, clusters)
    assert not futile(0.08, -0.1, 0.26, 0.01, AUTO, 3, by_seeds(0.05, 3))


def test_no_effect_is_futile_unless_the_margin_can_be_ruled_out():
    assert futile(0.0, -0.1, 0.1, 0.01, AUTO, 8, by_seeds(0.08, 8))
    assert not futile(0.0, -0.1, 0.1, 0.10, AUTO, 8, by_seeds(0.08, 8))
    assert not futile(-0.1, -0.3, 0.1, 0.01, AUTO, 8, by_seeds(0.08, 8))  # it may turn out to be worse


def test_power_falls_with_the_seeds_left_and_is_0_or_1_without():
    left = [conditional_power(0.04, by_seeds(0.08, seeds), AUTO) for seeds in (3, 5, 8, 10, 12)]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    assert conditional_power(0.1, by_seeds(0.08, 12), AUTO) == 1
    assert conditional_power(0.0, by_seeds(0.0, 3), AUTO) == 0
