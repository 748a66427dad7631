"""What successive halving of tuning costs in score and saves in steps, by the place of its first rung.

Runs every learning rate to its end on several replicates, then reads off the curves what each rung would have kept: a
rung's trial has the numbers of the beginning of the whole one. Prints, for each arm and rung, the mean loss of dev and test
score against tuning without halving, how often the same rate is chosen, and the share of training steps that is left.

    python benchmarks/halving.py --train-file train.jsonl --test-file test.jsonl --model builtin:minilm --budgets 128
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from transfergain.checkpoint import resolve
from transfergain.data import prepare
from transfergain.metrics import METRICS
from transfergain.running.planner import Planner, StudyCell
from transfergain.running.search import learning_rates
from transfergain.running.tryout import quiet_libraries
from transfergain.running.tuning import merit
from transfergain.split import TEST
from transfergain.study import Study
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial
from transfergain.types import Phase

ROUNDS = ((150, 300), (150, 600), (300, 600), (150,), (300,), (600,))
"""Steps to which the rounds run; half of the rates go on from one to the next, the best of the last one is chosen."""


def trials(study: Study, replicates: int):
    """Yield a dict for every whole tuning trial, its sealed test score included."""
    import torch

    torch.set_num_threads(1)
    entry = study.entries()[0]
    data = prepare.load(entry.source(), TASKS[entry.task])
    checkpoint = resolve(study.model, None, False)
    planner = Planner(study, {data.name: data}, checkpoint.revision, "bf16")
    bench = Bench({data.name: data}, checkpoint, "cpu", 1)
    name = TASKS[data.task].metrics[0]
    for replicate in range(replicates):
        for _, arm, budget, _ in planner.cells():
            for rate in learning_rates(study.tune):
                spec = planner.reporting(StudyCell(data, arm, budget), planner.recipe(data, rate))[0]
                spec = replace(spec, phase=Phase.TUNE, replicate=900 + replicate)
                with quiet_libraries():
                    outcome = run_trial(spec, bench)
                assert spec.recipe, "an arm that trains"
                cap = spec.recipe.max_steps(round(budget * len(data.train) / (len(data.train) + len(data.dev))))
                yield {
                    "cell": [replicate, arm, budget], "rate": rate, "cap": outcome.details.max_steps or cap,
                    "steps": outcome.details.steps, "merit": merit(outcome), "seconds": outcome.seconds,
                    "test": float(METRICS[name].finish(outcome.evaluated[TEST].counts[name].sum(0))),
                    "curve": [[p.step, p.score, p.loss] for p in outcome.curve],
                }  # fmt: skip


def at_rung(trial: dict, rung: float = np.inf) -> tuple[float, float]:
    """(best dev score, minus its loss) up to the rung."""
    seen = [(s, -x) for step, s, x in trial["curve"] if step <= rung and np.isfinite(x)]
    return max(seen, default=(-np.inf, 0.0))


def compare(whole: list[dict], rungs: tuple[int, ...]) -> tuple[float, float, bool, float]:
    """(dev score lost, test score lost, same rate chosen, share of steps) of halving in one cell."""
    live, run = whole, 0
    for rung in rungs:
        live = live if rung == rungs[0] else live[: -(-len(live) // 2)]
        run += sum(min(t["steps"], rung) for t in live)
        live = sorted(live, key=lambda t: at_rung(t, rung), reverse=True)
    best = max(whole, key=lambda t: at_rung(t))
    share = run / sum(t["steps"] for t in whole)
    return best["merit"][0] - live[0]["merit"][0], best["test"] - live[0]["test"], best is live[0], share


def judge(found: list[dict]) -> None:
    """Print the table."""
    cells: dict[tuple, list[dict]] = {}
    for trial in found:
        cells.setdefault(tuple(trial["cell"]), []).append(trial)
    full = max(len(ts) for ts in cells.values())
    cells = {cell: ts for cell, ts in cells.items() if len(ts) == full}
    print(f"{'arm':<10}{'rounds':>15}{'cells':>7}{'dev lost':>10}{'test lost':>11}{'same rate':>11}{'steps left':>12}")
    for arm in dict.fromkeys(cell[1] for cell in cells):
        for rungs in ROUNDS:
            rows = [compare(ts, rungs) for cell, ts in cells.items() if cell[1] == arm]
            dev, test, same, share = np.mean(rows, axis=0)
            shown = ", ".join(f"{rung}" for rung in rungs)
            print(f"{arm:<10}{shown:>15}{len(rows):>7}{dev:>10.4f}{test:>11.4f}{same:>11.0%}{share:>12.0%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("task", "train-file", "validation-file", "test-file", "model", "arms", "budgets"):
        parser.add_argument(f"--{name}")
    for name in ("tune", "max-length"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--replicates", type=int, default=4)
    parser.add_argument("--trials", help="JSON lines file: trials are added to it, or judged alone if it exists")
    arguments = {k: v for k, v in vars(parser.parse_args()).items() if v is not None}
    replicates, file = arguments.pop("replicates"), Path(arguments.pop("trials", "halving.jsonl"))
    if not file.exists():
        with file.open("a") as out:
            for trial in trials(Study(**{"tune": 4} | arguments), replicates):
                out.write(json.dumps(trial) + "\n")
                out.flush()
    judge([json.loads(line) for line in file.read_text().splitlines()])


if __name__ == "__main__":
    main()
