import itertools
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pandas as pd
import pytest

from support.fakes import FakeExecutor, dataset, outcome_of, run
from support.findings_fixture import course_rows, synthetic
from support.strict import latex_problems
from transfergain.analysis.break_even import BreakEvenRow
from transfergain.analysis.findings import BENEFITS, load
from transfergain.analysis.forecast.rows import ForecastRow
from transfergain.analysis.rows import Measure
from transfergain.errors import UserError
from transfergain.outcome import Outcome
from transfergain.report import export
from transfergain.report.export import FORMATS, PICTURES, write_table
from transfergain.report.formulas import harmless
from transfergain.report.page.panels.base import DatasetView
from transfergain.report.typeset import latex_text, markdown_text


@pytest.fixture
def folder(tmp_path):
    """A study with a shift and a failed trial."""

    def behave(spec, data):
        if spec.arm == "full" and spec.replicate == 1:
            return Outcome("failed", error='RuntimeError: "no", luck')
        return outcome_of(spec, data)

    run(tmp_path / "run", {"reviews": dataset(shift=True)}, FakeExecutor(behave=behave), seeds=3)
    return tmp_path / "run"


def read(path):
    if path.suffix == ".csv":
        return pd.read_csv(path)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.DataFrame(json.loads(path.read_text("utf-8"), parse_constant=pytest.fail))


@pytest.mark.parametrize("format", ["csv", "parquet", "json"])
@pytest.mark.parametrize("table", ["gains", "scores", "trials"])
def test_every_table_in_every_format(folder, table, format):
    path = write_table(str(folder), table, format)
    assert path == folder / f"{table}.{format}"
    expected, frame = load(folder).table(table), read(path)
    assert list(frame.columns) == list(pd.DataFrame(expected).columns)
    assert len(frame) == len(expected) > 0
    for row, wanted in zip(frame.to_dict("records"), expected, strict=True):
        for key, value in wanted.items():
            if isinstance(value, float | int) and not isinstance(value, bool):
                assert row[key] == value, key
            elif isinstance(value, str) and value:
                assert str(row[key]) == value, key


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_whole_numbers_stay_whole_where_some_rows_have_none(folder, format):
    path = write_table(str(folder), "trials", format)
    if format == "csv":
        steps = pd.read_csv(path, dtype=str)["steps"]
        assert set(steps.dropna()) == {"10"}
    else:
        steps = pd.read_parquet(path)["steps"]
        assert pd.api.types.is_integer_dtype(steps.dtype)
    assert steps.isna().any()


def test_failed_trials_are_exported_with_their_error(folder):
    frame = read(write_table(str(folder), "trials", "csv"))
    failed = frame[frame["status"] == "failed"]
    assert failed[["arm", "seed", "error"]].to_numpy().tolist() == [["full", 1, 'RuntimeError: "no", luck']]
    assert failed["test accuracy"].isna().all()


def test_json_is_exact_to_the_last_digit(folder):
    written = json.loads(write_table(str(folder), "gains", "json").read_text("utf-8"))
    assert written == [row.to_dict() for row in load(folder).gains]


def test_output_goes_where_it_is_told_and_the_store_is_left_alone(folder, tmp_path):
    before = (folder / "study.sqlite").read_bytes()
    path = write_table(str(folder), "gains", "csv", str(tmp_path / "mine.txt"))
    assert path == tmp_path / "mine.txt"
    assert len(pd.read_csv(path)) == len(load(folder).gains)
    assert (folder / "study.sqlite").read_bytes() == before


@pytest.mark.parametrize("format", FORMATS)
def test_an_unwritable_output_is_a_user_error(folder, tmp_path, format):
    with pytest.raises(UserError, match=r"--output .*cannot write") as error:
        write_table(str(folder), None, format, str(tmp_path / "absent" / "x"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gains", "cvs"), 'unknown format "cvs". Did you mean "csv"?'),
        (("gain", "csv"), 'unknown table "gain". Did you mean "gains"?'),
    ],
)
def test_misspellings_get_a_hint(folder, arguments, message):
    with pytest.raises(UserError) as error:
        write_table(str(folder), *arguments)
    assert message in str(error.value)


@pytest.fixture
def two_metrics(monkeypatch):
    """`write_table` reads findings whose gains and scores have a second metric."""
    found = synthetic(datasets=2, seeds=3)
    second = {name: [replace(row, metric="f1") for row in getattr(found, name)] for name in ("gains", "scores")}
    found = replace(found, **{name: [*getattr(found, name), *rows] for name, rows in second.items()})
    monkeypatch.setattr(export, "load", lambda folder: found)
    return found


@pytest.mark.parametrize("table", ["gains", "scores"])
def test_typeset_tables_name_the_metric_and_hold_one_unless_asked(two_metrics, tmp_path, table):
    def metrics(metric=None):
        lines = write_table(str(tmp_path), table, "markdown", metric=metric).read_text("utf-8").splitlines()
        place = [cell.strip() for cell in lines[0].split("|")].index("metric")
        return [line.split("|")[place].strip() for line in lines[2:]]

    rows = len(getattr(two_metrics, table)) // 2
    assert metrics() == ["accuracy"] * rows
    assert metrics("f1") == ["f1"] * rows
    assert sorted(metrics("all")) == ["accuracy"] * rows + ["f1"] * rows
    with pytest.raises(UserError, match=f'the table {table} has no metric "f2", but accuracy, f1, all'):
        metrics("f2")


def test_data_files_hold_all_metrics_unless_one_is_asked_for(two_metrics, tmp_path):
    def metrics(metric=None):
        return set(pd.read_csv(write_table(str(tmp_path), metric=metric))["metric"])

    assert metrics() == {"accuracy", "f1"}
    assert metrics("f1") == {"f1"}


def test_scores_are_typeset_in_per_cent_and_gains_in_points(whole, tmp_path):
    whole.gains[:] = [replace(whole.gains[0], error=0.088, reference_error=0.169, estimate=0.081, low=0.068, high=0.094)]
    lines = write_table(str(tmp_path), "gains", "markdown").read_text("utf-8").splitlines()
    assert "| score, % | over | its score, % | gain [95 %], points |" in lines[0]
    assert r"| 91.2 | scratch | 83.1 | +8.1 \[+6.8, +9.4\] |" in lines[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"table": "gains", "format": "png"}, "--table cannot be given beside --format png, which draws all figures"),
        ({"metric": "f1", "format": "svg"}, "--metric cannot be given beside --format svg, which draws all figures"),
        ({"metric": "accuracy", "table": "trials"}, "--metric cannot be given beside --table trials"),
    ],
)
def test_what_would_be_ignored_is_refused(folder, arguments, message):
    with pytest.raises(UserError, match=message) as error:
        write_table(str(folder), **arguments)
    assert "\n" not in str(error.value)
    assert not (folder / "figures").exists()


def test_a_folder_without_study_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no study there"):
        write_table(str(tmp_path), "gains", "csv")


@pytest.fixture
def whole(monkeypatch):
    """`write_table` reads invented findings, all tables filled."""
    made = synthetic(datasets=1, seeds=3)
    found = replace(made, **ahead(made.data_efficiency[0]))
    monkeypatch.setattr(export, "load", lambda folder: found)
    return found


def ahead(like):
    """A forecast and a break-even at the place of another row."""
    place = {name: getattr(like, name) for name in ("task", "dataset", "arm", "budget", "split", "metric", "n_seeds")}
    forecast = ForecastRow(**place, measure=Measure.FORECAST, reference="", estimate=0.9, low=0.85, high=0.93, largest=1024,
                           score=0.88, points=3)  # fmt: skip
    overtakes = BreakEvenRow(**place, measure=Measure.BREAK_EVEN, reference="tfidf", estimate=90.0, overtakes="full",
                             n_min=64, n_max=1024, cost=None)  # fmt: skip
    return {"forecast": [forecast], "break_even": [overtakes], "courses": course_rows("reviews", 1024, 5)}


@pytest.mark.parametrize("format", [f for f in FORMATS if f not in PICTURES])
@pytest.mark.parametrize("table", BENEFITS)
def test_the_tables_of_benefits_are_exported_too(whole, tmp_path, table, format):
    path = write_table(str(tmp_path), table, format)
    rows, text = whole.table(table), path.read_bytes()
    assert rows
    if format in ("csv", "parquet", "json"):
        assert read(path)["measure"].tolist() == [row["measure"] for row in rows]
    else:
        ends = r"\\\\\n" if format == "latex" else r"\|\n"
        assert len(re.findall(ends, text.decode())) == len(rows) + (1 if format == "latex" else 2)


@pytest.mark.parametrize(("name", "begins"), [("y.json", "["), ("y.md", "|"), ("y.TEX", "% needs"), ("y", "task,")])
def test_without_a_format_the_ending_of_the_file_says_which(folder, tmp_path, name, begins):
    (path,) = export.write(str(folder), "gains", None, str(tmp_path / name))
    assert path.read_text("utf-8").lstrip().startswith(begins), path.read_text("utf-8")[:40]


def test_an_empty_table_is_said(folder):
    with pytest.raises(UserError, match="no such rows"):
        write_table(str(folder), "aggregate", "csv")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_of_text_is_no_formula(tmp_path, monkeypatch, start):
    found = synthetic(datasets=1, seeds=3)
    text = f'{start}HYPERLINK("http://x","y")'
    found.gains[:2] = [replace(found.gains[0], sentence=text), replace(found.gains[1], estimate=-0.25)]
    monkeypatch.setattr(export, "load", lambda folder: found)
    path = write_table(str(tmp_path), "gains", "csv")
    frame = pd.read_csv(path)
    assert frame["sentence"][0] == "'" + text
    assert frame["estimate"][1] == -0.25, "numbers stay numbers"
    assert not re.search(r'(^|,)"?[=+@\t\r]', path.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("sign", [";", "\t", "\n"])
def test_a_formula_behind_another_separator_is_none_either(sign):
    """Spreadsheets of some languages split the lines of a csv at semicolons, others ask."""
    assert harmless(f"reviews{sign}=1+1;2; -3;@x") == f"reviews{sign}'=1+1;2; -3;'@x"
    assert harmless("＝1") == "'＝1" and harmless("a = b; -0.2 points") == "a = b; -0.2 points"


@pytest.mark.parametrize("name", ["[5cm]", "*"])
def test_a_row_of_latex_that_begins_as_an_argument_is_a_row(whole, tmp_path, name):
    """LaTeX would read it as the space, or the star, of the end of the row before."""
    whole.gains[:] = [replace(row, dataset=name) for row in whole.gains]
    assert latex_problems(write_table(str(tmp_path), "gains", "latex").read_text("utf-8")) == []
    assert latex_problems("\\begin{tabular}{l}\na \\\\\n[5cm] \\\\\n") == ["3: begins with ["]


def test_latex_is_a_booktabs_table_with_its_text_escaped(whole, tmp_path):
    whole.gains[0] = replace(whole.gains[0], dataset=r"a_b & 50 % \input{x} $y$ #1 ~^")
    text = write_table(str(tmp_path), "gains", "latex").read_text("utf-8")
    assert r"\toprule" in text and r"\midrule" in text and r"\bottomrule" in text
    assert r"a\_b \& 50 \% \textbackslash{}input\{x\} \$y\$ \#1 \textasciitilde{}\textasciicircum{}" in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    columns = re.search(r"begin\{tabular\}\{(\w+)\}", text)[1]
    for line in body.strip().splitlines()[1:]:
        assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1


def test_minus_signs_and_bounds_in_latex():
    assert latex_text("-0.012 [-0.02, +0.01] a-b") == "$-$0.012 [$-$0.02, +0.01] a-b"
    assert latex_text("> 1,024 10×") == r"\textgreater{} 1,024 10$\times$"


def test_markdown_stays_text():
    assert markdown_text("a|b\n<script> *x* [l](u) @you #1 `c`") == (
        r"a\|b &lt;script&gt; \*x\* \[l\]\(u\) &#64;you \#1 \`c\`"
    )


def test_figures_are_written_as_svg_that_parses(whole, tmp_path):
    path = write_table(str(tmp_path), format="svg")
    assert path == tmp_path / "figures"
    names = {file.stem for file in path.iterdir()}
    assert {"forest", "reviews-paired", "reviews-learning-curve", "reviews-convergence-steps", "reviews-robustness-tweets",
            "reviews-adapted-tweets", "reviews-effort-parameters", "reviews-tuning", "reviews-reliability-test-ece",
            "reviews-perturbed-all"} <= names  # fmt: skip
    for file in path.iterdir():
        root = ElementTree.fromstring(file.read_text("utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert not [n for n in root.iter() if n.tag.endswith(("script", "image", "foreignObject"))]


def test_every_figure_has_a_file_of_its_own(monkeypatch, tmp_path):
    """Whatever the data sets are called: names of other scripts have no letter that a file's name keeps, others are long."""
    names = ["отзывы", "новости", "a" * 300, "a" * 301]
    found = [replace(figure, name=DatasetView(None, name).name("paired")) for name, figure in zip(
        names, itertools.cycle(list(export.figures(synthetic(datasets=1, seeds=3)))[:1]), strict=False)]  # fmt: skip
    monkeypatch.setattr(export, "load", lambda folder: synthetic(datasets=1, seeds=3))
    monkeypatch.setattr(export, "figures", lambda findings: iter(found))
    path = write_table(str(tmp_path), format="svg")
    assert len(list(path.iterdir())) == 4 and max(len(file.name) for file in path.iterdir()) < 100


def test_figures_as_png_or_a_word_on_what_is_missing(whole, tmp_path, monkeypatch):
    pytest.importorskip("resvg_py")
    monkeypatch.setattr(export, "figures", lambda found: list(_figures(found))[:2])
    path = write_table(str(tmp_path), format="png")
    pictures = [file.read_bytes() for file in path.iterdir()]
    assert len(pictures) == 2 and all(p.startswith(b"\x89PNG") and len(p) > 5000 for p in pictures)
    monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)
    with pytest.raises(UserError, match=r"pip install \"\.\[png\]\""):
        write_table(str(tmp_path), format="png")


_figures = export.figures
