"""Measure what a checkpoint promises on a task: a cross-fitted probe, LogME and H-score of its layers, and what it costs."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from transfergain.arms.base import Blueprint
from transfergain.arms.probe import PROBE
from transfergain.checkpoint import check_length, load_config, load_tokenizer
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
from transfergain.seeds import generator
from transfergain.sharing import Memo
from transfergain.tasks import find
from transfergain.tasks.scoring import score
from transfergain.types import Checkpoint, Dataset, Example, Recipe

DEV_SHARE = 5
"""One in so many examples of a half chooses what the probe reads and its strength."""
MOST_ROWS = 4000
"""Rows that LogME and H-score are computed on: words are many."""
ALL = "all"
"""The part that holds all examples."""


def measure(
    checkpoint: Checkpoint,
    data: Dataset,
    max_length: int,
    encoding: Sequence[tuple[str, Any]],
    device: str,
    threads: int,
    examples: int,
    draws: int,
) -> RankRow:
    """Measure one checkpoint, with so many threads. Raises UserError where it cannot be used."""
    recipe, rows = Recipe(0.0, max_length=max_length, options=tuple(encoding)), sample(data, examples)
    with torch_threads(threads):
        probe = _probe(checkpoint, data, rows, recipe, device)
        places, seconds, megabytes = _read(probe)
        features, encoder = probe.features, probe.model.encoder
        layers = max(view.layer for view in features.views)
        problem = probe.head.problem(probe.parts[ALL].features, len(data.labels))
        found = _without_training(places, problem, len(features.views))
        probe = replace(probe, choices=tuple(dict.fromkeys((0, found.best))))
        mean, low, high = _interval([_cross_fitted(probe, rows, draw) for draw in range(draws)])
    return RankRow(
        model=checkpoint.name,
        probe=mean,
        low=low,
        high=high,
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


def _probe(checkpoint: Checkpoint, data: Dataset, rows: Sequence[Example], recipe: Recipe, device: str) -> Probe:
    """Prepare a probe of a checkpoint, as its arm does, that has read nothing yet but knows all examples."""
    task, tokenizer, memo = find(data.task), load_tokenizer(checkpoint), Memo()
    config = load_config(checkpoint, tokenizer, data.labels, head=task.head)
    check_length(checkpoint, tokenizer, config, recipe.max_length)
    model = PROBE.build(Blueprint(checkpoint, task.auto_class, config, 0, memo)).model.to(pick_device(device))
    reader = Reader(task, data.labels, tokenizer, checkpoint.revision, recipe, None, memo)
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


class Evidence(NamedTuple):
    """What LogME and the H-score say of the view where LogME is largest, and of that of all layers."""

    best: int = 0
    """The number of the view where LogME is largest; the first, which is of all layers, where there is no LogME."""
    log_me: float | None = None
    log_me_all: float | None = None
    h_score: float | None = None
    h_score_all: float | None = None


def _without_training(places: Sequence[Place], problem: Problem, views: int) -> Evidence:
    """Score each view by LogME, and the best and the first, which is of all layers, by H-score; nothing without classes."""
    if not isinstance(problem, Classes | Several):
        return Evidence()
    few = np.sort(generator("rank rows").permutation(len(problem.hits))[:MOST_ROWS])
    hits = problem.hits[few]
    hits = hits[:, hits.any(axis=0)]

    def rows(view: int) -> NDArray[np.float64]:
        return stack(places, view)[few].astype(np.float64)

    evidence = [log_me(rows(view), hits) for view in range(views)]
    best = int(np.argmax(evidence))
    return Evidence(best, evidence[best], evidence[0], _h_score(rows(best), hits), _h_score(rows(0), hits))


def _h_score(rows: NDArray[np.float64], hits: NDArray[np.bool_]) -> float:
    """Compute the H-score of classes; where a text has several labels or none, its mean over labels."""
    if (hits.sum(axis=1) == 1).all():
        return h_score(rows, hits.argmax(axis=1))
    return float(np.mean([h_score(rows, hit.astype(np.int64)) for hit in hits.T]))


def _cross_fitted(probe: Probe, rows: Sequence[Example], draw: int) -> float:
    """Halve the examples at random and score what a probe of each half predicts of the other."""
    reader = replace(probe.reader, memo=Memo())  # of the next draw's halves, nothing is encoded here
    halves = in_halves(rows, [reader.task.stratum(example) for example in rows], draw)
    answers, asked = list[Any](), list[Example]()
    for side, (mine, other) in enumerate((halves, halves[::-1])):
        few = max(1, len(mine) // DEV_SHARE)
        dev, train = mine[:few], mine[few:]
        parts: dict[PartName, Part] = {name: _part(reader, part, (draw, side, name)) for name, part in
                 (("train", train), ("dev", dev), ("other", other))}  # fmt: skip
        trained = replace(probe, reader=reader, parts=parts).train("train", "dev")
        setting = reader.setting(parts["dev"], trained.dev_outputs())
        answers += reader.answers(parts["other"], trained.outputs("other"), setting)
        asked += other
    return score(reader.task, answers, asked, reader.labels).score


def in_halves(rows: Sequence[Example], strata: Sequence[Any], draw: int) -> list[list[Example]]:
    """Halve examples at random, each class in proportion in both halves and in every beginning of them."""
    order = stratified_order(strata, "rank draw", draw=draw)
    # A beginning of the order has every class in proportion. Every other one of it has not: classes may take turns in it.
    middle = len(order) // 2
    return [[rows[i] for i in order[:middle]], [rows[i] for i in order[middle:]]]


def _interval(scores: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Give mean and 95 % interval over draws, by Student's t, within the possible range; None from a single draw."""
    mean = float(np.mean(scores))
    if len(scores) < 2:
        return mean, None, None
    half = float(stdtrit(len(scores) - 1, 0.975) * np.std(scores, ddof=1) / math.sqrt(len(scores)))
    return mean, max(0.0, mean - half), min(1.0, mean + half)


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
