"""Every study ends in a true sentence: planted cases, and the verdicts and words that a reader meets first."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from support.synthetic import DATA, World, analysed, as_json, study
from transfergain.analysis.benefits import lead
from transfergain.analysis.rows import Benefit
from transfergain.outcome import CurvePoint


def rising(arm, budget):
    return 0.55 + 0.03 * np.log2(budget / 64) + (0.35 if arm == "full" else 0.0)


WORLDS = {
    "usual": World(),
    "cut short": World(seeds=3, converged=lambda arm, seed: arm != "scratch" or seed == 0),
    "both cut short": World(seeds=3, converged=lambda arm, seed: False),
    "scratch at chance": World(seeds=3, score=lambda arm, budget: 0.85 if arm == "full" else 0.5),
    "both at chance": World(seeds=3, score=lambda arm, budget: 0.5),
    "equal": World(score=lambda arm, budget: 0.55 + 0.05 * np.log2(budget / 64), rate=lambda arm: 60.0),
    "beyond the range": World(score=rising),
    "one budget": World(seeds=3, budgets=(480,)),
    "worse": World(score=lambda arm, budget: 0.6 + 0.04 * np.log2(budget / 64) - (0.1 if arm == "full" else 0)),
    "one seed": World(seeds=1),
    "six test examples": World(seeds=3, n_test=6),
}


def answers(trials, data=DATA):
    tables = SimpleNamespace(**analysed(trials, {"reviews": data}))
    return {row.benefit: row for row in lead("full", {"reviews": data}, tables)}


def verdicts(found):
    return [str(row.verdict) for row in found.values()]


@pytest.mark.parametrize("name", WORLDS)
def test_no_sentence_says_nothing(name):
    tables = analysed(study(WORLDS[name]))
    as_json(tables)
    sentences = [row.sentence for rows in tables.values() for row in rows if hasattr(row, "sentence")]
    sentences += [row.sentence for row in answers(study(WORLDS[name])).values()]
    for sentence in sentences:
        assert sentence.startswith("reviews: ") and sentence.endswith(".")
        for word in ("void", "undefined", "None", "nan", ".."):
            assert word not in sentence.replace("...", ""), sentence


def test_a_large_gain_over_a_scratch_that_was_cut_short():
    found = answers(study(WORLDS["cut short"]))
    assert verdicts(found)[:4] == ["supported"] * 4
    sentence = found[Benefit.PERFORMANCE].sentence
    assert (
        ": supported; at least 1 point; with endless training at most that: scratch had not ended by itself in 2 of 3"
        in sentence
    )
    assert "; it would have to gain 19 more points, and its last doubling of steps gave " in sentence
    for benefit in (Benefit.DATA_EFFICIENCY, Benefit.CONVERGENCE, Benefit.ROBUSTNESS):
        assert "scratch had not ended by itself in 2 of 3 seeds" in found[benefit].sentence


def test_scratch_at_chance_has_four_answers():
    found = answers(study(WORLDS["scratch at chance"]))
    assert verdicts(found)[:4] == ["supported"] * 4
    for benefit in (Benefit.PERFORMANCE, Benefit.DATA_EFFICIENCY, Benefit.ROBUSTNESS):
        assert found[benefit].sentence.startswith("reviews: scratch is not clearly above chance ")
    sentence = found[Benefit.CONVERGENCE].sentence
    assert sentence.startswith(
        "reviews: with 1,024 labels scratch never clearly left chance (50.0 %) on dev in 600 steps; full"
    )


def test_equal_arms_say_what_it_takes():
    found = answers(study(WORLDS["equal"]))
    assert set(verdicts(found)) <= {"inconclusive", "not supported", "not measured"}
    for benefit in (Benefit.PERFORMANCE, Benefit.DATA_EFFICIENCY):
        assert "needs about " in found[benefit].sentence


def test_the_arm_at_the_smallest_budget_beats_scratch_at_the_largest():
    found = answers(study(WORLDS["beyond the range"]))
    row = found[Benefit.DATA_EFFICIENCY]
    assert row.verdict == "supported"
    assert "64 labels or fewer with full do what 1,024 do without, a saving of 94 % or more" in row.sentence


def test_a_gain_under_shift_does_not_wait_for_what_cannot_be_identified():
    found = answers(study(WORLDS["beyond the range"]))
    assert found[Benefit.ROBUSTNESS].verdict == "supported"
    beyond = found[Benefit.BEYOND_ACCURACY]
    assert beyond.verdict == "not measured"
    assert "cannot be told: the scores at home do not overlap (full 9" in beyond.sentence


def test_six_dev_examples_end_in_a_true_sentence():
    """Dev scores that are sixths: the first evaluations may already be at the level, and the speed-up a bound or nothing."""

    def sixths(row):
        curve = tuple(replace(p, score=round(6 * min(p.score, 1.0)) / 6) for p in row.outcome.curve)
        return replace(row, outcome=replace(row.outcome, curve=curve))

    for seed in range(4):
        found = answers([sixths(row) for row in study(World(seeds=3, dev_noise=0.15), seed)])
        row = found[Benefit.CONVERGENCE]
        assert row.verdict in ("supported", "not supported", "inconclusive", "negative transfer")
        assert row.sentence.startswith("reviews: with 1,024 labels ") and row.sentence.endswith(f"{row.verdict}.")


def test_curves_of_one_point_end_in_a_true_sentence():
    point = (CurvePoint(10, 0.5, 0.5),)
    found = answers([replace(r, outcome=replace(r.outcome, curve=point)) for r in study(World(seeds=3))])
    assert found[Benefit.CONVERGENCE].verdict == "inconclusive"
    assert found[Benefit.CONVERGENCE].sentence.endswith("neither did full.")


@pytest.mark.parametrize(("benefit", "swap"), [("performance", True), ("data efficiency", True), ("convergence", False)])
def test_what_a_look_decided_stays_decided(benefit, swap):
    """A fourth seed, of swapped arms or of scratch twice, leaves the question open; three decided it, so theirs are read."""
    trials = study(World(seeds=4))
    fourth = {(row.spec.arm, row.spec.budget): row.outcome for row in trials if row.spec.replicate == 3}
    instead = {"full": "scratch", "scratch": "full" if swap else "scratch"}

    def spoilt(row):
        if row.spec.replicate < 3 or row.spec.arm not in instead:
            return row
        return replace(row, outcome=fourth[instead[row.spec.arm], row.spec.budget])

    three, four = [row for row in trials if row.spec.replicate < 3], list(map(spoilt, trials))
    looking, later = replace(DATA, looks=(3, 4)), replace(DATA, looks=(4, 5))
    decided, found, undecided = (answers(*of)[Benefit(benefit)] for of in ((three, looking), (four, looking), (four, later)))
    assert undecided.verdict == "inconclusive"
    assert found.verdict == decided.verdict == "supported"
    assert found.sentence == decided.sentence


def test_looks_reach_every_benefit():
    """Five seeds of a study that looks at 3 and 6 are three: with the level of that look, and said so."""
    looking = replace(DATA, looks=(3, 6))
    trials = study(World(seeds=5))
    first = [row for row in trials if row.spec.replicate < 3]
    found = answers(trials, looking)
    assert found == answers(first, looking)
    tables, plain = analysed(trials, {"reviews": looking}), analysed(first)
    for name in ("gains", "data_efficiency", "convergence"):
        for row, other in zip(tables[name], plain[name], strict=True):
            assert row.n_seeds == 3 and row.level > 0.95
            assert row.estimate == other.estimate
            wider = row.high - row.low - (other.high - other.low) if None not in (row.low, other.low) else 0
            assert wider >= 0 or row.low == 0 or row.high_open, row.sentence
    for benefit in (Benefit.PERFORMANCE, Benefit.DATA_EFFICIENCY, Benefit.CONVERGENCE, Benefit.BEYOND_ACCURACY):
        assert ", over all looks" in found[benefit].sentence
