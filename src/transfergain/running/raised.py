"""Notice that a study was given more seeds after its results had been seen, which its intervals do not allow for."""

from __future__ import annotations

from collections.abc import Sequence

from transfergain.analysis.entries import DatasetEntry
from transfergain.running.planner import Planner
from transfergain.store import Store
from transfergain.types import Phase


def most_before(planner: Planner, store: Store) -> dict[str, Sequence[int]]:
    """Find, by data set, the most seeds that earlier runs into this store asked for and this one raises.

    Only where results could be seen meanwhile: one trial has the last seed of a first look. A taste is none, as it is
    always followed by the study.
    """
    known = {name: DatasetEntry(**entry) for name, entry in (store.get_meta("data") or {}).items()}
    taste = bool((store.get_meta("study") or {}).get("quick"))
    found = dict[str, Sequence[int]]()
    for name, looks in planner.looks.items():
        before, most = known.get(name), looks.counts[-1]
        if before is None or not before.looks:
            continue
        maxima = set(before.most_before)
        if not taste and before.looks[-1] < most and _seen(store, name, before.looks[0]):
            maxima.add(before.looks[-1])
        found[name] = sorted(count for count in maxima if count < most)
    return found


def _seen(store: Store, dataset: str, seeds: int) -> bool:
    """Tell whether the first look, after so many seeds, could have been taken."""
    replicates = {
        row.spec.replicate
        for row in store.rows()
        if row.spec.dataset == dataset and row.spec.phase is Phase.REPORT and row.spec.recipe is not None
    }
    return len(replicates) >= seeds
