"""What the terminal prints: the answer on a screen, at every width; with `--full` everything."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from support.fakes import FakeExecutor, dataset, outcome_of, run
from support.planted import NAMES, planted
from transfergain.analysis.findings import load
from transfergain.analysis.rows import Benefit
from transfergain.analysis.summary import NextStep
from transfergain.analysis.words import in_percent
from transfergain.outcome import Outcome
from transfergain.report import steps, terminal
from transfergain.types import WarningKind

WIDTHS = (60, 80, 120, 200)


def printed(findings, width=80, full=False):
    file = io.StringIO()
    terminal.show(findings, Console(file=file, width=width, color_system=None), full)
    return file.getvalue()


def shown(folder, width=80):
    findings = load(folder)
    return findings, printed(findings, width, full=True)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_the_answer_fits_on_a_screen_and_no_word_is_cut(name, width):
    findings = planted(name)
    lines = printed(findings, width).strip("\n").splitlines()
    assert len(lines) <= 25 and all(len(line) <= width for line in lines)
    said = findings.summary.answer.split()
    assert " ".join(lines).split()[: len(said)] == said
    for of in findings.summary.datasets if len(findings.data) == 1 else ():
        flat = " ".join(" ".join(lines).split())
        for line in of.benefits:
            assert f"{line.text} " in f"{flat} "


@pytest.mark.parametrize("width", WIDTHS)
def test_several_data_sets_have_a_row_each(width):
    findings = planted("five data sets")
    lines = printed(findings, width).splitlines()
    for of in findings.summary.datasets:
        (row,) = [line for line in lines if line.startswith(f"{of.dataset} ")]
        assert f" {of.verdict} " in row and row.endswith(f" {of.recommendation.name}")
        assert f"{in_percent(of.over_reference.estimate, '+')} " in row


FIRST_LINES = {
    "floor wins": """No need for it: TF-IDF + logistic regression reaches accuracy 95.9 % without a
transformer; full fine-tuning from bert-base-uncased has 88.0 %, -7.9 points
(95 %: -11.3 to -4.5). Over scratch: 67.5 to 88.0 %, +20.5 points (95 %: +12.7""",
    "scratch never learned": """Scratch never learned: accuracy of 48.2 % is not clearly above chance (50.0 %)
in 5 of 5 seeds. Full fine-tuning at 88.0 % beats the best floor, TF-IDF +
logistic regression: +17.5 points (95 %: +11.2 to +23.8).""",
    "negative transfer": """No, it hurts. Starting from bert-base-uncased lowers accuracy from 88.6 to
80.5 % with 1,024 labels (-8.1 points, 95 %: -15.7 to -0.4; 5 seeds).
""",
    "equal arms": """Undecided; more seeds alone would hardly decide it. Starting from
bert-base-uncased lifts accuracy from 83.6 to 84.8 % with 1,024 labels (+1.2
points, 95 %: -6.3 to +8.7; 5 seeds).""",
    "one seed": """One seed, so no verdict yet. Starting from bert-base-uncased lifts accuracy from
65.5 to 85.5 % with 1,024 labels (+20.0 points; 1 seed).
""",
    "two seeds": """2 seeds are too few for a verdict. Starting from bert-base-uncased lifts
accuracy from 62.5 to 69.2 % with 1,024 labels (+6.7 points; 2 seeds).
""",
    "one budget": """Yes. Starting from bert-base-uncased lifts accuracy from 62.0 to 89.0 % with 480
labels (+27.0 points, 95 %: +20.5 to +33.5; 5 seeds).
""",
    "perfect scores": """No need for it: TF-IDF + logistic regression reaches accuracy 100.0 % without a
transformer; full fine-tuning from bert-base-uncased has 100.0 %, +0.0 points
(95 %: +0.0 to +0.0). Over scratch: 100.0 to 100.0 %, +0.0 points (95 %: +0.0 to""",
    "failed trials": """Yes. Starting from bert-base-uncased lifts accuracy from 66.3 to 88.7 % with
1,024 labels (+22.3 points, 95 %: +2.8 to +33.7; 3 seeds).
""",
    "crossing curves": """No, it hurts. Starting from bert-base-uncased lowers accuracy from 88.6 to
80.5 % with 1,024 labels (-8.1 points, 95 %: -15.7 to -0.4; 5 seeds). With 64
labels it helps: 55.5 to 76.0 %, +20.5 points (95 %: +13.0 to +28.0).""",
    "no scratch": """Yes, it beats the best floor. Full fine-tuning from bert-base-uncased has
accuracy 86.5 % with 1,024 labels, TF-IDF + logistic regression 70.5 % (+16.1
points, 95 %: +10.4 to +21.7; 5 seeds).""",
    "five data sets": """Starting from bert-base-uncased pays on 2 of 5 data sets; a floor does as well
on 1, it hurts on 1, undecided on 1. Scratch is not clearly above chance on
posts.""",
}


@pytest.mark.parametrize("name", NAMES)
def test_first_three_lines_in_80_columns(name):
    assert printed(planted(name)).splitlines()[1:4] == FIRST_LINES[name].split("\n")


def test_scores_are_those_of_the_rows_in_per_cent():
    findings = planted("one budget")
    lines = printed(findings, 120).splitlines()
    start = next(i for i, line in enumerate(lines) if line.split()[:1] == ["labels"])
    names, values = lines[start].split("    accuracy")[0].split()[1:], lines[start + 1].split()[1:]
    means = {row.arm: in_percent(row.mean) for row in findings.primary(findings.scores) if str(row.split) == "test"}
    assert dict(zip(names, values, strict=True)) == means


def test_a_table_that_is_too_wide_keeps_the_arm_and_what_to_take():
    findings = planted("floor wins")
    head = next(line for line in printed(findings, 40).splitlines() if line.startswith("    labels  "))
    assert {"tfidf", "full"} <= set(head.split()) and len(head) <= 40


def test_what_is_left_out_is_printed_with_full():
    findings = planted("failed trials")
    short, full = printed(findings), printed(findings, full=True)
    assert full.startswith(short)
    for warning in findings.warnings:
        assert warning.text in " ".join(full.split())


@pytest.mark.parametrize(
    ("step", "flags", "keywords"),
    [
        (NextStep(text="so", key="max_seeds", value="8"), "so: --max-seeds 8", "so: max_seeds=8"),
        (NextStep(text="so", key="quick"), "so: without --quick", "so: without quick"),
        (NextStep(text="so", key="shift", value="NAME=FILE"), "so: --shift NAME=FILE", 'so: shift={"NAME": "FILE"}'),
        (NextStep(text="so"), "so", "so"),
    ],
)
def test_a_step_is_a_flag_or_a_keyword(step, flags, keywords):
    assert (steps.flags(step), steps.keywords(step)) == (flags, keywords)


def test_several_data_sets_have_one_number_of_seeds_to_run_next():
    """Each named its own: --max-seeds 16 and --max-seeds 24 stood below each other, where one study takes one number."""
    (of,) = planted("usual").summary.datasets
    first = replace(of, next=[NextStep(text="more seeds", key="max_seeds", value="16"), NextStep(text="tune", key="tune")])
    alone = NextStep(text="label more", of_study=False)
    second = replace(of, dataset="other", next=[alone, NextStep(text="more seeds", key="max_seeds", value="24")])
    assert list(map(steps.flags, steps.of_study([first, second]))) == ["more seeds: --max-seeds 24", "tune: without --tune"]


def test_messages_name_keywords_in_python():
    said = "--train-file a--b.csv: give --seeds 3, not --max-seeds; e-mail--x stays"
    assert steps.in_keywords(said) == "train_file a--b.csv: give seeds 3, not max_seeds; e-mail--x stays"


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


def flat(output):
    return " ".join(output.split())


def test_table_shows_score_and_gain_of_every_arm_and_floor(tmp_path):
    run(tmp_path, seeds=3, budgets=[20, 30])
    findings, output = shown(tmp_path)
    assert "Sentiment on reviews" in output
    for score in findings.primary(findings.scores):
        mean = in_percent(score.mean)
        assert any(score.arm in line.split() and mean in line.split() for line in output.splitlines()), score
    for gain in findings.primary(findings.gains):
        interval = f"{in_percent(gain.estimate, '+')} [{in_percent(gain.low, '+')}, {in_percent(gain.high, '+')}]"
        line = next(line for line in output.splitlines() if interval in line)
        assert gain.verdict in line


def test_table_fits_in_80_columns(tmp_path):
    run(tmp_path, seeds=3)
    _, output = shown(tmp_path)
    assert all(len(line.rstrip()) <= 80 for line in output.splitlines())


def test_a_narrow_terminal_cuts_no_word_of_the_table():
    output = printed(planted("negative transfer"), 60, full=True)
    assert "…" not in output and all(len(line.rstrip()) <= 60 for line in output.splitlines())


def test_every_gain_of_the_largest_budget_is_in_full(tmp_path):
    run(tmp_path, {"reviews": dataset(shift=True)}, seeds=3, budgets=[20, 30])
    findings, output = shown(tmp_path)
    for gain in findings.gains:
        assert (gain.sentence.removeprefix("reviews: ") in flat(output)) == (
            gain.budget == 30 and gain.metric == "accuracy"
        ), gain


def test_verdict_stands_before_its_sentence(tmp_path):
    run(tmp_path, seeds=3)
    findings, output = shown(tmp_path)
    row = findings.headline()[0]
    assert f"1 Performance {row.verdict.upper()} {row.sentence.removeprefix('reviews: ')}" in flat(output)


def test_a_negative_gain_is_shown_as_such(tmp_path):
    def behave(spec, data):
        return outcome_of(spec, data, right=9 if spec.arm == "scratch" else 2)

    run(tmp_path, executor=FakeExecutor(behave=behave), seeds=3)
    findings, output = shown(tmp_path)
    assert findings.headline()[0].estimate == pytest.approx(-0.7)
    assert "lowers accuracy from 90.0 to 20.0 % with 20 labels (-70.0 points" in flat(output)
    assert "-70.0 [" in output and "NEGATIVE TRANSFER" in output


def test_one_seed_has_no_interval(tmp_path):
    run(tmp_path, seeds=1)
    _, output = shown(tmp_path)
    full = next(row for row in table_rows(output) if "full" in row)
    assert full == ["full", "70.0", "+20.0", "inconclusive"]


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
    said = " ".join(output.split())
    assert "warning reviews: 1 trial of full failed: RuntimeError: [bold]x[/bold] [/nonsense]" in said


def test_nothing_finished_is_said(tmp_path):
    run(tmp_path, executor=FakeExecutor(behave=lambda spec, data: Outcome("failed", error="no")))
    findings, output = shown(tmp_path)
    assert findings.scores == []
    assert output.startswith("\nNo answer yet: no finished seed of both full and scratch.")
    assert "Take     nothing yet: no trial has finished" in output and "failed: no" in output


def test_data_sets_have_a_table_each(tmp_path):
    run(tmp_path, {"a": dataset("a"), "b": dataset("b")}, tasks=[{}, {}])
    _, output = shown(tmp_path)
    assert output.index("Sentiment on a") < output.index("Sentiment on b")
    assert output.count("gain over scratch") == 2


def overall(output):
    return re.search(r"Overall .*", flat(output)).group()


def test_every_benefit_is_in_full_and_one_line_is_over_all(tmp_path):
    run(tmp_path, {"reviews": dataset(shift=True)}, seeds=3, budgets=[20, 30])
    findings, output = shown(tmp_path)
    for number, row in enumerate(findings.benefits(), start=1):
        assert f"{number} {row.benefit.capitalize()} {row.verdict.upper()} {row.sentence.removeprefix('reviews: ')}" in flat(
            output
        )
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
    assert "no finished seed of both full and scratch" in flat(output)
