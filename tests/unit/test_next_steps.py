"""Where a run says its results are."""

from dataclasses import replace

from support.fakes import run
from transfergain.analysis.findings import load
from transfergain.report import next_steps


def test_places_are_those_that_are_there(tmp_path):
    run(tmp_path, seeds=3)
    findings = load(tmp_path)
    report, models, details = next_steps.lines(findings)
    assert f"{tmp_path / 'report.html'}" in report
    assert str(tmp_path / "models" / "full") in models
    assert details == f"Details  transfergain report {tmp_path} --full"
    for weights in (tmp_path / "models").glob("*/model.safetensors"):
        weights.unlink()
    assert next_steps.lines(findings) == [report, details], "a model without weights is not announced as loadable"
    assert len(next_steps.lines(replace(findings, folder=str(tmp_path / "elsewhere")))) == 2


def test_a_model_that_brings_code_is_named_only_where_there_is_no_other_and_with_what_it_takes(tmp_path):
    run(tmp_path, seeds=3)
    findings = load(tmp_path)
    (tmp_path / "models" / "full" / "probe_model.py").touch()
    assert next_steps.lines(findings)[1].endswith(f"loads {tmp_path / 'models' / 'scratch'} as it is")
    (tmp_path / "models" / "scratch" / "probe_model.py").touch()
    assert next_steps.lines(findings)[1].endswith(f"loads {tmp_path / 'models' / 'full'} with trust_remote_code=True")
