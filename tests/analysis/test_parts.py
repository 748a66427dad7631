"""The parts of the gain: steps that add up, each with an interval, and a sentence that says what they are of."""

from dataclasses import replace

import numpy as np
import pytest

from support.planted import FLOORS, findings, trials
from support.synthetic import PARAMETERS, World, analysed, study
from transfergain.analysis import parts
from transfergain.analysis.parts import Part
from transfergain.analysis.rows import Verdict
from transfergain.report import markdown, terminal
from transfergain.report.page.html import render
from transfergain.report.page.panels import parts as panel
from transfergain.report.page.panels.base import DatasetView

LEVELS = {"scratch": 0.70, "scratch-long": 0.70, "self": 0.77, "full": 0.90, "adapted": 0.90}
STAIRS = World(score=lambda arm, budget: LEVELS[arm] - 0.01 * np.log2(1024 / budget), arms=tuple(LEVELS), seeds=6)


@pytest.fixture(autouse=True)
def parameters(monkeypatch):
    for arm in LEVELS:
        monkeypatch.setitem(PARAMETERS, arm, 100_000)


@pytest.fixture
def rows():
    return study(STAIRS)


def test_the_steps_from_scratch_to_the_checkpoint_add_up_to_its_gain(rows):
    found = analysed(rows)
    for budget in STAIRS.budgets:
        mine = {row.part: row for row in found["parts"] if row.budget == budget}
        assert list(mine) == [Part.COMPUTE, Part.OBJECTIVE, Part.READ, Part.FURTHER]
        (gain,) = [
            r for r in found["gains"]
            if (r.arm, r.budget, str(r.split), r.metric) == ("full", budget, "test", "accuracy")
        ]  # fmt: skip
        assert mine[Part.OBJECTIVE].estimate + mine[Part.READ].estimate == pytest.approx(gain.estimate, abs=1e-12)
        assert (mine[Part.READ].reference, mine[Part.READ].arm) == ("self", "full")


def test_a_step_is_the_paired_difference_with_its_interval_and_verdict(rows):
    mine = {row.part: row for row in analysed(rows)["parts"] if row.budget == 1024}
    verdicts = {part: row.verdict for part, row in mine.items()}
    assert verdicts[Part.OBJECTIVE] == verdicts[Part.READ] == Verdict.SUPPORTED
    assert verdicts[Part.FURTHER] != Verdict.SUPPORTED != verdicts[Part.COMPUTE]
    for part, row in mine.items():
        assert row.low <= row.estimate <= row.high and row.n_seeds == 6
        assert row.estimate == pytest.approx(row.score - row.reference_score)
        if part in (Part.OBJECTIVE, Part.READ):
            assert row.low < LEVELS[row.arm] - LEVELS[row.reference] < row.high
    assert "the objective on the unlabelled text, self over scratch with 1,024 labels: +" in mine[Part.OBJECTIVE].sentence


def test_all_steps_are_of_the_seeds_that_all_arms_have(rows):
    fewer = [row for row in rows if not (row.spec.arm == "self" and row.spec.replicate in (0, 1))]
    assert {row.n_seeds for row in analysed(fewer)["parts"]} == {4}


def test_an_arm_that_runs_with_all_labels_alone_hides_no_parts_with_fewer(rows):
    """As with `--largest-only scratch-long`."""
    some = [row for row in rows if row.spec.arm != "scratch-long" or row.spec.budget == max(STAIRS.budgets)]
    found = {(row.budget, row.part) for row in analysed(some)["parts"]}
    whole = [Part.OBJECTIVE, Part.READ, Part.FURTHER]
    assert found == {(b, part) for b in STAIRS.budgets for part in whole} | {(max(STAIRS.budgets), Part.COMPUTE)}


def test_a_study_without_such_arms_has_no_parts(rows):
    assert analysed([row for row in rows if row.spec.arm in ("scratch", "full")])["parts"] == []
    assert parts.said([], "reviews") == ""


def test_what_is_there_is_said(rows):
    found = analysed(rows)["parts"]
    whole = parts.said(found, "reviews")
    assert whole.startswith("Of the ") and "points of full over 6 seeds, " in whole
    assert "from the objective on the unlabelled text" in whole and "from what the checkpoint has read" in whole
    assert "Pretraining further on it: -" in whole and "as much compute: " in whole
    without_full = analysed([row for row in rows if row.spec.arm in ("scratch", "self")])["parts"]
    assert parts.said(without_full, "reviews").startswith("The objective on the unlabelled text alone: ")
    further = analysed([row for row in rows if row.spec.arm in ("scratch", "full", "adapted")])["parts"]
    assert [row.part for row in further] == [Part.FURTHER] * len(STAIRS.budgets)
    assert parts.said(further, "reviews").startswith("Pretraining further on the unlabelled text: ")
    without_scratch = [row for row in found if row.part is Part.READ]
    assert parts.said(without_scratch, "reviews").startswith("What the checkpoint has read, full over self: ")
    one = analysed([row for row in rows if row.spec.replicate == 0])["parts"]
    assert all(row.low is None for row in one) and "(" not in parts.said(one, "reviews")


def test_the_picture_is_of_the_seeds_that_the_steps_are_of(parameters):
    """With `--seeds auto` scratch and full may have more seeds than `self`; steps that do not add up are no staircase."""
    world = replace(STAIRS, score=lambda arm, budget: LEVELS.get(arm, 0.6))
    some = [r for r in trials(world, arms=(*FLOORS, *LEVELS)) if r.spec.arm != "self" or r.spec.replicate < 3]
    told = findings(some, arms=list(LEVELS))
    rows = [row for row in told.parts if row.budget == max(STAIRS.budgets)]
    figure = panel.build(DatasetView(told, rows[0].dataset)).figures[0]
    drawn = {arm: float(error) for group in figure.table.groups for arm, error in group.rows}
    for row in rows:
        assert drawn[row.reference] - drawn[row.arm] == pytest.approx(100 * row.estimate, abs=0.11)
    assert "over 3 seeds, " in parts.said(rows, rows[0].dataset) and "over 3 seeds, " in figure.description


def test_every_view_says_where_the_gain_comes_from(parameters):
    arms = (*FLOORS, *LEVELS)
    world = replace(STAIRS, score=lambda arm, budget: LEVELS.get(arm, 0.6))
    told = findings(trials(world, arms=arms), arms=list(LEVELS))
    said = told.summary.datasets[0].parts
    assert said and said in " ".join(" ".join(line.plain.split()) for line in terminal.lines(told.summary, 200))
    assert "parts of the gain" in markdown.render(told)
    page = render(told)
    assert "Where does the gain come from?" in page and "what the checkpoint has read" in page
    plain = findings(trials(replace(world, arms=("scratch", "full")), arms=(*FLOORS, "scratch", "full")))
    assert "Where does the gain come from?" not in render(plain)
    assert told.table("parts")[0]["part"] == "as much compute"
