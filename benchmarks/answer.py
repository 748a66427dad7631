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
EPOCHS = 16
"""Of each run of the plain script, which has no rule of its own to end by."""
Result = tuple[list[dict[str, Any]], dict[str, Any]]


class Spent(NamedTuple):
    """Processor seconds of a study, and where they went."""

    total: float
    wall: float
    tuning: float
    training: float
    """Of reported trials, evaluations left out."""
    trials: float
    """What reported trials took beside training: dev and test evaluations, models built, texts encoded."""
    verdict: str
    seeds: int

    @property
    def rest(self) -> float:
        """Starting, floors, analysis and report."""
        return self.total - self.tuning - self.training - self.trials


def answer(options: Any) -> Result:
    """Processor seconds of `run --arms scratch,full` to its verdict, against `Trainer`: 4 rates and 8 seeds of both arms.

    The plain script is scaled up from `--steps` steps of each arm. It evaluates dev four times a run and answers the test
    set once. Both use one thread a process.
    """
    quiet(1)
    ours, flags = _study(options), _data(options)
    case = Case.load("sentiment", options.steps, options.budget, options.train_file)
    test = case.encode(case.data.test).features
    whole = EPOCHS * -(-len(case.encoded["train"].features) // case.recipe.batch_size)
    part = {arm: trainer(case, 0, False, options.steps, arm)[0].cpu for arm in ARMS}
    answered = trainer(case, 0, False, 1, "full", test)[0].cpu
    plain = sum(cost * whole / case.steps * (RATES + SEEDS) for cost in part.values()) + answered * SEEDS * len(ARMS)
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
        {"tuning": ours.tuning, "training": ours.training, "beside it": ours.trials, "start, report": ours.rest},
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
