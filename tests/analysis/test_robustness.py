"""Gap, retention, perturbations and effective robustness on made-up studies."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from support.synthetic import TWEETS, World, analysed, evaluated, pick, study
from transfergain.analysis import stats, words
from transfergain.analysis.effective import _estimate
from transfergain.analysis.stats import Values
from transfergain.split import TEST, Kind, perturbed
from transfergain.store import StoredTrial


def table(world, seed=0):
    return analysed(study(world, seed))["robustness"]


def test_gains_on_shifts_and_perturbations_are_those_of_the_gains_table():
    tables = analysed(study(World(perturbations=("keyboard",))))
    for measure, kind in (("ood_gain", Kind.SHIFT), ("perturbation_gain", Kind.PERTURBED)):
        rows = pick(tables["robustness"], measure=measure)
        gains = [g for g in tables["gains"] if g.split.kind is kind and g.metric == "accuracy"]
        keys = ("split", "budget", "arm", "estimate", "low", "high", "verdict", "sentence")
        assert [[getattr(r, k) for k in keys] for r in rows] == [[getattr(g, k) for k in keys] for g in gains]
        assert rows
    assert "on keyboard at severity 5 with" in rows[-1].sentence


def test_gap_and_retention_of_every_arm():
    tables = analysed(study(World(seeds=8, n_test=2000)))
    for arm in ("scratch", "full"):
        (gap,) = pick(tables["robustness"], measure="gap", arm=arm, budget=256)
        (kept,) = pick(tables["robustness"], measure="retention", arm=arm, budget=256)
        home, away = (pick(tables["scores"], arm=arm, budget=256, split=split, metric="accuracy")[0].mean
                      for split in (TEST, TWEETS))  # fmt: skip
        assert gap.estimate == pytest.approx(home - away) and gap.low < 0.1 < gap.high
        assert kept.estimate == pytest.approx(away / home) and kept.low < kept.estimate < kept.high
        assert gap.verdict == kept.verdict == ""


def test_a_drop_is_paired_by_example():
    """Where a perturbation changes nothing, nothing drops and nothing varies, however noisy the scores are."""
    rows = study(World(seeds=4, perturbations=("keyboard",)))
    same = [
        StoredTrial(
            r.spec, replace(r.outcome, evaluated=r.outcome.evaluated | {perturbed("keyboard", 1): r.outcome.evaluated[TEST]})
        )
        for r in rows
    ]
    found = analysed(same)["robustness"]
    drops = pick(found, split=perturbed("keyboard", 1), measure="perturbation_drop")
    assert {(r.estimate, r.low, r.high) for r in drops} == {(0.0, 0.0, 0.0)}
    (other,) = pick(found, split=perturbed("keyboard", 5), measure="perturbation_drop", arm="full", budget=64)
    assert other.low < 0.1 < other.high


def test_a_perturbation_that_the_tokenizer_undoes_is_said_to_be_none():
    splits = [perturbed("lowercase", severity) for severity in (1, 5)]
    rows = [
        StoredTrial(r.spec, replace(r.outcome, details=replace(r.outcome.details, read_as_test=(splits[0],))))
        for r in study(World(perturbations=("lowercase",)))
    ]
    drops = [pick(analysed(rows)["robustness"], split=s, arm="full", budget=64, measure="perturbation_drop") for s in splits]
    assert "full reads lowercase at severity 1 as the test set itself: its tokenizer undoes it" in drops[0][0].sentence
    assert "points less (95 %: " in drops[1][0].sentence


def test_perturbations_in_words():
    of = [perturbed(name, s) for name in ("accents", "lowercase") for s in (1, 3, 5)]
    assert words.perturbations(of, of) == "accents and lowercase"
    assert words.perturbations(of[1:], of) == "accents at severity 3 and 5 and lowercase"


def lines(effect, seeds=6, clusters=4000, rng=None, scratch=(0.62, 0.7, 0.78), arm=(0.72, 0.8, 0.86), sd=0.005):
    """Cells of both arms whose scores away lie on a line in logits, the arm's `effect` above it."""
    rng = rng or np.random.default_rng(0)
    home = np.array([*scratch, *arm])
    mine = np.repeat([0.0, 1.0], [len(scratch), len(arm)])
    away = expit(0.8 * logit(home) - 0.2 + effect * mine)
    cells = []
    for pair in zip(home, away, strict=True):
        parts = []
        for score in pair:
            hit = (rng.random((seeds, clusters)) < score + sd * rng.standard_normal((seeds, 1))).astype(float)
            parts.append(Values(hit.mean(axis=1), hit))
        cells.append(parts)
    return cells, mine


@pytest.mark.parametrize("effect", [0.0, 0.4])
def test_effective_robustness_is_the_distance_from_the_line(effect):
    found, (slope, intercept, _) = _estimate(*lines(effect))
    assert found.low < effect < found.high and found.high - found.low < 0.3
    assert (slope, intercept) == (pytest.approx(0.8, abs=0.1), pytest.approx(-0.2, abs=0.1))
    assert (found.low > 0) == (effect > 0)


def test_swapped_arms_change_its_sign():
    cells, mine = lines(0.3, clusters=500)
    one, other = _estimate(cells, mine)[0], _estimate(cells, 1 - mine)[0]
    assert one.estimate == pytest.approx(-other.estimate, abs=1e-9)
    assert (one.low, one.high) == (pytest.approx(-other.high, abs=1e-6), pytest.approx(-other.low, abs=1e-6))


def test_more_accurate_but_not_more_robust():
    overlapping = World(
        seeds=6, n_test=800, score=lambda arm, b: 0.6 + 0.05 * np.log2(b / 64) + (0.1 if arm == "full" else 0)
    )
    rows = table(overlapping)
    (row,) = pick(rows, measure="effective_robustness")
    assert row.identifiable and row.low < 0 < row.high and row.verdict == "inconclusive"
    assert "not shown to be more robust" in row.sentence
    assert len(row.points) == 2 * 3 * 6 and {p[2] for p in row.points} == {"scratch", "full"}
    assert {r.verdict for r in pick(rows, measure="ood_gain")} == {"supported"}


@pytest.mark.long
def test_effective_robustness_of_arms_that_were_cut_short():
    """An arm that loses more away from home than its accuracy explains; more training would move both scores."""

    def found(cut):
        home = World(seeds=6, n_test=2000, score=lambda arm, b: 0.6 + 0.05 * np.log2(b / 64) + (0.1 if arm == "full" else 0))
        home = replace(home, converged=lambda arm, seed: arm != cut)
        fragile = [row for row in study(replace(home, shift_cost=0.25)) if row.spec.arm == "full"]
        rows = [row for row in study(home) if row.spec.arm == "scratch"] + fragile
        return pick(analysed(rows)["robustness"], measure="effective_robustness")[0]

    row = found("")
    assert row.verdict == "negative transfer" and row.sentence.endswith(": less robust.")
    for cut in ("full", "scratch"):
        row = found(cut)
        assert (row.verdict, row.endless.reading) == ("negative transfer", "open")
        assert row.sentence.endswith(": less robust; more training may change it.")


def test_without_overlap_it_is_not_identifiable():
    apart = World(score=lambda arm, b: (0.9 if arm == "full" else 0.6) + 0.005 * np.log2(b))
    (row,) = pick(table(apart), measure="effective_robustness")
    assert not row.identifiable and row.estimate is None and row.verdict == "not measured"
    assert "cannot be told: the scores at home do not overlap" in row.sentence
    (row,) = pick(table(World(budgets=(64,))), measure="effective_robustness")
    assert "cannot be told: it takes two numbers of labels in both arms, and full and scratch ran with one." in row.sentence


def test_one_seed_has_no_interval():
    (row,) = pick(table(World(seeds=1)), measure="effective_robustness")
    assert row.identifiable and row.estimate is not None and row.low is None


def test_a_sum_of_one_part_is_the_plain_interval():
    rng = np.random.default_rng(0)
    hit = (rng.random((5, 300)) < 0.7 + 0.05 * rng.standard_normal((5, 1))).astype(float)
    part = Values(hit.mean(axis=1), hit)
    plain, summed = stats.interval(*part), stats.sum_interval(float(hit.mean()), [part])
    assert (summed.low, summed.high, summed.p_value) == pytest.approx((plain.low, plain.high, plain.p_value))
    away = Values(np.zeros(5), np.zeros((5, 300)))
    assert stats.sum_interval(float(hit.mean()), [part, away]).low == pytest.approx(plain.low)


def test_a_score_of_zero_at_home_has_no_retention():
    rows = study(World(seeds=3, budgets=(64,)))
    targets = np.zeros(50, dtype=int)
    nothing = evaluated(targets, 0.0, np.random.default_rng(0), calibrated=False)
    zero = [StoredTrial(r.spec, replace(r.outcome, evaluated={TEST: nothing, TWEETS: nothing})) for r in rows]
    found = pick(analysed(zero)["robustness"], measure="retention")
    assert found and all(row.estimate is None and "scores 0 at home" in row.sentence for row in found)
