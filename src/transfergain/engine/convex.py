"""Linear layers on given features: convex problems, which have one solution and no learning rate."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Of the L2 penalty s/2 |W|^2 beside the mean loss, on features of unit variance; from strong to weak."""
FIRST_STRENGTH = 0.1
"""The one that views are compared at."""
MOST_ITERATIONS = 500
LEAST_SPREAD = 1e-6
"""Standard deviation below which a feature counts as one that does not vary."""
LBFGS = {"maxiter": MOST_ITERATIONS, "gtol": 1e-4}
COLUMNS_AT_ONCE = 32
"""Features whose spread is measured at once, in double precision."""
Rows = NDArray[np.float32]
Read = Callable[[], Rows]
"""Makes the rows in one view anew, in an array that may be changed: those of one view alone are in memory."""


@dataclass(frozen=True)
class Linear:
    """A linear layer."""

    weight: NDArray[np.float32]
    """(outputs, features)"""
    bias: NDArray[np.float32]

    def __call__(self, rows: Rows) -> NDArray[np.float32]:
        """Give the outputs of each row."""
        return rows @ self.weight.T + self.bias


class Problem(Protocol):
    """What a linear layer is fitted to, on rows of features."""

    def fit(self, rows: Rows, strength: float, start: Linear | None) -> Linear:
        """Solve it, from the solution of a neighbouring strength if there is one."""

    def loss(self, outputs: NDArray[np.float32]) -> float:
        """Compute the mean loss of outputs."""


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each feature on train."""

    mean: Rows
    spread: Rows

    @classmethod
    def of(cls, rows: Rows) -> Scale:
        """Measure rows; a feature that does not vary is left as it is."""
        columns = np.array_split(rows, -(-rows.shape[1] // COLUMNS_AT_ONCE), axis=1)
        spread = np.concatenate([some.std(axis=0, dtype=np.float64) for some in columns])
        spread[spread < LEAST_SPREAD] = 1
        return cls(rows.mean(axis=0, dtype=np.float64).astype(np.float32), spread.astype(np.float32))

    def apply(self, rows: Rows, out: Rows | None = None) -> Rows:
        """Bring rows to mean 0 and variance 1, by the measured ones; into `out` where it is given."""
        centred = np.subtract(rows, self.mean, out=out)
        return np.divide(centred, self.spread, out=centred)

    def undo(self, linear: Linear) -> Linear:
        """Turn a layer on scaled features into one on the features themselves."""
        weight: Rows = (linear.weight / self.spread).astype(np.float32)
        return Linear(weight, (linear.bias - weight @ self.mean).astype(np.float32))


@dataclass(frozen=True)
class Classes:
    """One class a row: multinomial logistic regression by scikit-learn."""

    targets: NDArray[np.int64]
    count: int

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Tell of each row which class it has, (rows, classes)."""
        return np.asarray(self.targets[:, None] == np.arange(self.count))

    def fit(self, rows: Rows, strength: float, start: Linear | None = None) -> Linear:
        """Minimise mean cross-entropy + strength/2 |W|^2; the bias is not penalised."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        seen = np.unique(self.targets)
        if len(seen) < 2:
            return _constant(int(seen[0]), self.count, rows.shape[1])
        model = LogisticRegression(C=1 / (strength * len(rows)), max_iter=MOST_ITERATIONS, warm_start=True)
        if start is not None:
            model.coef_, model.intercept_ = _folded(start, seen)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # as good as solved: dev chooses
            model.fit(rows, self.targets)
        return _unfolded(model.coef_, model.intercept_, seen, self.count, len(rows))

    def loss(self, outputs: NDArray[np.float32]) -> float:
        """Compute the mean cross-entropy."""
        from scipy.special import logsumexp

        exact = outputs.astype(np.float64)
        return float(np.mean(logsumexp(exact, axis=1) - exact[np.arange(len(exact)), self.targets]))


def _constant(index: int, count: int, width: int) -> Linear:
    """Give a layer that says one class whatever it sees."""
    bias = np.zeros(count, np.float32)
    bias[index] = 1.0
    return Linear(np.zeros((count, width), np.float32), bias)


def _folded(linear: Linear, seen: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give scikit-learn's form of a layer: of two classes the difference."""
    weight, bias = linear.weight[seen], linear.bias[seen]
    return (weight[1:] - weight[:1], bias[1:] - bias[:1]) if len(seen) == 2 else (weight, bias)


def _unfolded(weight: NDArray[Any], bias: NDArray[Any], seen: NDArray[np.int64], count: int, rows: int) -> Linear:
    """Undo `_folded`. A class that no row has gets no weight, and a bias as if a fraction of a row had it."""
    if len(seen) == 2:
        weight, bias = np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
    whole = np.zeros((count, weight.shape[1]), np.float32)
    biases = np.full(count, bias.min() - np.log(rows), np.float32)
    whole[seen], biases[seen] = weight, bias
    return Linear(whole, biases)


@dataclass(frozen=True)
class Several:
    """Any number of labels a row: a logistic regression a label, each against its absence."""

    hits: NDArray[np.bool_]
    """(rows, labels)"""

    def fit(self, rows: Rows, strength: float, start: Linear | None = None) -> Linear:
        """Minimise the mean binary cross-entropy of each label + strength/2 |w|^2; the bias is not penalised."""
        from scipy.optimize import minimize

        found = []
        for label, hits in enumerate(self.hits.T):
            first = np.zeros(rows.shape[1] + 1) if start is None else np.append(start.weight[label], start.bias[label])
            solved = minimize(_logistic, first, (rows, hits, strength), jac=True, method="L-BFGS-B", options=LBFGS)
            found.append(solved.x)
        weights = np.array(found, np.float32)
        return Linear(weights[:, :-1], weights[:, -1])

    def loss(self, outputs: NDArray[np.float32]) -> float:
        """Compute the mean binary cross-entropy over rows and labels."""
        exact = outputs.astype(np.float64)
        return float(np.mean(np.logaddexp(0, exact) - exact * self.hits))


def _logistic(
    weights: NDArray[np.float64], rows: Rows, hits: NDArray[np.bool_], strength: float
) -> tuple[float, NDArray[np.float64]]:
    """Compute (loss, gradient) of one label. Its bias is held as if half a row had the label, and half a row had not."""
    from scipy.special import expit

    weight, bias = weights[:-1], weights[-1]
    scores = (rows @ weight.astype(np.float32)).astype(np.float64) + bias
    extra = 0.5 / len(rows) * (2 * np.logaddexp(0, bias) - bias)
    loss = np.mean(np.logaddexp(0, scores) - scores * hits) + strength / 2 * weight @ weight + extra
    errors = (expit(scores) - hits) / len(rows)
    slope = (errors.astype(np.float32) @ rows).astype(np.float64) + strength * weight
    return float(loss), np.append(slope, errors.sum() + 0.5 / len(rows) * (2 * expit(bias) - 1))


@dataclass(frozen=True)
class Positions:
    """One of the rows of each window for each output: softmax over the window, as in the head of BERT's reader."""

    starts: NDArray[np.int64]
    """(windows,) first row of each window; every window has at least one."""
    targets: NDArray[np.int64]
    """(windows, outputs) the row that is right."""

    def fit(self, rows: Rows, strength: float, start: Linear | None = None) -> Linear:
        """Minimise mean loss + strength/2 |w|^2, an output at a time, by L-BFGS (scipy)."""
        from scipy.optimize import minimize

        found = []
        for output in range(self.targets.shape[1]):
            first = np.zeros(rows.shape[1]) if start is None else start.weight[output].astype(np.float64)
            right = rows[self.targets[:, output]].sum(axis=0, dtype=np.float64) / len(self.starts)

            def objective(weight: NDArray[np.float64], right: NDArray[np.float64] = right) -> tuple[float, Any]:
                scores = (rows @ weight.astype(np.float32)).astype(np.float64)
                normaliser, shares = self._softmax(scores)
                expected = (shares.astype(np.float32) @ rows).astype(np.float64) / len(self.starts)
                value = normaliser.mean() - weight @ right + strength / 2 * weight @ weight
                return float(value), expected - right + strength * weight

            solved = minimize(objective, first, jac=True, method="L-BFGS-B", options=LBFGS)
            found.append(solved.x)
        return Linear(np.array(found, np.float32), np.zeros(len(found), np.float32))

    def loss(self, outputs: NDArray[np.float32]) -> float:
        """Compute the mean over windows and outputs of the cross-entropy."""
        losses = []
        for output in range(self.targets.shape[1]):
            scores = outputs[:, output].astype(np.float64)
            losses.append(np.mean(self._softmax(scores)[0] - scores[self.targets[:, output]]))
        return float(np.mean(losses))

    def _softmax(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute (logsumexp of each window, each row's share of its window)."""
        counts = np.diff(np.append(self.starts, len(scores)))
        top = np.maximum.reduceat(scores, self.starts)
        raised = np.exp(scores - np.repeat(top, counts))
        sums = np.add.reduceat(raised, self.starts)
        return np.log(sums) + top, raised / np.repeat(sums, counts)


@dataclass(frozen=True)
class Solved:
    """The linear layer that dev chose."""

    linear: Linear
    """On the features themselves."""
    view: int
    """Which of the views it reads."""
    strength: float
    loss: float
    """Mean loss on dev."""
    tried: int
    """Settings of view and strength that were fitted."""


def solve(train: Sequence[Read], problem: Problem, dev: Sequence[Read], judge: Problem) -> Solved:
    """Choose a view and a strength by the loss on dev: first the view at one strength, then the strength.

    `train[v]` and `dev[v]` read the rows in view v. Dev's rows are never fitted: temperature and thresholds need them.
    """
    first = [_fit(train[v], problem, dev[v], judge, v, (FIRST_STRENGTH,))[0] for v in range(len(train))]
    view = min(first, key=lambda solved: solved.loss).view
    rest = tuple(s for s in STRENGTHS if s != FIRST_STRENGTH)
    every = [*first, *_fit(train[view], problem, dev[view], judge, view, rest)]
    best = min(every, key=lambda solved: solved.loss)
    return Solved(best.linear, best.view, best.strength, best.loss, len(every))


def _fit(train: Read, problem: Problem, dev: Read, judge: Problem, view: int, strengths: Sequence[float]) -> list[Solved]:
    """Fit one view at each strength, each from the one before."""
    rows, held_out = train(), dev()
    scale = Scale.of(rows)
    for part in (rows, held_out):
        scale.apply(part, out=part)
    found, linear = list[Solved](), None
    for strength in strengths:
        linear = problem.fit(rows, strength, linear)
        found.append(Solved(scale.undo(linear), view, strength, judge.loss(linear(held_out)), 0))
    return found
