"""Findings in a notebook: the HTML view, the figures, and a real notebook run from its first cell to its last."""

import html.parser
import os
import sys
from dataclasses import replace

import pytest

from support.fakes import FakeExecutor, dataset, outcome_of, run
from transfergain import split
from transfergain.analysis.findings import BENEFITS
from transfergain.analysis.rows import ConvergenceRow, Measure
from transfergain.outcome import CurvePoint, Outcome
from transfergain.report.notebook import load
from transfergain.report.page.panels import convergence
from transfergain.report.page.panels.base import DatasetView
from transfergain.split import DEV, TEST
from transfergain.types import StudyWarning, WarningKind

NAME = "my <b>reviews</b>"


def behave(spec, data):
    """A finished trial with a curve of four evaluations."""
    done = outcome_of(spec, data)
    curve = tuple(CurvePoint(step, 0.5 + step / 100, 0.5) for step in (5, 10, 15, 20)) if spec.recipe else ()
    return replace(done, curve=curve)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The output folder of a study of fakes with a shift, typos and two budgets."""
    path = tmp_path_factory.mktemp("run")
    data = {"reviews": dataset(shift=True)}
    run(path, data, FakeExecutor(behave=behave), budgets=[10, 20], seeds=3)
    return path


@pytest.fixture(scope="module")
def findings(folder):
    return load(folder)


class Balanced(html.parser.HTMLParser):
    """Checks that every tag is closed in order; `text` is what a reader sees."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.met = [], "", set()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.met.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def seen(text):
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    return parser


def test_html_is_the_summary(findings):
    found = seen(findings._repr_html_())
    (of,) = findings.summary.datasets
    assert found.text.startswith(of.answer) and of.recommendation.why in found.text
    assert all(f"{line.benefit}, {line.verdict}: {line.text}" in found.text for line in of.benefits)
    assert all(name in found.text for name in ("scratch", "majority", "tfidf", "report.html", "seeds="))
    assert len(findings._repr_html_()) < 6000


def test_print_is_the_summary_and_names_keywords(findings):
    shown = str(findings)
    assert " ".join(shown.split()).startswith(findings.summary.answer)
    assert "seeds=" in shown and "--" not in shown
    assert len(shown.splitlines()) <= 25 and max(map(len, shown.splitlines())) <= 80


def test_an_error_of_the_user_is_a_box_that_names_keywords(tmp_path):
    import transfergain as tg

    with pytest.raises(tg.UserError) as caught:
        tg.run(train_file=tmp_path / "missing.csv", output_dir=tmp_path / "out", model="builtin:minilm")
    box = caught.value._render_traceback_()
    assert "--" not in str(caught.value) and "missing.csv" in "".join(box)
    assert box[0].startswith("╭─ transfergain") and box[-1].startswith("╰") and len(box) <= 8


def test_dir_lists_the_public_names():
    import transfergain as tg

    assert dir(tg) == ["Findings", "UserError", "__version__", "compare_predictions", "load", "pretrain", "rank", "run"]


def renamed(findings, name):
    gains = [replace(row, dataset=name, sentence=f"{name} gains") for row in findings.gains]
    scores = [replace(row, dataset=name) for row in findings.scores]
    warnings = [StudyWarning(WarningKind.CONTAMINATION, "<script>alert(1)</script>")]
    return replace(findings, data={name: findings.data["reviews"]}, gains=gains, scores=scores, warnings=warnings)


def test_text_of_the_user_is_escaped(findings):
    found = seen(renamed(findings, NAME)._repr_html_())
    assert f"{NAME}: accuracy in %, test set of 10" in found.text and "<script>alert(1)</script>" in found.text
    assert "script" not in found.met and "b" in found.met
    figure = renamed(findings, NAME).plot_gains()
    assert figure.layout.yaxis.ticktext == ("my &lt;b&gt;reviews&lt;/b&gt;, full",)


def test_html_of_a_study_without_a_finished_trial(findings):
    nothing = dict.fromkeys(("gains", "scores", "rows", *BENEFITS), ())
    empty = replace(findings, **nothing, trials={"done": 0, "failed": 0, "skipped": 0, "pending": 8})
    assert "no trial has finished" in seen(empty._repr_html_()).text
    for plot in (empty.plot_gains, empty.plot_learning_curve, empty.plot_convergence, empty.plot_robustness):
        with pytest.raises(ValueError, match=r"no |was tested on no"):
            plot()


def test_figures_hold_the_findings_numbers(findings):
    import plotly.graph_objects as go

    curve, gains = findings.plot_learning_curve(), findings.plot_gains()
    assert isinstance(curve, go.Figure) and isinstance(gains, go.Figure)
    means = [r.mean for r in findings.scores if (r.arm, r.split, r.metric) == ("full", TEST, "accuracy")]
    full = next(t for t in curve.data if t.name == "full" and t.showlegend is None)
    assert list(full.x) == [10, 20] and list(full.y) == [100 * mean for mean in means]
    row = findings.headline()[0]
    interval, point = (t for t in gains.data if t.name == "full")
    assert list(interval.x) == [100 * row.low, 100 * row.high, None] and list(point.x) == [100 * row.estimate]
    assert list(point.text) == [row.sentence.replace(">", "&gt;").replace("<", "&lt;")]
    lines = findings.plot_convergence("reviews").data
    assert [t.name for t in lines] == ["scratch", "full", "target", "full", "scratch"], "the last two mark the crossings"
    assert (
        list(lines[0].x) == [5, 10, 15, 20, None] * 3
        and [None if y is None else round(y) for y in lines[0].y] == [55, 60, 65, 70, None] * 3
    )
    points = {t.name: t for t in findings.plot_robustness().data}
    pairs = [pair for r in findings.scores if (r.arm, r.split, r.metric) == ("full", TEST, "accuracy")
             for other in findings.scores
             if (other.arm, other.split, other.metric, other.budget) == ("full", split.shift("tweets"), "accuracy", r.budget)
             for pair in zip((100 * x for x in r.per_seed), (100 * x for x in other.per_seed), strict=True)]  # fmt: skip
    assert set(zip(points["full"].x, points["full"].y, strict=True)) == set(pairs)
    with pytest.raises(ValueError, match='no data set "x" in this study; it has: reviews'):
        findings.plot_convergence("x")
    with pytest.raises(ValueError, match='reviews has no shift "x"; it has: tweets'):
        findings.plot_robustness(shift="x")


def test_a_target_is_drawn_where_it_is_known(findings):
    target = ConvergenceRow(
        task="sentiment", dataset="reviews", arm="full", budget=20, split=DEV, metric="accuracy", reference="scratch",
        measure=Measure.SPEED_UP, unit="steps", target=0.62, targets=[0.62] * 3,
    )  # fmt: skip
    lines = {t.name: t for t in replace(findings, convergence=[target]).plot_convergence().data}
    assert lines["target"].y == (62, 62)


def test_severities_are_drawn_where_there_is_no_shift(tmp_path):
    def perturbed(spec, data):
        done = behave(spec, data)
        more = {split.perturbed("keyboard", s): done.evaluated[TEST] for s in (1, 2)} if done.evaluated else {}
        return Outcome(**vars(done) | {"evaluated": {**done.evaluated, **more}})

    run(tmp_path, executor=FakeExecutor(behave=perturbed), seeds=2)
    lines = {t.name: t for t in load(tmp_path).plot_robustness().data}
    assert list(lines["full"].x) == [0, 1, 2]


def test_the_figures_are_those_of_the_page(findings):
    view = DatasetView(findings, "reviews")
    drawn = findings.plot_convergence()
    figure = convergence.curves(view, "steps")
    assert [t.name for t in drawn.data] == [t.get("name") for t in figure.traces]
    assert drawn.layout.title.text == figure.title and drawn.layout.showlegend
    assert drawn.layout.xaxis.type == "log"


CELLS = [
    "import sys; sys.path.insert(0, {tests!r})\nimport transfergain as tg\nfindings = tg.load({folder!r})\nfindings",
    "findings.plot_gains()",
    "findings.plot_learning_curve()",
    "findings.to_frame('scores').head(3)",
    """
from support.fakes import run
from rich.console import Console
from transfergain.running.progress import follower
with follower(Console(), 1) as watcher:
    run({other!r}, watcher=watcher)
print('torch' in sys.modules)
""",
]


@pytest.mark.long
def test_a_real_notebook(folder, tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    places = {"folder": str(folder), "tests": os.path.dirname(__file__), "other": str(tmp_path / "other")}  # noqa: PTH120
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.format(**places)) for cell in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [[output for output in cell.outputs if "data" in output] for cell in notebook.cells]
    assert "<div><p><b>" in shown[0][0].data["text/html"]
    for figure in shown[1:3]:
        assert figure[0].data["application/vnd.plotly.v1+json"]["data"]
    assert "<table" in shown[3][0].data["text/html"]
    progress = [output.data["text/plain"] for output in shown[4]]
    assert len(progress) == 1 and progress[0].startswith("10/10 · ")  # one line, written anew
    assert [output.text for output in notebook.cells[4].outputs if "text" in output] == ["False\n"]
