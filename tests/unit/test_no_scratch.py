"""A study without the scratch arm, from its trials to every view: gains are over the floor that the task names last."""

import dataclasses
import io
import json

import pytest
from rich.console import Console

from support.fakes import FakeExecutor, dataset, outcome_of, run
from transfergain.analysis.findings import Findings, load
from transfergain.analysis.rows import Benefit
from transfergain.analysis.schema import schema
from transfergain.commands import side_by_side
from transfergain.commands.compare import compare
from transfergain.errors import UserError
from transfergain.report import markdown, notebook, terminal
from transfergain.report.export import write_table
from transfergain.report.page import html
from transfergain.running.looks import read_by
from transfergain.running.planner import Planner
from transfergain.study import Study
from transfergain.tasks import TASKS

ARMS = {"arms": "full,lora", "tune": 0, "budgets": [20, 30]}


def close(spec, data):
    """Full is a little better than the floor, in some seeds: a question that stays open."""
    return outcome_of(spec, data, {"full": 6}.get(spec.arm, 5) + spec.replicate % 3 * (spec.arm == "full"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    run(folder, {"reviews": dataset(shift=True)}, seeds=4, **ARMS)
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return load(folder)


def test_nothing_is_trained_from_scratch_and_gains_are_over_the_floor(tmp_path):
    ran, _ = run(tmp_path, seeds=3, **ARMS)
    assert {spec.arm for spec in ran} == {"majority", "tfidf", "full", "lora"}
    assert {row.reference for row in load(tmp_path).gains} == {"tfidf"}


def test_floors_get_the_seeds_that_the_arm_gets(tmp_path):
    """An open question at three seeds asks for more of the arm and of the floors beside it, at the largest budget alone."""
    ran, _ = run(tmp_path, executor=FakeExecutor(behave=close), seeds="auto", max_seeds=5, **ARMS)
    seeds = {(arm, budget): len({s.replicate for s in ran if (s.arm, s.budget) == (arm, budget)})
             for arm in ("full", "tfidf", "majority", "lora") for budget in (20, 30)}  # fmt: skip
    assert seeds["full", 30] == seeds["tfidf", 30] == seeds["majority", 30] > 3
    assert {seeds["full", 20], seeds["tfidf", 20], seeds["majority", 20], seeds["lora", 20], seeds["lora", 30]} == {3}
    assert len(ran) == len({spec.id for spec in ran})
    assert {row.n_seeds for row in load(tmp_path).headline() if row.arm == "full"} == {seeds["full", 30]}


def test_only_what_does_not_take_scratch_is_asked():
    cells = [("full", 20), ("full", 30), ("tfidf", 20), ("tfidf", 30)]
    assert read_by(Benefit, cells, "full", "tfidf") == {("full", 30), ("tfidf", 30)}


def test_what_takes_scratch_is_said_not_to_be_measured(found):
    answers = {row.benefit: row for row in found.benefits()}
    for benefit in (Benefit.DATA_EFFICIENCY, Benefit.CONVERGENCE):
        assert answers[benefit].verdict == "not measured"
        assert answers[benefit].sentence == (
            "reviews: takes the scratch arm, which was not asked for: name scratch in --arms."
        )
    assert answers[Benefit.ROBUSTNESS].verdict != "not measured" and Benefit.BEYOND_ACCURACY not in answers


def test_every_view_holds(found, folder, tmp_path):
    file = io.StringIO()
    terminal.show(found, Console(file=file, width=100, color_system=None), full=True)
    assert "gain over tfidf (95 %)" in file.getvalue() and "full from" in file.getvalue()
    shown = notebook.StudyFindings.of(found)
    assert "name scratch in arms" in repr(shown) and "name scratch in arms" in shown._repr_html_()
    assert "beat the best floor?" in markdown.render(found)
    assert "<title>" in html.render(found)
    for table in ("gains", "scores", "robustness", "trials"):
        for form in ("csv", "latex", "markdown"):
            assert write_table(str(folder), table, form, str(tmp_path / f"{table}.{form}")).stat().st_size
    assert "against the best floor" in (tmp_path / "gains.latex").read_text("utf-8")
    assert write_table(str(folder), format="svg", output=str(tmp_path / "figures")).is_dir()


def test_findings_follow_the_schema(found):
    jsonschema = pytest.importorskip("jsonschema")
    content = json.loads(found.to_json())
    jsonschema.validate(content, schema())
    assert content["data"]["reviews"]["reference"] == content["summary"]["datasets"][0]["reference"] == "tfidf"


def test_it_is_compared_with_one_that_has_scratch(found, tmp_path):
    run(tmp_path, {"reviews": dataset(shift=True)}, seeds=4, **ARMS | {"arms": "scratch,full"})
    rows = compare([found, load(tmp_path)])
    assert {row.reference for row in rows if row.arm == "full"} == {"tfidf", "scratch"}
    file = io.StringIO()
    side_by_side.show(rows, Console(file=file, width=120, color_system=None))
    assert "over tfidf or scratch [95 %]" in " ".join(file.getvalue().split())


def test_scratch_added_later_runs_alone(tmp_path):
    run(tmp_path, seeds=3, **ARMS)
    ran, _ = run(tmp_path, seeds=3, **ARMS | {"arms": "scratch,full,lora"})
    assert {spec.arm for spec in ran} == {"scratch"}
    assert isinstance(found := load(tmp_path), Findings) and {row.reference for row in found.gains} == {"scratch"}


def test_several_data_sets_are_summed_up(tmp_path):
    run(tmp_path, {name: dataset(name) for name in ("a", "b")}, tasks=[{}, {}], seeds=3, **ARMS)
    found = load(tmp_path)
    assert {row.reference for row in found.aggregate if row.measure != "iqm"} == {"tfidf"}
    assert " beats the best floor on " in found.summary.answer
    assert any("full gains over tfidf on at least" in row.sentence for row in found.aggregate)


def test_a_task_without_floors_takes_scratch(monkeypatch):
    monkeypatch.setitem(TASKS, "sentiment", dataclasses.replace(TASKS["sentiment"], floors=()))
    with pytest.raises(UserError, match=r"^--arms: reviews has no floor to compare with; name scratch among the arms"):
        Planner(Study(arms="full", budgets=[20]), {"reviews": dataset()}, "x", "fp32")


@pytest.mark.parametrize("arms", ["probe", "scratch,probe-random", "scratch,probe,setfit"])
def test_arms_none_of_which_is_for_the_task_are_refused_at_the_start(arms):
    pairs = dataclasses.replace(dataset(), task="translation")
    with pytest.raises(
        UserError, match=r"with --task translation: a text that is generated .*; name another arm, such as full"
    ):
        Planner(Study(arms=arms, budgets=[20]), {"reviews": pairs}, "x", "fp32")


@pytest.mark.parametrize("arms", ["scratch", "probe,lora", "scratch,probe,full"])
def test_an_arm_that_is_not_for_the_task_is_no_matter_beside_one_that_is(arms):
    pairs = dataclasses.replace(dataset(), task="translation")
    assert Planner(Study(arms=arms, budgets=[20]), {"reviews": pairs}, "x", "fp32").cells()


def test_an_arm_that_is_for_one_of_two_tasks_is_planned_for_both():
    both = {"reviews": dataset(), "phrases": dataclasses.replace(dataset("phrases"), task="translation")}
    tasks = [{"task": "sentiment"}, {"task": "translation"}]
    cells = list(Planner(Study(tasks=tasks, arms="scratch,probe"), both, "x", "fp32").cells())
    assert {(cell.data.name, cell.arm) for cell in cells} == {(name, arm) for name in both for arm in ("scratch", "probe")}
