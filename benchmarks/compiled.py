"""Does `torch.compile` pay back within one training?"""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import median
from typing import Any

import torch

from benchmarks.cases import Case, auto_precision, ours, quiet
from benchmarks.measure import Result


def compiled(options: Any) -> Result:
    """The engine as it is against the same with the model compiled for any batch shape.

    `saved a step` is of the last half, when nothing is compiled any more; `pays back after` is the steps it takes until they
    make up for all that compiling has cost (in seconds by the clock, evaluations included).
    """
    quiet(options.threads)
    rows, single = [], {}
    for name in options.tasks.split(","):
        case, found = Case.load(name, options.steps, options.budget, options.train_file), defaultdict(list)
        for seed in range(options.seeds):
            for who, compiles in (("ours", False), ("ours, compiled", True)):
                torch.compiler.reset()
                cost, _, fitted = ours(case, seed, auto_precision(), compiles=compiles)
                points = fitted.curve
                half = next(p for p in points if 2 * p.step >= points[-1].step)
                steady = (points[-1].seconds - half.seconds) / (points[-1].step - half.step)
                found[who].append((cost.wall, steady))
        single[name] = found
        wall, steady = (median(run[i] for run in found["ours"]) for i in (0, 1))
        for who, runs in found.items():
            own_wall, own_steady = (median(run[i] for run in runs) for i in (0, 1))
            saved = steady - own_steady
            compiling = own_wall - wall + saved * case.steps
            rows.append({
                "task": name, "engine": who, "steps": case.steps, "seconds": own_wall, "late step, s": own_steady,
                "saved a step, s": saved, "compiling, s": compiling,
                "pays back after": compiling / saved if saved > 0 else math.inf,
            })  # fmt: skip
    return rows, single
