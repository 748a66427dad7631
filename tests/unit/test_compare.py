import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from support.fakes import FakeExecutor, dataset, outcome_of, run
from transfergain.analysis.findings import load
from transfergain.commands.compare import compare, names
from transfergain.commands.side_by_side import page, show, winner
from transfergain.errors import UserError

EVIL = "<script>alert(1)</script>"


def study(folder, better=0, **keys):
    """A study of fakes whose full arm hits `better` more test examples than usual."""

    def behave(spec, data):
        usual = {"scratch": 5, "full": 6 + better}.get(spec.arm, 4) + spec.replicate % 2
        return outcome_of(spec, data, usual)

    run(folder, keys.pop("datasets", {"reviews": dataset()}), FakeExecutor(behave=behave), **{"seeds": 4} | keys)
    return load(folder)


def test_a_better_checkpoint_has_the_difference_of_the_scores(tmp_path):
    first, second = study(tmp_path / "a"), study(tmp_path / "b", better=2)
    rows = compare([first, second])
    assert [(row.study, row.arm, row.budget) for row in rows] == [("a", "full", 20), ("b", "full", 20)]
    assert rows[0].difference is None
    assert rows[1].difference == pytest.approx(0.2)
    assert rows[1].low <= 0.2 <= rows[1].high
    assert rows[1].score - rows[0].score == pytest.approx(0.2)
    assert rows[1].gain == next(g.estimate for g in second.headline())
    back = compare([second, first])
    assert back[1].difference == pytest.approx(-0.2)
    assert back[1].high == pytest.approx(-rows[1].low)
    assert rows[1].high == pytest.approx(1 - rows[0].score), "cut where no score can be"
    assert rows[1].high < -back[1].low


def test_the_same_study_twice_is_not_told_apart(tmp_path):
    rows = compare([study(tmp_path / "a"), study(tmp_path / "b")])
    assert rows[1].difference == 0
    assert "not told apart from a's" in rows[1].note


def test_what_cannot_be_paired_is_said(tmp_path):
    first = study(tmp_path / "a", seeds=2)
    later = study(tmp_path / "b", seeds=2, seed=100)
    single = study(tmp_path / "c", seeds=1)
    rows = {row.study: row for row in compare([first, later, single])}
    assert rows["c"].note == "one seed in common with a: no interval"
    assert rows["c"].difference is not None and rows["c"].low is None
    later_seeds = {row.spec.replicate for row in later.rows if row.spec.phase == "report" and row.spec.recipe}
    expected = "no seed in common" if later_seeds.isdisjoint({0, 1}) else "2 seeds"
    assert expected in rows["b"].note
    assert rows["b"].score is not None


def test_budgets_that_all_share_are_compared(tmp_path):
    rows = compare([study(tmp_path / "a", budgets=[10, 20]), study(tmp_path / "b", budgets=[10])])
    assert {row.budget for row in rows} == {10}
    apart = compare([study(tmp_path / "c", budgets=[12]), study(tmp_path / "d", budgets=[10])])
    assert {row.note for row in apart} == {"no label budget in common"}
    assert all(row.score is None for row in apart)


def test_other_data_is_not_compared(tmp_path):
    first = study(tmp_path / "a")
    other = study(tmp_path / "b", datasets={"films": dataset("films")})
    with pytest.raises(UserError, match=r"nothing to compare.*a: reviews; b: films"):
        compare([first, other])
    with pytest.raises(UserError, match="two output folders"):
        compare([first])


def test_names_tell_studies_apart(tmp_path):
    found = [study(tmp_path / "x" / "run"), study(tmp_path / "y" / "run")]
    assert names(found) == [str(tmp_path / "x" / "run"), str(tmp_path / "y" / "run")]
    assert len(set(names([found[0], found[0]]))) == 2


def test_the_page_and_the_terminal_say_the_same_and_escape_it(tmp_path):
    first, second = study(tmp_path / "a"), study(tmp_path / "b", better=2)
    second = replace(second, study=replace(second.study, model=EVIL))
    rows = compare([first, second])
    html = page(rows)
    assert EVIL not in html and "&lt;script&gt;" in html
    console = Console(width=300, record=True, file=io.StringIO())
    show(rows, console)
    text = console.export_text()
    difference = re.search(r"\+20\.0 \[[+\-.\d]+, [+\-.\d]+\]", text)[0]
    assert difference in html
    assert winner(rows) in text and winner(rows) in html


def test_the_winner_is_named_by_its_paired_interval_whatever_the_order(tmp_path):
    worse, better = study(tmp_path / "a", better=-6), study(tmp_path / "b", better=3)
    said = {winner(compare(order)) for order in ([worse, better], [better, worse])}
    assert len(said) == 1
    assert re.fullmatch(
        r"b is the best with full: ahead of a by 90\.0 points \(95 % interval .* to 95\.0, 4 seeds\)\.", *said
    )


def test_the_best_of_three_is_set_against_the_nearest_with_an_interval_over_all(tmp_path):
    found = [study(tmp_path / name, better=more) for name, more in {"a": -6, "b": 3, "c": -5}.items()]
    rows = compare(found)
    behind = {row.study: row.behind for row in rows}
    assert behind == {"a": pytest.approx(0.9), "b": None, "c": pytest.approx(0.8)}
    assert winner(rows).startswith("b is the best with full: ahead of c by 80.0 points (95 % interval ")
    assert "over all studies" in winner(rows)
    two = {row.study: row for row in compare(found[1:])}["c"]
    three = {row.study: row for row in rows}["c"]
    assert three.behind_high - three.behind_low > two.behind_high - two.behind_low


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({}, r"^None is clearly the best with full: a is ahead of b by 0.0 points .*4 seeds\)\.$"),
        ({"seeds": 1}, r"^None can be called the best with full: one seed in common gives no interval\.$"),
        ({"seed": 7}, r"^None can be called the best with full: b cannot be paired with a\.$"),
        ({"budgets": [10]}, r"^None can be called the best: no arm has run with the same number of labels"),
        ({"arms": "scratch,probe"}, r"^None can be called the best: no arm has run with the same number of labels"),
    ],
)
def test_without_a_clear_interval_none_is_named(tmp_path, other, says):
    rows = compare([study(tmp_path / "a"), study(tmp_path / "b", **other)])
    assert re.search(says, winner(rows)), winner(rows)


def test_eighty_columns_hold_the_table(tmp_path):
    found = [study(tmp_path / "reviews-bert"), study(tmp_path / "reviews-roberta", better=3)]
    console = Console(width=80, record=True, file=io.StringIO(), force_terminal=True)
    show(compare(found), console)
    lines = console.export_text().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "95 %" in " ".join(lines) and not any(line.startswith("%") for line in lines)
    rows = [line for line in lines if line.startswith("reviews-") and ":" not in line]
    assert len(rows) == 2 and all(" full " in row and row.count("[") >= 1 for row in rows), "a study a line"
