"""The benchmarks: each returns rows to print, and the single measurements."""

from __future__ import annotations

import math
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import torch

from benchmarks.cases import PLAIN, Case, auto_precision, ours, quiet, trainer
from transfergain.engine.shortcuts import ALL_SHORTCUTS

Result = tuple[list[dict[str, Any]], dict[str, Any]]


def trial(options: Any) -> Result:
    """One training against `Trainer` in its default fp32 and in bf16 (or some of them), alternating over seeds."""
    quiet(options.threads)
    rows, single, precision = [], {}, auto_precision()
    for name in options.tasks.split(","):
        case = Case.load(name, options.steps, options.budget, options.train_file)
        costs, scores = defaultdict(list), defaultdict(list)
        for seed in range(options.seeds):
            runs = {
                "ours": lambda seed=seed, case=case: ours(case, seed, precision)[:2],
                "Trainer": lambda seed=seed, case=case: trainer(case, seed, False),
                "Trainer bf16": lambda seed=seed, case=case: trainer(case, seed, True),
            }
            asked = ["ours", *options.engines]
            first = seed % len(asked)
            for who in asked[first:] + asked[:first]:
                cost, dev = runs[who]()
                costs[who].append(cost)
                scores[who].append(dev)
        for who in asked:
            pairs = list(zip(costs[who], costs["ours"], strict=True))
            rows.append({
                "task": name, "engine": who, "steps": case.steps, "seconds": median(c.wall for c in costs[who]),
                "times ours": median(a.wall / b.wall for a, b in pairs), "cpu seconds": median(c.cpu for c in costs[who]),
                "times ours, cpu": median(a.cpu / b.cpu for a, b in pairs), "dev score": mean(scores[who]),
            })  # fmt: skip
        single[name] = {"costs": costs, "scores": scores}
    return rows, single


def study(options: Any) -> Result:
    """A study of N trials against the same trainings one after another with `Trainer`, of which a few are run.

    Both answer the test set and the shift after each training. The study also loads its data and checkpoint, evaluates on
    dev about five times as often, fits the floors, analyses and writes the report.
    """
    import transfergain
    from transfergain.store import Store
    from transfergain.types import TrialSpec

    quiet(options.threads)
    seeds = max(1, options.trials // 4)
    with tempfile.TemporaryDirectory() as folder:
        keys = {"arms": ["scratch", "full"], "budgets": [64, 128], "seeds": seeds, "tune": 0, "min_steps": options.steps}
        keys |= {"task": "sentiment", "dataset_name": "builtin:sentiment", "max_length": 64, "keep_models": "none"}
        start = time.perf_counter()
        transfergain.run(quiet=True, output_dir=f"{folder}/study", epochs=1, **keys)
        ours_wall = time.perf_counter() - start
        with Store(Path(folder) / "study") as store:
            rows = [row for row in store.rows() if row.spec.recipe is not None]
    specs: list[tuple[TrialSpec, int]] = [(row.spec, row.outcome.details.steps or 0) for row in rows]
    chosen = specs[:: max(1, len(specs) // options.peers)][: options.peers]
    walls = []
    for spec, steps in chosen:
        case = Case.load("sentiment", steps, spec.budget, seed=spec.replicate)
        sealed = [f for rows in case.data.splits().values() for f in case.encode(rows).features]
        walls.append(trainer(case, spec.replicate, False, steps, spec.arm, sealed)[0].wall)
    whole = mean(walls) * len(specs)
    return [
        {"what": "study", "trials": len(specs), "run": len(specs), "seconds": ours_wall, "times": 1.0},
        {"what": "Trainer fp32", "trials": len(specs), "run": len(walls), "seconds": whole, "times": whole / ours_wall},
    ], {"steps": [s for _, s in specs], "trainer_seconds": walls}


def _ceiling() -> float:
    """Operations a second of a large product on one thread, in the precision that training picks: the best of a few."""
    size, best = 1024, 0.0
    x = torch.full((size, size), 0.5, dtype=torch.bfloat16 if auto_precision() == "bf16" else torch.float32)
    for _ in range(12):
        start = time.process_time()
        x @ x
        best = max(best, 2 * size**3 / (time.process_time() - start))
    return best


def ceiling(options: Any) -> Result:
    """Share of the measured ceiling of products that training reaches on one thread, and where the rest goes.

    In seconds of the processor, so that other programs on the machine matter less.
    """
    from torch.profiler import ProfilerActivity, profile

    quiet(1)
    rows, single = [], {}
    for name in options.tasks.split(","):
        case = Case.load(name, options.steps, options.budget, options.train_file)
        best, shares = _ceiling(), []
        for seed in range(options.seeds):
            cost, _, fitted = ours(case, seed, auto_precision())
            seconds = fitted.train_seconds * cost.cpu / cost.wall  # training's share of the processor's seconds
            shares.append(fitted.flops / seconds / best)
        rows.append({
            "task": name, "steps": case.steps, "precision": auto_precision(), "ceiling GF/s": best / 1e9,
            "share": median(shares),
        })  # fmt: skip
        single[name] = shares
    case = Case.load(options.tasks.split(",")[0], 8, options.budget, options.train_file)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        ours(case, 0, auto_precision())
    events = sorted(profiled.key_averages(), key=lambda e: -e.self_cpu_time_total)
    total = sum(e.self_cpu_time_total for e in events)
    rows_2 = [
        {"operation": e.key[:30], "% of time": 100 * e.self_cpu_time_total / total, "calls": e.count} for e in events[:14]
    ]
    return rows + rows_2, single


def scores(options: Any) -> Result:
    """Fast engine against plain fp32 without shortcuts: test scores of paired seeds, equivalence within one point.

    Two one-sided tests at 5 % (Schuirmann 1987): equivalent when the 90 % interval of the mean gap lies within one point.
    The engines draw other dropout masks, which moves a score by points; `--no-dropout` compares all the rest. Several
    precisions are compared with each other, too: they share the masks.
    """
    from scipy.stats import t as student

    quiet(options.threads)
    rows, single = [], {}
    precisions = [auto_precision() if p == "auto" else p for p in options.precision.split(",")]
    for name in options.tasks.split(","):
        found: dict[str, list[float]] = defaultdict(list)
        for seed in range(options.seeds):
            case = Case.load(name, options.steps, options.budget, options.train_file, seed=seed)
            case.dropout = not options.no_dropout
            found["plain"].append(ours(case, seed, "fp32", PLAIN, judge=Case.test)[1])
            for precision in precisions:
                found[precision].append(ours(case, seed, precision, judge=Case.test)[1])
        single[name] = found
        for precision, other in [(p, "plain") for p in precisions] + [(p, precisions[0]) for p in precisions[1:]]:
            gaps = [100 * (fast - slow) for fast, slow in zip(found[precision], found[other], strict=True)]
            spread = stdev(gaps) if len(gaps) > 1 else math.inf
            half = float(student.ppf(0.95, max(1, len(gaps) - 1))) * spread / math.sqrt(len(gaps))
            rows.append({
                "task": name, "seeds": len(gaps), "fast in": precision, "score": mean(found[precision]), "against": other,
                "its score": mean(found[other]), "gap, points": mean(gaps), "90 % low": mean(gaps) - half,
                "90 % high": mean(gaps) + half, "within 1 point": abs(mean(gaps)) + half < 1,
            })  # fmt: skip
    return rows, single


def memory(options: Any) -> Result:
    """Memory of the driver and of one worker over many trials of two steps."""
    import resource

    from transfergain.executors.base import Job
    from transfergain.executors.local import LocalExecutor
    from transfergain.trial import Bench
    from transfergain.types import Phase, Recipe, TrialSpec

    quiet(1)
    case, seen = Case.load("sentiment", 2, 40), []
    recipe = Recipe(1e-4, batch_size=8, epochs=1, min_steps=2, max_length=32, precision=auto_precision())
    name = case.data.name
    jobs = [
        Job(TrialSpec("sentiment", name, ("full", "scratch")[i % 2], 40, i, Phase.TUNE, recipe, (), "f", "r"), None)
        for i in range(options.trials)
    ]
    with LocalExecutor(Bench({name: case.data}, case.checkpoint, "cpu", 1), 1) as executor:
        for _, outcome in executor.submit(jobs, lambda *_: None):
            assert outcome.status == "done", outcome.error
            status = Path(f"/proc/{executor._workers[0].process.pid}/status").read_text().splitlines()
            kib = {line.split(":")[0]: int(line.split()[1]) for line in status if line.startswith("Vm")}
            seen.append(
                (kib["VmRSS"] / 1024, kib["VmHWM"] / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            )
    tenth = max(1, len(seen) // 10)
    early, late = (median(rss for rss, _, _ in part) for part in (seen[tenth : 2 * tenth], seen[-tenth:]))
    row = {"trials": len(seen), "worker MiB": late, "worker peak": seen[-1][1], "driver peak": seen[-1][2]}
    return [row | {"growth MiB": late - early}], {"seen": seen}


def step(options: Any) -> Result:
    """What each shortcut saves, in the processor's seconds of training, alternating."""
    quiet(1)
    rows, single = [], {}
    for name in options.tasks.split(","):
        case, seconds = Case.load(name, options.steps, options.budget, options.train_file), defaultdict(list)
        for seed in range(options.seeds):
            for who, precision, shortcuts in (
                ("fast", auto_precision(), ALL_SHORTCUTS),
                ("plain bf16", "bf16", PLAIN),
                ("plain fp32", "fp32", PLAIN),
            ):
                seconds[who].append(ours(case, seed, precision, shortcuts)[0].cpu)
        for who, walls in seconds.items():
            ratio = median(a / b for a, b in zip(walls, seconds["fast"], strict=True))
            rows.append({"task": name, "engine": who, "cpu seconds": median(walls), "times fast": ratio})
        single[name] = seconds
    return rows, single


def attention(options: Any) -> Result:
    """Attention by parts against PyTorch's own, bf16, 12 heads of 32: milliseconds of the processor."""
    from transfergain.engine.shortcuts.attention import attend
    from transfergain.engine.shortcuts.dropout import cheap_dropout

    quiet(1)
    rows = []
    for batch, length in ((16, 25), (16, 64), (16, 128), (8, 384)):
        q, k, v = (torch.randn(batch, length, 12, 32).bfloat16().requires_grad_() for _ in range(3))
        mask = torch.zeros(batch, 1, length, length)
        for rate in (0.1, 0.0):
            for what in ("training", "evaluation"):
                if rate and what == "evaluation":
                    continue
                found = defaultdict(list)
                for _ in range(9):
                    for who in ("parts", "torch"):
                        start = time.process_time()
                        with torch.set_grad_enabled(what == "training"), cheap_dropout(torch.device("cpu")):
                            heads = (q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
                            if who == "parts":
                                out = attend(torch.nn.Identity().train(), *heads, mask, dropout=rate)[0]
                            else:
                                own = torch.nn.functional.scaled_dot_product_attention
                                out = own(*heads, mask.bfloat16(), rate).transpose(1, 2).contiguous()
                        if what == "training":
                            out.sum().backward()
                        found[who].append(1e3 * (time.process_time() - start))
                parts, torchs = (median(found[who]) for who in ("parts", "torch"))
                rows.append({
                    "batch": batch, "tokens": length, "dropout": rate, "what": what, "parts, ms": parts, "torch, ms": torchs,
                    "times": torchs / parts,
                })  # fmt: skip
    return rows, {}
