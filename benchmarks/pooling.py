"""Whether a head on the mean of tokens beats `AutoModelForSequenceClassification`'s own, from scratch and pretrained.

Both heads are trained by the engine as it is, on the largest budget of each data set of the study files. BERT's own reads
the first token through a dense layer and tanh (its pooler); the other reads the mean of the tokens, with nothing in
between, as sentence-transformers does. Every run is a line of the JSON lines file, so that an interrupted run goes on.

    python -m benchmarks.pooling studies/curves.toml my_corpora.toml --tasks sentiment,classification --seeds 2
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.recipe import Place, places
from transfergain.arms import ARMS
from transfergain.arms.base import Arm, Blueprint, Prepared
from transfergain.engine.precision import pick_precision
from transfergain.metrics import METRICS
from transfergain.running.tryout import quiet_libraries
from transfergain.split import TEST
from transfergain.tasks import TASKS
from transfergain.trial import run_trial

OWN, MEAN = "own", "mean"


class MeanPooler(torch.nn.Module):
    """Stands where BERT's pooler does, and gives the mean of the tokens that the mask holds."""

    def __init__(self) -> None:
        super().__init__()
        self.mask: torch.Tensor | None = None

    def note(self, _module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        """Keep the mask of the inputs that are about to be read."""
        self.mask = kwargs.get("attention_mask")

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Average `hidden`, (texts, tokens, width), over tokens: (texts, width)."""
        if self.mask is None or self.mask.dim() != 2:
            return hidden.mean(1)
        mask = self.mask.to(hidden.dtype).unsqueeze(-1)
        return (hidden * mask).sum(1) / mask.sum(1)


def with_mean(arm: Arm) -> Callable[[Blueprint], Prepared]:
    """Prepare a model as the arm does, with its pooler replaced."""

    def prepare(blueprint: Blueprint) -> Prepared:
        prepared = arm.prepare(blueprint)
        encoder = prepared.model.base_model
        encoder.pooler = MeanPooler()
        encoder.register_forward_pre_hook(encoder.pooler.note, with_kwargs=True)
        return prepared

    return prepare


def run(place: Place, arm: Arm, head: str, seed: int) -> dict[str, Any]:
    """Train once; a JSON object."""
    recipe = place.planner.recipe(place.cell.data, arm.default_learning_rate)
    spec = place.planner.reporting(place.cell, recipe)[0]
    splits = tuple(split for split in spec.splits if split[0] == TEST)
    ARMS[arm.name] = arm if head == OWN else replace(arm, prepare=with_mean(arm))
    try:
        outcome = run_trial(replace(spec, arm=arm.name, replicate=seed, splits=splits), place.bench)
    finally:
        ARMS[arm.name] = arm
    metric = TASKS[spec.task].metrics[0]
    test = float(METRICS[metric].finish(outcome.evaluated[TEST].counts[metric].sum(0)))
    return {"data": place.cell.data.name, "labels": spec.budget, "arm": arm.name, "head": head, "seed": seed, "test": test,
            "dev": outcome.dev_score, "steps": outcome.details.steps}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", default=["studies/curves.toml"], metavar="STUDY")
    parser.add_argument("--tasks", default="sentiment,classification")
    parser.add_argument("--arms", default="full,scratch")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/pooling.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    found = [json.loads(line) for line in lines]
    precision = pick_precision("auto", torch.device("cpu"))
    loaded = list(places(options.studies, options.tasks.split(","), precision))
    for name in options.arms.split(","):
        for seed in range(options.seeds):
            for place in loaded:
                for head in (OWN, MEAN):
                    wanted = (place.cell.data.name, name, head, seed)
                    if any((row["data"], row["arm"], row["head"], row["seed"]) == wanted for row in found):
                        continue
                    with quiet_libraries():
                        found.append(run(place, ARMS[name], head, seed))
                    with options.out.open("a", encoding="utf-8") as out:
                        out.write(json.dumps(found[-1]) + "\n")
    for data, arm in dict.fromkeys((row["data"], row["arm"]) for row in found):
        of = [[r["test"] for r in found if (r["data"], r["arm"], r["head"]) == (data, arm, head)] for head in (OWN, MEAN)]
        own, mean = (float(np.mean(scores)) for scores in of)
        print(f"| {data} | {arm} | {own:.3f} | {mean:.3f} | {100 * (mean - own):+.1f} points | {len(of[1])} |")


if __name__ == "__main__":
    main()
