"""Invented findings of a whole study, every table filled, of any size: what the page has to cope with."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from transfergain.analysis import candidates, gain
from transfergain.analysis.courses import CourseRow
from transfergain.analysis.endless import Endless, Reading
from transfergain.analysis.entries import DatasetEntry, StudyRequest
from transfergain.analysis.findings import Findings
from transfergain.analysis.parts import Part, PartRow
from transfergain.analysis.rows import (
    AdaptationRow,
    AggregateRow,
    Benefit,
    BenefitRow,
    CalibrationRow,
    Censored,
    ConvergenceRow,
    EfficiencyRow,
    GainRow,
    Measure,
    RecipeRow,
    RobustnessRow,
    ScoreRow,
    Verdict,
)
from transfergain.course import Course
from transfergain.data.sample import SampledText
from transfergain.outcome import CurvePoint, Details, Evaluated, Outcome
from transfergain.split import DEV, TEST, Kind, adapted, perturbed, shift
from transfergain.store import StoredTrial
from transfergain.study import Study
from transfergain.types import Phase, Recipe, Status, StudyWarning, TrialSpec, WarningKind

LEVELS = {"majority": 0.5, "tfidf": 0.74, "scratch": 0.7, "full": 0.88, "probe": 0.78, "lora": 0.87}
ARMS = ("scratch", "full", "probe", "lora")
PARAMETERS = {"scratch": 22_713_986, "full": 22_713_986, "probe": 770, "lora": 443_906}
KINDS = ("keyboard", "case", "ocr", "spaces")
BUDGETS = (64, 256, 1024)
N_TEST = 60
SPLITS = (TEST, shift("tweets"), perturbed("keyboard", 5))
CONTAMINATION = "builtin:minilm was trained on sentence pairs; check that your test set is none of it"
SAME = Endless(reading=Reading.SAME, unfinished=0, unfinished_arm=0, of=5)
NAMES = ("reviews", "news", "entities", "questions", "letters")


@dataclass(frozen=True)
class Told(Findings):
    """Findings whose benefits are given, or else those of the rows."""

    told: tuple = ()

    def benefits(self):
        return list(self.told) or super().benefits()


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
        "study": request(study, model="builtin:minilm", revision="sha256:abc", precision="fp32"),
        "environment": {"transfergain": "0.1.0", "python": "3.11", "device": "cpu", "torch": "2.13.0"},
        "warnings": [StudyWarning(WarningKind.CONTAMINATION, CONTAMINATION)],
        "trials": {name.value: status[name] for name in Status} | {"pending": 0},
        "scores": scores,
        "candidates": candidates.rows(
            gain.cells(rows, {arm: arm != "scratch" for arm in ARMS}, {}), {name: entry() for name in names}, 0.01
        ),
        "gains": [row for name in names for row in gain_rows(name, budgets, seeds)],
        "data_efficiency": [row for name in names for row in efficiency_rows(name, budgets, seeds)],
        "convergence": [row for name in names for row in convergence_rows(name, max(budgets), seeds)],
        "robustness": [row for name in names for row in robustness_rows(name, budgets, seeds, kinds)],
        "adaptation": [row for name in names for row in adaptation_rows(name, max(budgets), seeds)],
        "calibration": [row for name in names for row in calibration_rows(name, max(budgets), seeds)],
        "aggregate": aggregate_rows(datasets, seeds),
        "parts": [part_row(name, budget, seeds) for name in names for budget in budgets],
        "recipes": [row for name in names for row in recipe_rows(name, budgets, tune)],
        "data": {name: entry() for name in names},
        "rows": rows,
        "timings": tuple(timing_rows(names[0], max(budgets), seeds)),
        "examples": tuple(row for name in names for row in example_rows(name)),
        "told": tuple(row for name in names for row in benefit_rows(name)),
    }
    return Told(**given | changes)


def request(study, **more):
    """A study's request as the store has it."""
    return StudyRequest.of(study.model_dump(mode="json") | more)


def entry(**changes):
    known: dict[str, Any] = {"task": "sentiment", "title": "Sentiment", "metric": "accuracy", "chance": 0.5,
             "labels": ["bad", "good"],
             "notes": ["2,140 rows, 12 duplicates dropped"], "fingerprint": "f" * 64, "n_train": 1498, "n_dev": 214,
             "n_test": N_TEST, "shifts": {"tweets": N_TEST}}  # fmt: skip
    return DatasetEntry(**known | changes)


def spec(dataset, arm, budget, seed, phase=Phase.REPORT, rate=1e-4):
    recipe = Recipe(rate) if arm in ARMS else None
    splits = () if phase is Phase.TUNE else tuple(zip(SPLITS, "tsv", strict=True))
    return TrialSpec("sentiment", dataset, arm, budget, seed, phase, recipe, splits, "data", "revision" if recipe else "")


def trials(dataset, budgets, seeds, tune, evaluations):
    """Reported and tuning trials; one of each failed kind on the first data set."""
    rng = np.random.default_rng(list(dataset.encode()))
    found = []
    for budget in budgets:
        for arm in LEVELS:
            for seed in range(seeds if arm in ARMS else 1):
                found.append(StoredTrial(spec(dataset, arm, budget, seed), outcome(dataset, arm, budget, rng, evaluations)))
            for i in range(tune if arm in ARMS else 0):
                trial = spec(dataset, arm, budget, 10_000, Phase.TUNE, 10.0 ** (-5 + i * 2.4 / max(tune, 1)))
                found.append(
                    StoredTrial(trial, Outcome(Status.DONE, "", 0.6 + 0.02 * i, converged=True, details=Details(steps=300)))
                )
    if dataset == NAMES[0]:
        failed = Outcome(Status.FAILED, error="RuntimeError: CUDA out of memory")
        found.append(StoredTrial(spec(dataset, "lora", budgets[0], seeds), failed))
        skipped = Outcome(Status.SKIPPED, error="no linear layers")
        found.append(StoredTrial(spec(dataset, "probe", budgets[0], seeds), skipped))
        diverged = found[-3].outcome
        found[-3] = replace(found[-3], outcome=replace(diverged, details=replace(diverged.details, diverged=True)))
    return found


def outcome(dataset, arm, budget, rng, evaluations):
    hits = [(rng.random(N_TEST) < level(arm, budget, dataset, loss)).astype(np.int8) for loss in (0.0, 0.09, 0.15)]
    evaluated = {
        name: Evaluated(tuple(int(v) for v in found), {"accuracy": np.stack([found, np.ones_like(found)], axis=1)})
        for name, found in zip(SPLITS, hits, strict=True)
    }
    if arm not in ARMS:
        return Outcome(Status.DONE, "", None, (), None, evaluated, Details(), 0.2)
    speed, top = {"scratch": 0.25, "probe": 1.1}.get(arm, 0.9), level(arm, budget, dataset)
    curve = tuple(
        CurvePoint(20 * i, float(top - (top - 0.5) * np.exp(-speed * i) + 0.008 * rng.standard_normal()), 1.0 / i,
                   320 * i,
                   6.2e12 * i * (0.4 if arm == "probe" else 1), 2.0 * i)
        for i in range(1, evaluations + 1)
    )  # fmt: skip
    details = Details(
        steps=20 * evaluations, best_step=20 * evaluations - 20, parameters=22_713_986, trained_parameters=PARAMETERS[arm],
        checks={"median_std": 0.02}, temperature=1.4, flops=curve[-1].flops, train_seconds=2.0 * evaluations,
    )  # fmt: skip
    return Outcome(Status.DONE, "", top, curve, True, evaluated, details, 30.5)


def row(kind, dataset, arm, budget, split, *figures, seeds=5, **more):
    """A row of a kind, as every table of benefits has it: measure, estimate, low, high; `says` is (verdict, sentence)."""
    measure, estimate, low, high = (*figures, None, None, None)[:4]
    verdict, sentence = more.pop("says", (Verdict.NONE, ""))
    place = {"task": "sentiment", "dataset": dataset, "arm": arm, "budget": budget, "split": split, "metric": "accuracy"}
    return kind(**place | {"reference": "scratch", "measure": measure, "estimate": estimate, "low": low, "high": high,
                           "n_seeds": seeds, "verdict": verdict, "sentence": sentence} | more)  # fmt: skip


def score_rows(dataset, budgets, seeds, kinds, adapt):
    found = []
    for budget in budgets:
        splits = {TEST: 0.0, shift("tweets"): 0.09}
        splits |= {perturbed(k, s): 0.02 * s + 0.01 * i for i, k in enumerate(kinds) for s in range(1, 6)}
        if adapt and budget == max(budgets):
            splits |= {adapted("tweets", k, m): 0.09 - 0.01 * i - 0.01 * j
                       for i, k in enumerate((16, 64, 256), 1) for j, m in enumerate(("head", "lora", "full"))}  # fmt: skip
        for arm in LEVELS:
            for split, loss in splits.items():
                if split.kind is Kind.ADAPTED and arm not in ("scratch", "full"):
                    continue
                found.append(score_row(dataset, arm, budget, split, level(arm, budget, dataset, loss), seeds))
    return found


def score_row(dataset, arm, budget, split, mean, seeds):
    n = seeds if arm in ARMS else 1
    return ScoreRow(
        task="sentiment", dataset=dataset, arm=arm, budget=budget, split=split, metric="accuracy", mean=mean,
        low=mean - 0.03, high=mean + 0.03, per_seed=[mean + 0.004 * (i - n / 2) for i in range(n)], n_seeds=n,
        n_test=N_TEST, n_clusters=N_TEST,
    )  # fmt: skip


def gain_rows(dataset, budgets, seeds):
    return [
        gain_row(dataset, arm, budget, split, seeds, level(arm, budget, dataset, loss),
                 level("scratch", budget, dataset, loss))
        for budget in budgets for arm in ARMS[1:] for split, loss in ((TEST, 0.0), (shift("tweets"), 0.09))
    ]  # fmt: skip


def gain_row(dataset, arm, budget, split, seeds, mine, theirs):
    verdict = {"probe": Verdict.INCONCLUSIVE}.get(arm, Verdict.SUPPORTED)
    supported, gain = verdict is Verdict.SUPPORTED, mine - theirs
    return GainRow(
        task="sentiment", dataset=dataset, arm=arm, reference="scratch", budget=budget, split=split, metric="accuracy",
        estimate=gain, low=gain - 0.04, high=gain + 0.04, relative_error_reduction=gain / (1 - theirs), p_value=0.001,
        p_holm=0.002, p_sign_flip=None, prob_better=1.0, n_seeds=seeds, n_test=N_TEST, n_clusters=N_TEST, mde=0.03,
        error=1 - mine, reference_error=1 - theirs, verdict=verdict,
        why="at least 1 point" if supported else "needs about 9 seeds",
        seeds_needed=None if supported else 9, endless=SAME, reference_at_chance=0,
        below_floor="tfidf" if arm == "probe" else None,
        sentence=f"{dataset}: {arm} moves the error from {1 - theirs:.1%} to {1 - mine:.1%} on {split}.",
    )  # fmt: skip


def efficiency_rows(dataset, budgets, seeds):
    top, small = max(budgets), min(budgets)
    say = f"{dataset}: {small} labels with full do what 640 do without (10×, 95 % interval 6× to more than 16×)."

    def of(arm, budget, *figures, **more):
        return row(EfficiencyRow, dataset, arm, budget, TEST, *figures, seeds=seeds, n_max=top, **more)

    return [
        of("full", small, Measure.LABEL_EQUIVALENT, 640.0, 380.0, None, says=(Verdict.SUPPORTED, say)),
        of("full", small, Measure.MULTIPLIER, 10.0, 6.0, 16.0, says=(Verdict.SUPPORTED, say)),
        of("full", top, Measure.LABEL_EQUIVALENT, float(top), says=(Verdict.NONE, "beyond the range"),
           censored=Censored.ABOVE),
        of("full", top, Measure.LABEL_SAVING, 0.9, 0.8, 0.95, says=(Verdict.SUPPORTED, "saves nine labels in ten")),
        of("probe", top, Measure.AREA, -0.01, -0.03, 0.01, says=(Verdict.NOT_SUPPORTED, "no area")),
        of("lora", small, Measure.MULTIPLIER, says=(Verdict.INCONCLUSIVE, "scratch never left chance")),
    ]  # fmt: skip


def convergence_rows(dataset, budget, seeds):
    found = []
    for unit, scale in (("steps", 1.0), ("examples", 16.0), ("flops", 3.1e11)):
        times = [40.0 * scale + 5 * scale * i for i in range(seeds)]
        slow: list = [200.0 * scale + 12 * scale * i for i in range(seeds - 1)] + [None]
        say = f"{dataset}: full reaches scratch's level in 50 {unit} instead of 210 (4.2×)."
        found.append(row(ConvergenceRow, dataset, "full", budget, DEV, Measure.SPEED_UP, 4.2, 3.1, None, seeds,
                         says=(Verdict.SUPPORTED, say), unit=unit, target=0.68, targets=[0.68] * seeds, reached=1.0,
                         reached_reference=0.8, times=times, times_reference=slow, horizon=240 * scale))  # fmt: skip
    return found


def robustness_rows(dataset, budgets, seeds, kinds):
    top, tweets = max(budgets), shift("tweets")
    points = [(level(a, b, dataset) + 0.01 * i, level(a, b, dataset, 0.09) + 0.012 * i, a)
              for a in ("scratch", "full") for b in budgets for i in range(seeds)]  # fmt: skip

    def of(split, *figures, **more):
        return row(RobustnessRow, dataset, "full", top, split, *figures, seeds=seeds, **more)

    found = [
        of(tweets, Measure.OOD_GAIN, 0.17, 0.12, 0.21, says=(Verdict.SUPPORTED, f"{dataset}: on tweets +0.170.")),
        of(tweets, Measure.GAP, 0.0, -0.02, 0.02),
        of(tweets, Measure.RETENTION, 0.9, 0.87, 0.93),
        of(tweets, Measure.EFFECTIVE_ROBUSTNESS, 0.01, -0.02, 0.03, points=points, slope=0.85, intercept=-0.25,
           identifiable=True, says=(Verdict.NOT_SUPPORTED, f"{dataset}: more accurate, not more robust.")),
    ]  # fmt: skip
    return found + [of(perturbed(k, 3), Measure.PERTURBATION_GAIN, 0.1, 0.05, 0.15,
                       says=(Verdict.SUPPORTED, f"{dataset}: holds under {k}.")) for k in kinds]  # fmt: skip


def adaptation_rows(dataset, budget, seeds):
    def of(arm, split, *figures, **more):
        return row(AdaptationRow, dataset, arm, budget, split, *figures, seeds=seeds, **more)

    split = adapted("tweets", 64, "lora")
    found = [
        of("full", split, Measure.ADAPTED_SCORE_GAIN, 0.15, 0.1, 0.2, k=64, method="lora",
           says=(Verdict.SUPPORTED, f"{dataset}: after 64 target labels +0.150.")),
        of("full", split, Measure.TARGET_LABEL_EQUIVALENT, 256.0, k=16, method="full", censored=Censored.ABOVE,
           says=(Verdict.NONE, "at least 256")),
        of("full", split, Measure.EFFORT, 770.0, k=64, method="head", trained_parameters=770, steps=60,
           says=(Verdict.NONE, "the head is enough")),
    ]  # fmt: skip
    return found + [of(arm, TEST, Measure.LADDER, level(arm, budget, dataset), trained_parameters=PARAMETERS[arm])
                    for arm in ("probe", "lora", "full")]  # fmt: skip


def calibration_rows(dataset, budget, seeds):
    found = []
    for arm in ARMS:
        for measure, loss in ((Measure.ECE, 0.12), (Measure.ECE_SCALED, 0.03), (Measure.BRIER, 0.2),
                              (Measure.BRIER_SCALED, 0.18)):  # fmt: skip
            bins: list[list[Any]] = []
            bins += [[(i + 0.5) / 15, max(0.0, (i + 0.5) / 15 - loss), 4 * i] for i in range(15)] if "ece" in measure else []
            bins = [[None, None, 0] if not count else [c, a, count] for c, a, count in bins]
            found.append(row(CalibrationRow, dataset, arm, budget, TEST, measure, loss, loss - 0.01, loss + 0.01,
                             seeds=seeds, bins=bins))  # fmt: skip
    return found


def aggregate_rows(datasets, seeds):
    def of(*figures, **more):
        over = {"task": "", "metric": "", "n_tasks": datasets}
        return row(AggregateRow, "", "full", 0, TEST, *figures, seeds=seeds, **over, **more)

    return [
        of(Measure.IQM, 0.82, 0.78, 0.86),
        of(Measure.PROBABILITY_OF_IMPROVEMENT, 0.97, 0.9, 1.0),
        of(Measure.TASKS_SUPPORTED, datasets, says=(Verdict.SUPPORTED, f"{datasets} of {datasets}"), of=datasets),
    ]


def part_row(dataset, budget, seeds):
    low, high = (level(arm, budget, dataset) for arm in ("scratch", "full"))
    return row(PartRow, dataset, "full", budget, TEST, Measure.PART, high - low, high - low - 0.02, high - low + 0.02,
               seeds=seeds, part=Part.READ, p_value=0.001, score=high, reference_score=low,
               says=(Verdict.SUPPORTED, f"{dataset}: what the checkpoint has read"))  # fmt: skip


def course_rows(dataset, budget, seeds):
    """Two courses of one arm: what it is named for, and one on other text that brought less."""
    gains = {Course(2000): (0.2, None), Course(2000, "wiki"): (0.09, -0.11)}
    return [
        row(CourseRow, dataset, "full", budget, TEST, Measure.COURSE, gain, gain - 0.03, gain + 0.03, seeds=seeds,
            corpus=course.corpus, steps=course.steps, flops=1e12 * course.steps, loss=3.5 - gain, score=0.6 + gain,
            over_first=over, over_first_low=over and over - 0.03, over_first_high=over and over + 0.03,
            says=(Verdict.SUPPORTED, f"{dataset}: full after {course}"))
        for course, (gain, over) in gains.items()
    ]  # fmt: skip


def timing_rows(dataset, budget, seeds):
    return [row(ConvergenceRow, dataset, "full", budget, DEV, Measure.SPEED_UP, 3.9, 2.8, 5.1, seeds=seeds, unit="seconds",
                target=None, targets=(), says=(Verdict.SUPPORTED, "sooner in seconds too"))]  # fmt: skip


def recipe_rows(dataset, budgets, tune):
    rates = [10.0 ** (-5 + i * 2.4 / max(tune, 1)) for i in range(tune)]
    return [
        RecipeRow(
            dataset=dataset, arm=arm, budget=budget, learning_rate=rates[-1] if rates else 1e-4,
            tried=[[rate, 0.6 + 0.05 * i - 0.02 * (arm == "scratch"), 300] for i, rate in enumerate(rates)],
            expected_best=[0.6 + 0.02 * i for i in range(tune)], settings=0, at_edge=bool(rates), problem="",
            recipe=vars(Recipe(rates[-1] if rates else 1e-4)),
        )
        for budget in budgets for arm in ARMS
    ]  # fmt: skip


def example_rows(dataset):
    typos = perturbed("keyboard", 5)
    return [
        SampledText(dataset=dataset, split=TEST, index=i, text=f"a lovely text number {i} of {dataset}", target=1,
                    perturbed={typos: f"a lovwly tezt number {i}"})
        for i in range(N_TEST)
    ]  # fmt: skip


def benefit_rows(dataset):
    told = (
        (Verdict.SUPPORTED, f"{dataset}: full cuts the error from 30.0 % to 12.0 % (5 seeds, Holm p < .001)."),
        (Verdict.SUPPORTED, f"{dataset}: 64 labels with pretraining do what 640 do without."),
        (Verdict.SUPPORTED, f"{dataset}: reaches scratch's level in 50 steps instead of 210."),
        (Verdict.PARTLY, f"{dataset}: full on tweets +0.170, supported; on letters +0.010, inconclusive."),
        (Verdict.NOT_MEASURED, f"{dataset}: whether full is more robust than its accuracy explains is not identifiable."),
    )
    return [BenefitRow(benefit=benefit, dataset=dataset, arm="full", verdict=verdict, sentence=sentence)
            for benefit, (verdict, sentence) in zip(Benefit, told, strict=True)]  # fmt: skip
