"""Adapting with k target labels, the ladder of arms, and calibration, on made-up studies."""

from dataclasses import replace

import numpy as np
import pytest

from support.synthetic import TWEETS, World, analysed, default_score, pick, study
from transfergain.metrics.calibration import ece
from transfergain.split import TEST, Kind
from transfergain.store import StoredTrial

ADAPTED = World(seeds=6, n_test=1000, budgets=(64, 256), adapted=(16, 64, 256))


@pytest.fixture(scope="module")
def adapted():
    return analysed(study(ADAPTED))


def test_gains_after_adapting_have_their_k_and_method(adapted):
    rows = pick(adapted["adaptation"], measure="adapted_score_gain")
    assert {(r.k, r.method) for r in rows} == {(0, "")} | {(k, m) for k in (16, 64, 256) for m in ("head", "lora", "full")}
    gains = {(g.split, g.budget): g.estimate for g in adapted["gains"] if g.metric == "accuracy"}
    assert all(r.estimate == gains[r.split, r.budget] for r in rows)
    (row,) = pick(rows, k=64, method="lora")
    assert "on tweets after 64 of its labels (lora) with 256 labels" in row.sentence


def test_target_labels_that_scratch_needs(adapted):
    """Full fine-tuning adds .02 log2(1 + k): the arm's head start of .15 is worth 2^7.5 - 1 = 180 labels."""
    (row,) = pick(adapted["adaptation"], measure="target_label_equivalent", k=0, method="full")
    assert row.low < 180 < row.high and row.verdict == "supported" and row.n_max == 256
    (beyond,) = pick(adapted["adaptation"], measure="target_label_equivalent", k=64, method="full")
    assert (beyond.censored, beyond.estimate) == ("above", pytest.approx(256))
    assert "takes scratch more than 256" in beyond.sentence


@pytest.mark.long
def test_target_labels_of_arms_that_were_cut_short():
    """The verdict is that of equal training; what endless training would add is said beside it."""

    def found(world, cut):
        trials = analysed(study(replace(world, converged=lambda arm, seed: arm != cut)))
        return pick(trials["adaptation"], measure="target_label_equivalent", k=64, method="full")[0]

    row = found(ADAPTED, "scratch")
    assert (row.verdict, row.endless.reading) == ("supported", "upper bound")
    assert "with endless training maybe less: scratch had not ended by itself in 6 of 6 seeds" in row.sentence
    assert found(ADAPTED, "full").verdict == "supported"
    worse = replace(ADAPTED, score=lambda arm, budget: default_score({"full": "scratch"}.get(arm, "full"), budget))
    assert found(worse, "").verdict == "negative transfer"
    assert (found(worse, "full").verdict, found(worse, "full").endless.reading) == ("negative transfer", "lower bound")


def test_the_least_effort_for_95_percent(adapted):
    rows = pick(adapted["adaptation"], measure="effort", arm="full")
    (row,) = rows
    assert row.method in ("lora", "full") and row.steps == 30 and row.k == 256
    assert row.estimate == row.trained_parameters == {"lora": 1000, "full": 100_000}[row.method]
    assert row.shares["full"] == 1 and row.shares["head"] < 0.6
    assert f"{row.method} reaches" in row.sentence


def test_adapting_that_gains_nothing_takes_no_effort_to_speak_of():
    rows = study(replace(ADAPTED, seeds=3))
    flat = []
    for row in rows:
        kept = {s: (row.outcome.evaluated[TWEETS] if s.kind is Kind.ADAPTED else e)
                for s, e in row.outcome.evaluated.items()}  # fmt: skip
        flat.append(StoredTrial(row.spec, replace(row.outcome, evaluated=kept)))
    found = pick(analysed(flat)["adaptation"], measure="effort")
    assert found and all(r.estimate is None and "gains nothing" in r.sentence for r in found)


def test_the_ladder_compares_arms_by_trained_parameters():
    tables = analysed(study(World(arms=("scratch", "probe", "lora", "full"), seeds=4, budgets=(64,))))
    ladder = pick(tables["adaptation"], measure="ladder")
    assert [(r.arm, r.trained_parameters) for r in ladder] == [("probe", 100), ("lora", 1000), ("full", 100_000)]
    assert ladder[-1].costs is None and all(r.costs_low < r.costs < r.costs_high for r in ladder[:-1])
    assert "training 1,000 parameters (1 % of full's)" in ladder[1].sentence
    seconds = pick(tables["timings"], measure="effort")
    assert [(r.arm, r.estimate, r.unit) for r in seconds] == [(a, 6.0, "seconds") for a in ("probe", "lora", "full")]


def test_splits_that_only_one_arm_has_are_no_gain():
    rows = [
        row if row.spec.arm == "full" else
        StoredTrial(row.spec, replace(row.outcome, evaluated={TEST: row.outcome.evaluated[TEST]}))
        for row in study(replace(ADAPTED, seeds=3))
    ]  # fmt: skip
    tables = analysed(rows)
    assert {g.split for g in tables["gains"]} == {TEST}
    (row, *_) = pick(tables["adaptation"], measure="target_label_equivalent")
    assert row.estimate is None and "scratch was not adapted to tweets" in row.sentence


def test_calibration_is_measured_at_home_and_away_and_against_scratch():
    heat = {"full": 1.0, "scratch": 3.0}.get
    tables = analysed(study(World(seeds=6, budgets=(64,), n_test=2000, overconfidence=heat)))
    rows = tables["calibration"]
    assert {(r.measure, r.split, r.arm) for r in rows} == {
        (m, s, a)
        for m in ("ece", "ece_scaled", "brier", "brier_scaled")
        for s in (TEST, TWEETS)
        for a in ("scratch", "full")
    }
    (row,) = pick(rows, measure="ece", split=TEST, arm="full")
    assert row.verdict == "supported" and row.difference_high < 0, "scratch is overconfident"
    (scaled,) = pick(rows, measure="ece_scaled", split=TEST, arm="scratch")
    (raw,) = pick(rows, measure="ece", split=TEST, arm="scratch")
    assert scaled.estimate < raw.estimate - 0.05 and raw.verdict == "" and raw.difference is None
    assert len(raw.bins) == 15 and sum(b[2] for b in raw.bins) == 6 * 2000
    assert pick(rows, measure="brier")[0].bins == []


def test_calibration_figures_are_those_of_the_metric():
    trials = study(World(seeds=3, budgets=(64,)))
    rows = analysed(trials)["calibration"]
    cases = [r.outcome.evaluated[TEST].calibration for r in trials if r.spec.arm == "full"]
    (row,) = pick(rows, measure="ece", split=TEST, arm="full")
    assert row.estimate == pytest.approx(np.mean([ece(c[:, 0], c[:, 4]) for c in cases]), abs=1e-6)
    (row,) = pick(rows, measure="brier", split=TEST, arm="full")
    assert row.estimate == pytest.approx(np.mean([c[:, 2].astype(float).mean() for c in cases]))


def test_predictions_without_probabilities_have_no_rows():
    rows = study(World(seeds=3, budgets=(64,)))
    bare = [
        StoredTrial(
            r.spec, replace(r.outcome, evaluated={s: replace(e, calibration=None) for s, e in r.outcome.evaluated.items()})
        )
        for r in rows
    ]
    assert analysed(bare)["calibration"] == []
