"""`metrics.calibration` against worked examples and against its definitions."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from transfergain.metrics import calibration
from transfergain.outcome import CALIBRATION


def test_ece_of_a_worked_example():
    """Two bins: (0.3, 0.45: one hit) and (0.6, 0.8, 1.0: two hits): (2 |0.5 - 0.375| + 3 |2/3 - 0.8|) / 5."""
    confidence, hit = np.array([0.3, 0.45, 0.6, 0.8, 1.0]), np.array([1, 0, 1, 0, 1])
    assert calibration.ece(confidence, hit, bins=2) == pytest.approx((2 * 0.125 + 3 * (0.8 - 2 / 3)) / 5)
    found = calibration.reliability(confidence, hit, bins=2)
    assert found == pytest.approx(np.array([[0.375, 0.5, 2], [0.8, 2 / 3, 3]]))


def test_bins_are_closed_above_and_the_lowest_below_too():
    assert calibration.place(np.array([0.0, 0.25, 0.25001, 0.5, 1.0]), bins=4).tolist() == [0, 0, 1, 1, 3]
    assert calibration.place(np.array([1 / 3], np.float32), bins=3).tolist() == [0]
    assert calibration.place(np.array([2 / 3], np.float32), bins=3).tolist() == [1]


def test_empty_bins_count_nothing_and_no_cases_are_refused():
    found = calibration.reliability(np.array([0.9]), np.array([1]))
    assert found.shape == (15, 3) and found[:, 2].sum() == 1 and np.isfinite(found).all()
    with pytest.raises(ValueError, match="no cases"):
        calibration.ece(np.array([]), np.array([]))


def test_columns_follow_their_names():
    logits, targets = np.log([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]]), np.array([0, 1])
    found = dict(zip(CALIBRATION, calibration.columns(logits, targets, 2.0).T, strict=True))
    assert found["confidence"] == pytest.approx([0.7, 0.4], abs=1e-6)
    assert found["brier"] == pytest.approx([0.3**2 + 0.2**2 + 0.1**2, 0.3**2 + 0.7**2 + 0.4**2], abs=1e-6)
    scaled = softmax(logits / 2, axis=1)
    assert found["confidence_scaled"] == pytest.approx(scaled.max(axis=1), abs=1e-6)
    assert found["brier_scaled"] == pytest.approx(((scaled - np.eye(3)[targets]) ** 2).sum(axis=1), abs=1e-6)
    assert found["hit"].tolist() == [1, 0]
    assert calibration.columns(logits, targets, 1.0).dtype == np.float32
    assert calibration.columns(np.zeros((0, 3)), np.zeros(0), 1.0).shape == (0, 5)


def test_the_temperature_of_overconfident_logits_is_found():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(20_000, 4)) * 1.5
    targets = np.array([rng.choice(4, p=p) for p in softmax(true, axis=1)])
    assert calibration.fit_temperature(3 * true, targets) == pytest.approx(3, rel=0.05)
    assert calibration.fit_temperature(true / 2, targets) == pytest.approx(0.5, rel=0.05)
    raw, scaled = calibration.columns(3 * true, targets, 3.0).T[:2]
    hit = calibration.columns(3 * true, targets, 3.0)[:, 4]
    assert calibration.ece(scaled, hit) < 0.02 < 0.1 < calibration.ece(raw, hit)


def test_no_other_temperature_is_better_on_dev():
    rng = np.random.default_rng(1)
    for _ in range(10):
        logits, targets = rng.normal(size=(30, 3)) * 4, rng.integers(0, 3, 30)
        temperatures = np.array([calibration.fit_temperature(logits, targets), *np.geomspace(0.05, 20, 80)])
        chances = softmax(logits / temperatures[:, None, None], axis=2)[:, np.arange(30), targets]
        losses = -np.log(chances).mean(axis=1)
        assert losses[0] <= losses.min() + 1e-9
        assert losses[0] == pytest.approx(log_loss(targets, softmax(logits / temperatures[0], axis=1), labels=[0, 1, 2]))


def test_a_temperature_stays_in_its_bounds():
    logits = np.array([[5.0, 0.0], [0.0, 5.0]])
    assert calibration.fit_temperature(logits, np.array([0, 1])) == pytest.approx(0.05), "all right: as cold as allowed"
    assert calibration.fit_temperature(logits, np.array([1, 0])) == pytest.approx(20.0), "all wrong: as warm as allowed"
    assert 0.05 <= calibration.fit_temperature(np.zeros((4, 3)), np.array([0, 1, 2, 0])) <= 20


@pytest.mark.parametrize(
    ("logits", "targets"),
    [(np.zeros((0, 2)), np.zeros(0)), (np.zeros((3, 2)), np.zeros(2)), (np.array([[np.nan, 0]]), np.zeros(1))],
)
def test_what_has_no_temperature_is_refused(logits, targets):
    with pytest.raises(ValueError, match="logits"):
        calibration.fit_temperature(logits, targets)


def test_a_temperature_of_nothing_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        calibration.columns(np.zeros((1, 2)), np.zeros(1), 0.0)
