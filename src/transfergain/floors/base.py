"""Define a floor. The tasks it is valid for name it in their `floors`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transfergain.data.draws import Drawn
from transfergain.types import Example

Predict = Callable[[Sequence[Example]], list[Any]]
"""Examples -> one prediction each."""


@dataclass(frozen=True)
class Floor:
    """A baseline: `fit(drawn, text, seed)` learns from a budget's examples and returns a predictor."""

    name: str
    title: str
    fit: Callable[[Drawn, Callable[[Example], str], int], Predict]
    citation: str
