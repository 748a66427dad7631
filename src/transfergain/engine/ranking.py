"""Measure what a checkpoint promises on a task: a cross-fitted probe, LogME and H-score of its layers, and what it costs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.analysis import stats
from transfergain.arms.base import Blueprint
from transfergain.arms.probe import PROBE
from transfergain.arms.size import check_size
from transfergain.checkpoint import check_length, check_vocabulary, explained, load_config, load_tokenizer
from transfergain.data.draws import stratified_order
from transfergain.engine.convex import Classes, Problem, Several
from transfergain.engine.feature_store import Place, stack
from transfergain.engine.material import PartName, Rows
from transfergain.engine.precision import pick_device
from transfergain.engine.probing import Probe, make_features
from transfergain.engine.rank_row import RankRow
from transfergain.engine.reading import Part, Reader
from transfergain.engine.threads import torch_threads
from transfergain.engine.transferability import h_score, log_me
from transfergain.metrics import METRICS
from transfergain.seeds import generator
from transfergain.sharing import Memo
from transfergain.tasks import find
from transfergain.tasks.base import Task
from transfergain.tasks.scoring import number_clusters
from transfergain.types import Checkpoint, Dataset, Example, Recipe

DEV_SHARE = 5
"""One in so many examples of a half chooses what the probe reads and its strength."""
MOST_ROWS = 4000
"""Rows that LogME and H-score are computed on: words are many."""
MOST_ROWS_OF_A_HALF = 1000
"""Rows of a half that choose a layer by LogME."""
ALL = "all"
"""The part that holds all examples."""


@dataclass(frozen=True)
class Asked:
    """How checkpoints are measured, all alike."""

    max_length: int
    encoding: tuple[tuple[str, Any], ...]
    device: str
    threads: int
    examples: int
    draws: int
    """Times that the examples are halved."""
    free_memory: int
    """Bytes that a model may take."""


class Measured(NamedTuple):
    """What was measured of a checkpoint."""

    row: RankRow
    counts: NDArray[Any]
    """Of the primary metric (draws, examples or clusters of them, k), each predicted by a probe that had not seen it."""


def measure(checkpoint: Checkpoint, data: Dataset, asked: Asked) -> Measured:
    """Measure one checkpoint. Raises UserError where it cannot be used."""
    recipe, rows = Recipe(0.0, max_length=asked.max_length, options=asked.encoding), sample(data, asked.examples)
    with torch_threads(asked.threads):
        probe = _probe(checkpoint, data, rows, recipe, asked)
        places, seconds, megabytes = _read(probe)
        features, encoder = probe.features, probe.model.encoder
        layers = max(view.layer for view in features.views)
        problem = probe.head.problem(probe.parts[ALL].features, len(data.labels))
        found = _without_training(problem, partial(stack, places), len(features.views))
        counts = np.stack([_cross_fitted(probe, rows, draw) for draw in range(asked.draws)])
    score = stats.score_interval(counts, METRICS[probe.reader.task.metrics[0]].finish)
    row = RankRow(
        model=checkpoint.name,
        probe=score.estimate,
        low=score.low,
        high=score.high,
        log_me=found.log_me,
        log_me_all=found.log_me_all,
        h_score=found.h_score,
        h_score_all=found.h_score_all,
        best="" if found.log_me is None else features.views[found.best].describe(layers),
        parameters=sum(p.numel() for p in encoder.parameters()),
        hidden=int(encoder.config.hidden_size),
        seconds=seconds / len(rows) * 1000,
        megabytes=megabytes,
    )
    return Measured(row, counts)


def _probe(checkpoint: Checkpoint, data: Dataset, rows: Sequence[Example], recipe: Recipe, asked: Asked) -> Probe:
    """Prepare a probe of a checkpoint, as its arm does, that has read nothing yet but knows all examples.

    The checkpoint is checked as a study checks it: what fails on a GPU takes the checkpoints after it along.
    """
    task, tokenizer, memo = find(data.task), load_tokenizer(checkpoint), Memo()
    config = load_config(checkpoint, tokenizer, data.labels, head=task.head)
    check_length(checkpoint, tokenizer, config, recipe.max_length)
    check_vocabulary(checkpoint, tokenizer, config)
    blueprint = Blueprint(checkpoint, task.auto_class, config, 0, memo)
    with explained(checkpoint, "loading its weights"):
        check_size(blueprint, asked.free_memory)
        model = PROBE.build(blueprint).model.to(pick_device(asked.device))
    reader = Reader(task, data.labels, tokenizer, checkpoint.revision, recipe, None, memo)
    with explained(checkpoint, "reading the examples"):
        whole = _part(reader, rows, ALL)
        return Probe(model, reader, {ALL: whole}, make_features(model.encoder, whole.features, reader, None))


def _read(probe: Probe) -> tuple[list[Place], float, float | None]:
    """Compute the features of all examples: where they are, the seconds it took, and the most memory held in MB."""
    _forget_peak()
    since = time.perf_counter()
    places = probe.features.read(probe.parts[ALL].features)
    return places, time.perf_counter() - since, _peak()


def sample(data: Dataset, most: int) -> list[Example]:
    """Take so many of the labelled examples, classes in proportion, the same for every checkpoint."""
    rows, stratum = [*data.train, *data.dev], find(data.task).stratum
    return [rows[i] for i in stratified_order([stratum(e) for e in rows], "rank")[:most]]


def _part(reader: Reader, rows: Sequence[Example], key: object) -> Part:
    encoded = reader.encode(Rows(("rank", key), rows))
    return Part(rows, encoded, encoded.features)


Views = Callable[[int], NDArray[Any]]
"""The rows of features (examples, H) by the number of a view."""


class Evidence(NamedTuple):
    """What LogME and the H-score say of the view where LogME is largest, and of that of all layers."""

    best: int = 0
    """The number of the view where LogME is largest; the first, which is of all layers, where there is no LogME."""
    log_me: float | None = None
    log_me_all: float | None = None
    h_score: float | None = None
    h_score_all: float | None = None


def _without_training(problem: Problem, rows: Views, views: int) -> Evidence:
    """Score each view by LogME, and the best and the first, which is of all layers, by H-score; nothing without classes."""
    if not (sampled := _some(problem, MOST_ROWS)):
        return Evidence()
    few, hits = sampled
    evidence = [log_me(_precise(rows(view)[few]), hits) for view in range(views)]
    best = int(np.argmax(evidence))
    scores = [_h_score(_precise(rows(view)[few]), hits) for view in (best, 0)]
    return Evidence(best, evidence[best], evidence[0], *scores)


def promising(problem: Problem, rows: Views, views: int) -> tuple[int, ...]:
    """Choose the views that a probe tries: that of all layers, and the one where LogME is largest."""
    if not (sampled := _some(problem, MOST_ROWS_OF_A_HALF)):
        return (0,)
    few, hits = sampled
    best = int(np.argmax([log_me(_precise(rows(view)[few]), hits) for view in range(views)]))
    return tuple(dict.fromkeys((0, best)))


def _precise(rows: NDArray[Any]) -> NDArray[np.float64]:
    return rows.astype(np.float64)


def _some(problem: Problem, most: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]] | None:
    """Choose so many rows at random, with their classes that occur; None where there are no classes."""
    if not isinstance(problem, Classes | Several):
        return None
    few = np.sort(generator("rank rows").permutation(len(problem.hits))[:most])
    hits = problem.hits[few]
    return few, hits[:, hits.any(axis=0)]


def _h_score(rows: NDArray[np.float64], hits: NDArray[np.bool_]) -> float:
    """Compute the H-score of classes; where a text has several labels or none, its mean over labels."""
    if (hits.sum(axis=1) == 1).all():
        return h_score(rows, hits.argmax(axis=1))
    return float(np.mean([h_score(rows, hit.astype(np.int64)) for hit in hits.T]))


def _cross_fitted(probe: Probe, rows: Sequence[Example], draw: int) -> NDArray[Any]:
    """Halve the examples at random and count what a probe of each half predicts of the other.

    Each half chooses by itself what its probe reads: a fifth of it between all layers and the one that promises most to
    the rest, and the strength. Returns counts in the order of the examples, or of their clusters, (N, k).
    """
    reader = replace(probe.reader, memo=Memo())  # of the next draw's halves, nothing is encoded here
    task = reader.task
    clusters = _clusters(task, rows)
    halves = in_halves([task.stratum(example) for example in rows], clusters, draw)
    found: list[NDArray[Any]] = [np.zeros(0)] * len(rows)
    for side, (mine, other) in enumerate((halves, halves[::-1])):
        few = _cut(mine, clusters, max(1, len(mine) // DEV_SHARE))
        parts: dict[PartName, Part] = {
            name: _part(reader, [rows[i] for i in part], (draw, side, name))
            for name, part in (("train", mine[few:]), ("dev", mine[:few]), ("other", other))
        }
        halved = replace(probe, reader=reader, parts=parts)
        learned, views = parts["train"].features, len(halved.features.views)
        problem = halved.head.problem(learned, len(reader.labels))
        choices = promising(problem, partial(stack, halved.features.read(learned)), views)
        trained = replace(halved, choices=choices).train("train", "dev")
        setting = reader.setting(parts["dev"], trained.dev_outputs())
        answers = reader.answers(parts["other"], trained.outputs("other"), setting)
        targets = [rows[i].target for i in other]
        for i, counts in zip(other, METRICS[task.metrics[0]].counts(answers, targets, reader.labels), strict=True):
            found[i] = counts
    counts = np.stack(found)
    if clusters is None:
        return counts
    return np.stack(
        [counts[[i for i, own in enumerate(clusters) if own == name]].sum(axis=0) for name in sorted(set(clusters))]
    )


def _clusters(task: Task, rows: Sequence[Example]) -> list[int] | None:
    """Number the clusters of examples, which are halved whole; None where there are not several."""
    found = number_clusters(task, rows)
    return None if found is None or not found.any() else [int(number) for number in found]


def in_halves(strata: Sequence[Any], clusters: Sequence[int] | None, draw: int) -> list[list[int]]:
    """Halve examples at random, by their numbers: whole clusters; without these each class in proportion in both halves
    and in every beginning of them.
    """
    if clusters is None:
        order = stratified_order(strata, "rank draw", draw=draw)
    else:
        places = generator("rank draw", draw=draw).permutation(max(clusters) + 1)
        order = sorted(range(len(clusters)), key=lambda i: places[clusters[i]])
    # A beginning of the order has every class in proportion. Every other one of it has not: classes may take turns in it.
    middle = _cut(order, clusters, len(order) // 2)
    return [order[:middle], order[middle:]]


def _cut(order: Sequence[int], clusters: Sequence[int] | None, wanted: int) -> int:
    """Find where to cut an order: between two clusters, where two meet near the place that is wanted."""
    if clusters is None:
        return wanted
    near = range(max(1, wanted // 2), min(len(order), 2 * wanted + 1))
    ends = [k for k in near if clusters[order[k]] != clusters[order[k - 1]]]
    return min(ends, key=lambda end: abs(end - wanted), default=wanted)


def _forget_peak() -> None:
    """Have Linux measure the most memory from here on."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def _peak() -> float | None:
    """Read the most memory held, in MB; None where the system does not say."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return None
