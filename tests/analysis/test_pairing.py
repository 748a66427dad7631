"""`analysis.pairing`: two scores on one test set, where one side may have no seeds."""

import numpy as np
import pytest

from transfergain.analysis import pairing, stats
from transfergain.analysis.pairing import Side
from transfergain.analysis.sequential import Looks
from transfergain.analysis.stats import Values


def hits(seed, runs, level, n=200):
    values = (np.random.default_rng(seed).random((runs, n)) < level).astype(float)
    return Values(values.mean(axis=1), values)


def side(values, given=False):
    return Side(given, list(range(len(values.scores))), lambda seeds: Values(values.scores[seeds], values.values[seeds]))


@pytest.mark.parametrize("runs", [2, 3, 8])
def test_against_one_file_it_is_the_two_way_interval_of_the_differences(runs):
    mine, theirs = hits(0, runs, 0.8), hits(1, 1, 0.7)
    wanted = stats.interval(mine.scores - theirs.scores, mine.values - theirs.values)
    found = pairing.difference(mine, theirs)
    for field in ("estimate", "low", "high", "p_value"):
        assert getattr(found, field) == pytest.approx(getattr(wanted, field), rel=1e-9), field
    assert found.components == wanted.components


def test_two_files_differ_by_students_t_over_examples():
    from scipy.stats import ttest_rel

    mine, theirs = hits(0, 1, 0.8), hits(1, 1, 0.7)
    wanted = ttest_rel(mine.values[0], theirs.values[0])
    found = pairing.difference(mine, theirs)
    assert found.p_value == pytest.approx(wanted.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(wanted.confidence_interval(0.95)))


def test_sides_swapped_change_the_sign_alone():
    mine, theirs = hits(0, 5, 0.8), hits(1, 3, 0.7)
    one, other = pairing.difference(mine, theirs), pairing.difference(theirs, mine)
    assert (one.low, one.high, one.p_value) == pytest.approx((-other.high, -other.low, other.p_value))


def test_replicates_widen_by_their_spread_and_a_single_arm_seed_has_no_interval():
    mine, theirs = hits(0, 5, 0.8), hits(1, 1, 0.7)
    spread = Values(np.array([0.6, 0.8]), np.stack([hits(2, 1, 0.6).values[0], hits(3, 1, 0.8).values[0]]))
    assert _width(pairing.difference(mine, spread)) > _width(pairing.difference(mine, theirs))
    pair = pairing.compare(side(hits(0, 1, 0.8)), side(theirs, given=True), ())
    assert (pair.result.low, pair.result.p_value) == (None, None)


def test_looks_widen_the_part_of_the_seeds():
    mine, theirs = side(hits(0, 4, 0.8)), side(hits(1, 1, 0.7), given=True)
    plain, looked = (pairing.compare(mine, theirs, looks).result for looks in ((), Looks.auto(12).counts))
    assert looked.low < plain.low and looked.high > plain.high


def test_no_variance_is_reported_and_not_divided_by():
    same = Values(np.array([0.5]), np.tile([0.0, 1.0], 50)[None])
    found = pairing.difference(same, same)
    assert (found.estimate, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_wins_are_counted_over_all_pairs_where_seeds_are_not_shared():
    mine = Values(np.array([0.5, 0.7]), np.array([[0.0, 1.0], [0.4, 1.0]]))
    theirs = Values(np.array([0.6]), np.array([[0.2, 1.0]]))
    assert pairing.compare(side(mine), side(theirs, given=True), ()).better == 0.5


def _width(found):
    return found.high - found.low
