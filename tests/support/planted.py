"""Findings of made-up studies whose answer is known: what every view of an answer is tried on."""

import functools
from collections import Counter
from dataclasses import replace

import numpy as np

from support.synthetic import DATA, TWEETS, World, study
from transfergain.analysis import candidates, gain, last_labels, performance, warnings
from transfergain.analysis.entries import StudyRequest
from transfergain.analysis.findings import PENDING, ahead, tables
from transfergain.analysis.reference import reference
from transfergain.outcome import Details, Outcome
from transfergain.report.notebook import StudyFindings
from transfergain.types import Status

REQUEST = {"model": "bert-base-uncased", "arms": ["scratch", "full", "probe", "lora"], "tasks": [], "seeds": 5, "epochs": 2,
           "min_steps": 9, "tune": 4, "margin": 0.01, "keep_models": "none"}  # fmt: skip
LEVELS = {"majority": 0.5, "tfidf": 0.7, "scratch": 0.68, "probe": 0.78, "lora": 0.87, "full": 0.88}
"""Accuracy with 1,024 labels."""
FLOORS = ("majority", "tfidf")
ALL = (*FLOORS, "scratch", "full", "probe", "lora")


def usual(arm, budget, levels=None):
    """Every arm loses a little with each halving of the labels, scratch most."""
    loss = {"majority": 0.0, "scratch": 0.04, "tfidf": 0.03}.get(arm, 0.015)
    return max(0.5, {**LEVELS, **(levels or {})}[arm] - loss * np.log2(1024 / budget))


def at(levels):
    return lambda arm, budget: usual(arm, budget, levels)


def crossing(arm, budget):
    """Full is ahead with few labels, and behind with many."""
    return {"scratch": {64: 0.55, 256: 0.74, 1024: 0.9}, "full": {64: 0.75, 256: 0.78, 1024: 0.8}}.get(arm, {}).get(
        budget, usual(arm, budget, {"lora": 0.79, "probe": 0.7})
    )


def equal(arm, budget):
    """Scratch and full are the same; the others are behind."""
    return 0.85 - 0.03 * np.log2(1024 / budget) - {"scratch": 0.0, "full": 0.0}.get(arm, 0.05)


WORLDS = {
    "usual": World(score=usual),
    "floor wins": World(score=at({"tfidf": 0.95})),
    "scratch never learned": World(score=lambda arm, budget: 0.5 if arm == "scratch" else usual(arm, budget)),
    "negative transfer": World(score=at({"scratch": 0.9, "full": 0.8, "lora": 0.79, "tfidf": 0.75})),
    "equal arms": World(score=equal, rate=lambda arm: 60.0),
    "one seed": World(score=usual, seeds=1),
    "two seeds": World(score=at({"full": 0.72}), seeds=2, n_test=60),
    "one budget": World(score=usual, budgets=(480,)),
    "perfect scores": World(score=lambda arm, budget: 1.1 if arm != "majority" else 0.5),
    "failed trials": World(score=usual),
    "crossing curves": World(score=crossing),
    "no scratch": World(score=usual),
    "cut short": World(score=usual, converged=lambda arm, seed: arm != "scratch"),
}


def trials(world, seed=0, arms=ALL):
    """Trials of all arms and floors; a floor trains nothing."""
    rows = study(replace(world, arms=arms), seed)
    return [row if row.spec.arm not in FLOORS else _of_floor(row) for row in rows]


def _of_floor(row):
    spec, details = replace(row.spec, recipe=None), Details()
    return replace(row, spec=spec, outcome=replace(row.outcome, curve=(), converged=None, dev_score=None, details=details))


def of_files(world, name, accuracy, files=1, seed=1):
    """Trials of predictions that files give, as they stand beside those of `trials(world)`."""
    level = replace(world, arms=(name,), budgets=(max(world.budgets),), seeds=files, score=lambda arm, budget: accuracy)
    return [replace(row, spec=replace(row.spec, budget=0)) for row in map(_of_floor, study(level, seed))]


def fail(rows, arm, seeds):
    """Let the trials of an arm fail in some seeds."""
    lost = Outcome(Status.FAILED, error="RuntimeError: CUDA out of memory")
    return [replace(r, outcome=lost) if r.spec.arm == arm and r.spec.replicate in seeds else r for r in rows]


def findings(rows, data=None, **request):
    """Findings of these trials, as `analysis.findings.analyse` makes them from a store."""
    names = dict.fromkeys(row.spec.dataset for row in rows)
    asked = StudyRequest.of({**REQUEST, **request})
    entry = replace(DATA, shifts={TWEETS.name: 400}, reference=reference("sentiment", asked.arms))
    data = data or dict.fromkeys(names, entry)
    cells = gain.cells(rows, {arm: arm != "scratch" for arm in asked.arms}, {})
    scores = performance.against_chance(gain.scores(cells), data)
    gains = gain.gains(cells, scores, asked.margin, data)
    status = Counter(row.outcome.status for row in rows)
    return StudyFindings(
        study=asked,
        environment={"transfergain": "0"},
        warnings=[*warnings.of_trials(rows, 0), *warnings.of_cells(cells, data, scores, [])],
        trials={name.value: status[name] for name in Status} | {PENDING: 0},
        scores=scores,
        gains=gains,
        candidates=candidates.rows(cells, data, asked.margin),
        last_labels=last_labels.rows(cells, data, asked.margin),
        data=data,
        rows=rows,
        **tables(cells, data, gains),
        **ahead(cells, data, asked),
    )


@functools.cache
def planted(name, seed=0):
    """Findings of the planted study of that name."""
    if name == "five data sets":
        return findings(
            [
                replace(row, spec=replace(row.spec, dataset=dataset))
                for dataset, world in FIVE.items()
                for row in trials(WORLDS[world], seed)
            ]
        )
    if name == "no scratch":
        arms = ("full", "probe", "lora")
        return findings(trials(WORLDS[name], seed, (*FLOORS, *arms)), arms=list(arms))
    rows = trials(WORLDS[name], seed)
    return findings(fail(rows, "full", (1, 3)) if name == "failed trials" else rows)


FIVE = {"reviews": "usual", "news": "floor wins", "mails": "negative transfer", "posts": "scratch never learned",
        "letters": "equal arms"}  # fmt: skip
"""Data set -> the world that it lives in."""
NAMES = (*(name for name in WORLDS if name not in ("usual", "cut short")), "five data sets")
