"""What other text and other lengths of pretraining bring: trials set apart, gains on the same seeds, said in words."""

from dataclasses import replace

import pytest

from support.planted import FLOORS, findings, trials
from support.synthetic import PARAMETERS, World, study
from transfergain.analysis import courses
from transfergain.analysis.rows import Verdict
from transfergain.analysis.trials import by_dataset
from transfergain.arms.base import Start
from transfergain.course import Course
from transfergain.course import courses as planned
from transfergain.outcome import CurvePoint, Details, Outcome
from transfergain.report import markdown, terminal
from transfergain.report.page.html import render
from transfergain.store import StoredTrial
from transfergain.types import Phase, Recipe, Status

LEVELS = {"scratch": 0.70, "self": 0.80}
STUDY = World(score=lambda arm, budget: LEVELS.get(arm, 0.6), arms=tuple(LEVELS), seeds=6)
FIRST, SHORT, WIKI = planned([2000, 500], ["wiki"])
BROUGHT = {SHORT: 0.74, WIKI: 0.70}


@pytest.fixture(autouse=True)
def parameters(monkeypatch):
    monkeypatch.setitem(PARAMETERS, "self", 100_000)


def pretraining(like, course):
    """The trial that made the checkpoint of a course."""
    recipe = Recipe(5e-4, options=course.options(Start.FRESH))
    spec = replace(like, budget=0, replicate=0, phase=Phase.PRETRAIN, recipe=recipe, splits=(), stop_at=None)
    curve = (CurvePoint(course.steps, 0.02, 4.0 - course.steps / 2000),)
    return StoredTrial(
        spec, Outcome(Status.DONE, curve=curve, details=Details(steps=course.steps, flops=1e9 * course.steps))
    )


def rows(world=STUDY, seeds=6):
    """Trials of a study with three courses: the first, a shorter one, and one on other text; both bring less."""
    own = trials(world, arms=(*FLOORS, *LEVELS))
    like = next(row.spec for row in own if row.spec.arm == "self")
    made = {course: pretraining(like, course) for course in (FIRST, SHORT, WIKI)}
    found = [from_there(row, made[FIRST]) if row.spec.arm == "self" else row for row in own]
    for number, (course, level) in enumerate(BROUGHT.items(), start=1):
        other = replace(world, arms=("self",), budgets=(max(world.budgets),), seeds=seeds, score=lambda *_, at=level: at)
        found += [from_there(row, made[course]) for row in study(other, seed=number)]
    return [*made.values(), *found]


def from_there(row, made):
    return replace(row, spec=replace(row.spec, checkpoint_revision=made.spec.id))


def told(trials):
    """Findings of these trials with the courses that `analyse` adds."""
    first = courses.apart(trials, [FIRST, SHORT, WIKI])
    request = {"arms": list(LEVELS), "pretrain_steps": [500, 2000], "unlabelled": {"wiki": ["wiki.txt"]}}
    plain = findings(list(first.first), **request)
    known = by_dataset(courses_cells(first.first), plain.data)
    return replace(plain, courses=courses.rows(known, first, 0.01))


def courses_cells(trials):
    return courses.cells(trials, {"scratch": False, "self": True}, {})


def test_the_first_course_is_the_longest_on_the_studys_own_text():
    assert planned([500, 2000], ["wiki"]) == [Course(2000), Course(500), Course(2000, "wiki")]
    assert str(Course(2000)) == "2,000 steps on the study's own text" and str(WIKI) == "2,000 steps on wiki"


@pytest.mark.parametrize("course", [FIRST, SHORT, WIKI])
def test_a_recipe_says_its_course(course):
    assert Course.of(Recipe(5e-4, options=course.options(Start.FRESH))) == course


def test_trials_of_other_courses_stay_out_of_every_benefit():
    all_rows = rows()
    found = courses.apart(all_rows, [FIRST, SHORT, WIKI])
    assert list(found.others) == [SHORT, WIKI] and all(len(theirs) == 7 for theirs in found.others.values())
    assert len(found.first) + 14 == len(all_rows)
    plain = courses.apart(found.first, [FIRST])
    assert list(plain.first) == list(found.first) and not plain.others
    assert courses.rows([], plain, 0.01) == []


def test_each_course_has_its_gain_and_what_it_is_worth_beside_the_first():
    by_course = {row.course: row for row in told(rows()).courses}
    assert list(by_course) == [FIRST, SHORT, WIKI]
    for course, level in {FIRST: 0.80, **BROUGHT}.items():
        row = by_course[course]
        assert row.low < level - LEVELS["scratch"] < row.high and row.n_seeds == 6 and row.reference == "scratch"
        assert row.flops == 1e9 * course.steps and row.loss == 4.0 - course.steps / 2000
        assert row.estimate == pytest.approx(row.score - by_course[FIRST].score + by_course[FIRST].estimate)
    assert by_course[FIRST].over_first is None
    assert by_course[SHORT].over_first_low < BROUGHT[SHORT] - LEVELS["self"] < by_course[SHORT].over_first_high < 0
    verdicts = [row.verdict for row in by_course.values()]
    assert verdicts[0] == Verdict.SUPPORTED != verdicts[2]
    assert "self after 500 steps on the study's own text, with" in by_course[SHORT].sentence
    assert "over 2,000 steps on the study's own text" in by_course[SHORT].sentence


def test_courses_are_compared_on_the_seeds_that_all_of_them_have():
    assert {row.n_seeds for row in told(rows(seeds=4)).courses} == {4}


def test_every_view_says_what_other_courses_brought():
    found = told(rows())
    said = found.summary.datasets[0].parts
    assert "Gain of self in points: " in said and " after 2,000 steps of pretraining, " in said
    assert " after 500 and " in said and said.endswith(" on wiki.")
    assert said.split(".")[0] in " ".join(" ".join(line.plain.split()) for line in terminal.lines(found.summary, 300))
    assert "after 500 and " in markdown.render(found)
    page = render(found)
    assert "Does longer, or other text, help?" in page and "operations of pretraining" in page
    assert found.table("courses")[1]["steps"] == 500
