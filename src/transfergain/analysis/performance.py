"""Compute what stands beside the gains of `gain`: scores against chance, collapsed seeds, the expected best of k recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.rows import RecipeRow, ScoreRow
from transfergain.split import Kind
from transfergain.store import StoredTrial


def against_chance(rows: Sequence[ScoreRow], data: Mapping[str, DatasetEntry]) -> list[ScoreRow]:
    """Fill in `chance_normalised`, (s - chance) / (1 - chance), and `collapsed`, the seeds at or below chance.

    Both stay None where chance is not known: for metrics other than the primary one, and on other test sets than the
    study's own.
    """
    return [_against_chance(row, data[row.dataset]) for row in rows]


def _against_chance(row: ScoreRow, entry: DatasetEntry) -> ScoreRow:
    if row.metric != entry.metric or row.split.kind not in (Kind.TEST, Kind.PERTURBED):
        return row
    return replace(
        row,
        chance_normalised=normalised(row.mean, entry.chance) if entry.chance < 1 else None,
        collapsed=sum(score <= entry.chance for score in row.per_seed),
    )


def normalised(score: float, chance: float) -> float:
    """Return (score - chance) / (1 - chance): 0 is chance, 1 is perfect, below 0 is worse than chance."""
    return (score - chance) / (1 - chance)


def expected_best(scores: Sequence[float]) -> list[float]:
    """Expect the best dev score of k = 1 .. N recipes drawn like the N tried (Dodge et al. 2019, section 3.1).

    sum_i v_(i) [(i / N)^k - ((i - 1) / N)^k], with v_(1) <= ... <= v_(N): the mean of the largest of k draws, with
    replacement, from the empirical distribution.
    """
    ranked, n = sorted(scores), len(scores)
    return [sum(v * ((i / n) ** k - ((i - 1) / n) ** k) for i, v in enumerate(ranked, start=1)) for k in range(1, n + 1)]


def recipe_rows(stored: Sequence[Mapping[str, Any]], trials: Sequence[StoredTrial]) -> list[RecipeRow]:
    """Read recipes as stored, with the expected best of those tried, and with what trials tried by themselves."""
    settings = {
        (t.spec.dataset, t.spec.arm, t.spec.budget): t.outcome.details.choice.tried
        for t in trials
        if t.outcome.details.choice
    }
    return [
        RecipeRow(
            **recipe,
            settings=settings.get((recipe["dataset"], recipe["arm"], recipe["budget"]), 0),
            expected_best=expected_best([tried[1] for tried in recipe["tried"]]),
        )
        for recipe in stored
    ]
