"""`python -m benchmarks.run NAME [options]`: prints a table and writes it, with all single measurements, as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import answer, compiled, forecast, measure, pretrain, probe, start, waiting

BENCHMARKS = {
    "trial": measure.trial,
    "study": measure.study,
    "ceiling": measure.ceiling,
    "scores": measure.scores,
    "memory": measure.memory,
    "step": measure.step,
    "compiled": compiled.compiled,
    "attention": measure.attention,
    "waiting": waiting.waiting,
    "answer": answer.answer,
    "start": start.start,
    "pretrain": pretrain.pretrain,
    "probe": probe.probe,
    "banking77": probe.banking77,
    "forecast": forecast.forecast,
}


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of one or more shapes as aligned tables."""
    for n, row in enumerate(rows):
        cells = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()]
        if n == 0 or row.keys() != rows[n - 1].keys():
            print("\n" + "  ".join(f"{k:>14}" for k in row))
        print("  ".join(f"{c:>14}" for c in cells))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("name", choices=BENCHMARKS)
    parser.add_argument("--tasks", default="sentiment,ner,qa,translation")
    parser.add_argument("--steps", type=int, default=60, help="optimiser steps of each training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=256, help="labels, dev included")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads of one training")
    peers = ["Trainer", "Trainer bf16"]
    parser.add_argument("--engines", nargs="+", choices=peers, default=peers, help="that `trial` compares with ours")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--peers", type=int, default=4, help="trials of the study that Trainer repeats, to be scaled up")
    parser.add_argument("--precision", default="auto", help="of the fast engine in `scores`: auto, or a list of fp32,bf16")
    parser.add_argument("--no-dropout", action="store_true", help="`scores` without dropout, whose masks differ by engine")
    parser.add_argument("--train-file", help="texts and labels of your own, instead of the built-in sentences")
    parser.add_argument("--model", default="builtin:minilm", help="of `probe`, `forecast` and `pretrain`")
    parser.add_argument("--sets", help="of `probe` and `forecast`: data sets, separated by commas; all without it")
    parser.add_argument("--curves", type=int, default=2100, help="simulated ones of `forecast`")
    parser.add_argument("--arms", default="probe", help="of `forecast`, beside the floors")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    options = parser.parse_args()
    begun, load = time.time(), os.getloadavg()[0]
    rows, single = BENCHMARKS[options.name](options)
    show(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {
        "cpus": os.cpu_count(),
        "machine": platform.processor() or platform.machine(),
        "load_before": load,
    }
    about |= {"seconds": time.time() - begun, "options": {k: str(v) for k, v in vars(options).items()}}
    path = options.out / f"{options.name}.json"
    path.write_text(json.dumps({"about": about, "rows": rows, "single": single}, indent=1, default=float), "utf-8")
    print(f"\n{path} · load before {load:.1f} on {os.cpu_count()} CPUs · {time.time() - begun:.0f} s")


if __name__ == "__main__":
    main()
