"""What stands beside the gains of `gain`: chance-normalised scores, collapsed seeds, the expected best of k recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transfergain.perturbations import PREFIX


def against_chance(rows: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of scores with `chance_normalised`, (s - chance) / (1 - chance), and `collapsed`, the seeds at or below chance.

    Both are None where chance is not known: for metrics other than the primary one, and on other test sets than the
    study's own.
    """
    found = []
    for row in rows:
        entry = data[row["dataset"]]
        known = row["metric"] == entry["metric"] and (row["split"] == "test" or row["split"].startswith(PREFIX))
        chance = entry["chance"]
        found.append(
            dict(row)
            | {
                "chance_normalised": normalised(row["mean"], chance) if known and chance < 1 else None,
                "collapsed": sum(score <= chance for score in row["per_seed"]) if known else None,
            }
        )
    return found


def normalised(score: float, chance: float) -> float:
    """(score - chance) / (1 - chance): 0 is chance, 1 is perfect, below 0 is worse than chance."""
    return (score - chance) / (1 - chance)


def expected_best(scores: Sequence[float]) -> list[float]:
    """For k = 1 .. N, the expected best dev score of k recipes drawn like the N tried (Dodge et al. 2019, section 3.1).

    sum_i v_(i) [(i / N)^k - ((i - 1) / N)^k], with v_(1) <= ... <= v_(N): the mean of the largest of k draws, with
    replacement, from the empirical distribution.
    """
    ranked, n = sorted(scores), len(scores)
    return [sum(v * ((i / n) ** k - ((i - 1) / n) ** k) for i, v in enumerate(ranked, start=1)) for k in range(1, n + 1)]


def with_expected_best(recipes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of recipes with `expected_best`, empty where nothing was tried."""
    return [dict(row) | {"expected_best": expected_best([tried[1] for tried in row.get("tried", ())])} for row in recipes]
