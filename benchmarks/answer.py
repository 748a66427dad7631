"""What an answer costs: from the command to a verdict, against the plain script that would have given one."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cases import Case, quiet, trainer

RATES, SEEDS, ARMS = 4, 8, ("scratch", "full")
EPOCHS, MEASURED = 16, 4
"""Of each run of the plain script, which has no rule of its own to end by; and of those, the ones that are run: `trainer`
evaluates dev four times, so once an epoch.
"""
Result = tuple[list[dict[str, Any]], dict[str, Any]]


class Spent(NamedTuple):
    """Processor seconds of a study, and the seconds of its workers by what they were at."""

    total: float
    wall: float
    tuning: float
    training: float
    """Of reported trials, evaluations left out."""
    trials: float
    """What reported trials took beside training: dev and test evaluations, models built, texts encoded."""
    verdict: str
    seeds: int


def answer(options: Any) -> Result:
    """Processor seconds of `run --arms scratch,full` to its first look, whose verdict on the gain is shown, against
    `Trainer`: 4 rates and 8 seeds of both arms.

    The plain script is scaled up from four epochs of each arm. It computes in fp32, evaluates dev once an epoch and answers
    the test set once a seed. Both use one thread a process.
    """
    quiet(1)
    ours, flags = _study(options), _data(options)
    case = Case.load("sentiment", 1, options.budget, options.train_file)
    test = case.encode(case.data.test).features
    epoch = -(-len(case.encoded["train"].features) // case.recipe.batch_size)
    whole, measured = EPOCHS * epoch, MEASURED * epoch
    part = {arm: trainer(case, 0, False, measured, arm)[0].cpu for arm in ARMS}
    answered = trainer(case, 0, False, 1, "full", test)[0].cpu
    plain = sum(cost * whole / measured * (RATES + SEEDS) for cost in part.values()) + answered * SEEDS * len(ARMS)
    row = {
        "what": "ours",
        "cpu seconds": ours.total,
        "times": 1.0,
        "seconds": ours.wall,
        "verdict": ours.verdict,
        "seeds": ours.seeds,
    }
    rows: list[dict[str, Any]] = [
        row,
        {
            "what": "Trainer",
            "cpu seconds": plain,
            "times": plain / ours.total,
            "steps a run": whole,
            "runs": 2 * (RATES + SEEDS),
        },
        {"seconds of workers": "", "tuning": ours.tuning, "training": ours.training, "beside it": ours.trials},
    ]
    return rows, {"flags": flags, "part": part, "ours": ours._asdict()}


def _data(options: Any) -> list[str]:
    source = ["--train-file", options.train_file] if options.train_file else ["--dataset-name", "builtin:sentiment"]
    return ["--task", "sentiment", *source, "--budgets", str(options.budget), "--arms", ",".join(ARMS), "--max-length", "64"]


def _study(options: Any) -> Spent:
    """Run the study in processes of its own and read from its store where its seconds went."""
    from transfergain.store import Store
    from transfergain.types import Phase

    with tempfile.TemporaryDirectory() as folder:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "transfergain",
            "run",
            *_data(options),
            "--output-dir",
            folder,
            "--keep-models",
            "none",
            "--max-seeds",
            "3",
        ]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
        with Store(folder) as store:
            rows = [row for row in store.rows() if row.spec.recipe is not None]
        findings = json.loads((Path(folder) / "findings.json").read_text(encoding="utf-8"))
    reported = [row.outcome for row in rows if row.spec.phase is Phase.REPORT]
    training = sum(outcome.details.train_seconds or 0.0 for outcome in reported)
    gain = next(row for row in findings["gains"] if row["arm"] == "full" and row["split"] == "test")
    return Spent(
        total=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        wall=wall,
        tuning=sum(row.outcome.seconds for row in rows if row.spec.phase is Phase.TUNE),
        training=training,
        trials=sum(outcome.seconds for outcome in reported) - training,
        verdict=gain["verdict"],
        seeds=gain["n_seeds"],
    )
