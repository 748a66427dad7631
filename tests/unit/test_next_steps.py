"""What a run says at its end."""

from dataclasses import replace

import pytest

from support.fakes import run
from transfergain.analysis.findings import load
from transfergain.analysis.rows import Verdict
from transfergain.report import next_steps


@pytest.fixture
def findings(tmp_path):
    run(tmp_path, seeds=3)
    return load(tmp_path)


def test_places_are_those_that_are_there(findings, tmp_path):
    report, models, _ = next_steps.lines(findings)
    assert f"{tmp_path / 'report.html'}" in report
    assert str(tmp_path / "models" / "full") in models
    findings = replace(findings, folder=str(tmp_path / "elsewhere"))
    assert len(next_steps.lines(findings)) == 2


@pytest.mark.parametrize(
    ("trials", "verdict", "tune", "said"),
    [
        ({"pending": 1, "failed": 0}, Verdict.SUPPORTED, 4, "runs what is missing"),
        ({"pending": 0, "failed": 2}, Verdict.SUPPORTED, 4, "runs what is missing"),
        ({"pending": 0, "failed": 0}, Verdict.INCONCLUSIVE, 4, "--seeds 6"),
        ({"pending": 0, "failed": 0}, Verdict.SUPPORTED, 0, "--tune 4"),
        ({"pending": 0, "failed": 0}, Verdict.SUPPORTED, 4, "more --seeds"),
    ],
)
def test_the_next_step_is_that_of_the_findings(findings, trials, verdict, tune, said):
    more = {"verdict": verdict, "seeds_needed": None}
    gains = [replace(row, **more) for row in findings.gains]
    changed = replace(findings, trials=trials, gains=gains, study=replace(findings.study, tune=tune))
    assert said in next_steps.lines(changed)[-1]


def test_the_seeds_asked_for_are_those_of_the_sentence(findings):
    needed = {"full": 7, "probe": None, "lora": 5}
    gains = [
        replace(row, verdict=Verdict.INCONCLUSIVE, arm=arm, seeds_needed=seeds)
        for row in findings.gains for arm, seeds in needed.items()
    ]  # fmt: skip
    assert "--seeds 7:" in next_steps.lines(replace(findings, gains=gains))[-1]


def auto(findings, most):
    """The same findings of a study that looks at 3 and at `most` seeds."""
    data = {name: replace(entry, looks=(3, most)) for name, entry in findings.data.items()}
    return replace(findings, data=data, study=replace(findings.study, seeds=(3, most)))


@pytest.mark.parametrize(
    ("arm", "most", "needed", "said"),
    [
        ("full", 12, 20, "--max-seeds 20:"),
        ("full", 12, None, "--max-seeds 24:"),
        ("full", 12, 9, "--max-seeds 24:"),
        ("full", 12, 70, "--max-seeds 30:"),
        ("full", 30, 70, "label more test examples"),
        ("probe", 12, 7, "--seeds 7:"),
        ("probe", 12, None, "--seeds 6:"),
    ],
)
def test_a_study_that_looks_gets_a_higher_maximum_for_the_leading_arm(findings, arm, most, needed, said):
    gains = [replace(row, verdict=Verdict.INCONCLUSIVE, arm=arm, seeds_needed=needed) for row in findings.gains]
    assert said in next_steps.lines(auto(replace(findings, gains=gains), most))[-1]


def test_a_study_that_looks_is_not_told_to_add_seeds_where_all_is_clear(findings):
    gains = [replace(row, verdict=Verdict.SUPPORTED) for row in findings.gains]
    said = next_steps.lines(auto(replace(findings, gains=gains), 12))[-1]
    assert "more --budgets or --arms" in said and "seeds" not in said


def test_one_seed_is_followed_by_three(tmp_path):
    run(tmp_path, seeds=1)
    assert "--seeds 3:" in next_steps.lines(load(tmp_path))[-1]
