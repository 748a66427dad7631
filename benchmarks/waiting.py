"""The small things that a user waits for: `--help`, and the bootstrap of one metric."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median
from typing import Any

import numpy as np

HELP = """
import resource, sys
from transfergain import cli
sys.argv = ["transfergain", "--help"]
try:
    cli.main()
except SystemExit:
    pass
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime)
"""


def waiting(options: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """CPU seconds of `--help` in a process of its own, and of 10,000 draws over 10 seeds x 10,000 examples."""
    single: dict[str, list[float]] = {"transfergain --help": [], "10,000 draws, 10 seeds x 10,000 examples": []}
    for _ in range(max(5, options.seeds)):
        single["transfergain --help"].append(_help())
        single["10,000 draws, 10 seeds x 10,000 examples"].append(_bootstrap())
    rows = [{"what": what, "cpu seconds": median(spent), "least": min(spent)} for what, spent in single.items()]
    return rows, single


def _help() -> float:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _bootstrap() -> float:
    from transfergain.analysis import bootstrap
    from transfergain.metrics import METRICS

    hit = np.random.default_rng(9).random((10, 10_000)) < 0.7
    counts = np.stack([hit, np.ones_like(hit)], axis=-1).astype(np.int64)
    start = time.process_time()
    bootstrap.two_stage(counts, METRICS["accuracy"].finish, 10_000, np.random.default_rng(10))
    return time.process_time() - start
