"""Tune the learning rate of each arm, by dev scores in rounds of successive halving; one rate serves all budgets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from transfergain.arms import ARMS
from transfergain.outcome import Outcome
from transfergain.running.ended import Ended
from transfergain.running.planner import Planner, StudyCell
from transfergain.running.search import at_edge
from transfergain.store import StoredTrial
from transfergain.types import Recipe, Status, TrialSpec


@dataclass(frozen=True)
class Chosen:
    """The recipe of one arm at one budget and how it was chosen; stored, and printed in the report."""

    dataset: str
    arm: str
    budget: int
    recipe: Recipe
    tried: tuple[tuple[float, float, int], ...] = ()
    """(learning rate, dev score, steps that it ran) of each rate with a finished trial; empty without tuning."""
    problem: str = ""
    """Why the arm cannot run at this budget; empty when it can."""

    @property
    def at_edge(self) -> bool:
        """Tell whether the best rate is the smallest or largest tried."""
        return at_edge(self.recipe.learning_rate, [rate for rate, *_ in self.tried])

    def to_stored(self) -> dict[str, Any]:
        """Make the JSON that the store and findings.json hold."""
        return asdict(self) | {"learning_rate": self.recipe.learning_rate, "at_edge": self.at_edge}


class Tuning:
    """The tuning of a study's arms, each at its largest budget, as far as trials have ended."""

    def __init__(self, planner: Planner, ended: Ended) -> None:
        self._planner, self._ended = planner, ended

    def rounds(self, cell: StudyCell) -> list[list[TrialSpec]]:
        """Halve as far as trials have ended: successive halving (Jamieson and Talwalkar 2016).

        Every rate runs to the first rung; the better half of them to the next, as soon as all have ended. That half is
        one of the rates asked for, not of those that finished: the same number for every arm.
        """
        rounds = [self._planner.tuning(cell)]
        for rung in self._planner.rungs()[1:]:
            ended = self._ended.rows(rounds[-1])
            if len(ended) < len(rounds[-1]):
                break
            better = sorted(_done(ended), key=_merit_of, reverse=True)[: math.ceil(len(ended) / 2)]
            rounds.append([replace(row.spec, stop_at=rung) for row in better])
        return rounds

    def choice(self, cell: StudyCell, rounds: Sequence[Sequence[TrialSpec]]) -> Chosen | None:
        """Choose the recipe of an arm by its rounds of tuning; None as long as they have not all ended."""
        last = self._ended.rows(rounds[-1])
        if len(rounds) < len(self._planner.rungs()) or len(last) < len(rounds[-1]):
            return None
        return self._choose(cell, rounds)

    def impossible(self, cell: StudyCell, problem: str) -> Chosen:
        """Choose nothing for an arm that cannot run, and say why."""
        default = self._planner.recipe(cell.data, ARMS[cell.arm].default_learning_rate)
        return Chosen(cell.data.name, cell.arm, cell.budget, default, problem=problem)

    def _choose(self, cell: StudyCell, rounds: Sequence[Sequence[TrialSpec]]) -> Chosen:
        """Choose the recipe with the best dev score among the last round; among equals the lower dev loss.

        Without tuning, the arm's default. An arm none of whose tuning trials finished cannot run.
        """
        data, arm, budget, _ = cell
        default = self._planner.recipe(data, ARMS[arm].default_learning_rate)
        if not rounds[0]:
            return Chosen(data.name, arm, budget, default)
        ended = self._ended.rows(spec for known in rounds for spec in known)
        last = [row for row in _done(ended) if row.spec in rounds[-1]]
        if not last:
            return Chosen(data.name, arm, budget, default, problem=f"no tuning trial finished: {_reason(ended)}")
        winner = max(last, key=_merit_of).spec
        assert winner.recipe is not None
        return Chosen(data.name, arm, budget, winner.recipe, _tried(ended))


def _done(rows: Iterable[StoredTrial]) -> list[StoredTrial]:
    return [row for row in rows if row.outcome.status == Status.DONE]


def _tried(ended: Sequence[StoredTrial]) -> tuple[tuple[float, float, int], ...]:
    """List `Chosen.tried`, by learning rate; of one that ran in two rounds, the later."""
    reached = {row.spec.recipe.learning_rate: row for row in _done(ended) if row.spec.recipe}
    return tuple(
        sorted((rate, row.outcome.dev_score or 0.0, row.outcome.details.steps or 0) for rate, row in reached.items())
    )


def _reason(ended: Sequence[StoredTrial]) -> str:
    """Say why tuning failed: the last error there is."""
    return next((row.outcome.error for row in reversed(ended) if row.outcome.error), "no tuning trial ran")


def _merit_of(row: StoredTrial) -> tuple[float, float]:
    return merit(row.outcome)


def merit(outcome: Outcome) -> tuple[float, float]:
    """Rank a tuning trial by (dev score, minus dev loss) at its best evaluation among those with a finite loss."""
    finite = [point for point in outcome.curve if math.isfinite(point.loss)]
    best = max(finite, key=lambda point: (point.score, -point.loss), default=None)
    return (best.score, -best.loss) if best else (float("-inf"), 0.0)
