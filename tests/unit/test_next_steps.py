"""What a run says at its end."""

from dataclasses import replace

import pytest

from support.fakes import run
from transfergain.analysis.findings import load
from transfergain.analysis.rows import Verdict
from transfergain.analysis.stats import Estimate
from transfergain.analysis.verdict import judge
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
        ({"pending": 0, "failed": 0}, Verdict.VOID, 4, "--epochs 32 --min-steps 600 gives scratch its steps"),
        ({"pending": 0, "failed": 0}, Verdict.INCONCLUSIVE, 4, "--seeds 6"),
        ({"pending": 0, "failed": 0}, Verdict.SUPPORTED, 0, "--tune 4"),
        ({"pending": 0, "failed": 0}, Verdict.SUPPORTED, 4, "more --seeds"),
    ],
)
def test_the_next_step_is_that_of_the_findings(findings, trials, verdict, tune, said):
    more = {"verdict": verdict, "seeds_needed": None, "cut_short": verdict is Verdict.VOID}
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


def test_an_arm_that_was_cut_short_is_given_steps_not_seeds(findings):
    verdict = judge(Estimate(-0.1, -0.2, -0.05, 0.01, None), 0.01, 0.01, 0, 3, arm_unconverged=3)
    more = {"verdict": verdict.verdict, "why": verdict.why, "seeds_needed": verdict.seeds, "cut_short": verdict.cut_short}
    gains = [replace(row, **more) for row in findings.gains]
    said = next_steps.lines(replace(findings, gains=gains))[-1]
    assert "--epochs 32 --min-steps 600 gives the pretrained arm its steps" in said


def test_one_seed_is_followed_by_three(tmp_path):
    run(tmp_path, seeds=1)
    assert "--seeds 3:" in next_steps.lines(load(tmp_path))[-1]
