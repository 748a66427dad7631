"""Coverage and rejection on simulated studies (simulated.py); the long versions make the figures of docs/methods.md."""

import math

import numpy as np
import pytest
from simulated import THREE_CLASSES, Setting, hits, null, planted, tally, truth

from transfergain.metrics import METRICS


def within(share, expected, studies, width=3.5):
    """Whether a share of so many studies is the expected one but for chance."""
    return abs(share - expected) <= width * math.sqrt(expected * (1 - expected) / studies)


def test_the_truth_is_what_the_studies_average_to():
    rng = np.random.default_rng(0)
    setting = Setting(400, 4000, (0.03, 0.01))
    reference, treated = (h.mean(axis=1) for h in hits(setting, rng))
    assert reference.mean() == pytest.approx(0.65, abs=0.02)
    assert treated.mean() == pytest.approx(0.82, abs=0.02)
    assert treated.mean() - reference.mean() == pytest.approx(truth(setting, "accuracy"), abs=0.02)
    # Nothing but the seed varies between seeds but for the trial's own noise, at most .5 / sqrt(4,000) = .008.
    assert reference.std() == pytest.approx(0.03, abs=0.005)
    assert treated.std() == pytest.approx(0.01, abs=0.005)


@pytest.mark.parametrize("accuracy", [0.34, 0.9])
def test_the_truth_of_macro_f1_without_seeds(accuracy):
    setting = Setting(2, 2, (0.0, 0.0), (accuracy, 1.0), classes=THREE_CLASSES)
    n, shares = 1000, np.array(THREE_CLASSES)
    right = accuracy * shares * n
    predicted = right + ((1 - accuracy) * (1 - shares) / 2 * n)
    total = np.concatenate([right, predicted, shares * n])
    assert truth(setting, "macro_f1") == pytest.approx(1 - float(METRICS["macro_f1"].finish(total)))


@pytest.mark.parametrize("seeds", [3, 8])
def test_coverage_of_a_planted_gain(seeds):
    found = tally(Setting(seeds, 300), 400)
    assert within(found.covered, 0.955, 400)
    assert found.rejected > 0.8


def test_coverage_of_macro_f1():
    assert within(tally(Setting(5, 200, classes=THREE_CLASSES), 300, "macro_f1").covered, 0.955, 300)


@pytest.mark.parametrize("seeds", [3, 8])
def test_rejection_where_both_arms_are_alike(seeds):
    found = tally(Setting(seeds, 300, (0.02, 0.02), (0.65, 0.65), own_difficulty=0.0), 600)
    assert within(found.rejected, 0.05, 600)
    assert found.rejected == pytest.approx(1 - found.covered)


def test_seeds_alone_are_too_little():
    """Why the test set is in the interval: Student's t over seeds ignores that another one would score otherwise."""
    found = tally(Setting(8, 300, (0.01, 0.01)), 400)
    assert found.by_seeds_alone < 0.9 < found.covered


def name(cell):
    metric, setting = cell
    return f"{metric}-{setting.seeds}x{setting.clusters}-sd{setting.sds[0]}"


@pytest.mark.slow
@pytest.mark.parametrize("cell", planted(), ids=name)
def test_coverage_is_93_to_97_percent(cell):
    metric, setting = cell
    assert 0.93 <= tally(setting, 2000, metric).covered <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("cell", null(), ids=name)
def test_rejection_is_4_to_6_percent(cell):
    metric, setting = cell
    assert 0.04 <= tally(setting, 2000, metric).rejected <= 0.06
