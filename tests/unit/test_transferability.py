"""LogME and H-score against their formulas, written out."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from transfergain.engine.rank_row import RankRow
from transfergain.engine.ranking import Measured, _cut, _h_score, in_halves
from transfergain.engine.transferability import h_score, log_me
from transfergain.running.ranking import in_order

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
    for draw in range(5):
        halves = in_halves(classes, None, draw)
        assert sorted(i for half in halves for i in half) == list(range(len(classes)))
        for half in (*halves, *(half[: len(half) // 5] for half in halves)):
            found = Counter(classes[i] for i in half)
            for label, count in enumerate(shares):
                assert abs(found[label] - count * len(half) / len(classes)) <= 1.5


def test_questions_on_one_article_stay_in_one_half():
    """A probe that has read an article's other questions knows more of it than of a new one."""
    articles = [i // 7 for i in range(70)]
    for draw in range(5):
        first, second = in_halves([0] * 70, articles, draw)
        assert len(first) == len(second) == 35 and not {articles[i] for i in first} & {articles[i] for i in second}
        few = _cut(first, articles, len(first) // 5)
        assert few == 7, "nor is an article cut into what learns and what chooses"
    assert _cut(range(4), [0, 0, 0, 0], 1) == 1
    assert _cut(range(45), [0] * 40 + [1] * 5, 9) == 9, "or nearly all would choose, and next to nothing learn"


def test_checkpoints_are_told_apart_by_examples_and_not_by_draws():
    """Five draws that all say the same of a few examples are no proof: other examples would say something else."""
    right = {"best": range(10, 60), "near": range(48), "far": range(10)}
    rows = {}
    for name, some in right.items():
        hits = np.isin(np.arange(60), list(some)).astype(int)
        counts = np.repeat(np.stack([hits, np.ones_like(hits)], axis=1)[None], 5, axis=0)
        rows[name] = Measured(RankRow(name, probe=len(some) / 60), counts)
    first, second, third = in_order(list(rows.values()), "accuracy")
    assert (first.model, first.behind) == ("best", None) and (second.model, third.model) == ("near", "far")
    assert second.behind == pytest.approx(first.probe - second.probe) and second.behind_low < 0 < second.behind_high
    assert third.behind_low > 0.4
