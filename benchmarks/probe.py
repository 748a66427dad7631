"""Probe, its twin and the floors on the built-in data and on public corpora: `python -m benchmarks.run probe`."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import normalize

from transfergain import checkpoint as checkpoints
from transfergain.analysis.trial_rows import trial_scores
from transfergain.data import prepare
from transfergain.engine.features import View, compute
from transfergain.engine.precision import pick_precision
from transfergain.running.planner import Planner
from transfergain.running.planner import StudyCell as Cell
from transfergain.split import TEST
from transfergain.study import Study
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial

MOST_TEST = 1000
"""Test examples that are read, spread over all: a standard error of 1.5 points at most."""
BUDGETS = (128, 512)
SETS: dict[str, dict[str, Any]] = {
    "sst2": {"task": "sentiment", "train": "sst2/train.csv", "test": "sst2/test.csv"},
    "ag_news": {"task": "classification", "train": "ag_news/train.jsonl", "test": "ag_news/test.jsonl"},
    "banking77": {
        "task": "classification",
        "train": "banking77/train.csv",
        "test": "banking77/test.csv",
        "label_column": "category",
    },
    "built-in sentiment": {"task": "sentiment"},
    "built-in classification": {"task": "classification"},
    "built-in ner": {"task": "ner"},
    "wnut17": {"task": "ner", "train": "wnut17/train.conll", "test": "wnut17/test.conll"},
    "built-in qa": {"task": "qa"},
    "xquad_en": {"task": "qa", "train": "xquad_en/train.json", "test": "xquad_en/test.json"},
}
"""Name -> task and files below TRANSFERGAIN_DATA. The built-in translation data is not here: the probe declines it."""


def study_of(name: str, model: str) -> Study:
    """Describe the study of a data set."""
    at, corpora = SETS[name], Path(os.environ.get("TRANSFERGAIN_DATA", "../shared/data"))
    keys: dict[str, Any] = {key: value for key, value in at.items() if key not in ("train", "test")}
    keys |= {f"{split}_file": str(corpora / at[split]) for split in ("train", "test") if split in at}
    return Study(model=model, **(keys if "train" in at else keys | {"dataset_name": f"builtin:{at['task']}"}))


def probe(options: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Measure the error of probe, twin and floors by budget: the mean over seeds."""
    rows, single = list[dict[str, Any]](), list[dict[str, Any]]()
    checkpoint = checkpoints.resolve(options.model)
    precision = pick_precision(options.precision, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as features:
        for name in options.sets.split(",") if options.sets else SETS:
            study = study_of(name, options.model)
            data = prepare.load(study.entries()[0].source(), TASKS[study.task])
            data = replace(data, test=data.test[:: -(-len(data.test) // MOST_TEST)])
            planner = Planner(study, {data.name: data}, checkpoint.revision, precision)
            bench = Bench({data.name: data}, checkpoint, "cpu", options.threads, features=Path(features))
            for budget in sorted({min(b, max(planner.budgets[data.name])) for b in BUDGETS}):
                found = {arm: list[float]() for arm in ("probe", "probe-random")}
                found |= {floor.name: [] for floor in TASKS[study.task].floors}
                reads, seconds = list[str](), list[float]()
                for arm, errors in found.items():
                    recipe = planner.recipe(data, 0.0) if arm.startswith("probe") else None
                    for spec in planner.reporting(Cell(data, arm, budget), recipe, options.seeds):
                        outcome = run_trial(spec, bench)
                        assert not outcome.error, outcome.error
                        errors.append(1 - next(iter(trial_scores(outcome)[TEST].values())))
                        choice = vars(outcome.details.choice) if outcome.details.choice else {}
                        single.append({"data": name, "budget": budget, "arm": arm, "seed": spec.replicate,
                                       "error": errors[-1], "seconds": outcome.seconds} | choice)  # fmt: skip
                        if arm == "probe":
                            reads.append(f"{choice['reads']}, {choice['strength']:g}")
                            seconds.append(outcome.seconds)
                row = {"data": name, "labels": budget} | {arm: float(np.mean(errors)) for arm, errors in found.items()}
                rows.append(row | {"seconds": float(np.mean(seconds))})
                print(row, reads, flush=True)
    return rows, single


def banking77(options: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Measure Banking77 after MTEB's protocol: logistic regression on 8 texts a class, 10 draws, the whole test set.

    The features are ours, in the view that the checkpoint was trained in: the mean of tokens of the last layer, of length 1.
    """
    from sklearn.linear_model import LogisticRegression
    from transformers import AutoModel

    study = study_of("banking77", options.model)
    data, task = prepare.load(study.entries()[0].source(), TASKS[study.task]), TASKS[study.task]
    checkpoint = checkpoints.resolve(options.model)
    tokenizer, encoder = checkpoints.load_tokenizer(checkpoint), AutoModel.from_pretrained(checkpoint.path)
    torch.set_num_threads(options.threads)
    pool, drawn = [*data.train, *data.dev], list[list[int]]()
    for draw in range(10):
        order = np.random.default_rng(draw).permutation(len(pool))
        targets = np.array([pool[i].target for i in order])
        drawn.append([int(i) for c in range(len(data.labels)) for i in order[targets == c][:8]])
    needed = sorted({i for some in drawn for i in some})
    rows = [*(pool[i] for i in needed), *data.test]
    encoded = task.encode(rows, tokenizer, {"max_length": 128}).features
    view = View("mean", encoder.config.num_hidden_layers)
    found = dict(compute(encoder, encoded, [view], int(tokenizer.pad_token_id), 128, "fp32"))
    features = normalize(np.stack([found[i][0, 0] for i in range(len(rows))]))
    place = {index: row for row, index in enumerate(needed)}
    test, truth = features[len(needed) :], [row.target for row in data.test]
    single = []
    for draw, some in enumerate(drawn):
        model = LogisticRegression(max_iter=100).fit(features[[place[i] for i in some]], [pool[i].target for i in some])
        single.append({"draw": draw, "accuracy": float(model.score(test, truth))})
    scores = [row["accuracy"] for row in single]
    return [{"draws": 10, "test": len(truth), "accuracy": float(np.mean(scores)), "std": float(np.std(scores))}], single
