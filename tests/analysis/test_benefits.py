"""The lead rows of the four benefits, from whole tables of made-up studies."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from support.synthetic import DATA, TWEETS, World, analysed, study
from transfergain.analysis.benefits import lead, leading_arm, nothing
from transfergain.analysis.rows import Benefit, Measure, Verdict
from transfergain.split import shift


def leads(world, arm="full", seed=0):
    tables = SimpleNamespace(**analysed(study(world, seed)))
    return {row.benefit: row for row in lead(arm, {world.dataset: DATA}, tables)}


def test_the_claims_in_order_each_with_a_sentence():
    found = leads(World(seeds=6, n_test=800))
    assert tuple(found) == tuple(Benefit)
    assert [row.verdict for row in found.values()][:4] == ["supported"] * 4
    assert "labels with full do what 1,024 do without, a saving of" in found["data efficiency"].sentence
    assert "; 64 labels with it do what" in found["data efficiency"].sentence, "the smallest budget has the second word"
    assert "with 1,024 labels" in found["performance"].sentence, "the largest does elsewhere"
    assert "with 1,024 labels full reaches scratch's level" in found["convergence"].sentence
    assert "on the shift tweets" in found["robustness"].sentence or "tweets" in found["robustness"].sentence
    assert "with the same score at home" in found["robustness beyond accuracy"].sentence


@pytest.mark.long
def test_equal_arms_support_nothing():
    """Labels, curves and scores alike, and labels permuted (accuracy .5): none of the four is claimed."""
    for accuracy in (0.7, 0.5):
        flat = World(seeds=6, score=lambda arm, b, a=accuracy: a, rate=lambda arm: 60.0)
        for seed in range(2):
            found = leads(flat, seed=seed)
            assert not [row.sentence for row in found.values() if row.verdict in ("supported", "partly")]


def test_a_worse_arm_is_shown_as_such():
    worse = World(seeds=6, n_test=800, score=lambda arm, b: 0.6 + 0.04 * np.log2(b / 64) - (0.1 if arm == "full" else 0))
    found = leads(worse)
    assert found["performance"].verdict == found["robustness"].verdict == "negative transfer"
    assert found["convergence"].verdict == "not supported"


def test_robust_beyond_its_accuracy_is_a_row_of_its_own():
    tables = analysed(study(World(seeds=6)))
    for verdict in (Verdict.SUPPORTED, Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED):
        rows = [
            replace(r, verdict=verdict) if r.measure is Measure.EFFECTIVE_ROBUSTNESS else r for r in tables["robustness"]
        ]
        found = lead("full", {"reviews": DATA}, SimpleNamespace(**tables | {"robustness": rows}))
        assert (found[3].verdict, found[4].verdict) == ("supported", verdict)
        assert found[4].benefit is Benefit.BEYOND_ACCURACY


def test_partly_is_some_shifts_and_not_others():
    tables = analysed(study(World(seeds=6)))
    shifted = [row for row in tables["robustness"] if row.measure is Measure.OOD_GAIN]
    others = [replace(row, split=shift("letters"), verdict=Verdict.INCONCLUSIVE) for row in shifted]
    found = lead("full", {"reviews": DATA}, SimpleNamespace(**tables | {"robustness": shifted + others}))
    assert found[3].verdict == "partly"
    assert ", supported; on " in found[3].sentence and found[3].sentence.endswith(", inconclusive.")


@pytest.mark.parametrize("tables", [{}, {"gains": []}])
def test_nothing_finished_is_not_measured(tables):
    empty = dict.fromkeys(("gains", "data_efficiency", "convergence", "robustness"), ()) | tables
    rows = lead("probe", {"reviews": DATA}, SimpleNamespace(**empty))
    assert {row.verdict for row in rows} == {"not measured"} and {row.arm for row in rows} == {"probe"}
    assert "no finished seed of both probe and scratch" in rows[0].sentence
    assert "no finished seed of both probe and scratch" in rows[3].sentence
    assert "(--shift)" in nothing(Benefit.ROBUSTNESS, "probe", "scratch", compared=True)
    assert "no arm beside scratch" in lead("", {"reviews": DATA}, SimpleNamespace(**empty))[0].sentence


def test_the_leading_arm_is_full_fine_tuning_or_the_first_of_the_study():
    assert leading_arm(["scratch", "probe", "full"]) == "full"
    assert leading_arm(["scratch", "lora", "probe"]) == "lora"
    assert leading_arm(["scratch"]) == ""


def test_perturbations_alone_answer_where_there_is_no_shift():
    rows = study(World(seeds=6, n_test=800, perturbations=("keyboard",)))
    for row in rows:
        row.outcome.evaluated.pop(TWEETS)
    tables = SimpleNamespace(**analysed(rows))
    found = lead("full", {"reviews": DATA}, tables)[3]
    assert found.verdict == "supported" and "full gains on 2 of 2 perturbed test sets" in found.sentence
