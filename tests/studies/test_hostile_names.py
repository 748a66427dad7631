"""Nothing that a study writes does what a name in it says: every artefact is read by a strict reader of its kind.

The study's data set, file, labels, texts, shift, predictions and checkpoint are called what is code in HTML, YAML, LaTeX,
spreadsheets, shells and terminals.
"""

import csv
import os
import tomllib
from pathlib import Path

import pandas as pd
import pytest

import transfergain as tg
from support import hostile, strict
from support.browser import CHROMIUM, Listener
from support.tiny import InProcess, command
from transfergain.errors import printable
from transfergain.executors import EXECUTORS
from transfergain.report import export
from transfergain.report.export import TABLES, write, write_table
from transfergain.report.toml import study_toml

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def listener():
    found = Listener()
    yield found
    found.close()


@pytest.fixture(scope="module")
def names(listener):
    return hostile.Names(listener.port)


@pytest.fixture(scope="module")
def study(tmp_path_factory, checkpoints, names):
    """(output folder, train file, model), all absolute."""
    here, folder = Path.cwd(), tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXECUTORS, "local", InProcess)
        patch.setattr(InProcess, "ran", [])
        try:
            return [path.absolute() for path in hostile.study(folder, checkpoints(), names)]
        finally:
            os.chdir(here)


@pytest.fixture(scope="module")
def out(study):
    return study[0]


@pytest.fixture(scope="module")
def found(out):
    return tg.load(out)


@pytest.fixture
def loaded(found, monkeypatch):
    """The folder of the study, whose findings `export` need not make anew for each table."""
    monkeypatch.setattr(export, "load", lambda folder: found)
    return str(found.folder)


def test_the_names_are_there(out, found, names):
    """Else all that follows would prove nothing."""
    ((name, entry),) = found.data.items()
    assert name == printable(names.dataset.split(".")[0]) and set(entry.labels) == {
        printable(label.strip()) for label in names.labels
    }
    assert list(entry.shifts) == [names.shift] and list(entry.predictions) == [names.predictions]
    assert found.study.model == names.model and found.trials["failed"] == 0
    assert {path.name for path in out.glob("models/*/README.md")} == {"README.md"}


def test_the_page_is_strict_html_that_loads_and_runs_nothing_of_its_names(out, names):
    page = (out / "report.html").read_text("utf-8")
    assert strict.html_problems(page) == []
    assert page.count("onerror") > 50, "the names are shown, as text"


def test_a_notebook_shows_names_as_text(found):
    assert strict.fragment_problems(found._repr_html_()) == []


def test_figures_are_xml_without_a_way_out(loaded, tmp_path):
    for file in write_table(loaded, format="svg", output=str(tmp_path / "svg")).iterdir():
        assert strict.svg_problems(file.read_text("utf-8")) == [], file.name


def test_figures_become_pictures(loaded, tmp_path):
    pytest.importorskip("resvg_py")
    assert list(write_table(loaded, format="png", output=str(tmp_path / "png")).iterdir())


def exported(found, tmp_path, format):
    """Every table of the study that has rows, in a format: name -> file."""
    known = {name for name in TABLES if name != "test-texts" and found.table(name)}
    assert known >= {"gains", "scores", "trials", "robustness", "predictions"}
    return {name: write_table(found.folder, name, format, str(tmp_path / f"{name}.{format}")) for name in known}


@pytest.mark.usefixtures("loaded")
def test_csv_holds_no_formula(out, found, tmp_path, names):
    for name, file in exported(found, tmp_path, "csv").items():
        with file.open(newline="", encoding="utf-8") as opened:
            assert strict.csv_problems(opened.read()) == [], name
    (file,) = write(str(out), "test-texts", "csv", str(tmp_path / "test-texts.csv"))
    text = file.read_bytes().decode("utf-8")
    assert strict.csv_problems(text) == [] and names.text[:20] in text


@pytest.mark.usefixtures("loaded")
def test_latex_runs_nothing(found, tmp_path):
    for name, file in exported(found, tmp_path, "latex").items():
        assert strict.latex_problems(file.read_text("utf-8")) == [], name


@pytest.mark.usefixtures("loaded")
def test_markdown_is_text(out, found, tmp_path):
    for file in (out / "report.md", *exported(found, tmp_path, "markdown").values()):
        assert strict.markdown_problems(file.read_text("utf-8")) == [], file.name


@pytest.mark.usefixtures("loaded")
def test_json_and_parquet_hold_the_names_as_they_are(out, found, tmp_path):
    name = next(iter(found.data))
    for file in (out / "findings.json", out / "timings.json", *exported(found, tmp_path, "json").values()):
        assert strict.strict_json(file.read_text("utf-8")), file.name
    assert set(pd.read_parquet(exported(found, tmp_path, "parquet")["scores"])["dataset"]) == {name}
    assert strict.strict_json((out / "findings.json").read_text("utf-8"))["data"].keys() == {name}


def test_cards_are_yaml_that_says_what_it_should_and_text(out, found):
    name = next(iter(found.data))
    cards = list(out.glob("models/*/README.md"))
    assert len(cards) == 2
    for card in cards:
        text = card.read_text("utf-8")
        front = strict.front_matter(text)
        assert set(front) <= {"library_name", "pipeline_tag", "tags", "model-index"}
        assert {result["dataset"]["type"] for result in front["model-index"][0]["results"]} == {name}
        assert strict.markdown_problems(text.split("---\n", 2)[2]) == []


def test_the_study_file_of_the_page_is_the_study(found):
    request = found.study.request
    read = tomllib.loads(study_toml(request))
    assert {key: read[key] for key in ("train_file", "model", "shift", "predictions")} == {
        key: request[key] for key in ("train_file", "model", "shift", "predictions")
    }


def test_the_terminal_is_not_steered_and_commands_can_be_copied(out, monkeypatch, capsys):
    monkeypatch.chdir(out.parents[1])
    relative = out.relative_to(Path.cwd())
    assert command(monkeypatch, "report", relative, "--full") == 0
    said = capsys.readouterr().out
    assert not strict.STEERING.search(said) and "onerror" in said
    (line,) = [line for line in said.splitlines() if line.startswith("Details")]
    assert strict.words(line) == ["Details", "transfergain", "report", str(relative), "--full"]


def test_a_ranking_is_strict_html_and_its_commands_can_be_copied(study, monkeypatch, tmp_path, capsys):
    out, train, model = study
    monkeypatch.chdir(out.parents[1])
    arguments = ["--task", "classification", "--train-file", train.name, "--examples", 40, "--max-length", 16]
    assert command(monkeypatch, "rank", "./" + model.name, *arguments, "--page", tmp_path / "rank.html") == 0
    page = (tmp_path / "rank.html").read_text("utf-8")
    assert strict.html_problems(page) == []
    assert all(f"{rule} 'none'" in page.split("</head>")[0] for rule in ("default-src", "form-action", "base-uri"))
    said = capsys.readouterr().out
    assert not strict.STEERING.search(said)
    (line,) = [line for line in said.splitlines() if "transfergain run --model" in line]
    given = strict.words(line[line.index("transfergain run") :])
    assert given[given.index("--model") + 1] == f"./{model.name}"
    assert given[given.index("--train-file") + 1] == train.name
    assert not (out.parents[1] / "evil").exists()


def test_the_card_of_a_pretraining_is_text(study, names, monkeypatch, tmp_path, capsys):
    out, _, model = study
    monkeypatch.chdir(out.parents[1])
    corpus = Path(names.corpus + ".txt")
    corpus.write_text("".join(f"the film was good {i} and the book was bad\n" for i in range(400)))
    made = tmp_path / "made $(touch evil)"
    arguments = ["--unlabelled-file", corpus, "--steps", 2, "--max-length", 16, "--batch-size", 4, "--output-dir", made]
    assert command(monkeypatch, "pretrain", "--model", "./" + model.name, *arguments) == 0
    said = capsys.readouterr()
    text = (made / "README.md").read_text("utf-8")
    assert set(strict.front_matter(text)) == {"library_name", "tags"}
    assert strict.markdown_problems(text.split("---\n", 2)[2]) == []
    assert not strict.STEERING.search(said.out + said.err)
    (line,) = [line for line in said.out.splitlines() if line.startswith("Next")]
    assert strict.words(line)[4] == str(made)


def test_a_study_file_of_init_holds_its_names_as_values(study, monkeypatch, tmp_path, capsys):
    out, train, _ = study
    monkeypatch.chdir(out.parents[1])
    file = tmp_path / "my study.toml"
    assert command(monkeypatch, "init", train.name, "--task", "classification", "--output", file, "--yes") == 0
    keys = tomllib.loads(file.read_text("utf-8"))
    assert keys["train_file"] == train.name and "x" not in keys
    assert not strict.STEERING.search(capsys.readouterr().out)


def test_texts_to_label_next_hold_no_formula(study, names, monkeypatch, tmp_path, capsys):
    out, _, _ = study
    pool = tmp_path / "pool.csv"
    with pool.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text"], *([f"{names.text} {i}"] for i in range(20))])
    assert (
        command(monkeypatch, "next-labels", out, "--pool", pool, "-n", 5, "--arm", "full", "--output", tmp_path / "next.csv")
        == 0
    )
    assert strict.csv_problems((tmp_path / "next.csv").read_bytes().decode("utf-8")) == []
    assert not strict.STEERING.search(capsys.readouterr().out)


# In a browser.
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI));
"""


@pytest.fixture(scope="module")
def watched(request):
    """A browser whose pages note what their policy keeps from being loaded."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    browser = request.getfixturevalue("browser")
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=LISTEN)
    return browser


def was_asked(browser, listener, before):
    """Everything that a page has run, loaded or was kept from loading."""
    dialogs = [event for event in browser.events if event.get("method") == "Page.javascriptDialogOpening"]
    ran = [browser.run("window.evil")] if browser.run("'evil' in window") else []
    return [*browser.requests(), *dialogs, *browser.run("violations"), *ran, *["a call"] * (listener.calls - before)]


@pytest.mark.parametrize("policy", [True, False])
def test_the_browser_would_tell(watched, listener, tmp_path, policy):
    rule = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">" if policy else ""
    page = tmp_path / "open.html"
    page.write_text(f"<!DOCTYPE html>{rule}<p><img src=http://localhost:{listener.port}/x><script>evil=1</script>")
    before = listener.calls
    watched.open(page)
    found = was_asked(watched, listener, before)
    assert any("img-src" in each for each in found if isinstance(each, str)) if policy else "a call" in found and 1 in found


def test_a_browser_runs_and_asks_for_nothing(watched, listener, out):
    before = listener.calls
    watched.open(out / "report.html")
    watched.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    count = watched.run("document.querySelectorAll('.figure').length")
    assert count > 10
    for i in range(count):
        watched.run(f"document.querySelectorAll('.figure')[{i}].scrollIntoView()")
        watched.until(f"document.querySelectorAll('.figure')[{i}].querySelector('.plot .main-svg') !== null")
    for button in range(watched.run("document.querySelectorAll('.legend button').length")):
        watched.run(f"document.querySelectorAll('.legend button')[{button}].click()")
    assert was_asked(watched, listener, before) == [] and watched.complaints() == []
    assert watched.run("document.querySelectorAll('img, iframe, object, embed, base, form, .plot a').length") == 0
    assert watched.run("document.querySelectorAll('script').length") == watched.run(
        "document.querySelectorAll('script[type=\"text/plain\"]').length + 2"
    ), "the page's own and plotly's"


def test_tables_from_the_page_hold_no_formula(watched, out):
    watched.open(out / "report.html")
    watched.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    watched.run("window.saved = []; URL.createObjectURL = blob => { saved.push(blob.text()); return '#'; };")
    buttons = "Array.from(document.querySelectorAll('#downloads button')).filter(b => b.textContent === 'csv')"
    count = watched.run(f"{buttons}.length")
    for i in range(count):
        watched.run(f"{buttons}[{i}].click()")
        watched.until(f"saved.length === {i + 1}")
        assert strict.csv_problems(watched.run(f"saved[{i}]")) == [], i
    assert count > 3


def test_pictures_in_a_browser_run_and_ask_for_nothing(watched, listener, loaded, tmp_path):
    for file in write_table(loaded, format="svg", output=str(tmp_path / "svg")).iterdir():
        before = listener.calls
        watched.open(file)
        assert was_asked(watched, listener, before) == [], file.name
