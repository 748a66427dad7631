"""Finished trials of every benefit, made up: learning curves, dev curves, shifts, perturbations, adapting, calibration."""

import json
from dataclasses import dataclass, field

import numpy as np

from transfergain.analysis import gain, performance
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.findings import tables
from transfergain.metrics import METRICS
from transfergain.metrics.calibration import columns
from transfergain.outcome import AdaptationDetails, CurvePoint, Details, Evaluated, Outcome
from transfergain.split import TEST, Split, adapted, perturbed, shift
from transfergain.store import StoredTrial
from transfergain.types import Phase, Recipe, Status, TrialSpec

LABELS = ("no", "yes")
DATA = DatasetEntry(task="sentiment", title="Sentiment", metric="accuracy", chance=0.5, labels=LABELS, n_test=400)
TWEETS = shift("tweets")
SIZES = {"head": 100, "lora": 1000, "full": 100_000}
PARAMETERS = {"scratch": 100_000, "full": 100_000, "probe": 100, "lora": 1000}


@dataclass
class World:
    """What is true of a made-up study. Scores are the chance of a right answer."""

    seeds: int = 5
    budgets: tuple = (64, 256, 1024)
    n_test: int = 400
    score: object = field(default_factory=lambda: default_score)
    """(arm, budget) -> accuracy."""
    rate: object = lambda arm: 20.0 if arm != "scratch" else 100.0
    """Arm -> steps until 63 % of its dev gain."""
    arms: tuple = ("scratch", "full")
    shift_cost: float = 0.1
    perturbations: tuple = ()
    adapted: tuple = ()
    """k of the target domain."""
    cap: int = 600
    every: int = 10
    dev_noise: float = 0.004
    converged: object = lambda arm, seed: True
    dataset: str = "reviews"
    overconfidence: object = lambda arm: 1.0


def default_score(arm, budget):
    """Scratch gains .05 with every doubling from 64 labels on; the others do with 64 what scratch does with 512."""
    return 0.55 + 0.05 * np.log2(budget / 64) + (0.15 if arm != "scratch" else 0.0)


def curve(world, arm, seed, rng):
    level = min(world.score(arm, max(world.budgets)), 0.97)
    rate = world.rate(arm) * np.exp(0.1 * rng.standard_normal())
    points = []
    for step in range(world.every, world.cap + 1, world.every):
        score = 0.5 + (level - 0.5) * (1 - np.exp(-step / rate)) + world.dev_noise * rng.standard_normal()
        cost = 2.0 if arm == "full" else 3.0
        points.append(CurvePoint(step, float(score), 0.5, 16 * step, cost * 1e9 * step, 0.01 * step))
    return tuple(points)


def evaluated(targets, accuracy, rng, calibrated=True, heat=1.0):
    right = rng.random(len(targets)) < np.clip(accuracy, 0, 1)
    predictions = np.where(right, targets, 1 - targets)
    confidence = np.clip(accuracy, 0.51, 0.99)
    margin = heat * np.log(confidence / (1 - confidence)) * (1 + 0.1 * rng.standard_normal(len(targets)))
    logits = np.zeros((len(targets), 2))
    logits[np.arange(len(targets)), predictions] = np.abs(margin)
    counts = {m: METRICS[m].counts(predictions, targets, LABELS) for m in ("accuracy", "macro_f1")}
    return Evaluated(tuple(predictions.tolist()), counts, None, columns(logits, targets, heat) if calibrated else None)


def trial(world, arm, budget, seed, rng, targets):
    accuracy = world.score(arm, budget) + 0.01 * rng.standard_normal()
    away = accuracy - world.shift_cost
    heat = world.overconfidence(arm)
    splits: dict[Split, Evaluated] = {TEST: evaluated(targets[0], accuracy, rng, heat=heat)}
    splits[TWEETS] = evaluated(targets[1], away, rng, heat=heat)
    for kind in world.perturbations:
        for severity in (1, 5):
            splits[perturbed(kind, severity)] = evaluated(targets[0], accuracy - 0.02 * severity, rng, False)
    took: dict[Split, AdaptationDetails] = {}
    for k in world.adapted if budget == max(world.budgets) else ():
        for method, worth in (("head", 0.3), ("lora", 0.97), ("full", 1.0)):
            split = adapted(TWEETS.name, k, method)
            splits[split] = evaluated(targets[1], away + 0.02 * worth * np.log2(1 + k), rng, False)
            took[split] = AdaptationDetails(50, 30, 60, SIZES[method], ((10, 0.6), (20, 0.7)))
    spec = TrialSpec("sentiment", world.dataset, arm, budget, seed, Phase.REPORT, Recipe(1e-4), ((TEST, "x"),), "x", "y")
    outcome = Outcome(
        Status.DONE, dev_score=0.8, curve=curve(world, arm, seed, rng), converged=world.converged(arm, seed),
        evaluated=splits,
        details=Details(trained_parameters=PARAMETERS.get(arm), steps=600, best_step=500, train_seconds=6.0, adapted=took),
    )  # fmt: skip
    return StoredTrial(spec, outcome)


def study(world, seed=0):
    """Rows of the world's trials."""
    rng = np.random.default_rng(seed)
    targets = [rng.integers(0, 2, world.n_test) for _ in range(2)]
    return [
        trial(world, arm, budget, s, rng, targets)
        for arm in world.arms
        for budget in world.budgets
        for s in range(world.seeds)
    ]


def analysed(rows, data=None):
    """The tables of findings, with gains and scores."""
    names = dict.fromkeys(row.spec.dataset for row in rows)
    data = data or dict.fromkeys(names, DATA)
    arms = dict.fromkeys(row.spec.arm for row in rows)
    cells = gain.cells(rows, {arm: arm != "scratch" for arm in arms}, {})
    scores = performance.against_chance(gain.scores(cells), data)
    gains = gain.gains(cells, scores, 0.01, data)
    return tables(cells, data, gains) | {"gains": gains, "scores": scores}


def as_json(tables):
    """The tables as findings.json has them."""
    plain = {name: [row.to_dict() for row in rows] for name, rows in tables.items()}
    return json.dumps(plain, allow_nan=False)


def pick(rows, **wanted):
    """The rows with these values."""
    return [row for row in rows if all(getattr(row, key) == value for key, value in wanted.items())]
