"""LogME and H-score against their formulas, written out."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from transfergain.engine.ranking import _h_score, in_halves
from transfergain.engine.transferability import h_score, log_me
from transfergain.types import Example

RNG = np.random.default_rng(1)


def case(n, width, classes, told=1.0):
    targets = RNG.integers(0, classes, n)
    targets[:classes] = range(classes)
    return RNG.normal(size=(n, width)) + told * RNG.normal(size=(classes, width))[targets], targets


def evidence(rows, y, alpha, beta):
    """log N(y; 0, I/beta + F F'/alpha) an example: what LogME's weights are integrated out of."""
    covariance = np.eye(len(y)) / beta + rows @ rows.T / alpha
    return multivariate_normal(np.zeros(len(y)), covariance).logpdf(y) / len(y)


@pytest.mark.parametrize(("n", "width", "classes"), [(60, 8, 2), (80, 12, 4), (30, 45, 3)])
def test_log_me_is_the_evidence_at_mackays_fixed_point(n, width, classes):
    rows, targets = case(n, width, classes)
    total = []
    for c in range(classes):
        y, alpha, beta = (targets == c).astype(float), 1.0, 1.0
        for _ in range(3000):
            inner = alpha * np.eye(width) + beta * rows.T @ rows
            mean = beta * np.linalg.solve(inner, rows.T @ y)
            gamma = width - alpha * np.trace(np.linalg.inv(inner))
            alpha, beta = gamma / (mean @ mean), (n - gamma) / ((y - rows @ mean) ** 2).sum()
        total.append(evidence(rows, y, alpha, beta))
    assert log_me(rows, targets[:, None] == np.arange(classes)) == pytest.approx(np.mean(total), abs=1e-6)


@pytest.mark.parametrize(("n", "told"), [(30, 3.0), (60, 1.5), (60, 6.0)])
def test_log_me_has_a_limit_where_features_tell_all_of_few_examples(n, told):
    rng = np.random.default_rng(n)
    targets = np.arange(n) % 2
    rows = rng.normal(size=(n, 384))
    rows[np.arange(n), targets] += told * np.sqrt(384)
    hits, total = targets[:, None] == np.arange(2), []
    kernel = rows @ rows.T
    for y in hits.T.astype(float):  # without noise y is drawn from N(0, F F' / alpha), with the alpha that is likeliest
        alpha = n / (y @ np.linalg.solve(kernel, y))
        total.append(multivariate_normal(np.zeros(n), kernel / alpha).logpdf(y) / n)
    assert log_me(rows, hits) == pytest.approx(np.mean(total), abs=1e-6)


def test_log_me_of_features_that_tell_nothing_at_all_is_that_of_noise():
    rows = np.zeros((40, 5))
    rows[:20] = np.random.default_rng(0).normal(size=(20, 5))
    hits = np.zeros((40, 1), bool)
    hits[30:] = True  # where all features are 0
    noise = multivariate_normal(np.zeros(40), np.eye(40) / 4).logpdf(hits[:, 0].astype(float)) / 40
    assert log_me(rows, hits) == pytest.approx(noise, abs=1e-6)


def shrunk(rows):
    """Ledoit and Wolf 2004, equations of their section 3.3, example by example."""
    n, width = rows.shape
    sample = rows.T @ rows / n
    level = np.trace(sample) / width
    distance = ((sample - level * np.eye(width)) ** 2).sum() / width
    noise = sum(((np.outer(row, row) - sample) ** 2).sum() / width for row in rows) / n**2
    share = min(noise, distance) / distance
    return share * level * np.eye(width) + (1 - share) * sample, share


@pytest.mark.parametrize(("n", "width", "classes"), [(60, 8, 2), (200, 12, 4), (30, 45, 3)])
def test_the_h_score_is_that_of_the_shrunken_covariance(n, width, classes):
    rows, targets = case(n, width, classes)
    centred = rows - rows.mean(axis=0)
    covariance, share = shrunk(centred)
    between = np.zeros((width, width))
    for c in range(classes):
        mean = centred[targets == c].mean(axis=0)
        between += (targets == c).mean() * np.outer(mean, mean)
    expected = (1 - share) * np.trace(np.linalg.inv(covariance) @ between)
    assert h_score(rows, targets) == pytest.approx(expected, abs=1e-6)


def test_of_several_labels_the_h_score_is_the_mean_over_labels():
    rows, targets = case(60, 5, 3)
    one_hot = targets[:, None] == np.arange(3)
    assert _h_score(rows, one_hot) == h_score(rows, targets)
    several = one_hot | one_hot[::-1]
    assert _h_score(rows, several) == pytest.approx(np.mean([h_score(rows, hit.astype(int)) for hit in several.T]))


def test_features_that_tell_classes_apart_score_more():
    clear, targets = case(150, 10, 3, told=3.0)
    noise, hits = RNG.normal(size=clear.shape), targets[:, None] == np.arange(3)
    assert log_me(clear, hits) > log_me(noise, hits) + 0.3
    assert h_score(clear, targets) > h_score(noise, targets) + 0.3
    assert h_score(clear, targets) <= 2 + 1e-9, "at most the classes less one"


@pytest.mark.parametrize("shares", [(30, 30), (40, 20), (10, 25, 25)])
def test_both_halves_hold_every_class_in_proportion(shares):
    """Every other example of a stratified order was one class alone, of two equal ones: a probe had none right."""
    classes = [label for label, count in enumerate(shares) for _ in range(count)]
    rows = [Example({"text": f"text {i}"}, label) for i, label in enumerate(classes)]
    for draw in range(5):
        halves = in_halves(rows, classes, draw)
        assert sorted(e.inputs["text"] for half in halves for e in half) == sorted(e.inputs["text"] for e in rows)
        for half in (*halves, *(half[: len(half) // 5] for half in halves)):
            found = Counter(example.target for example in half)
            for label, count in enumerate(shares):
                assert abs(found[label] - count * len(half) / len(rows)) <= 1.5
