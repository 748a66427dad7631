"""Drop duplicates, carve missing splits, and draw budgets as nested stratified prefixes."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from transfergain.errors import UserError
from transfergain.seeds import generator
from transfergain.split import DEV, TEST, TRAIN, Kind, Split
from transfergain.types import Dataset, Example, Pools

LABELS_PER_DEV_LABEL = 5
"""One of so many labels of a budget is a dev label, until the dev pool is used up."""

Stratum = Callable[[Example], Hashable]


class Drawn(NamedTuple):
    """The labelled examples one trial may see."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]


def stratified_order(strata: Sequence[Hashable], stream: str, **axes: int | str) -> list[int]:
    """Permute range(len(strata)) at random so that every prefix holds each stratum in proportion, within about one.

    Each stratum is shuffled and its members are given the evenly spaced positions (rank + offset) / size with one random
    offset a stratum; sorting by position interleaves the strata.
    """
    rng = generator(stream, **axes)
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, stratum in enumerate(strata):
        groups[stratum].append(index)
    positions: list[tuple[float, int]] = []
    for members in groups.values():
        offset = rng.random()
        for rank, position in enumerate(rng.permutation(len(members))):
            positions.append(((rank + offset) / len(members), members[position]))
    return [index for _, index in sorted(positions)]


def budget_sizes(budget: int, n_train: int, n_dev: int) -> tuple[int, int]:
    """Divide a budget into (train, dev), given the pools' sizes. Both grow with the budget, so budgets nest.

    Raises UserError when the pools are too small.
    """
    dev = min(budget // LABELS_PER_DEV_LABEL, n_dev)
    train = budget - dev
    if train > n_train:
        raise UserError(
            f"a budget of {budget:,} labels is larger than the data: {max_budget(n_train, n_dev):,} is the most "
            f"({n_train:,} train and {n_dev:,} dev examples, one in {LABELS_PER_DEV_LABEL} of a budget is dev)"
        )
    return train, dev


def max_budget(n_train: int, n_dev: int) -> int:
    """Find the largest budget that the pools allow: `budget_sizes` refuses the next one."""
    return n_train + min(n_dev, n_train // (LABELS_PER_DEV_LABEL - 1))


def draw(data: Dataset | Pools, budget: int, replicate: int, stratum: Stratum) -> Drawn:
    """Draw the budget's examples: a prefix of the replicate's permutation of each pool, the same for every arm."""
    n_train, n_dev = budget_sizes(budget, len(data.train), len(data.dev))
    train = stratified_order([stratum(e) for e in data.train], "train", replicate=replicate)[:n_train]
    dev = stratified_order([stratum(e) for e in data.dev], "dev", replicate=replicate)[:n_dev]
    return Drawn(tuple(data.train[i] for i in train), tuple(data.dev[i] for i in dev))


def carve(
    rows: Sequence[Example], share: float, stratum: Stratum, name: str, cluster: Stratum | None = None
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Split rows into (kept, carved), stratified and seeded by the new split's name; order within each is the input's.

    Every stratum keeps at least one example in the first part. With clusters, whole clusters are carved, in random order
    until the share is reached, and at least one is kept.
    """
    if cluster is not None:
        return _carve_clusters(rows, share, cluster, name)
    order = stratified_order([stratum(e) for e in rows], "carve", split=name)
    left = Counter(stratum(e) for e in rows)
    carved: set[int] = set()
    for index in order:
        if len(carved) >= round(len(rows) * share):
            break
        if left[stratum(rows[index])] > 1:
            left[stratum(rows[index])] -= 1
            carved.add(index)
    kept = tuple(e for i, e in enumerate(rows) if i not in carved)
    return kept, tuple(e for i, e in enumerate(rows) if i in carved)


def _carve_clusters(
    rows: Sequence[Example], share: float, cluster: Stratum, name: str
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    sizes = Counter(cluster(e) for e in rows)
    carved: set[Hashable] = set()
    taken = 0
    for key in (list(sizes)[i] for i in generator("carve", split=name).permutation(len(sizes))):
        if taken >= round(len(rows) * share) or len(carved) == len(sizes) - 1:
            break
        carved.add(key)
        taken += sizes[key]
    kept = tuple(e for e in rows if cluster(e) not in carved)
    return kept, tuple(e for e in rows if cluster(e) in carved)


def mark(text: str) -> bytes:
    """Hash a text to 16 bytes, the same for texts that differ only in case and white space."""
    return hashlib.blake2b(" ".join(text.casefold().split()).encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Deduplicated(NamedTuple):
    """Splits without duplicates."""

    kept: dict[Split, tuple[Example, ...]]
    dropped: Counter[Split]
    """How many were dropped from each split."""
    differing: int
    """Of these, how many have another target than the example that is kept in their place."""


def drop_duplicates(splits: dict[Split, tuple[Example, ...]], key: Callable[[Example], Hashable]) -> Deduplicated:
    """Keep the first example of each key, giving way in the order test, dev, train, shifts; count what was dropped.

    The test set keeps its examples and the others lose theirs, so that no trial trains or selects on a test example, and
    no shift holds an example that a trial may have seen. The labelled pool of a shift's domain loses what the shift holds.
    """
    order = [split for split in (TEST, DEV, TRAIN) if split in splits]
    order += [split for split in splits if split not in order and split.kind is not Kind.TARGET]
    order += [split for split in splits if split not in order]
    shifts: dict[str, dict[Hashable, Any]] = {}
    dropped, differing = Counter[Split](), 0
    kept: dict[Split, tuple[Example, ...]] = {}
    seen: dict[Hashable, Any] = {}  # key -> target
    for split in order:
        mine: list[Example] = []
        here: dict[Hashable, Any] = {}
        barring = [here, seen, shifts.get(split.name, {})] if split.kind is Kind.TARGET else [here, seen]
        for example in splits[split]:
            k = key(example)
            first = next((known for known in barring if k in known), None)
            if first is None:
                mine.append(example)
                here[k] = example.target
            else:
                dropped[split] += 1
                differing += first[k] != example.target
        if split.kind is Kind.SHIFT:
            shifts[split.name] = here
        elif split.kind is not Kind.TARGET:
            seen |= here
        kept[split] = tuple(mine)
    return Deduplicated({split: kept[split] for split in splits}, dropped, differing)
