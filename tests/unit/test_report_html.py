"""The page: what it says first, what it never hides, and that text from data stays text."""

import base64
import gzip
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from support.findings_fixture import entry as invented_entry
from support.findings_fixture import request
from support.planted import NAMES, planted
from transfergain.analysis import candidates, gain
from transfergain.analysis.findings import Findings
from transfergain.analysis.rows import RecipeRow, Verdict
from transfergain.analysis.words import in_percent
from transfergain.outcome import Details, Evaluated, Outcome
from transfergain.report.page.answer import answers
from transfergain.report.page.downloads import embed
from transfergain.report.page.html import _flags, render
from transfergain.report.page.panels import data_efficiency, performance
from transfergain.report.page.panels.base import DatasetView
from transfergain.report.page.tables import _modules
from transfergain.report.toml import study_toml
from transfergain.split import TEST, shift
from transfergain.store import StoredTrial
from transfergain.study import Study
from transfergain.types import Recipe, StudyWarning, TrialSpec, WarningKind

EVIL = "<script>alert(1)</script><!--"
LEVELS = {"majority": 0.5, "scratch": 0.6, "full": 0.9, "lora": 0.35}
"""Invented accuracies; lora is worse than scratch."""
PRETRAINED = {"scratch": False, "full": True, "lora": True}


def spec(arm, seed=0, dataset="reviews", budget=64, phase="report"):
    recipe = Recipe(1e-4) if arm in PRETRAINED else None
    splits = () if phase == "tune" else ((TEST, "t"), (shift("tweets"), "s"))
    return TrialSpec("sentiment", dataset, arm, budget, seed, phase, recipe, splits, "data", "revision" if recipe else "")


def counts(level, rng, size=200):
    hits = (rng.random(size) < level).astype(np.int64)
    return Evaluated(tuple(hits), {"accuracy": np.stack([hits, np.ones_like(hits)], axis=1)})


def done(trial, converged=True):
    rng = np.random.default_rng([trial.replicate, trial.budget, *trial.arm.encode()])
    evaluated = {name: counts(LEVELS[trial.arm], rng) for name, _ in trial.splits}
    details = Details(steps=30, best_step=20, trained_parameters=1234, checks={"median_std": 0.02})
    return StoredTrial(
        trial, Outcome("done", "", 0.7, (), converged, evaluated, details if trial.recipe else Details(), 1.5)
    )


def grid(arms=tuple(LEVELS), seeds=3, budgets=(64, 256), dataset="reviews", converged=True):
    return [done(spec(a, s, dataset, b), converged) for a in arms for b in budgets for s in range(seeds)]


def entry(**changes):
    return invented_entry(**{"notes": ["no duplicates"], "n_train": 300, "n_dev": 60, "n_test": 50, "shifts": {"tweets": 50}}
                          | changes)  # fmt: skip


def recipes(dataset="reviews", **changes):
    known = {"dataset": dataset, "budget": 64, "learning_rate": 0.000173, "at_edge": False, "problem": "",
             "tried": [[1.96e-5, 0.5, 300], [0.000173, 0.75, 620]], "settings": 0, "expected_best": [0.625, 0.6875],
             "recipe": vars(Recipe(0.000173))}  # fmt: skip
    return [RecipeRow(arm=arm, **known | changes) for arm in PRETRAINED]


def learning_curve(found, dataset, split):
    return data_efficiency.learning_curve(DatasetView(found, dataset), split)


def paired(found, dataset):
    return performance.paired(DatasetView(found, dataset))


def findings(rows, data=None, pending=0, **changes):
    """Findings of invented trials, through the project's own analysis."""
    cells = gain.cells(rows, PRETRAINED, {})
    scores, known = gain.scores(cells), data or {"reviews": entry()}
    status = Counter(row.outcome.status for row in rows)
    study = Study(arms=list(PRETRAINED), train_file="reviews.csv", shift={"tweets": "tweets.csv"})
    given = {
        "study": request(study, revision="sha256:abc"),
        "environment": {"transfergain": "0.1.0", "device": "cpu"},
        "warnings": [],
        "trials": {name: status[name] for name in ("done", "failed", "skipped")} | {"pending": pending},
        "scores": scores,
        "candidates": candidates.rows(cells, known, 0.01),
        "gains": gain.gains(cells, scores, 0.01, known),
        "recipes": recipes(),
        "data": known,
        "rows": rows,
    }
    return Findings(**given | changes)


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, the text outside scripts, the scripts."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.scripts, self.words, self.open = [], [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attributes), []))

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open[-1:] == ["script"]:
            self.scripts[-1][1].append(data)
        elif self.open[-1:] != ["style"]:
            self.words.append(data)

    def packed(self, name):
        """The content of a packed script element, None where there is none."""
        found = ["".join(text) for attributes, text in self.scripts if attributes.get("id") == name]
        return gzip.decompress(base64.b64decode(found[0])).decode() if found else None

    def figures(self):
        text = self.packed("figures-data")
        return list(json.loads(text).values()) if text else []


@pytest.fixture(scope="module")
def usual():
    return findings(grid())


@pytest.fixture(scope="module")
def page(usual):
    return Page(render(usual))


def test_the_summary_comes_before_every_table_and_figure(usual):
    html = render(usual)
    first = html[: html.index("<table")]
    summary = usual.summary.datasets[0]
    assert summary.answer in first and f"Take {summary.recommendation.title}" in first
    assert all(step.text in first for step in summary.next) and all(text in first for text in summary.caveats)
    screen = html[: html.index('id="limits"')]
    words = [line.text.replace("over majority", "over majority class") for line in summary.benefits]
    said = re.sub("</?code>", "", screen)  # flags are set as code
    assert all(f"{text}</p>" in said for text in words)
    assert all(f">{line.verdict}</span>" in screen for line in summary.benefits)
    assert screen.index("The four benefits") < html.index("<figure")


def test_every_gain_is_said_with_its_interval_and_in_words(usual):
    html = render(usual)
    headline = usual.headline()
    assert {row.verdict for row in headline} >= {Verdict.SUPPORTED, Verdict.NEGATIVE_TRANSFER}
    shown = html[html.index('id="gains"') :]
    points = [[in_percent(x, "+") for x in (row.estimate, row.low, row.high)] for row in headline]
    assert all(f"{gain} [{low}, {high}]" in shown[: shown.index("</table>")] for gain, low, high in points)
    shifts = [r for r in usual.gains if r.split == shift("tweets") and r.budget == 256]
    assert shifts
    assert all(html.index(r.sentence.split(" [")[0]) < html.index("<figure") for r in (*headline, *shifts))


def test_the_first_screen_has_all_arms_and_floors_with_what_to_take(usual):
    first = html_of_first(usual)
    rows = usual.candidates
    assert {row.arm for row in rows} == set(LEVELS)
    for row in rows:
        interval = f"{in_percent(row.low)} to {in_percent(row.high)}"
        assert f'<b>{in_percent(row.score)}</b> <span class="quiet">{interval}</span>' in first
    best = usual.summary.datasets[0]
    assert best.recommendation.name == "full"
    assert [figure.value for figure in answers(usual)[0].figures] == [
        f"{in_percent(best.score)} %",
        f"{in_percent(best.over_reference.estimate, '+')} points",
        f"{in_percent(best.over_floor.estimate, '+')} points",
    ]


def html_of_first(found):
    html = render(found)
    return html[html.index('id="answer"') : html.index('id="limits"')]


@pytest.mark.parametrize("name", NAMES)
def test_the_first_screen_of_every_planted_study_says_its_answers_and_no_riddle(name):
    found = planted(name)
    first = " ".join(Page(html_of_first(found)).text.split())
    for of in found.summary.datasets:
        assert of.answer in first and of.recommendation.title in first
        assert all(in_percent(row.score) in first for row in of.candidates)
    assert not re.search(r"undefined|None|nan|_f1|squad", first)


def test_what_a_floor_is_recommended_over_is_named():
    of = answers(planted("floor wins"))[0]
    assert of.take == "TF-IDF + logistic regression"
    assert [figure.label for figure in of.figures] == [
        "accuracy of TF-IDF + logistic regression",
        "full fine-tuning over training from scratch",
        "full fine-tuning over the best floor, TF-IDF + logistic regression",
    ]
    assert [figure.note for figure in answers(planted("one seed"))[0].figures][1] == "1 seed, too few for an interval"


def test_nothing_is_loaded_from_outside(page):
    addresses = [value for _, attributes in page.elements for name, value in attributes.items()
                 if name in ("src", "href", "srcset", "data", "action", "poster")]  # fmt: skip
    assert addresses
    assert all(value.startswith(("#", "data:text/plain;base64,")) for value in addresses)
    assert not {"link", "iframe", "img", "object", "embed", "base"} & {tag for tag, _ in page.elements}
    policy = [a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policy) == 1
    assert "default-src 'none'" in policy[0]
    assert "http" not in policy[0]
    assert not re.search(r"url\(|@import", render(findings(grid())).split("</style>")[0])


def test_text_from_data_stays_text():
    bad = StoredTrial(spec("full", 9, EVIL), Outcome("failed", error=f"boom {EVIL}"))
    rows = [*grid(dataset=EVIL), bad]
    data = {EVIL: entry(labels=[EVIL, "b"], notes=[EVIL], shifts={EVIL: 5, "tweets": 50}, title=EVIL)}
    study = findings(rows, data).study
    study = replace(study, model=EVIL, request={**study.request, "model": EVIL, "text_column": EVIL})
    odd = findings(
        rows,
        data,
        study=study,
        warnings=[StudyWarning(WarningKind.OTHER, EVIL)],
        environment={EVIL: EVIL},
        recipes=recipes(EVIL, problem=EVIL),
    )
    page, plain = Page(render(odd)), Page(render(findings(grid())))
    script_count = Counter(tag for tag, _ in page.elements)["script"]
    assert script_count == Counter(tag for tag, _ in plain.elements)["script"]
    assert f"boom {EVIL}" in page.text
    assert page.text.count("alert(1)") > 10
    assert len(page.figures()) == 7
    assert not any("alert" in "".join(text) for _, text in page.scripts)
    texts = [words for figure in page.figures() for trace in figure["data"] for words in trace.get("text", ())]
    assert not any("<" in words for words in texts), "plotly reads them as HTML"


def test_flags_in_sentences_are_code_and_the_rest_stays_text():
    assert _flags("raise --epochs or --min-steps: a<b> --x") == (
        "raise <code>--epochs</code> or <code>--min-steps</code>: a&lt;b&gt; <code>--x</code>"
    )
    assert _flags("a--b well--known ---") == "a--b well--known ---"


def test_many_tensors_are_counted_by_the_part_that_holds_them():
    names = [f"decoder.layer.{i}.cross.{part}.{kind}" for i in range(12) for part in ("query", "key") for kind in ("w", "b")]
    assert _modules([*names, "cls.bias"]) == (
        "49 tensors: decoder.layer.*.cross.query.w (12), decoder.layer.*.cross.query.b (12), "
        "decoder.layer.*.cross.key.w (12), decoder.layer.*.cross.key.b (12), cls.bias (1)"
    )
    wide = [f"{part}.{i}.{name}.w" for part in ("encoder", "decoder") for i in range(3) for name in "abcd"]
    assert _modules(wide) == "24 tensors: encoder.* (12), decoder.* (12)"


def test_embedded_json_cannot_end_its_script():
    value = {"a": f"</script>{EVIL}&\u2028"}
    text = embed(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="JSON"):
        embed(float("nan"))


def test_every_trial_is_listed_with_what_became_of_it():
    rows = grid(budgets=(64,))
    rows += [StoredTrial(spec("full", 7), Outcome("failed", error="CUDA out of memory"))]
    rows += [StoredTrial(spec("lora", 8), Outcome("skipped", error="no linear layers"))]
    rows += [done(spec("full", 999, phase="tune"))]
    html = render(findings(rows, pending=4))
    listing = html[html.index('id="trials"') :]
    assert "<details" not in listing[: listing.index("</table>")]
    assert all(row.spec.id[:12] in listing for row in rows)
    assert "failed: CUDA out of memory" in listing
    assert "skipped: no linear layers" in listing
    assert "4 not run yet" in html[: html.index(">Answer</h2>")]
    assert "1 failed" in html[: html.index(">Answer</h2>")]
    before = html[html.index('id="warnings"') : html.index('id="integrity"')]
    assert "failed: CUDA out of memory" in before and "skipped: no linear layers" in before


def test_a_diverged_trial_says_so():
    rows = grid(budgets=(64,))
    outcome = rows[-1].outcome
    rows[-1] = StoredTrial(rows[-1].spec, replace(outcome, details=replace(outcome.details, diverged=True)))
    assert render(findings(rows)).count("done, diverged") == 2  # among those that failed, and among all


def test_figures_have_their_numbers_in_a_table(usual, page):
    drawn = [paired(usual, "reviews"), learning_curve(usual, "reviews", TEST)]
    drawn += [learning_curve(usual, "reviews", shift("tweets"))]
    assert [(f.traces, f.layout) for f in drawn] == [(f["data"], f["layout"]) for f in page.figures()[:3]]
    cells = {cell for figure in drawn for group in figure.table.groups for row in group.rows for cell in row}
    assert cells <= {word.strip() for word in page.words}
    for figure in drawn[1:]:
        shown = [f"{y:.1f}" for trace in figure.traces if trace.get("name") for y in trace["y"]]
        body = " ".join(cell for row in figure.table.groups[0].rows for cell in row)
        assert shown
        assert all(score in body for score in shown)


def test_paired_dots_join_the_scores_of_one_seed(usual):
    figure = paired(usual, "reviews")
    scores = {(r["arm"], r["seed"]): r["test accuracy"] for r in usual.table("trials") if r["budget"] == 256}
    lines = [trace for trace in figure.traces if trace["mode"] == "lines" and "name" not in trace]
    ends = [tuple(trace["y"][i : i + 2]) for trace in lines for i in range(0, len(trace["y"]), 3)]
    pairs = [(scores["scratch", s], scores[arm, s]) for arm in ("full", "lora") for s in range(3)]
    assert sorted(ends) == sorted((100 * before, 100 * after) for before, after in pairs)
    falling = next(trace for trace in lines if trace["line"]["dash"] == "dash")
    assert len(falling["y"]) == 3 * sum(scores["lora", s] <= scores["scratch", s] for s in range(3))


def test_a_seed_without_its_pair_is_not_drawn_but_shown():
    rows = [r for r in grid(budgets=(64,)) if (r.spec.arm, r.spec.replicate) != ("full", 1)]
    rows.append(StoredTrial(spec("full", 1), Outcome("failed", error="boom")))
    odd = findings(rows)
    figure = paired(odd, "reviews")
    dots = next(t for t in figure.traces if t.get("name") == "full" and t.get("showlegend", True))
    assert [text.split(":")[0] for text in dots["text"]] == ["full, seed 0", "full, seed 2"]
    assert next(row for row in figure.table.groups[0].rows if "failed" in row)[0] == "1"


def test_learning_curve_has_a_log_axis_and_a_band_for_each_arm_and_floor(usual):
    figure = learning_curve(usual, "reviews", TEST)
    assert figure.layout["xaxis"]["type"] == "log"
    assert figure.layout["xaxis"]["tickvals"] == [64, 256]
    names = [trace["name"] for trace in figure.traces if "name" in trace]
    assert sorted(names) == ["full", "lora", "majority class (floor)", "scratch"]
    bands = {trace["legendgroup"]: trace for trace in figure.traces if trace.get("fill")}
    assert set(bands) == set(names)
    rows = [r for r in usual.scores if r.arm == "full" and r.split == TEST]
    assert bands["full"]["y"] == [*(100 * r.high for r in rows), *(100 * r.low for r in reversed(rows))]


def test_one_seed_has_no_band_and_no_interval():
    single = findings(grid(seeds=1))
    assert single.headline()[0].low is None
    page = Page(render(single))
    assert not any(trace.get("fill") or "error_y" in trace for figure in page.figures() for trace in figure["data"])
    assert "None" not in page.text
    assert "inconclusive" in page.text


def test_one_budget_stands_side_by_side_with_bars():
    figure = learning_curve(findings(grid(budgets=(64,))), "reviews", TEST)
    assert figure.layout["xaxis"]["type"] == "category"
    assert all(len(trace["error_y"]["array"]) == 1 for trace in figure.traces)
    assert {trace["x"][0] for trace in figure.traces} == {"scratch", "full", "lora", "majority class (floor)"}


def test_no_trial_finished():
    page = Page(render(findings([], pending=9, recipes=())))
    assert "No reported trial has finished" in page.text
    assert page.packed("plotly-source") is None and page.figures() == []
    assert "9 not run yet" in page.text


def test_floors_only():
    page = Page(render(findings(grid(arms=("majority",)))))
    assert "no gain to report yet" in page.text
    assert [figure["layout"]["yaxis"]["title"]["text"] for figure in page.figures()][:2] == ["accuracy, %"] * 2


def test_scratch_cut_short_and_several_data_sets():
    rows = grid(converged=False) + grid(dataset="films", budgets=(64, 512))
    both = findings(rows, {"reviews": entry(), "films": entry(shifts={})}, recipes=recipes() + recipes("films"))
    page = Page(render(both))
    readings = {row.dataset: row.endless.reading for row in both.headline()}
    assert readings == {"reviews": "open", "films": "same"}
    assert "void" not in page.text and "scratch had not ended by itself in " in page.text
    assert "accuracy in % on the test set, seed by seed, with 512 labels" in page.text
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {a["href"][1:] for tag, a in page.elements if tag == "a" and a["href"].startswith("#")} <= set(identifiers)


def test_negative_gains_keep_their_sign(usual, page):
    worse = next(row for row in usual.headline() if row.arm == "lora")
    assert worse.estimate < 0
    estimate, low, high = (in_percent(x, "+") for x in (worse.estimate, worse.low, worse.high))
    assert f"{estimate} [{low}, {high}]" in page.text


def test_an_arm_without_steps_says_of_how_many_settings_each_trial_chose():
    none = {"learning_rate": 0.0, "tried": [], "expected_best": []}
    found = [*recipes(), replace(recipes()[0], arm="probe", settings=14, **none)]
    text = Page(render(findings(grid(), recipes=found))).text
    assert "takes no steps: each trial chooses on dev, among 14 settings of layer, tokens and L2" in text
    assert "In every trial dev chooses among 14 settings of layer, tokens and L2" in text
    assert "Without steps" not in Page(render(findings(grid()))).text


def test_recipes_show_the_choice_and_what_was_tried(page):
    assert "1.96e-05: 50.0 % (step 300) · 0.000173: 75.0 % (step 620)" in page.text
    assert "log-uniform from 1e-05 to 0.003" in page.text
    assert "weight decay" in page.text


def test_tables_have_captions_and_scopes(page):
    tags = Counter(tag for tag, _ in page.elements)
    assert tags["table"] == tags["caption"] > 5
    assert tags["main"] == tags["nav"] == tags["header"] == 1
    assert all(attributes.get("scope") in ("col", "row", "rowgroup") for tag, attributes in page.elements if tag == "th")
    assert tags["h1"] == 1


@pytest.mark.parametrize("tasks", [[], [{"train_file": 'a "b"\\.csv'}, {"train_file": "c\x7f.csv", "shift": {"x.y": "d"}}]])
def test_the_study_file_is_the_study_again(tasks):
    study = Study(arms=["scratch", "full"], train_file="ü.csv" if not tasks else None, margin=1e-5, tasks=tasks)
    dumped = study.model_dump(mode="json", exclude={"output_dir", "workers", "device", "executor"})
    text = study_toml(dumped)
    assert Study.model_validate(tomllib.loads(text)) == study
    assert "null" not in text


def test_the_page_is_the_same_twice(usual):
    assert render(usual) == render(findings(grid()))


@pytest.mark.long
def test_rendering_imports_neither_torch_nor_plotly():
    code = (
        "import sys, transfergain.report.page.html as h\n"
        "from transfergain.report.page.downloads import plotly\n"
        "assert len(plotly()) > 1_000_000\n"
        "print([m for m in ('torch', 'plotly', 'transformers', 'pandas') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
