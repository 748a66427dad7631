"""What Ray costs beside the local executor: start-up, and seconds a trial, with two workers of one CPU each.

Runs the same floors (milliseconds each: nearly all is overhead) and the same short trainings on both, in turns, and prints
medians and the ratio of throughputs.

    python benchmarks/ray_overhead.py --train-file reviews.csv --model builtin:minilm
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from transfergain.checkpoint import resolve
from transfergain.data import prepare
from transfergain.executors import EXECUTORS
from transfergain.executors.base import Job
from transfergain.running.planner import Planner, StudyCell
from transfergain.study import Study
from transfergain.tasks import TASKS
from transfergain.trial import Bench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train-file", required=True)
    parser.add_argument("--model", default="builtin:minilm")
    parser.add_argument("--trainings", type=int, default=16)
    parser.add_argument("--floors", type=int, default=100)
    parser.add_argument("--min-steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    seeds = max(given.trainings, given.floors)
    study = Study(train_file=given.train_file, model=given.model, budgets=[64], seeds=seeds, epochs=1,
                  min_steps=given.min_steps, max_length=32, arms=["scratch"])  # fmt: skip
    entry = study.entries()[0]
    data = prepare.load(entry.source(), TASKS[entry.task])
    checkpoint = resolve(study.model, None, False)
    planner = Planner(study, {data.name: data}, checkpoint.revision, "fp32")
    bench = Bench({data.name: data}, checkpoint, "cpu", 1)
    floors = [Job(spec) for spec in planner.floors() if spec.arm == "majority"][: given.floors]
    trained = [
        Job(s) for s in planner.reporting(StudyCell(data, "scratch", 64), planner.recipe(data, 1e-4))[: given.trainings]
    ]
    found: dict[str, dict[str, list[float]]] = {name: {} for name in ("local", "ray")}
    for _ in range(given.rounds):
        for name in found:
            start = time.perf_counter()
            with EXECUTORS[name](bench, 2) as executor:
                list(executor.submit(trained[:2], lambda *_: None))  # the first trial of a worker imports torch
                marks = [time.perf_counter()]
                for jobs in (floors, trained):
                    outcomes = list(executor.submit(jobs, lambda *_: None))
                    assert all(o.status == "done" for _, o in outcomes), next(o.error for _, o in outcomes if o.error)
                    marks.append(time.perf_counter())
            for what, seconds in (
                ("start-up and first trials", marks[0] - start),
                ("a floor", (marks[1] - marks[0]) / len(floors)),
                ("a training", (marks[2] - marks[1]) / len(trained)),
            ):
                found[name].setdefault(what, []).append(seconds)
    medians = {name: {what: statistics.median(s) for what, s in by.items()} for name, by in found.items()}
    print(json.dumps(medians, indent=1))
    for what, local in medians["local"].items():
        print(f"{what:<28} local {local:8.4f} s   ray {medians['ray'][what]:8.4f} s")
    print(f"throughput of trainings: ray / local = {medians['local']['a training'] / medians['ray']['a training']:.2f}")


if __name__ == "__main__":
    main()
