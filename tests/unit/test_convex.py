"""Linear layers on given features: the solution is that of the formula, and dev chooses."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from transfergain.engine.convex import FIRST_STRENGTH, STRENGTHS, Classes, Linear, Positions, Scale, solve

RNG = np.random.default_rng(0)


def rows(count, width=6):
    return RNG.normal(size=(count, width)).astype(np.float32)


def test_classes_are_fitted_as_multinomial_logistic_regression():
    x, y, strength = rows(60), RNG.integers(0, 3, 60), 0.1

    def objective(flat):
        weight, bias = flat[:18].reshape(3, 6), flat[18:]
        z = x @ weight.T + bias
        return np.mean(logsumexp(z, axis=1) - z[np.arange(60), y]) + strength / 2 * (weight**2).sum()

    best = minimize(objective, np.zeros(21), options={"gtol": 1e-8}).x
    found = Classes(y, 3).fit(x, strength)
    np.testing.assert_allclose(found.weight, best[:18].reshape(3, 6), atol=2e-3)
    np.testing.assert_allclose(found.bias - found.bias.mean(), best[18:] - best[18:].mean(), atol=5e-3)
    z = (x @ best[:18].reshape(3, 6).T + best[18:]).astype(np.float32)
    assert Classes(y, 3).loss(z) == pytest.approx(np.mean(logsumexp(z, axis=1) - z[np.arange(60), y]), abs=1e-6)


def test_a_start_changes_where_the_search_begins_and_not_where_it_ends():
    x = rows(80)
    for classes in (2, 4):
        problem = Classes(RNG.integers(0, classes, 80), classes)
        first = problem.fit(x, 0.3)
        np.testing.assert_allclose(problem.fit(x, 0.1, first)(x), problem.fit(x, 0.1)(x), atol=5e-3)


def test_a_class_without_rows_is_the_least_likely_and_one_class_alone_is_said_always():
    x = rows(40)
    found = Classes(np.array([0, 2] * 20), 4).fit(x, 0.1)
    assert found.weight.shape == (4, 6)
    assert (found(np.zeros((1, 6), np.float32)).argsort()[0][:2] % 2 == 1).all()
    alone = Classes(np.full(5, 1), 3).fit(x[:5], 0.1)
    assert set(alone(x).argmax(axis=1)) == {1}


def test_positions_are_fitted_by_a_softmax_over_each_window():
    counts = np.array([3, 5, 2, 7, 4])
    starts = np.cumsum([0, *counts[:-1]])
    x, strength = rows(int(counts.sum())), 0.05
    targets = np.stack([starts, starts + counts - 1], axis=1)

    def objective(weight, output):
        losses = [logsumexp(x[s : s + c] @ weight) - x[t] @ weight
                  for s, c, t in zip(starts, counts, targets[:, output], strict=True)]  # fmt: skip
        return np.mean(losses) + strength / 2 * weight @ weight

    problem = Positions(starts, targets)
    found = problem.fit(x, strength)
    for output in (0, 1):
        best = minimize(objective, np.zeros(6), (output,), options={"gtol": 1e-8})
        np.testing.assert_allclose(found.weight[output], best.x, atol=2e-3)
    penalty = strength / 2 * (found.weight**2).sum(axis=1)
    expected = np.mean([objective(found.weight[o], o) - penalty[o] for o in (0, 1)])
    assert problem.loss(found(x)) == pytest.approx(expected, abs=1e-5)


def test_a_layer_on_scaled_features_is_undone_to_one_on_the_features_themselves():
    x = rows(30) * 7 + 3
    x[:, 2] = 5.0  # does not vary
    scale, linear = Scale.of(x), Linear(rows(2), rows(1, 2)[0])
    assert np.isfinite(scale.apply(x)).all()
    np.testing.assert_allclose(scale.undo(linear)(x), linear(scale.apply(x)), atol=1e-3)


def test_dev_chooses_the_view_that_tells_the_classes_apart_and_its_strength():
    y, held_out = RNG.integers(0, 2, 100), RNG.integers(0, 2, 60)
    noise = [rows(100), rows(60)]
    told = [part.copy() for part in noise]
    for part, labels in zip(told, (y, held_out), strict=True):
        part[:, 0] += 3 * labels
    train, dev = ([view[part].copy for view in (noise, told, noise)] for part in (0, 1))
    solved = solve(train, Classes(y, 2), dev, Classes(held_out, 2))
    assert solved.view == 1 and solved.strength in STRENGTHS
    assert solved.tried == 3 + len(STRENGTHS) - 1 and FIRST_STRENGTH in STRENGTHS
    assert Classes(held_out, 2).loss(solved.linear(told[1])) == pytest.approx(solved.loss, abs=1e-4)
    assert np.mean(solved.linear(told[1]).argmax(axis=1) == held_out) > 0.85
