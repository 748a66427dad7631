"""Recommend an arm or a floor: the cheapest that is not worse than the best by the margin (docs/methods.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from transfergain.analysis import words
from transfergain.analysis.candidates import CandidateRow
from transfergain.analysis.summary import Recommendation
from transfergain.arms import ARMS, REFERENCE
from transfergain.arms.base import Start
from transfergain.tasks import floors

FEW = 3
"""With fewer seeds, a score has no interval that says anything."""
MOST_OF_IT = 0.5
"""An arm that trains more than this share of what the largest trains costs as much: its steps cost the same, or more."""
NOTHING = Recommendation(
    name="", title="", is_floor=False, score=None, low=None, high=None, why="no trial has finished on the test set"
)


def recommend(candidates: Sequence[CandidateRow], margin: float) -> Recommendation:
    """Take the candidate that trains the fewest weights; of those that train as many, or nearly, the best one."""
    if not candidates:
        return NOTHING
    if [row.arm for row in candidates] == [REFERENCE]:  # what all else is compared with is no choice yet
        return replace(NOTHING, why=f"only {title(REFERENCE)} has finished")
    best = max(candidates, key=lambda row: row.score)
    good = [row for row in candidates if _behind(row) <= margin]
    whole = max((_cost(row) for row in good if _cost(row) < math.inf), default=0.0)

    def rank(row: CandidateRow) -> tuple[float, float]:
        cost = _cost(row)
        return max(cost, whole) if cost > MOST_OF_IT * whole else cost, -row.score

    row = min(good, key=rank)
    return Recommendation(
        name=row.arm,
        title=title(row.arm),
        is_floor=row.is_floor,
        score=row.score,
        low=shown(row)[0],
        high=shown(row)[1],
        why=_why(row, best, len(candidates)),
    )


def shown(row: CandidateRow) -> tuple[float | None, float | None]:
    """Return the interval of a score where it says something: from three seeds on, or where no seed moves it much."""
    return (row.low, row.high) if row.n_seeds >= FEW or row.is_floor or row.is_given else (None, None)


def title(name: str) -> str:
    """Name an arm or a floor in words."""
    if name in ARMS:
        return f"training {ARMS[name].title}" if name == REFERENCE else ARMS[name].title
    return known[name].title if name in (known := floors()) else name


def start(arm: str, model: str) -> str:
    """Name what is asked about: `starting from MODEL`, or what an arm does that never sees the checkpoint."""
    known = ARMS.get(arm)
    return known.title if known is not None and known.pretrains is Start.FRESH else f"starting from {model}"


def upper(text: str) -> str:
    """Begin a text with a capital letter, unless it begins with a name such as `builtin:minilm` or `org/model`."""
    return text if set(":/_") & set(text.partition(" ")[0]) else text[:1].upper() + text[1:]


def _behind(row: CandidateRow) -> float:
    """Say how far a candidate is behind the best; without a seed in common, nothing allows it to be taken."""
    if row.over_best is None:
        return 0.0 if row.is_best else math.inf
    return -row.over_best.estimate


def _cost(row: CandidateRow) -> float:
    if row.is_floor:
        return 0.0
    return math.inf if row.trained_parameters is None else row.trained_parameters


def _why(row: CandidateRow, best: CandidateRow, of: int) -> str:
    if row.over_best is None:
        so_far = f" so far, from {words.seeds(row.n_seeds)}" if row.n_seeds < FEW and not row.is_given else ""
        return "all that has finished" if of == 1 else f"the best score{so_far}"
    interval = words.interval(row.over_best.low, row.over_best.high)
    behind = f"{words.points(row.over_best.estimate)} against {title(best.arm)}"
    text = f"{behind} ({interval})" if interval else behind
    if row.is_given:
        return f"{text}; what these predictions cost is not known here"
    if row.is_floor:
        return f"{text}, without a transformer"
    if row.trained_parameters is None or not best.trained_parameters:
        return text
    share = row.trained_parameters / best.trained_parameters
    return f"{text}, trains {_share(share)} of the weights" if share < 1 else text


def _share(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.2g} %"
