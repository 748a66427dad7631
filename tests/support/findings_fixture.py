"""Invented findings of a whole study, every table filled, of any size: what the page has to cope with."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from transfergain.analysis.findings import Findings
from transfergain.store import Row
from transfergain.study import Study
from transfergain.types import CurvePoint, Evaluated, Outcome, Recipe, Status, TrialSpec

LEVELS = {"majority": 0.5, "tfidf": 0.74, "scratch": 0.7, "full": 0.88, "probe": 0.78, "lora": 0.87}
ARMS = ("scratch", "full", "probe", "lora")
PARAMETERS = {"scratch": 22_713_986, "full": 22_713_986, "probe": 770, "lora": 443_906}
KINDS = ("keyboard", "case", "ocr", "spaces")
BUDGETS = (64, 256, 1024)
N_TEST = 60
NAMES = ("reviews", "news", "entities", "questions", "letters")


@dataclass(frozen=True)
class Told(Findings):
    """Findings whose benefits and seconds are given."""

    timings: tuple = ()
    examples: tuple = ()
    told: tuple = ()

    def benefits(self):
        return list(self.told)


def level(arm, budget, dataset, shift=0.0):
    """A mean score: rises with the labels for the arms, less so for those that start high."""
    base, number = LEVELS[arm], NAMES.index(dataset) if dataset in NAMES else 0
    loss = {"scratch": 0.07, "full": 0.035, "lora": 0.04, "probe": 0.03, "tfidf": 0.06}.get(arm, 0.0)
    return float(np.clip(base - loss * np.log2(1024 / budget) / 2 - 0.03 * number * (arm == "full") - shift, 0.02, 0.99))


def synthetic(datasets=2, budgets=BUDGETS, seeds=5, tune=4, kinds=KINDS, adapt=True, evaluations=12, **changes):
    """Findings with all tables, `datasets` data sets and (4 arms x budgets x (seeds + tune) + floors) trials each."""
    names = NAMES[:datasets]
    rows = [row for name in names for row in trials(name, budgets, seeds, tune, evaluations)]
    scores = [row for name in names for row in score_rows(name, budgets, seeds, kinds, adapt)]
    study = Study(arms=list(ARMS), train_file="reviews.csv", shift={"tweets": "tweets.csv"}, seeds=seeds, tune=tune)
    status = Counter(row.outcome.status for row in rows)
    given = {
        "study": study.model_dump(mode="json") | {"model": "builtin:minilm", "revision": "sha256:abc", "precision": "fp32"},
        "environment": {"transfergain": "0.1.0", "python": "3.11", "device": "cpu", "torch": "2.13.0"},
        "warnings": ["builtin:minilm was trained on sentence pairs; check that your test set is none of it"],
        "trials": {name: status[name] for name in ("done", "failed", "skipped")} | {"pending": 0},
        "scores": scores,
        "gains": [row for name in names for row in gain_rows(name, budgets, seeds)],
        "data_efficiency": [row for name in names for row in efficiency_rows(name, budgets, seeds)],
        "convergence": [row for name in names for row in convergence_rows(name, max(budgets), seeds)],
        "robustness": [row for name in names for row in robustness_rows(name, budgets, seeds, kinds)],
        "adaptation": [row for name in names for row in adaptation_rows(name, max(budgets), seeds)],
        "calibration": [row for name in names for row in calibration_rows(name, max(budgets), seeds)],
        "aggregate": aggregate_rows(datasets, seeds),
        "recipes": [row for name in names for row in recipe_rows(name, budgets, tune)],
        "data": {name: entry() for name in names},
        "rows": rows,
        "timings": tuple(timing_rows(names[0], max(budgets), seeds)),
        "examples": tuple(row for name in names for row in example_rows(name)),
        "told": tuple(row for name in names for row in benefit_rows(name)),
    }
    return Told(**given | changes)


def entry(**changes):
    return {"task": "sentiment", "title": "Sentiment", "metric": "accuracy", "chance": 0.5, "labels": ["bad", "good"],
            "notes": ["2,140 rows, 12 duplicates dropped"], "signatures": {}, "fingerprint": "f" * 64, "n_train": 1498,
            "n_dev": 214, "n_test": N_TEST, "shifts": {"tweets": N_TEST}} | changes  # fmt: skip


def spec(dataset, arm, budget, seed, phase="report", rate=1e-4):
    recipe = Recipe(rate) if arm in ARMS else None
    splits = () if phase == "tune" else (("test", "t"), ("shift:tweets", "s"), ("perturbed:keyboard@5", "v"))
    return TrialSpec("sentiment", dataset, arm, budget, seed, phase, recipe, splits, "data", "revision" if recipe else "")


def trials(dataset, budgets, seeds, tune, evaluations):
    """Reported and tuning trials; one of each failed kind on the first data set."""
    rng = np.random.default_rng(list(dataset.encode()))
    found = []
    for budget in budgets:
        for arm in LEVELS:
            for seed in range(seeds if arm in ARMS else 1):
                found.append(Row(spec(dataset, arm, budget, seed), outcome(dataset, arm, budget, rng, evaluations)))
            for i in range(tune if arm in ARMS else 0):
                trial = spec(dataset, arm, budget, 10_000, "tune", 10.0 ** (-5 + i * 2.4 / max(tune, 1)))
                found.append(Row(trial, Outcome(Status.DONE, "", 0.6 + 0.02 * i, (), True, {}, {"steps": 300}, 4.0)))
    if dataset == NAMES[0]:
        found.append(
            Row(spec(dataset, "lora", budgets[0], seeds), Outcome(Status.FAILED, error="RuntimeError: CUDA out of memory"))
        )
        found.append(Row(spec(dataset, "probe", budgets[0], seeds), Outcome(Status.SKIPPED, error="no linear layers")))
        found[-3].outcome.details["diverged"] = True  # type: ignore[index]
    return found


def outcome(dataset, arm, budget, rng, evaluations):
    hits = [(rng.random(N_TEST) < level(arm, budget, dataset, loss)).astype(np.int8) for loss in (0.0, 0.09, 0.15)]
    evaluated = {
        name: Evaluated(tuple(int(v) for v in found), {"accuracy": np.stack([found, np.ones_like(found)], axis=1)})
        for name, found in zip(("test", "shift:tweets", "perturbed:keyboard@5"), hits, strict=True)
    }
    if arm not in ARMS:
        return Outcome(Status.DONE, "", None, (), None, evaluated, {}, 0.2)
    speed, top = {"scratch": 0.25, "probe": 1.1}.get(arm, 0.9), level(arm, budget, dataset)
    curve = tuple(
        CurvePoint(20 * i, float(top - (top - 0.5) * np.exp(-speed * i) + 0.008 * rng.standard_normal()), 1.0 / i,
                   "stable" if i < evaluations else "decay", 320 * i, 6.2e12 * i * (0.4 if arm == "probe" else 1), 2.0 * i)
        for i in range(1, evaluations + 1)
    )  # fmt: skip
    details = {"steps": 20 * evaluations, "best_step": 20 * evaluations - 20, "parameters": 22_713_986, "diverged": False,
               "trained_parameters": PARAMETERS[arm], "checks": {"median_std": 0.02}, "temperature": 1.4,
               "flops": curve[-1].flops, "train_seconds": 2.0 * evaluations}  # fmt: skip
    return Outcome(Status.DONE, "", top, curve, True, evaluated, details, 30.5)


def row(dataset, arm, budget, split, measure, estimate, low=None, high=None, seeds=5, verdict="", sentence="", **more):
    """A row as every table of benefits has it."""
    return {"task": "sentiment", "dataset": dataset, "arm": arm, "reference": "scratch", "metric": "accuracy",
            "split": split, "budget": budget, "measure": measure, "estimate": estimate, "low": low, "high": high,
            "censored": "",
            "n_seeds": seeds, "verdict": verdict, "sentence": sentence} | more  # fmt: skip


def score_rows(dataset, budgets, seeds, kinds, adapt):
    found = []
    for budget in budgets:
        splits = {"test": 0.0, "shift:tweets": 0.09} | {f"perturbed:{k}@{s}": 0.02 * s + 0.01 * i
                                                       for i, k in enumerate(kinds) for s in range(1, 6)}  # fmt: skip
        if adapt and budget == max(budgets):
            splits |= {f"adapted:tweets@{k}/{m}": 0.09 - 0.01 * i - 0.01 * j
                       for i, k in enumerate((16, 64, 256), 1) for j, m in enumerate(("head", "lora", "full"))}  # fmt: skip
        for arm in LEVELS:
            for split, loss in splits.items():
                if split.startswith("adapted") and arm not in ("scratch", "full"):
                    continue
                mean, n = level(arm, budget, dataset, loss), seeds if arm in ARMS else 1
                found.append({"task": "sentiment", "dataset": dataset, "arm": arm, "budget": budget, "split": split,
                              "metric": "accuracy", "mean": mean, "low": mean - 0.03, "high": mean + 0.03,
                              "per_seed": [mean + 0.004 * (i - n / 2) for i in range(n)], "n_seeds": n, "n_test": N_TEST,
                              "n_clusters": N_TEST})  # fmt: skip
    return found


def gain_rows(dataset, budgets, seeds):
    words = {"full": "supported", "probe": "inconclusive", "lora": "supported"}
    found = []
    for budget in budgets:
        for arm in ARMS[1:]:
            for split, loss in (("test", 0.0), ("shift:tweets", 0.09)):
                mine, theirs = level(arm, budget, dataset, loss), level("scratch", budget, dataset, loss)
                gain, verdict = mine - theirs, words[arm]
                text = f"{dataset}: {arm} moves the error from {1 - theirs:.1%} to {1 - mine:.1%} on {split}."
                found.append({"task": "sentiment", "dataset": dataset, "arm": arm, "reference": "scratch", "budget": budget,
                              "split": split, "metric": "accuracy", "estimate": gain, "low": gain - 0.04,
                              "high": gain + 0.04,
                              "relative_error_reduction": gain / (1 - theirs), "p_value": 0.001, "p_holm": 0.002,
                              "p_sign_flip": None, "prob_better": 1.0, "n_seeds": seeds, "n_test": N_TEST,
                              "n_clusters": N_TEST, "mde": 0.03, "error": 1 - mine, "reference_error": 1 - theirs,
                              "verdict": verdict, "why": "meaningful" if verdict == "supported" else "needs about 9 seeds",
                              "seeds_needed": None if verdict == "supported" else 9, "cut_short": False,
                              "below_floor": "tfidf" if arm == "probe" else None, "sentence": text})  # fmt: skip
    return found


def efficiency_rows(dataset, budgets, seeds):
    top, small = max(budgets), min(budgets)
    say = f"{dataset}: {small} labels with full do what 640 do without (10×, 95 % interval 6× to more than 16×)."
    return [
        row(dataset, "full", small, "test", "label_equivalent", 640.0, 380.0, None, seeds, "supported", say, n_max=top),
        row(dataset, "full", small, "test", "multiplier", 10.0, 6.0, 16.0, seeds, "supported", say, n_max=top),
        row(dataset, "full", top, "test", "label_equivalent", float(top), None, None, seeds, "", "beyond the range",
            censored="above", n_max=top),
        row(dataset, "full", top, "test", "label_saving", 0.9, 0.8, 0.95, seeds, "supported", "saves nine labels in ten"),
        row(dataset, "probe", top, "test", "area", -0.01, -0.03, 0.01, seeds, "not supported", "no area", n_max=top),
        row(dataset, "lora", small, "test", "multiplier", None, None, None, seeds, "inconclusive",
            "undefined: scratch is at chance"),
    ]  # fmt: skip


def convergence_rows(dataset, budget, seeds):
    found = []
    for unit, scale in (("steps", 1.0), ("examples", 16.0), ("flops", 3.1e11)):
        times = [40.0 * scale + 5 * scale * i for i in range(seeds)]
        slow: list = [200.0 * scale + 12 * scale * i for i in range(seeds - 1)] + [None]
        say = f"{dataset}: full reaches scratch's level in 50 {unit} instead of 210 (4.2×)."
        found.append(row(dataset, "full", budget, "dev", "speed_up", 4.2, 3.1, None, seeds, "supported", say, unit=unit,
                         target=0.68, reached=1.0, reached_reference=0.8, times=times, times_reference=slow,
                         horizon=240 * scale))  # fmt: skip
    return found


def robustness_rows(dataset, budgets, seeds, kinds):
    top, split = max(budgets), "shift:tweets"
    points = [[level(a, b, dataset) + 0.01 * i, level(a, b, dataset, 0.09) + 0.012 * i, a]
              for a in ("scratch", "full") for b in budgets for i in range(seeds)]  # fmt: skip
    found = [
        row(dataset, "full", top, split, "ood_gain", 0.17, 0.12, 0.21, seeds, "supported", f"{dataset}: on tweets +0.170."),
        row(dataset, "full", top, split, "gap", 0.0, -0.02, 0.02, seeds),
        row(dataset, "full", top, split, "retention", 0.9, 0.87, 0.93, seeds),
        row(dataset, "full", top, split, "effective_robustness", 0.01, -0.02, 0.03, seeds, "not supported",
            f"{dataset}: more accurate, not more robust.", points=points, slope=0.85, intercept=-0.25, identifiable=True),
    ]  # fmt: skip
    return found + [row(dataset, "full", top, f"perturbed:{k}@3", "perturbation_gain", 0.1, 0.05, 0.15, seeds, "supported",
                        f"{dataset}: holds under {k}.") for k in kinds]  # fmt: skip


def adaptation_rows(dataset, budget, seeds):
    split = "adapted:tweets@64/lora"
    found = [
        row(dataset, "full", budget, split, "adapted_score_gain", 0.15, 0.1, 0.2, seeds, "supported",
            f"{dataset}: after 64 target labels +0.150.", k=64, method="lora"),
        row(dataset, "full", budget, split, "target_label_equivalent", 256.0, None, None, seeds, "", "at least 256",
            k=16, method="full", censored="above"),
        row(dataset, "full", budget, split, "effort", 770.0, None, None, seeds, "", "the head is enough", method="head",
            trained_parameters=770, steps=60),
    ]  # fmt: skip
    return found + [row(dataset, arm, budget, "test", "ladder", level(arm, budget, dataset), None, None, seeds,
                        trained_parameters=PARAMETERS[arm]) for arm in ("probe", "lora", "full")]  # fmt: skip


def calibration_rows(dataset, budget, seeds):
    found = []
    for arm in ARMS:
        for measure, loss in (("ece", 0.12), ("ece_scaled", 0.03), ("brier", 0.2), ("brier_scaled", 0.18)):
            bins: list[list[Any]] = (
                [[(i + 0.5) / 15, max(0.0, (i + 0.5) / 15 - loss), 4 * i] for i in range(15)] if "ece" in measure else []
            )
            bins = [[None, None, 0] if not count else [c, a, count] for c, a, count in bins]
            found.append(row(dataset, arm, budget, "test", measure, loss, loss - 0.01, loss + 0.01, seeds, bins=bins))
    return found


def aggregate_rows(datasets, seeds):
    return [
        row("", "full", None, "test", "iqm", 0.82, 0.78, 0.86, seeds, task=""),
        row("", "full", None, "test", "probability_of_improvement", 0.97, 0.9, 1.0, seeds, task=""),
        row("", "full", None, "test", "tasks_supported", datasets, None, None, seeds, "supported",
            f"{datasets} of {datasets}", task=""),
    ]  # fmt: skip


def timing_rows(dataset, budget, seeds):
    return [row(dataset, "full", budget, "dev", "speed_up", 3.9, 2.8, 5.1, seeds, "supported", "sooner in seconds too",
                unit="seconds")]  # fmt: skip


def recipe_rows(dataset, budgets, tune):
    rates = [10.0 ** (-5 + i * 2.4 / max(tune, 1)) for i in range(tune)]
    return [
        {"dataset": dataset, "arm": arm, "budget": budget, "learning_rate": rates[-1] if rates else 1e-4,
         "tried": [[rate, 0.6 + 0.05 * i - 0.02 * (arm == "scratch"), 1.0] for i, rate in enumerate(rates)],
         "expected_best": [0.6 + 0.02 * i for i in range(tune)],
         "at_edge": bool(rates), "problem": "", "recipe": vars(Recipe(rates[-1] if rates else 1e-4))}
        for budget in budgets for arm in ARMS
    ]  # fmt: skip


def example_rows(dataset):
    return [
        {"dataset": dataset, "split": "test", "index": i, "text": f"a lovely text number {i} of {dataset}", "target": 1,
         "perturbed": {"perturbed:keyboard@5": f"a lovwly tezt number {i}"}}
        for i in range(N_TEST)
    ]  # fmt: skip


def benefit_rows(dataset):
    told = (
        ("performance", "supported", f"{dataset}: full cuts the error from 30.0 % to 12.0 % (5 seeds, Holm p < .001)."),
        ("data efficiency", "supported", f"{dataset}: 64 labels with pretraining do what 640 do without."),
        ("convergence", "supported", f"{dataset}: reaches scratch's level in 50 steps instead of 210."),
        ("robustness", "partly", f"{dataset}: on tweets +0.170; more accurate, not more robust for its accuracy."),
    )
    return [{"benefit": b, "dataset": dataset, "arm": "full", "verdict": v, "sentence": s} for b, v, s in told]
