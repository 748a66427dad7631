"""Simulated learning curves whose truth is known, and the forecasts that ours is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit, ndtri

from transfergain.analysis.forecast import measured
from transfergain.analysis.forecast.fit import Ensemble
from transfergain.analysis.stats import Floats, Values

AHEAD = (2, 4)
"""Times the most labels that are given."""
DIFFICULTY = 0.5
"""Share of the latent variance of an answer that is the example's difficulty, the same at every number of labels."""
TOGETHER = 0.3
"""Share of a seed's luck that it has at every number of labels: its labels nest."""
FEWEST = 3
"""Numbers of labels that a forecast takes."""
True_curve = Callable[[Floats], Floats]
Curve = dict[int, Values]
"""Number of labels -> scores by seed and test example."""


@dataclass(frozen=True)
class Simulated:
    """A curve, what was measured of it, and what is true further on."""

    family: str
    labels: list[int]
    cells: list[Values]
    """A number of labels each: the scores of seeds, and of seeds by test examples."""
    ahead: list[int]
    truth: Floats
    """Errors with `ahead` labels."""


def simulated(rng: np.random.Generator, family: str) -> Simulated:
    """Draw a curve of a family and what a study of three to six numbers of labels measures of it."""
    first, step = int(rng.choice([32, 64, 128])), int(rng.choice([2, 2, 4]))
    labels = [first * step**i for i in range(int(rng.integers(3, 7 if step == 2 else 5)))]
    ahead = [labels[-1] * times for times in AHEAD]
    truth = np.clip(FAMILIES[family](rng, labels)(np.array([*labels, *ahead], dtype=np.float64)), 0.002, 0.98)
    seeds, examples = int(rng.choice([3, 3, 5])), int(rng.choice([300, 1000]))
    lucks = rng.uniform(0.03, 0.15) * (np.array(labels) / labels[0]) ** -rng.uniform(0.0, 0.5)
    cells = answers(rng, truth[: len(labels)], seeds, examples, lucks)
    return Simulated(family, labels, cells, ahead, truth[len(labels) :])


def answers(rng: np.random.Generator, errors: Floats, seeds: int, examples: int, lucks: Floats) -> list[Values]:
    """Simulate right and wrong answers; `lucks` are seeds' standard deviations, in the units of a latent normal variable."""
    hard, whole = np.sqrt(DIFFICULTY) * rng.standard_normal(examples), rng.standard_normal((seeds, 1))
    found = []
    for error, luck in zip(errors, lucks, strict=True):
        by_seed = luck * (np.sqrt(TOGETHER) * whole + np.sqrt(1 - TOGETHER) * rng.standard_normal((seeds, 1)))
        noise = np.sqrt(1 - DIFFICULTY) * rng.standard_normal((seeds, examples))
        right = (ndtri(1 - error) * np.sqrt(1 + luck**2) + by_seed + hard + noise > 0).astype(np.float64)
        found.append(Values(right.mean(axis=1), right))
    return found


def _ends(rng: np.random.Generator) -> tuple[float, float]:
    """Draw the error with the fewest labels, and the share of it that no label takes away."""
    return float(rng.uniform(0.15, 0.8)), float(rng.choice([0.0, rng.uniform(0.05, 0.9)], p=[0.25, 0.75]))


def _falling(rng: np.random.Generator, fall: True_curve, first: int) -> True_curve:
    start, left = _ends(rng)
    at_first = float(fall(np.array([float(first)]))[0])
    return lambda n: start * (left + (1 - left) * fall(n) / at_first)


def power(rng: np.random.Generator, labels: list[int]) -> True_curve:
    b, d = rng.uniform(0.1, 1.2), rng.choice([0.0, labels[0] * rng.uniform(0, 4)])
    return _falling(rng, lambda n: (n + d) ** -b, labels[0])


def s_shaped(rng: np.random.Generator, labels: list[int]) -> True_curve:
    k, d = np.exp(rng.uniform(np.log(labels[0] / 2), np.log(4 * labels[-1]))), rng.uniform(0.4, 2.0)
    return _falling(rng, lambda n: 1 / (1 + (n / k) ** d), labels[0])


def stretched(rng: np.random.Generator, labels: list[int]) -> True_curve:
    k, d = np.exp(rng.uniform(np.log(labels[0]), np.log(4 * labels[-1]))), rng.uniform(0.25, 1.0)
    return _falling(rng, lambda n: np.exp(-((n / k) ** d)), labels[0])


def logarithmic(rng: np.random.Generator, labels: list[int]) -> True_curve:
    """One over log n, to what is left."""
    shift = rng.uniform(0, 3)
    return _falling(rng, lambda n: 1 / (np.log(n / labels[0]) + 1 + shift), labels[0])


def log_odds(rng: np.random.Generator, labels: list[int]) -> True_curve:
    """A straight line of log odds over log n, level in one of five."""
    start, slope = _ends(rng)[0], rng.choice([0.0, rng.uniform(0.02, 0.6)], p=[0.2, 0.8])
    return lambda n: expit(logit(start) - slope * np.log2(n / labels[0]))


def misbehaved(rng: np.random.Generator, labels: list[int]) -> True_curve:
    """A peak, a rise at the end, or a sudden drop, on top of a power law."""
    base, size = power(rng, labels), rng.uniform(0.1, 0.4)
    at = rng.uniform(np.log(labels[0]), np.log(labels[-1]))
    kind = rng.choice(["peak", "rise", "drop"])
    if kind == "peak":
        return lambda n: base(n) * (1 + size * np.exp(-0.5 * ((np.log(n) - at) / 0.6) ** 2))
    if kind == "rise":
        return lambda n: base(n) * (1 + size * np.log1p(np.exp(2 * (np.log(n) - at))) / 4)
    return lambda n: base(n) * (1 - 2 * size * expit(4 * (np.log(n) - at)))


FAMILIES: dict[str, Callable[[np.random.Generator, list[int]], True_curve]] = {
    "power": power,
    "S-shaped": s_shaped,
    "stretched exponential": stretched,
    "logarithmic": logarithmic,
    "log odds": log_odds,
    "misbehaved": misbehaved,
}


def last_value(labels: Floats, errors: Floats, ahead: Floats) -> Floats:
    """Forecast that nothing changes."""
    return np.full(len(ahead), errors[-1])


def power_law(labels: Floats, errors: Floats, ahead: Floats) -> Floats:
    """Fit a n^-b by least squares on logarithms."""
    slope, start = np.polyfit(np.log(labels), np.log(np.maximum(errors, 1e-4)), 1)
    return np.asarray(np.exp(start + slope * np.log(ahead)))


EXPONENTS = -np.linspace(0.005, 0.995, 199)


def figueroa(labels: Floats, errors: Floats, ahead: Floats) -> Floats:
    """Fit a + b n^c, -1 < c < 0 and a and b not negative, the j-th of m points weighted by j / m (Figueroa et al. 2012)."""
    weights, best = np.arange(1, len(labels) + 1) / len(labels), (np.inf, np.zeros(len(ahead)))
    for c in EXPONENTS:
        fall = labels**c
        centre, mean = weights @ fall / weights.sum(), weights @ errors / weights.sum()
        b = max(0.0, float(weights @ ((fall - centre) * (errors - mean)) / (weights @ (fall - centre) ** 2)))
        a = mean - b * centre
        if a < 0:
            a, b = 0.0, float(weights @ (fall * errors) / (weights @ fall**2))
        loss = float(weights @ (errors - a - b * fall) ** 2)
        if loss < best[0]:
            best = loss, a + b * ahead**c
    return best[1]


BASELINES: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
    "last value": last_value,
    "power law": power_law,
    "Figueroa": figueroa,
}


def forecast_simulated(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Forecast so many simulated curves, spread evenly over the families."""
    rng, found = np.random.default_rng(seed), list[dict[str, Any]]()
    names = list(FAMILIES)
    for i in range(count):
        curve = simulated(rng, names[i % len(names)])
        about = {"kind": "simulated", "family": curve.family}
        given, truth = dict(zip(curve.labels, curve.cells, strict=True)), dict(zip(curve.ahead, curve.truth, strict=True))
        found += _forecast(about, given, truth)
    return found


def forecast_real(family: str, curve: Curve) -> list[dict[str, Any]]:
    """Forecast a real curve from each of its beginnings, where twice or four times as many labels were measured."""
    found, labels = list[dict[str, Any]](), sorted(curve)
    for end in range(FEWEST, len(labels)):
        given = {n: curve[n] for n in labels[:end]}
        ahead = {n: float(1 - curve[n].scores.mean()) for times in AHEAD if (n := times * labels[end - 1]) in curve}
        found += _forecast({"kind": "real", "family": family}, given, ahead)
    return found


def _forecast(about: dict[str, Any], given: Curve, ahead: dict[int, float]) -> list[dict[str, Any]]:
    """Forecast one curve by all methods."""
    curve = measured.of(list(given), list(given.values()))
    labels, at = np.array(curve.labels, dtype=np.float64), np.array(list(ahead), dtype=np.float64)
    others = {name: method(labels, curve.errors, at) for name, method in BASELINES.items()}
    found = []
    for i, (n, mixture) in enumerate(zip(ahead, Ensemble(curve).at(at), strict=True)):
        low, middle, high = (mixture.quantile(p) for p in (0.05, 0.5, 0.95))
        errors = {"ours": abs(middle - ahead[n])} | {name: abs(float(v[i]) - ahead[n]) for name, v in others.items()}
        place = about | {"times": n // max(given), "from": max(given), "points": len(given)}
        found.append(place | {"covered": low <= ahead[n] <= high, "width": high - low, "truth": ahead[n]} | errors)
    return found


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Average the forecasts of some curves: coverage, median width, mean absolute errors."""
    found = {"curves": float(len(rows)), "covered": float(np.mean([row["covered"] for row in rows]))}
    found["width"] = float(np.median([row["width"] for row in rows]))
    return found | {name: float(np.mean([row[name] for row in rows])) for name in ("ours", *BASELINES)}
