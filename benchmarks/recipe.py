"""With which recipe training from scratch does best: a grid over data sets, halved round by round.

Each data set of each study file is trained from scratch at its largest budget with every candidate, by the engine as it
is: a run ends by itself. Each round takes another seed; of the candidates, the half with the best mean test score goes on,
and the default always. Every run is a line of the JSON lines file, so that an interrupted grid goes on.

    python -m benchmarks.recipe studies/curves.toml my_corpora.toml --tasks sentiment,classification --rounds 3
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from transfergain.arms import ARMS
from transfergain.arms.base import Blueprint, Prepared
from transfergain.arms.scratch import SCRATCH
from transfergain.checkpoint import resolve
from transfergain.data import prepare
from transfergain.engine.precision import pick_precision
from transfergain.metrics import METRICS
from transfergain.running.planner import Planner, StudyCell
from transfergain.running.tryout import quiet_libraries
from transfergain.split import TEST
from transfergain.study.file import load
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial

DEFAULT = "default"


@dataclass(frozen=True)
class Candidate:
    """A recipe to try, and what it changes in the model: by default nothing."""

    name: str
    rate: float = SCRATCH.default_learning_rate
    batch: int = 16
    warmup: int = 50
    dropout: float | None = None
    """None: the architecture's own."""
    decay: float = 0.01
    scale: Callable[[int], float] | None = None
    """From the number of layers, what the last matrix of each residual branch is multiplied by; None: left as drawn."""

    def prepare(self, blueprint: Blueprint) -> Prepared:
        """Draw a model as the scratch arm does, then change it."""
        if self.dropout is not None:
            for config in (blueprint.config, *(getattr(blueprint.config, name, None) for name in ("encoder", "decoder"))):
                for name in ("hidden_dropout_prob", "attention_probs_dropout_prob") if config is not None else ():
                    setattr(config, name, self.dropout)
        prepared = SCRATCH.prepare(blueprint)
        if self.scale is not None:
            factor = self.scale(int(getattr(blueprint.config, "num_hidden_layers", 6)))
            for name, parameter in prepared.model.named_parameters():
                if name.endswith("output.dense.weight"):
                    parameter.detach().mul_(factor)
        return prepared


def by_depth(layers: int) -> float:
    """Scale a residual branch by depth: 1 / sqrt(2 layers), as GPT-2's initialisation does (Radford et al. 2019)."""
    return float((2 * layers) ** -0.5)


CANDIDATES = (
    Candidate(DEFAULT),
    Candidate("rate 5e-5", rate=5e-5),
    Candidate("rate 7e-5", rate=7e-5),
    Candidate("rate 1.5e-4", rate=1.5e-4),
    Candidate("rate 3e-4", rate=3e-4),
    Candidate("rate 3e-4, warm-up 400", rate=3e-4, warmup=400),
    Candidate("batch 8, rate 7e-5", rate=7e-5, batch=8),
    Candidate("batch 32, rate 1.5e-4", rate=1.5e-4, batch=32),
    Candidate("dropout 0", dropout=0.0),
    Candidate("dropout .2", dropout=0.2),
    Candidate("by depth", scale=by_depth),
    Candidate("by depth, rate 2e-4", scale=by_depth, rate=2e-4),
)


@dataclass(frozen=True)
class Place:
    """A data set of a study, with what its trials share."""

    planner: Planner
    bench: Bench
    cell: StudyCell

    def run(self, candidate: Candidate, seed: int) -> dict[str, Any]:
        """Train once; a JSON object."""
        name = self.cell.data.name
        base = self.planner.recipe(self.cell.data, candidate.rate)
        recipe = replace(base, batch_size=candidate.batch, warmup_steps=candidate.warmup, weight_decay=candidate.decay)
        spec = self.planner.reporting(self.cell, recipe)[0]
        spec = replace(spec, replicate=seed, splits=tuple(split for split in spec.splits if split[0] == TEST))
        ARMS[SCRATCH.name] = replace(SCRATCH, prepare=candidate.prepare)
        start = time.process_time()
        outcome = run_trial(spec, self.bench)
        metric = TASKS[spec.task].metrics[0]
        return {
            "data": name, "labels": spec.budget, "candidate": candidate.name, "seed": seed,
            "test": float(METRICS[metric].finish(outcome.evaluated[TEST].counts[metric].sum(0))), "dev": outcome.dev_score,
            "steps": outcome.details.steps, "kept": outcome.details.best_step, "ended": outcome.converged,
            "cpu": time.process_time() - start, "curve": [[p.step, p.score, p.loss] for p in outcome.curve],
        }  # fmt: skip


def places(files: Sequence[str], tasks: Sequence[str], precision: str) -> Iterator[Place]:
    """Load every data set of the study files that is of one of these tasks."""
    for file in files:
        study = load({}, file)
        checkpoint = resolve(study.model, study.revision, study.trust_remote_code)
        for entry in study.entries():
            if entry.task not in tasks:
                continue
            dataset = prepare.load(entry.source(), TASKS[entry.task])
            loaded = {dataset.name: dataset}
            alone = study.model_copy(update={"tasks": [entry], "arms": [SCRATCH.name]})
            planner = Planner(alone, loaded, checkpoint.revision, precision)
            yield Place(planner, Bench(loaded, checkpoint, "cpu", 1), next(iter(planner.tuned())))


class Grid:
    """Runs, stored as they are made."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self.runs = {self._key(run): run for run in map(json.loads, lines)}

    def complete(self, places: Sequence[Place], live: Sequence[Candidate], seed: int) -> None:
        """Run what is not stored yet."""
        for candidate in live:
            for place in places:
                if (place.cell.data.name, candidate.name, seed) in self.runs:
                    continue
                with quiet_libraries():
                    run = place.run(candidate, seed)
                self.runs[self._key(run)] = run
                with self.file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(run) + "\n")

    def order(self, live: Sequence[Candidate], seeds: int) -> list[Candidate]:
        """Order candidates by their mean test score, best first."""
        return sorted(live, key=lambda c: -float(np.mean([r["test"] for r in self.of(c) if r["seed"] < seeds])))

    def of(self, candidate: Candidate) -> list[dict[str, Any]]:
        """List the runs of a candidate."""
        return [run for (_, name, _), run in self.runs.items() if name == candidate.name]

    def show(self, live: Sequence[Candidate], seeds: int) -> None:
        """Print a table in markdown: mean test score by data set, and the cost."""
        sets = sorted({name for name, _, _ in self.runs})
        print(f"\n| {seeds} seeds | {' | '.join(sets)} | mean | steps | CPU s a run | ended |\n|{'---|' * (len(sets) + 5)}")
        for candidate in self.order(live, seeds):
            runs = [run for run in self.of(candidate) if run["seed"] < seeds]
            means = [float(np.mean([r["test"] for r in runs if r["data"] == name])) for name in sets]
            cost = [float(np.mean([run[key] for run in runs])) for key in ("steps", "cpu")]
            cells = [f"{m:.3f}" for m in (*means, float(np.mean(means)))] + [f"{c:.0f}" for c in cost]
            ended = f"{sum(bool(r['ended']) for r in runs)} of {len(runs)}"
            print(f"| {' | '.join([candidate.name, *cells, ended])} |", flush=True)

    @staticmethod
    def _key(run: dict[str, Any]) -> tuple[str, str, int]:
        return run["data"], run["candidate"], run["seed"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", default=["studies/curves.toml"], metavar="STUDY")
    parser.add_argument("--tasks", default="sentiment,classification")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--candidates", nargs="+", metavar="NAME", help="these alone, none of them dropped")
    parser.add_argument("--precision", default="auto", help="fp32, bf16 or auto")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/recipe.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    precision = pick_precision(options.precision, torch.device("cpu"))
    found, grid = list(places(options.studies, options.tasks.split(","), precision)), Grid(options.out)
    live = [c for c in CANDIDATES if not options.candidates or c.name in options.candidates]
    for seed in range(options.rounds):
        grid.complete(found, live, seed)
        grid.show(live, seed + 1)
        if not options.candidates:
            better = grid.order(live, seed + 1)[: -(-len(live) // 2)]
            live = [c for c in live if c in better or c.name == DEFAULT]


if __name__ == "__main__":
    main()
