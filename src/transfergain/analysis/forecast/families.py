"""List the shapes that a learning curve may have: families of curves, each over a grid of its parameters.

An error by number of labels n, relative to that with the most labels that were measured: a shape is 1 there, falls, and
stays above 0. POW4 and MMF4 extrapolate best among parametric families on the curves of LCDB 1.1, and WBL4 is close (Cazacu
2025); the names are those of the review by Viering and Loog (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from transfergain.analysis.stats import Floats

LEFT = {0.0: 0.45, 0.25: 0.2, 0.5: 0.15, 0.75: 0.1, 0.9: 0.1}
"""Shares of the error with the most labels that no label takes away, and how likely each is before anything is seen."""


FAMILY_PRIOR = {"POW4": 0.35, "MMF4": 0.3, "WBL4": 0.25, "flat": 0.1}


def shapes(n: Floats) -> dict[str, Floats]:
    """Evaluate every shape of every family at label counts relative to the most that were measured: (shapes, counts)."""
    return {name: family(n) for name, family in FAMILIES.items()}


def prior() -> Floats:
    """Give the probability of every shape, in the order of `shapes`."""
    found = list[Floats]()
    for name, family in FAMILIES.items():
        size = len(family(np.ones(1)))
        left = np.repeat(list(LEFT.values()), size // len(LEFT)) if size > 1 else np.ones(1)
        found.append(FAMILY_PRIOR[name] * left / left.sum())
    return np.concatenate(found)


def pow4(n: Floats) -> Floats:
    """Fall by a power of the labels, to what is left: c + a (n + d)^-b."""
    c, b, d = _grid(tuple(LEFT), (0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.6), (0.0, 0.05, 0.3))
    return _above(c, (n + d) ** -b, (1 + d) ** -b)


def mmf4(n: Floats) -> Floats:
    """Fall in an S over log n, to what is left: c + a / (1 + (n / k)^d) (Morgan, Mercer and Flodin 1975)."""
    c, k, d = _grid(tuple(LEFT), (0.03, 0.1, 0.3, 1.0, 3.0), (0.3, 0.6, 1.0, 1.7))
    return _above(c, 1 / (1 + (n / k) ** d), 1 / (1 + k**-d))


def wbl4(n: Floats) -> Floats:
    """Fall as the tail of a Weibull distribution, to what is left: c + a exp(-(n / k)^d)."""
    c, k, d = _grid(tuple(LEFT), (0.1, 0.3, 1.0, 3.0), (0.15, 0.3, 0.6, 1.0))
    return _above(c, np.exp(-((n / k) ** d)), np.exp(-(k**-d)))


def flat(n: Floats) -> Floats:
    """Stay as it is."""
    return np.ones((1, len(n)))


FAMILIES: dict[str, Callable[[Floats], Floats]] = {"POW4": pow4, "MMF4": mmf4, "WBL4": wbl4, "flat": flat}


def _grid(*values: Sequence[float]) -> list[Floats]:
    """Combine all values of the parameters: a column each."""
    return [part.reshape(-1, 1) for part in np.meshgrid(*values, indexing="ij")]


def _above(left: Floats, fall: Floats, at_end: Floats) -> Floats:
    return np.asarray(left + (1 - left) * fall / at_end)
