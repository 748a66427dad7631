import io
from dataclasses import replace

import pytest
from rich.console import Console

from support.fakes import FakeExecutor, dataset, outcome_of, run
from transfergain.analysis.findings import load
from transfergain.analysis.rows import Benefit
from transfergain.report import terminal as text
from transfergain.types import Outcome, WarningKind


def shown(folder, width=80):
    file = io.StringIO()
    findings = load(folder)
    text.show(findings, Console(file=file, width=width, color_system=None))
    return findings, file.getvalue()


def table_rows(output):
    """The table's lines split at runs of two spaces, from the header to the first sentence."""
    lines = output.splitlines()
    start = next(i for i, line in enumerate(lines) if line.split()[:2] == ["labels", "arm"])
    rows = []
    for line in lines[start + 1 :]:
        if not line.strip() and rows and rows[-1] == []:
            break
        rows.append([part.strip() for part in line.split("  ") if part.strip()])
    return [row for row in rows if row]


def test_table_shows_error_and_gain_of_every_arm_and_floor(tmp_path):
    run(tmp_path, seeds=3, budgets=[20, 30])
    findings, output = shown(tmp_path)
    assert "Sentiment on reviews" in output
    for score in findings.primary(findings.scores):
        error = f"{1 - score.mean:.3f}"
        assert any(score.arm in line.split() and error in line.split() for line in output.splitlines()), score
    for gain in findings.primary(findings.gains):
        interval = f"{gain.estimate:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
        line = next(line for line in output.splitlines() if interval in line)
        assert gain.verdict in line
    assert output.count(" majority ") == 2


def test_table_fits_in_80_columns(tmp_path):
    run(tmp_path, seeds=3)
    _, output = shown(tmp_path)
    lines = output.splitlines()
    start = next(i for i, line in enumerate(lines) if line.split()[:2] == ["labels", "arm"])
    assert all(len(line.rstrip()) <= 80 for line in lines[start : start + 5])


def test_headline_speaks_of_the_largest_budget_and_of_each_shift(tmp_path):
    run(tmp_path, {"reviews": dataset(shift=True)}, seeds=3, budgets=[20, 30])
    findings, output = shown(tmp_path)
    for gain in findings.gains:
        said = gain.sentence in output
        assert said == (gain.budget == 30 and gain.metric == "accuracy"), gain
    assert "on tweets with 30 labels" in output


def test_verdict_stands_before_its_sentence(tmp_path):
    run(tmp_path, seeds=3)
    findings, output = shown(tmp_path)
    row = findings.headline()[0]
    line = next(line for line in output.splitlines() if row.sentence in line)
    assert line.startswith("1 Performance ")
    assert line.split()[2] == row.verdict.split()[0].upper()


def test_a_negative_gain_is_shown_as_such(tmp_path):
    def behave(spec, data):
        return outcome_of(spec, data, right=9 if spec.arm == "scratch" else 2)

    run(tmp_path, executor=FakeExecutor(behave=behave), seeds=3)
    findings, output = shown(tmp_path)
    assert findings.headline()[0].estimate == pytest.approx(-0.7)
    assert "-0.700 [" in output
    assert "NEGATIVE TRANSFER" in output
    assert "raises the error from 10.0 % to 80.0 %" in output


def test_one_seed_has_no_interval(tmp_path):
    run(tmp_path, seeds=1)
    _, output = shown(tmp_path)
    full = next(row for row in table_rows(output) if "full" in row)
    assert full == ["full", "0.300", "+0.200", "inconclusive"]


def test_a_heading_is_one_line_however_narrow_its_table(tmp_path):
    run(tmp_path, seeds=1)
    findings, output = shown(tmp_path, width=40)
    assert f"Sentiment on reviews, {findings.study.model}, accuracy, test 10" in output.splitlines()


def test_runs_that_still_improve_are_one_warning_a_data_set(tmp_path):
    def behave(spec, data):
        converged = {"scratch": False, "full": spec.replicate > 0}.get(spec.arm)
        return replace(outcome_of(spec, data), converged=converged)

    run(tmp_path, executor=FakeExecutor(behave=behave), seeds=3, budgets=[20, 30])
    findings, _ = shown(tmp_path)
    assert [w.text for w in findings.warnings if w.kind is WarningKind.UNFINISHED] == [
        "reviews: runs that had not ended by themselves when their steps ran out: "
        "scratch at 20 labels (3 of 3 seeds), 30 labels (3 of 3 seeds); "
        "full at 20 labels (1 of 3 seeds), 30 labels (1 of 3 seeds)"
    ]


def test_warnings_and_failures_are_shown_literally(tmp_path):
    def behave(spec, data):
        if spec.arm == "full" and spec.replicate == 0:
            return Outcome("failed", error="RuntimeError: [bold]x[/bold] [/nonsense]")
        return outcome_of(spec, data)

    run(tmp_path, executor=FakeExecutor(behave=behave), seeds=3)
    _, output = shown(tmp_path)
    assert "warning  1 trial failed: RuntimeError: [bold]x[/bold] [/nonsense]" in output


def test_nothing_finished_is_said(tmp_path):
    run(tmp_path, executor=FakeExecutor(behave=lambda spec, data: Outcome("failed", error="no")))
    findings, output = shown(tmp_path)
    assert findings.scores == []
    assert "no trial has finished" in output
    assert "failed: no" in output


def test_data_sets_have_a_table_each(tmp_path):
    run(tmp_path, {"a": dataset("a"), "b": dataset("b")}, tasks=[{}, {}])
    _, output = shown(tmp_path)
    assert output.index("Sentiment on a") < output.index("Sentiment on b")
    assert output.count("gain over scratch") == 2


def overall(output):
    (line,) = (line for line in output.splitlines() if line.startswith("Overall"))
    return line


def test_every_benefit_has_a_line_and_one_line_is_over_all(tmp_path):
    run(tmp_path, {"reviews": dataset(shift=True)}, seeds=3, budgets=[20, 30])
    findings, output = shown(tmp_path)
    lines = output.splitlines()
    for number, row in enumerate(findings.benefits(), start=1):
        (line,) = (line for line in lines if line.startswith(f"{number} {row.benefit.capitalize()} "))
        assert row.sentence in line
        assert line.split(row.sentence)[0].split(maxsplit=1)[1].strip().endswith(row.verdict.upper())
    for row in findings.benefits():
        assert f"{row.benefit} {row.verdict}" in overall(output)


def test_over_several_data_sets_it_counts(tmp_path):
    def behave(spec, data):
        return outcome_of(spec, data, right=9 if spec.arm == "full" and data.name == "a" else 5)

    data = {name: dataset(name) for name in ("a", "b", "c")}
    run(tmp_path, data, FakeExecutor(behave=behave), tasks=[{}, {}, {}], seeds=3)
    findings, output = shown(tmp_path)
    verdicts = [row.verdict for row in findings.benefits() if row.benefit is Benefit.PERFORMANCE]
    assert f"performance supported on {verdicts.count('supported')} of 3 data sets" in overall(output)
    assert "robustness not measured" in overall(output)
    assert "data sets (partial conjunction, 95 %)" in overall(output)


def test_an_arm_that_failed_altogether_is_not_measured(tmp_path):
    def behave(spec, data):
        return Outcome("failed", error="no") if spec.arm == "full" else outcome_of(spec, data)

    run(tmp_path, executor=FakeExecutor(behave=behave), seeds=3)
    _, output = shown(tmp_path)
    assert output.count("NOT MEASURED") == 4
    assert "no seed of full and scratch has finished with the same labels" in output
