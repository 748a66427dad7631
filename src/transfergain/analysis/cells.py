"""Group the finished trials of a study into cells: those of one arm or floor at one budget, which differ in their seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from transfergain.analysis import stats
from transfergain.analysis.pairing import Side
from transfergain.metrics import METRICS
from transfergain.outcome import Evaluated, Outcome
from transfergain.split import TEST, Split
from transfergain.store import StoredTrial
from transfergain.types import Phase, Status


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
    given: bool = False
    """Whether files give its predictions: it is the same at every budget, and its replicates pair with nobody's."""

    @property
    def is_arm(self) -> bool:
        """Tell whether it is an arm: neither a floor nor predictions that files give."""
        return not (self.is_floor or self.given)

    def side(self, split: Split, metric: str) -> Side:
        """Return it as a side of a comparison on a split by a metric."""
        finish = METRICS[metric].finish
        seeds = [r for r, outcome in self.outcomes.items() if split in outcome.evaluated]
        return Side(self.given, seeds, lambda seeds: stats.pseudo_values(self.counts(split, metric, seeds), finish))

    def counts(self, split: Split, metric: str, replicates: Iterable[int]) -> NDArray[Any]:
        """Stack counts (seeds, clusters, k) in the order of `replicates`, summed within each cluster of examples."""
        return np.stack([_by_cluster(self.outcomes[r].evaluated[split], metric) for r in replicates])

    def examples(self, split: Split) -> int:
        """Count the examples of a split."""
        return len(next(iter(self.outcomes.values())).evaluated[split].predictions)

    def splits(self) -> list[Split]:
        """List the sealed splits that were evaluated in every seed, the test set first."""
        first, *others = (outcome.evaluated for outcome in self.outcomes.values())
        return [split for split in first if all(split in other for other in others)]

    def at_chance(self, metric: str, chance: float) -> set[int]:
        """Find the replicates whose test score is not clearly above chance: over test clusters, one-sided, 5 %."""
        found = set[int]()
        for r in self.outcomes:
            scores, values = stats.pseudo_values(self.counts(TEST, metric, [r]), METRICS[metric].finish)
            n = values.shape[1]
            if scores[0] - float(stdtrit(n - 1, 0.95)) * values.std(ddof=1) / n**0.5 <= chance:
                found.add(r)
        return found

    def metrics(self) -> list[str]:
        """List the task's metrics, primary first."""
        return list(next(iter(next(iter(self.outcomes.values())).evaluated.values())).counts)


def _by_cluster(evaluated: Evaluated, metric: str) -> NDArray[Any]:
    narrow = evaluated.counts[metric]
    counts = narrow.astype(np.promote_types(narrow.dtype, np.int64))
    if evaluated.clusters is None:
        return counts
    sums = np.zeros((int(evaluated.clusters.max()) + 1, counts.shape[1]), counts.dtype)
    np.add.at(sums, evaluated.clusters, counts)
    return sums


def cells(trials: Sequence[StoredTrial], pretrained: Mapping[str, bool], labels: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Group finished reported trials.

    `pretrained` maps arm names to whether they start from the checkpoint, `labels` data sets to their classes.
    """
    groups: dict[tuple[str, str, int, str], dict[int, Outcome]] = defaultdict(dict)
    for trial in trials:
        if trial.spec.phase == Phase.REPORT and trial.outcome.status == Status.DONE:
            key = (trial.spec.dataset, trial.spec.task, trial.spec.budget, trial.spec.arm)
            groups[key][trial.spec.replicate] = trial.outcome
    given = _at_every_budget(groups)
    order = {arm: i for i, arm in enumerate(pretrained)}
    return [
        Cell(
            task,
            dataset,
            arm,
            budget,
            pretrained.get(arm, False),
            arm not in pretrained and arm not in given[dataset],
            labels.get(dataset, ()),
            dict(sorted(found.items())),
            arm in given[dataset],
        )
        for (dataset, task, budget, arm), found in sorted(
            groups.items(), key=lambda item: (item[0][0], item[0][2], order.get(item[0][3], -1), item[0][3])
        )
    ]


def _at_every_budget(groups: dict[tuple[str, str, int, str], dict[int, Outcome]]) -> dict[str, set[str]]:
    """Put predictions that files give beside the arms and floors of every budget; returns their names by data set."""
    given: dict[str, set[str]] = defaultdict(set)
    for key in [key for key in groups if not key[2]]:
        dataset, task, _, name = key
        outcomes = groups.pop(key)
        given[dataset].add(name)
        for budget in {other[2] for other in groups if other[0] == dataset and other[2]}:
            groups[dataset, task, budget, name] = outcomes
    return given
