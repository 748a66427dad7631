"""How well a ranking foretells full fine-tuning: `rank`'s scores of checkpoints beside the error that training measures.

Each checkpoint is ranked on each built-in set, then fine-tuned there; random weights of each architecture stand at the
bottom. Every measurement is a line of the JSON lines file, so that an interrupted run goes on.

    ../shared/checkpoints/get CHECKPOINTS
    python -m benchmarks.ranking CHECKPOINTS/* --tasks sentiment,classification,ner
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau, pearsonr

from transfergain.arms import ARMS
from transfergain.checkpoint import resolve
from transfergain.data import prepare
from transfergain.engine.precision import pick_precision
from transfergain.metrics import METRICS
from transfergain.running import ranking
from transfergain.running.planner import Planner, StudyCell
from transfergain.running.tryout import quiet_libraries
from transfergain.split import TEST
from transfergain.study import Study
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial

SCORES = ("probe", "log_me", "log_me_all", "h_score", "h_score_all", "log parameters")


def drawn_at_random(checkpoint: Path, out: Path) -> Path:
    """Write a checkpoint of the same architecture with weights as the library draws them."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    if not (out / "model.safetensors").exists():
        torch.manual_seed(0)
        AutoModel.from_config(AutoConfig.from_pretrained(checkpoint)).save_pretrained(out)
        AutoTokenizer.from_pretrained(checkpoint).save_pretrained(out)
    return out


def fine_tuned(model: str, study: Study, budget: int, steps: int, seed: int, precision: str) -> float:
    """Train `full` from a checkpoint and return its error on the test set."""
    data = prepare.load(study.entries()[0].source(), TASKS[study.task])
    checkpoint = resolve(model)
    planner = Planner(study, {data.name: data}, checkpoint.revision, precision)
    cell = StudyCell(data, "full", budget)
    recipe = replace(planner.recipe(data, 0.0), epochs=1, min_steps=steps)
    spec = planner.reporting(cell, replace(recipe, learning_rate=ARMS["full"].default_learning_rate), 1)[0]
    spec = replace(spec, replicate=seed, splits=tuple(split for split in spec.splits if split[0] == TEST))
    outcome = run_trial(spec, Bench({data.name: data}, checkpoint, "cpu", 1))
    metric = TASKS[spec.task].metrics[0]
    return 1 - float(METRICS[metric].finish(outcome.evaluated[TEST].counts[metric].sum(0)))


def correlations(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compute, by set and score, Kendall's and Pearson's correlation of a score with the accuracy that training reached."""
    out = []
    for name in dict.fromkeys(row["data"] for row in rows):
        of = [row for row in rows if row["data"] == name]
        reached = [1 - row["error"] for row in of]
        for score in SCORES:
            values = [math.log(row["parameters"]) if score == "log parameters" else row[score] for row in of]
            if len(of) > 2 and None not in values:
                tau, r = kendalltau(values, reached).statistic, pearsonr(values, reached).statistic
                out.append(
                    {"data": name, "score": score, "checkpoints": len(of), "Kendall": float(tau), "Pearson": float(r)}
                )
    return out


def table(found: Sequence[dict[str, Any]]) -> None:
    """Print both tables in markdown: the measurements, and the correlations with their means over sets."""
    for row in found:
        cells = [f"{row[key]:.3f}" for key in ("error", "probe", "log_me", "log_me_all", "h_score", "h_score_all")]
        print(f"| {row['data']} | {row['checkpoint']} | {row['parameters'] / 1e6:.1f} M | {' | '.join(cells)} |")
    related = correlations(found)
    for score in SCORES:
        of = [row for row in related if row["score"] == score]
        means = [f"{np.mean([row[key] for row in of]):+.2f}" for key in ("Kendall", "Pearson")] if of else []
        each = [f"{row['data']} {row['Kendall']:+.2f} {row['Pearson']:+.2f}" for row in of]
        print(f"| {score} | {' | '.join(means)} | {' · '.join(each)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--tasks", default="sentiment,classification,ner")
    parser.add_argument("--budget", type=int, default=240, help="labels, dev included")
    parser.add_argument("--steps", type=int, default=240, help="step cap of each fine-tuning")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/ranking.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    precision = pick_precision("auto", torch.device("cpu"))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    found = [json.loads(line) for line in lines]
    models = [(path.name, path) for path in options.checkpoints]
    models += [(f"random {p.name}", drawn_at_random(p, options.out.parent / "random" / p.name)) for p in options.checkpoints]
    for task in options.tasks.split(","):
        for name, path in models:
            if any((row["data"], row["checkpoint"]) == (task, name) for row in found):
                continue
            study = Study(task=task, dataset_name=f"builtin:{task}", model=str(path))
            with quiet_libraries():
                row = asdict(ranking.rank([str(path)], study, options.budget).rows[0])
                errors = [
                    fine_tuned(str(path), study, options.budget, options.steps, s, precision) for s in range(options.seeds)
                ]
            row |= {"data": task, "checkpoint": name, "errors": errors, "error": float(np.mean(errors))}
            found.append(row)
            print(json.dumps(row), flush=True)
            with options.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")
    table(found)


if __name__ == "__main__":
    main()
