"""Coverage of forecasts and of break-evens on simulated studies; the long versions make the figures of the decisions."""

import sys
from pathlib import Path

import numpy as np
import pytest
from simulated_benefits import answers

from transfergain.analysis.break_even import crossing, over_files
from transfergain.analysis.look import Look
from transfergain.analysis.stats import Values

sys.path.append(str(Path(__file__).parents[2]))
from benchmarks import curves

BUDGETS = (64, 128, 256, 512)
SHAPES = {
    "in the middle": ((0.60, 0.66, 0.72, 0.78), (0.66, 0.68, 0.70, 0.72)),
    "early, bent": ((0.55, 0.70, 0.76, 0.79), (0.62, 0.66, 0.69, 0.71)),
    "steep": ((0.52, 0.60, 0.74, 0.86), (0.66, 0.68, 0.70, 0.72)),
}
"""Accuracies of the arm that overtakes, and of the other."""
LEVEL = 0.69
"""Accuracy of predictions that a file gives."""


def break_even(name, seeds, studies, seed=0):
    """How often the interval holds the truth, and how often an end of it is open."""
    rng, x = np.random.default_rng([seed, seeds]), np.log(BUDGETS)
    mine, theirs = map(np.array, SHAPES[name])
    truth, sums = np.exp(np.interp(0.0, mine - theirs, x)), np.zeros(2)
    for _ in range(studies):
        hits = answers(rng, seeds, 500, (*mine, *theirs), 0.02, arms=[0] * 4 + [1] * 4)
        cells = [Values(hit.mean(axis=1), hit) for hit in hits]
        ahead = [a.minus(b) for a, b in zip(cells[:4], cells[4:], strict=True)]
        _, found = crossing(ahead, BUDGETS, Look.of((), range(seeds)))
        low, high = (0 if found.low_open else found.low), (np.inf if found.high_open else found.high)
        sums += (low <= truth <= high, found.low_open or found.high_open)
    return sums / studies


def over_a_file(name, seeds, files, studies, seed=0):
    """The same for a curve against predictions of files; one file is one system as it is, several are runs of one."""
    rng, mine, x = np.random.default_rng([seed, seeds, files]), np.array(SHAPES[name][0]), np.log(BUDGETS)
    truth, sums = np.exp(np.interp(LEVEL, mine, x)), np.zeros(2)
    sd = (*[0.02] * 4, 0.02 if files > 1 else 0.0)
    for _ in range(studies):
        hits = answers(rng, seeds + files, 500, (*mine, LEVEL), sd, arms=[0] * 4 + [1])
        measured = [Values(hit[:seeds].mean(axis=1), hit[:seeds]) for hit in hits[:4]]
        given = Values(hits[4][seeds:].mean(axis=1), hits[4][seeds:])
        _, found = over_files(measured, given, BUDGETS, Look.of((), range(seeds)))
        low, high = (0 if found.low_open else found.low), (np.inf if found.high_open else found.high)
        sums += (low <= truth <= high, found.low_open or found.high_open)
    return sums / studies


def of(rows, times):
    return curves.summary([row for row in rows if row["times"] == times])


def test_forecasts_cover_and_err_less_than_the_others():
    rows = curves.forecast_simulated(120, seed=7)
    for times in curves.AHEAD:
        found = of(rows, times)
        assert 0.84 <= found["covered"] <= 0.98
        assert found["ours"] < min(found["last value"], found["power law"])


def test_figueroas_fit_finds_its_own_curve():
    labels, ahead = np.array([64.0, 128, 256, 512]), np.array([1024.0, 2048])
    assert curves.figueroa(labels, 0.1 + 2 * labels**-0.5, ahead) == pytest.approx(0.1 + 2 * ahead**-0.5, abs=1e-6)
    assert curves.power_law(labels, 2 * labels**-0.5, ahead) == pytest.approx(2 * ahead**-0.5)


def test_break_evens_are_covered():
    assert 0.9 <= break_even("in the middle", 5, 200)[0] <= 0.99


@pytest.mark.long
@pytest.mark.parametrize("files", [1, 3])
def test_break_evens_against_files_are_covered(files):
    assert 0.9 <= over_a_file("in the middle", 5, files, 200)[0] <= 0.99


@pytest.mark.slow
def test_long_forecasts():
    rows = curves.forecast_simulated(2100)
    for times in curves.AHEAD:
        found = of(rows, times)
        assert 0.85 <= found["covered"] <= 0.95
        assert found["ours"] < min(found[name] for name in curves.BASELINES)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 8])
@pytest.mark.parametrize("name", SHAPES)
def test_long_break_evens(name, seeds):
    covered, one_end = break_even(name, seeds, 2000)
    assert 0.93 <= covered <= (0.97 if one_end < 0.1 else 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("seeds", [3, 5, 8])
@pytest.mark.parametrize("name", SHAPES)
def test_long_break_evens_against_files(name, seeds, files):
    covered, one_end = over_a_file(name, seeds, files, 2000)
    assert 0.93 <= covered <= (0.97 if one_end < 0.1 else 1.0)
