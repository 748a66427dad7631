"""The panels, the pictures and the words of the page, on invented findings."""

import dataclasses
import json
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from support.fakes import dataset
from support.findings_fixture import BUDGETS, N_TEST, SAME, Told, course_rows, entry, row, synthetic
from transfergain import split
from transfergain.analysis.endless import Reading
from transfergain.analysis.findings import BENEFITS
from transfergain.analysis.rows import Censored, ConvergenceRow, Measure, MeasureRow, Verdict
from transfergain.data.sample import SampledText, sample
from transfergain.perturbations import perturb
from transfergain.report import files, markdown, reading
from transfergain.report.limits import limits
from transfergain.report.page import dots, examples, forest, html, svg
from transfergain.report.page.figures import Figure, Style, TextTable, axis, layout, line, note
from transfergain.report.page.panels import PANELS, calibration, convergence, data_efficiency, effort, robustness
from transfergain.report.page.panels.base import DatasetView, leading, overall_table
from transfergain.split import DEV, TEST
from transfergain.types import StudyWarning, WarningKind

EVIL = "<b>&\"'</b>"


@pytest.fixture(scope="module")
def whole():
    return synthetic(datasets=2)


@pytest.fixture(scope="module")
def view(whole):
    return DatasetView(dataclasses.replace(whole, courses=course_rows("reviews", 1024, 5)), "reviews")


def bare(**changes):
    """Findings without shifts, perturbations, tuning and tables of benefits."""
    found = synthetic(datasets=1, tune=0, kinds=(), adapt=False)
    given = dict.fromkeys((*BENEFITS, "timings", "examples"), ())
    given |= {"data": {"reviews": dataclasses.replace(found.data["reviews"], shifts={})}}
    given |= {"scores": [row for row in found.scores if row.split == TEST]}
    return dataclasses.replace(found, **given | changes)


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_says_something_draws_it_and_gives_its_numbers(view, name):
    panel = PANELS[name].build(view)
    assert panel.figures and panel.tables and not panel.missing
    for figure in (*panel.figures, *panel.more):
        assert figure.table.groups[0].rows, figure.title
        assert figure.description and "reviews" in figure.title
        json.dumps([figure.traces, figure.layout], allow_nan=False)


@pytest.mark.parametrize("name", PANELS)
def test_what_was_not_measured_is_said_in_words(name):
    words = PANELS[name].build(DatasetView(bare(), "reviews")).missing
    measured = {"performance", "effort"}
    assert bool(words) == (name not in measured)
    assert name in measured or "not measured" in words or "none" in words
    nothing = bare(scores=(), gains=(), rows=(), recipes=())
    assert PANELS[name].build(DatasetView(nothing, "reviews")).missing


UNKNOWN = {"estimate": None, "low": None, "high": None, "target": None, "times": (), "slope": None, "bins": (), "points": (),
           "k": 0, "horizon": None, "budget": 0}  # fmt: skip
"""Field of a row -> what it holds where nothing is known."""


@pytest.mark.parametrize("gone", UNKNOWN)
def test_a_value_that_is_unknown_is_no_obstacle(whole, gone):
    def without(row):
        return dataclasses.replace(row, **{gone: UNKNOWN[gone]}) if hasattr(row, gone) else row

    rows = {name: [without(row) for row in getattr(whole, name)] for name in BENEFITS}
    page = html.render(dataclasses.replace(whole, **rows))
    assert ">None<" not in page and ">nan<" not in page
    assert gone != "estimate" or ">–<" in page


def test_rows_that_say_the_same_are_read_once(view):
    says = (Verdict.INCONCLUSIVE, "not known.")
    rows = [row(ConvergenceRow, "reviews", "full", 64, DEV, Measure.SPEED_UP, unit=unit, target=None, targets=(), says=says)
            for unit in ("steps", "flops")]  # fmt: skip
    assert len(leading(rows, view)) == 1
    assert len(leading([*rows, dataclasses.replace(rows[0], sentence="another.")], view)) == 2


def test_the_label_equivalent_is_an_arrow_at_the_arms_score(whole, view):
    figure = data_efficiency.learning_curve(view, TEST)
    arrow = next(t for t in figure.traces if t.get("name") == "label-equivalent")
    mean = next(r.mean for r in whole.scores if (r.dataset, r.arm, r.budget, r.split) == ("reviews", "full", 64, TEST))
    assert (arrow["x"], arrow["y"]) == ([64, 640.0], [100 * mean] * 2)
    rows = [dataclasses.replace(r, censored=Censored.ABOVE) for r in whole.data_efficiency if r.dataset == "reviews"]
    bound = data_efficiency.learning_curve(DatasetView(dataclasses.replace(whole, data_efficiency=rows), "reviews"), TEST)
    assert any("64 → &gt; 640" in words for t in bound.traces for words in t.get("text", ()))


def test_every_crossing_is_marked_at_the_target(whole, view):
    figure = convergence.curves(view, "steps")
    row = next(r for r in whole.convergence if r.dataset == "reviews" and r.unit == "steps")
    marks = {t["legendgroup"]: t for t in figure.traces if t.get("showlegend") is False}
    assert marks["full"]["x"] == row.times
    assert marks["scratch"]["x"] == [time for time in row.times_reference if time is not None]
    assert set(marks["full"]["y"]) == {100 * row.target}
    assert "> 240" in convergence.reached(view, [row])[0].groups[0].rows[0][-1]


def test_the_robustness_line_is_the_fit_on_logits_and_left_out_where_it_is_none(whole, view):
    figure = robustness.effective(view, "tweets")
    fitted = next(t for t in figure.traces if t.get("name") == "as the test score implies")
    for x, y in zip(fitted["x"], fitted["y"], strict=True):
        assert math.log(y / (100 - y)) == pytest.approx(0.85 * math.log(x / (100 - x)) - 0.25)
    rows = [dataclasses.replace(row, identifiable=False) for row in whole.robustness]
    figure = robustness.effective(DatasetView(dataclasses.replace(whole, robustness=rows), "reviews"), "tweets")
    assert not any(t.get("name") == "as the test score implies" for t in figure.traces)
    assert "No line" in figure.description


def test_perturbation_curves_begin_at_the_clean_test_set(whole, view):
    kinds = robustness.perturbation_kinds(view)
    assert len(kinds) == 4
    line_ = next(t for t in robustness.scores_by_severity(view, kinds, "all").traces if t.get("name") == "full")
    found = {r.split: r.mean for r in whole.scores if (r.dataset, r.arm, r.budget) == ("reviews", "full", 1024)}
    assert line_["y"][0] == 100 * found[TEST]
    assert line_["y"][3] == pytest.approx(100 * np.mean([found[split.perturbed(kind, 3)] for kind in kinds]))


def test_empty_bins_are_not_drawn(view):
    figure = calibration.reliability_diagram(view, TEST, Measure.ECE)
    drawn = next(t for t in figure.traces if t.get("name") == "full")
    assert len(drawn["x"]) == 14


def test_the_ladder_stands_at_the_trained_parameters(view):
    figure = effort.ladder(view, "parameters")
    points = {t["name"]: t["x"][0] for t in figure.traces if t.get("name")}
    assert points == {"scratch": 22_713_986, "full": 22_713_986, "probe": 770, "lora": 443_906}
    assert figure.layout["xaxis"]["type"] == "log"


def test_every_picture_parses_within_the_page_and_alone(view):
    for kind in PANELS.values():
        panel = kind.build(view)
        for figure in (*panel.figures, *panel.more):
            for alone in (False, True):
                root = ElementTree.fromstring(svg.draw(figure, alone))
                places = [float(n.attrib[k]) for n in root.iter() for k in ("x", "y") if k in n.attrib]
                assert min(places) >= 0 and max(places) < 1000
                assert "nan" not in svg.draw(figure, alone)


def simple(x, y, x_axis, name="a"):
    traces = [line(name, Style("#0072B2", "circle", "solid"), x, y), note(name, x[0], y[0])]
    return Figure("f", name, name, traces, layout(name, x_axis), TextTable("", [], []))


def marks(figure):
    root = ElementTree.fromstring(svg.draw(figure))
    moves = [n.attrib["transform"] for n in root.iter() if n.attrib.get("transform", "").startswith("translate")]
    return [tuple(map(float, move[len("translate(") : move.index(")")].split())) for move in moves]


def test_a_logarithmic_axis_spaces_powers_evenly():
    places = [x for x, _ in marks(simple([10, 100, 1000], [1, 2, 3], axis("n", log=True)))]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.2)
    ys = [y for _, y in marks(simple([1, 2, 3], [1, 2, 3], axis("n")))]
    assert ys[0] > ys[1] > ys[2], "upwards is more"


@pytest.mark.parametrize("xs", [[5], [3, 3], [1e-5, 3e-3], [1e12, 4e13]])
def test_scales_of_one_point_and_of_any_size(xs):
    for log in (False, True):
        assert len(marks(simple(xs, [0.5] * len(xs), axis("n", log=log)))) == len(xs)


def test_pictures_escape_what_they_are_given():
    text = svg.draw(simple([1], [1], axis(EVIL), EVIL), alone=True)
    assert EVIL not in text
    assert EVIL in [node.text for node in ElementTree.fromstring(text).iter()]


def test_the_forest_keeps_signs_and_order(whole):
    found = dots.gains(whole)
    for gained, drawn in zip(whole.headline(), found.dots, strict=True):
        assert drawn.low < drawn.middle < drawn.high
        assert (drawn.middle > found.zero) == (gained.estimate > 0)
    assert all(0 <= v <= 100 for drawn in found.dots for v in (drawn.low, drawn.high))
    assert dots.gains(bare(gains=())) is None and forest.figure(bare(gains=())) is None
    points = [x for t in forest.figure(whole).traces if t.get("name") == "full" and t["mode"] == "markers" for x in t["x"]]
    assert points == [100 * row.estimate for row in whole.headline() if row.arm == "full"]


def test_limits_name_what_matters(whole):
    def said(**changes):
        return " ".join(limits(dataclasses.replace(whole, **changes)))

    study = whole.study
    assert "1 failed" in said() and "One data set" not in said()
    assert "2 seeds: another draw" in said(study=dataclasses.replace(study, seeds=(2,)))
    looked = {name: dataclasses.replace(entry, looks=(3, 4, 12)) for name, entry in whole.data.items()}
    auto = said(study=dataclasses.replace(study, seeds=(3, 12)), data=looked)
    until = "Seeds were added until it was clear"
    assert until in auto and "another draw" not in auto and until not in said()
    assert "Not tuned" in said(study=dataclasses.replace(study, tune=0)) and "Not tuned" not in said()
    late = dataclasses.replace(SAME, reading=Reading.UPPER_BOUND, unfinished=3)
    assert "had not finished training" not in said()
    assert "Scratch had not finished training on reviews, news when" in said(
        gains=[dataclasses.replace(row, endless=late) for row in whole.gains]
    )
    assert "A floor, which costs next to nothing" in said() and "A floor" not in said(
        gains=[dataclasses.replace(row, below_floor=None) for row in whole.gains]
    )
    assert "Not measured: data efficiency, convergence, robustness" in said(told=whole.told[:1])
    assert "9 not run yet" in said(trials=dict(whole.trials) | {"pending": 9})


def test_the_markdown_is_short_and_stays_text(whole):
    text = markdown.render(dataclasses.replace(whole, warnings=[StudyWarning(WarningKind.OTHER, f"{EVIL} @team #1")] * 30))
    assert text.count("**supported**") == 6 and "**partly**" in text
    assert "| reviews | 1,024 | full | test |" in text
    assert "and 20 more" in text and EVIL not in text and "@team" not in text
    assert len(text.splitlines()) < 60


def test_measures_are_written_as_what_they_are():
    def measured(measure, *figures, **more):
        return row(MeasureRow, "reviews", "full", 64, TEST, measure, *figures, **more)

    bound = measured(Measure.MULTIPLIER, 15.234, 10.0, censored=Censored.ABOVE)
    assert (reading.value_text(bound), reading.bounds_text(bound)) == ("> 15.2×", "[10×, unknown]")
    assert reading.value_text(measured(Measure.LABEL_SAVING, 0.934)) == "93 %"
    assert reading.value_text(measured(Measure.OOD_GAIN, -0.05)) == "-5.0 points"
    assert reading.value_text(measured(Measure.SPEED_UP)) == "–"
    assert set(reading.MEASURES) == set(Measure)


def test_a_live_page_is_whole_or_not_at_all(whole, tmp_path, monkeypatch):
    running = dataclasses.replace(whole, folder=str(tmp_path))
    files.write_files(running, live=True)
    assert {f.name for f in tmp_path.iterdir()} == {"findings.json", "report.html"}
    first = (tmp_path / "report.html").read_text("utf-8")
    assert "The study is running" in first

    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(html, "render", fail)
    with pytest.raises(RuntimeError):
        files.write_files(running, live=True)
    assert (tmp_path / "report.html").read_text("utf-8") == first
    monkeypatch.undo()
    files.write_files(running)
    assert {f.name for f in tmp_path.iterdir()} == {"findings.json", "report.html", "report.md", "timings.json"}
    assert "The study is running" not in (tmp_path / "report.html").read_text("utf-8")
    assert "seconds" in (tmp_path / "timings.json").read_text("utf-8")


def test_a_sample_of_texts_keeps_its_place_and_its_perturbed_copy():
    data, keyboard = dataset(shift=True), split.perturbed("keyboard", 5)
    rows = sample(data, {keyboard: perturb(data.test, keyboard)})
    assert [(r.split, r.index) for r in rows] == [(s, i) for s in (TEST, split.shift("tweets")) for i in range(10)]
    assert rows[3].text == "text 33" and rows[3].target == 1
    assert all(set(r.perturbed) == ({keyboard} if r.split == TEST else set()) for r in rows)
    assert any(r.perturbed[keyboard] != r.text for r in rows[:10])


def test_the_store_keeps_a_sampled_text_as_json():
    text = SampledText(dataset="news", split=TEST, index=2, text="a", target=1, perturbed={split.perturbed("ocr", 5): "á"})
    stored = {
        "dataset": "news",
        "split": "test",
        "index": 2,
        "text": "a",
        "target": 1,
        "perturbed": {"perturbed:ocr@5": "á"},
    }
    assert text.to_dict() == stored and SampledText.from_dict(json.loads(json.dumps(stored))) == text


def test_disagreements_are_those_of_most_seeds(whole):
    found = examples.disagreements(whole, "reviews")
    outcomes = {
        arm: [r.outcome.evaluated[TEST].predictions for r in whole.rows
              if (r.spec.dataset, r.spec.arm, r.spec.budget, r.spec.phase) == ("reviews", arm, max(BUDGETS), "report")
              and r.outcome.status == "done"]
        for arm in ("scratch", "full")
    }  # fmt: skip
    usual = {arm: [int(np.mean([p[i] for p in given]) > 0.5) for i in range(N_TEST)] for arm, given in outcomes.items()}
    better = sum(a == 0 and b == 1 for a, b in zip(usual["scratch"], usual["full"], strict=True))
    assert found[0].groups[0].title == f"full right, scratch wrong: {better} of 60 sampled texts"
    assert found[0].groups[0].rows[0][2:4] == [
        "good",
        f"bad ({sum(p[int(found[0].groups[0].rows[0][0].split()[4])] == 0 for p in outcomes['scratch'])} of 5 seeds)",
    ]
    assert "changes the answer of full" in found[1].caption
    assert examples.disagreements(bare(), "reviews") == []


def test_tags_are_said_by_the_words_that_have_them():
    labels = ["O", "B-PER", "I-PER", "B-LOC"]
    say = examples._wording(entry(task="ner", metric="entity_f1", labels=labels))
    text = "Ada Lovelace was born in London ."
    assert say("1 2 0 0 0 3 0", text) == "Ada Lovelace (PER), London (LOC)" == say([1, 2, 0, 0, 0, 3, 0], text)
    assert say([0] * 7, text) == "none" and say([0, 0, 0, 0, 0, 3, 0], "Ada Lovelace was…") == "none"
    assert examples._wording(entry())(1, "lovely") == "good"


def test_rows_over_all_data_sets_have_no_labels(whole):
    (table,) = overall_table(whole.aggregate)
    assert not {"labels", "split"} & {column.title for column in table.columns}
    assert all(len(row) == len(table.columns) for group in table.groups for row in group.rows)
    assert [row[2] for row in table.groups[0].rows] == ["82.0 %", "97 %", "2"]


def test_the_page_of_a_real_findings_object_needs_no_more_than_it_has(whole):
    """Findings as the analysis makes them, without what only some versions give."""
    given = {f.name: getattr(whole, f.name) for f in dataclasses.fields(Told.__mro__[1])}
    page = html.render(Told.__mro__[1](**given))
    assert "Does starting from builtin:minilm beat training from scratch?" in page


def test_a_leak_of_test_texts_into_train_stands_among_the_limits(whole):
    leak = "reviews: 12 of 80 test texts share a 13-gram with train: scores may be too high for every arm"
    warnings = [
        StudyWarning(WarningKind.CONTAMINATION, leak),
        StudyWarning(WarningKind.DATA, "reviews: overlaps its own shift"),
    ]
    said = " ".join(limits(dataclasses.replace(whole, warnings=warnings)))
    start = "The test set may not be new to the checkpoint"
    assert f"{start}: {leak}." in said and "its own shift" not in said
    assert f"{start}: {leak}." in " ".join(html.render(dataclasses.replace(whole, warnings=warnings)).split())
    assert "Contamination" not in " ".join(limits(dataclasses.replace(whole, warnings=[])))


def without_full(whole):
    """A study of the arms scratch, lora and probe, in this order: lora leads, though probe comes first in the registry."""
    kept = {name: [row for row in getattr(whole, name) if row.arm != "full"] for name in ("scores", "gains")}
    efficiency = [dataclasses.replace(row, arm=arm, sentence=f"{arm}: {row.sentence}")
                  for row in whole.data_efficiency for arm in ("probe", "lora") if row.arm == "full"]  # fmt: skip
    study = dataclasses.replace(whole.study, arms=("scratch", "lora", "probe"))
    return dataclasses.replace(whole, study=study, told=(), data_efficiency=efficiency, **kept)


def test_verdict_panels_and_examples_are_of_the_plans_leading_arm(whole):
    found = without_full(whole)
    assert found.leading_arm == "lora" == found.benefits()[0].arm
    view = DatasetView(found, "reviews")
    assert PANELS["data efficiency"].build(view).sentences[0].arm == "lora"
    arrow = next(t for t in data_efficiency.learning_curve(view, TEST).traces if t.get("name") == "label-equivalent")
    assert arrow["text"][0].startswith("lora with 64 labels")
    assert examples.disagreements(found, "reviews")[0].columns[-1].title == "lora"
