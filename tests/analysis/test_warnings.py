"""Warnings know what they are about, those of studies stored without a kind too."""

from dataclasses import asdict, replace

import pytest

from support.fakes import FakeExecutor, dataset, describe, outcome_of, run
from support.synthetic import World, study
from transfergain.analysis import warnings
from transfergain.analysis.findings import load
from transfergain.arms.base import Start
from transfergain.course import Course
from transfergain.outcome import Details, Outcome
from transfergain.running.planner import Planner
from transfergain.store import Store, StoredTrial
from transfergain.study import Study
from transfergain.types import Phase, Recipe, Status, StudyWarning, WarningKind

LEAK = (
    "reviews: 5 of 55 test texts share a 13-gram with train: scores may be too high for every arm; "
    "check the test set for leaks"
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (LEAK, WarningKind.CONTAMINATION),
        ("m was trained on pairs; check that your test set is none of it", WarningKind.CONTAMINATION),
        ("what m was pretrained on is not known here: overlap with the test set not checked", WarningKind.CONTAMINATION),
        ("reviews: 2 seeds: too few to tell luck from gain; use 5 or more", WarningKind.DESIGN),
        ("names: m lower-cases its input, which hides the capitals that names are known by", WarningKind.CHECKPOINT),
        ("reviews: something that nobody said before", WarningKind.OTHER),
    ],
)
def test_a_text_without_a_kind_is_told_by_its_words(text, kind):
    assert warnings.stored([text]) == [StudyWarning(kind, text)]


def test_a_kind_comes_back_as_it_was_stored():
    said = [StudyWarning(WarningKind.DATA, LEAK), StudyWarning(WarningKind.CONTAMINATION, "nothing of the known words")]
    assert warnings.stored([asdict(warning) for warning in said]) == said


def test_findings_hold_the_stored_warnings_and_their_own(tmp_path):
    def behave(spec, data):
        if spec.arm == "full" and spec.replicate == 1:
            raise RuntimeError("no luck")
        return outcome_of(spec, data, right=1)

    datasets = {"reviews": dataset()}
    run(tmp_path, datasets, FakeExecutor(behave=behave), tune=3)
    with Store(tmp_path) as store:
        study = Study(arms="scratch,full", budgets=[20], seeds=2, tune=3)
        describe(store, study, Planner(study, datasets, "sha256:0", "fp32"), warnings=[LEAK])
    found = load(tmp_path).warnings
    assert found[0] == StudyWarning(WarningKind.CONTAMINATION, LEAK)
    assert {warning.kind for warning in found[1:]} == {
        WarningKind.FAILED,
        WarningKind.COLLAPSED,
        WarningKind.TUNING_EDGE,
    }


def test_the_leading_arm_is_the_one_that_the_benefits_are_about(tmp_path):
    """It is the plan's, and no order of the registry: lora was named first here."""
    run(tmp_path, arms="scratch,lora,probe")
    findings = load(tmp_path)
    assert findings.leading_arm == "lora" == findings.benefits()[0].arm


def test_trials_without_a_score_are_counted_by_reason_with_their_arms():
    rows = study(World(seeds=2, budgets=(64,)))
    lost = {"full": Outcome(Status.SKIPPED, error="not for this task"), "scratch": Outcome(Status.FAILED, error="no memory")}
    rows = [replace(row, outcome=lost[row.spec.arm]) if row.spec.arm in lost else row for row in rows]
    rows += [replace(row, spec=replace(row.spec, arm="lora")) for row in rows if row.outcome.status is Status.SKIPPED]
    dataset = rows[0].spec.dataset
    assert set(warnings.of_trials(rows, 0)) == {
        StudyWarning(WarningKind.SKIPPED, f"{dataset}: 4 trials of full and lora skipped: not for this task"),
        StudyWarning(WarningKind.FAILED, f"{dataset}: 2 trials of scratch failed: no memory"),
    }


def test_a_pretraining_that_learned_next_to_nothing_is_warned_of():
    """As 750 steps on SST-2's own sentences: weights that know how often tokens occur are a worse start than fresh ones."""

    def made(loss):
        recipe = Recipe(5e-4, options=Course(750).options(Start.FRESH))
        spec = replace(study(World(seeds=1))[0].spec, arm="self", budget=0, phase=Phase.PRETRAIN, recipe=recipe)
        return StoredTrial(spec, Outcome(Status.DONE, details=Details(checks={"loss": loss, "unigram_loss": 7.07})))

    (said,) = warnings.of_pretrainings([made(6.70), made(4.91)])
    assert said.kind is WarningKind.UNFINISHED and said.text == (
        "reviews: self was pretrained too short to tell what its text is worth: after 750 steps on the study's own text its "
        "loss on held-out text is 6.70, that of counting tokens 7.07; give more --pretrain-steps"
    )
    assert warnings.of_pretrainings(study(World(seeds=1))) == []
