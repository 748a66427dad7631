"""Scores of arms and floors, and the Transfer Gain of every pretrained arm over scratch, paired by seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.analysis import stats, words
from transfergain.analysis.verdict import judge
from transfergain.arms import REFERENCE
from transfergain.metrics import METRICS
from transfergain.store import Row
from transfergain.types import Evaluated, Outcome, Phase, Status


@dataclass(frozen=True)
class Cell:
    """The finished trials of one arm or floor at one budget of one data set, by replicate."""

    task: str
    dataset: str
    arm: str
    budget: int
    pretrained: bool
    is_floor: bool
    labels: Sequence[str]
    outcomes: Mapping[int, Outcome]

    def counts(self, split: str, metric: str, replicates: Iterable[int]) -> NDArray[Any]:
        """Counts (seeds, clusters, k) in the order of `replicates`, summed within each cluster of examples."""
        return np.stack([_by_cluster(self.outcomes[r].evaluated[split], metric) for r in replicates])

    def examples(self, split: str) -> int:
        """Examples of a split."""
        return len(next(iter(self.outcomes.values())).evaluated[split].predictions)

    def splits(self) -> list[str]:
        """The sealed splits that were evaluated in every seed, `test` first."""
        first, *others = (outcome.evaluated for outcome in self.outcomes.values())
        return [split for split in first if all(split in other for other in others)]

    def unconverged(self, replicates: Iterable[int]) -> int:
        """How many of these runs were still improving at the step cap."""
        return sum(self.outcomes[r].converged is False for r in replicates)

    def metrics(self) -> list[str]:
        """The task's metrics, primary first."""
        return list(next(iter(next(iter(self.outcomes.values())).evaluated.values())).counts)


def _by_cluster(evaluated: Evaluated, metric: str) -> NDArray[Any]:
    narrow = evaluated.counts[metric]
    counts = narrow.astype(np.promote_types(narrow.dtype, np.int64))
    if evaluated.clusters is None:
        return counts
    sums = np.zeros((int(evaluated.clusters.max()) + 1, counts.shape[1]), counts.dtype)
    np.add.at(sums, evaluated.clusters, counts)
    return sums


def cells(rows: Sequence[Row], pretrained: Mapping[str, bool], labels: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Group finished reported trials.

    `pretrained` maps arm names to whether they start from the checkpoint, `labels` data sets to their classes.
    """
    groups: dict[tuple[str, str, int, str], dict[int, Outcome]] = defaultdict(dict)
    for row in rows:
        if row.spec.phase == Phase.REPORT and row.outcome.status == Status.DONE:
            key = (row.spec.dataset, row.spec.task, row.spec.budget, row.spec.arm)
            groups[key][row.spec.replicate] = row.outcome
    order = {arm: i for i, arm in enumerate(pretrained)}
    return [
        Cell(
            task,
            dataset,
            arm,
            budget,
            pretrained.get(arm, False),
            arm not in pretrained,
            labels.get(dataset, ()),
            dict(sorted(found.items())),
        )
        for (dataset, task, budget, arm), found in sorted(
            groups.items(), key=lambda item: (item[0][0], item[0][2], order.get(item[0][3], -1), item[0][3])
        )
    ]


def scores(found: Sequence[Cell]) -> list[dict[str, Any]]:
    """One row a cell, split and metric: the mean score with an interval over seeds and test examples."""
    rows = []
    for cell in found:
        for split in cell.splits():
            for metric in cell.metrics():
                counts = cell.counts(split, metric, cell.outcomes)
                result = stats.score_interval(counts, METRICS[metric].finish)
                rows.append(
                    {
                        "task": cell.task,
                        "dataset": cell.dataset,
                        "arm": cell.arm,
                        "budget": cell.budget,
                        "split": split,
                        "metric": metric,
                        "mean": result.estimate,
                        "low": result.low,
                        "high": result.high,
                        "per_seed": [float(s) for s in METRICS[metric].finish(counts.sum(axis=1))],
                        "n_seeds": counts.shape[0],
                        "n_test": cell.examples(split),
                        "n_clusters": counts.shape[1],
                    }
                    | _parts(cell, metric, counts)
                )
    return rows


def _parts(cell: Cell, metric: str, counts: NDArray[Any]) -> dict[str, Any]:
    """`parts`: the figures of a metric that has parts (precision of an entity type), each the mean over seeds."""
    breakdown = METRICS[metric].breakdown
    if breakdown is None:
        return {}
    labels = cell.labels
    seeds = [breakdown(total, labels) for total in counts.sum(axis=1)]
    names = seeds[0]
    return {
        "parts": {
            part: {figure: float(np.mean([seed[part][figure] for seed in seeds])) for figure in names[part]}
            for part in names
        }
    }


def gains(found: Sequence[Cell], score_rows: Sequence[Mapping[str, Any]], margin: float) -> list[dict[str, Any]]:
    """One row a pretrained cell, split and metric: the paired gain over scratch, tested, corrected and judged."""
    reference = {(c.dataset, c.budget): c for c in found if c.arm == REFERENCE}
    compared = [_compare(cell, reference[cell.dataset, cell.budget], split, metric)
                for cell in found if cell.pretrained and (cell.dataset, cell.budget) in reference
                for split in cell.splits() if split in reference[cell.dataset, cell.budget].splits()
                for metric in cell.metrics()
                if set(cell.outcomes) & set(reference[cell.dataset, cell.budget].outcomes)]  # fmt: skip
    _correct(compared)
    floors = _best_floors(found, score_rows)
    return [_finish(row, result, unconverged, margin, floors) for row, result, unconverged in compared]


Compared = tuple[dict[str, Any], stats.Estimate, tuple[int, int]]
"""The row so far, its estimate, and how many runs of the reference and of the arm were still improving at the step cap."""


def _compare(cell: Cell, reference: Cell, split: str, metric: str) -> Compared:
    paired = [r for r in cell.outcomes if r in reference.outcomes]
    finish = METRICS[metric].finish
    treated, against = cell.counts(split, metric, paired), reference.counts(split, metric, paired)
    result = stats.paired_interval(treated, against, finish)
    mine, theirs = finish(treated.sum(axis=1)), finish(against.sum(axis=1))
    error = 1 - float(theirs.mean())
    components = result.components
    row = {
        "task": cell.task,
        "dataset": cell.dataset,
        "arm": cell.arm,
        "reference": REFERENCE,
        "budget": cell.budget,
        "split": split,
        "metric": metric,
        "estimate": result.estimate,
        "low": result.low,
        "high": result.high,
        "relative_error_reduction": result.estimate / error if error > 0 else None,
        "p_value": result.p_value,
        "p_holm": None,
        "p_sign_flip": stats.sign_flip((mine - theirs).tolist()) if 6 <= len(paired) <= 20 else None,
        "prob_better": float(((mine > theirs) + 0.5 * (mine == theirs)).mean()),
        "n_seeds": len(paired),
        "n_test": cell.examples(split),
        "n_clusters": treated.shape[1],
        "mde": stats.detectable(components, components.seeds, components.clusters) if components else None,
        "error": 1 - float(mine.mean()),
        "reference_error": error,
    }
    return row, result, (reference.unconverged(paired), cell.unconverged(paired))


def _correct(compared: Sequence[Compared]) -> None:
    """Holm over the tasks of the study: one family an arm, kind of split, metric and rank of the budget from the top."""
    budgets: dict[str, list[int]] = defaultdict(list)
    for row, _, _ in compared:
        if row["budget"] not in budgets[row["dataset"]]:
            budgets[row["dataset"]].append(row["budget"])
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row, _, _ in compared:
        rank = sorted(budgets[row["dataset"]], reverse=True).index(row["budget"])
        kind, _, rest = row["split"].partition(":")
        setting = rest.partition("@")[2] if kind == "adapted" else ""  # of one k and method, over data sets
        families[row["arm"], kind, setting, row["metric"], rank].append(row)
    for family in families.values():
        tested = [row for row in family if row["p_value"] is not None]
        for row, p in zip(tested, stats.holm([row["p_value"] for row in tested]), strict=True):
            row["p_holm"] = p


def _best_floors(
    found: Sequence[Cell], score_rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, int, str, str], tuple[float, str]]:
    """(data set, budget, split, metric) -> the best floor's (mean score, name)."""
    floors = {c.arm for c in found if c.is_floor}
    best: dict[tuple[str, int, str, str], tuple[float, str]] = {}
    for row in score_rows:
        if row["arm"] in floors:
            key = (row["dataset"], row["budget"], row["split"], row["metric"])
            best[key] = max(best.get(key, (-1.0, "")), (row["mean"], row["arm"]))
    return best


def _finish(
    row: dict[str, Any],
    result: stats.Estimate,
    unconverged: tuple[int, int],
    margin: float,
    floors: Mapping[tuple[str, int, str, str], tuple[float, str]],
) -> dict[str, Any]:
    verdict = judge(result, row["p_holm"], margin, unconverged[0], row["n_seeds"], arm_unconverged=unconverged[1])
    floor = floors.get((row["dataset"], row["budget"], row["split"], row["metric"]))
    below = floor is not None and 1 - row["error"] <= floor[0]
    row |= {"verdict": verdict.word, "why": verdict.why, "seeds_needed": verdict.seeds, "cut_short": verdict.cut_short}
    row["below_floor"] = floor[1] if floor and below else None
    return row | {"sentence": sentence(row)}


def sentence(row: Mapping[str, Any]) -> str:
    """One finding in words."""
    where = words.split_name(row["split"])
    before, after = f"{100 * row['reference_error']:.1f} %", f"{100 * row['error']:.1f} %"
    change = "cuts" if row["estimate"] > 0 else "raises"
    moves = f"leaves the error at {before}" if before == after else f"{change} the error from {before} to {after}"
    seeds = f"{row['n_seeds']} seed{'s' if row['n_seeds'] != 1 else ''}"
    numbers = [seeds]
    if row["low"] is not None:
        numbers.append(f"gain {row['estimate']:+z.3f} [{row['low']:+z.3f}, {row['high']:+z.3f}]")
        numbers.append(f"Holm {format_p(row['p_holm'])}")
    text = (
        f"{row['dataset']}: {row['arm']} {moves} on {where} with {row['budget']:,} labels ({', '.join(numbers)}): "
        f"{row['verdict']}"
    )
    text += f"; {row['why']}" if row["why"] else ""
    if row["below_floor"]:
        text += f"; no recommendation, as the {row['below_floor']} floor does as well or better"
    return text + "."


def format_p(p: float | None) -> str:
    """`p < .001` or `p = .034`; `p unknown` for None."""
    if p is None:
        return "p unknown"
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".")
