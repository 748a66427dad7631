"""Predictions that somebody else made: how files are joined with the sealed texts, stored, compared and shown."""

import csv
import json
import shutil
from dataclasses import replace

import pytest

import transfergain as tg
from support.fakes import FakeExecutor, dataset, outcome_of, run
from support.texts import sentences, write_csv
from transfergain.analysis.findings import load
from transfergain.commands.compare_predictions import answer
from transfergain.data import given, prepare
from transfergain.data.sealed import pack, unpack
from transfergain.errors import UserError
from transfergain.options import OptionKind
from transfergain.report import terminal
from transfergain.report.export import write_table
from transfergain.report.page import html
from transfergain.running.comparing import ComparedMetric, Comparison
from transfergain.split import TEST, shift
from transfergain.store import Store
from transfergain.tasks import TASKS
from transfergain.tasks.given import read_labels
from transfergain.trial import Bench, run_trial
from transfergain.types import Example, GivenPredictions

SENTIMENT = TASKS["sentiment"]
OPTIONS = SENTIMENT.defaults(OptionKind.PARSE)
SEALED = sentences(40, seed=9)


@pytest.fixture
def data(tmp_path):
    """Data with a test set whose rows have ids and one text twice, and a shift."""
    rows = [(f"r{i}", text, label) for i, (text, label) in enumerate(SEALED)]
    source = prepare.DataSource(
        train_file=write_csv(tmp_path / "reviews.csv", sentences(200)),
        test_file=write_csv(
            tmp_path / "test.csv", [*rows, ("r40", SEALED[0][0].upper(), SEALED[0][1])], ("id", "text", "label")
        ),
        shifts={"tweets": write_csv(tmp_path / "tweets.csv", sentences(20, seed=4, extra=["lol"]))},
    )
    return prepare.load(source, SENTIMENT)


def attached(data, *files):
    return given.attach(data, {"gpt": [str(file) for file in files]}, SENTIMENT, OPTIONS)


def test_rows_are_joined_by_text_in_any_order_whatever_case_and_space(data, tmp_path):
    rows = [(f"  {text.upper()} ", label) for text, label in reversed(SEALED)]
    found = attached(data, write_csv(tmp_path / "gpt.csv", rows, ("text", "prediction")))
    (file,) = found.given["gpt"]
    assert file.predictions == {TEST: tuple(e.target for e in data.test)}
    assert found.fingerprint == data.fingerprint, "the data is what it was"


def test_rows_are_joined_by_the_users_ids_and_other_rows_are_noted(data, tmp_path):
    rows = [(f"r{i}", label) for i, (_, label) in enumerate(SEALED)]
    found = attached(data, write_csv(tmp_path / "gpt.csv", [*rows, ("r40", "negative")], ("id", "prediction")))
    assert found.given["gpt"][0].predictions[TEST] == tuple(e.target for e in data.test)
    assert found.notes[-1] == "gpt.csv: 1 of its 41 rows left out, of no sealed text"


def test_the_sealed_texts_come_back_with_predictions_for_the_test_set_and_its_shifts(data, tmp_path):
    rows = unpack(pack(data, SENTIMENT))
    assert [set(row) for row in rows] == [{"id", "split", "text"}] * 60 and "label" not in rows[0]
    path = tmp_path / "gpt.json"
    path.write_text(json.dumps([row | {"prediction": "positive"} for row in rows]))
    (file,) = attached(data, path).given["gpt"]
    assert file.predictions == {TEST: (1,) * 40, shift("tweets"): (1,) * 20}


def test_a_row_that_says_the_same_twice_is_no_mistake_and_one_that_contradicts_it_is(data, tmp_path):
    path = write_csv(tmp_path / "gpt.csv", [*SEALED, SEALED[3]], ("text", "prediction"))
    assert len(attached(data, path).given["gpt"][0].predictions[TEST]) == 40
    opposite = [(text, "negative" if label == "positive" else "positive") for text, label in SEALED]
    path = write_csv(tmp_path / "gpt.csv", [*SEALED, opposite[3]], ("text", "prediction"))
    with pytest.raises(UserError, match=r"gpt\.csv row 41: .* gpt\.csv row 4 "):
        attached(data, path)


def test_ten_mistakes_in_one_file_are_ten_lines_one_after_the_other(data, tmp_path):
    """Each line names the file, and the row where there is one; mending it leads to the next mistake, and then to scores."""
    path, plain = tmp_path / "gpt.jsonl", [{"text": text, "prediction": label} for text, label in SEALED]
    wrong = [dict(row) for row in plain]
    mistakes = {
        1: {"prediction": "postive"},
        2: {"prediction": ""},
        3: {"prediction": None},
        4: {"prediction": ["negative", "positive"]},
        5: {"prediction": 3},
        6: {"text": "of another file altogether"},
        7: {"split": "shift:nowhere"},
        8: {"text": SEALED[9][0], "prediction": "positive" if SEALED[9][1] == "negative" else "negative"},
    }
    for i, change in mistakes.items():
        wrong[i] |= change
    wrong = [
        {"body" if key == "text" else "label" if key == "prediction" else key: v for key, v in row.items()} for row in wrong
    ]

    def rename(old, new):
        wrong[:] = [{new if key == old else key: value for key, value in row.items()} for row in wrong]

    def mended(i):
        return lambda: wrong.__setitem__(i, plain[i])

    mends = [
        ('gpt.jsonl has no column "prediction"; it has: body, label, split', lambda: rename("label", "prediction")),
        ('gpt.jsonl: it has no column "text" that says which text a row is of', lambda: rename("body", "text")),
        ('gpt.jsonl line 2: the prediction "postive" is no class of the data. Did you mean "positive"?', mended(1)),
        ("gpt.jsonl line 3: the prediction is empty; give the class", mended(2)),
        ("gpt.jsonl line 4: the prediction is empty; give the class", mended(3)),
        ("gpt.jsonl line 5: the prediction is a list; one class is expected", mended(4)),
        ('gpt.jsonl line 6: the prediction "3" is no class of the data', mended(5)),
        ("gpt.jsonl line 10: predicts something else than gpt.jsonl line 9 for the same text", mended(8)),
        ("gpt.jsonl: no prediction for 2 of the 40 texts .*; gpt.jsonl line 7 is of no sealed text", mended(6)),
        ("gpt.jsonl: no prediction for 1 of the 40 texts .*; gpt.jsonl line 8 is of no sealed text", mended(7)),
    ]
    for says, mend in mends:
        path.write_text("".join(json.dumps(row) + "\n" for row in wrong))
        with pytest.raises(UserError, match=says) as raised:
            attached(data, path)
        assert "\n" not in str(raised.value)
        mend()
    path.write_text("".join(json.dumps(row) + "\n" for row in wrong))
    assert attached(data, path).given["gpt"][0].predictions[TEST] == tuple(e.target for e in data.test)


def test_files_of_one_name_are_for_the_same_splits(data, tmp_path):
    one = write_csv(tmp_path / "a.csv", SEALED, ("text", "prediction"))
    both = tmp_path / "b.json"
    both.write_text(json.dumps([row | {"prediction": "positive"} for row in unpack(pack(data, SENTIMENT))]))
    with pytest.raises(UserError, match="its files are for different test sets"):
        attached(data, one, both)


def test_the_fingerprint_is_that_of_the_predictions_and_not_of_their_order(data, tmp_path):
    files = [SEALED, SEALED[::-1], [(SEALED[0][0], SEALED[1][1]), *SEALED[1:]]]
    marks = [attached(data, write_csv(tmp_path / f"{i}.csv", rows, ("text", "prediction"))).given["gpt"][0].fingerprint
             for i, rows in enumerate(files)]  # fmt: skip
    assert marks[0] == marks[1] != marks[2]


@pytest.mark.parametrize(
    ("name", "cell", "wanted"),
    [
        ("ner", ["B-PER", "O"], [1, 0]),
        ("ner", "B-PER O", [1, 0]),
        ("ner", '["B-PER", "O"]', [1, 0]),
        ("ner", "['B-PER', 'O']", [1, 0]),
        ("qa", " Paris ", "Paris"),
        ("qa", None, ""),
        ("translation", "The  Cat", "The Cat"),
        ("classification", 1.0, 1),
        ("classification", "0.0", 0),
        ("classification", ["1"], 1),
    ],
)
def test_every_task_reads_predictions_in_their_natural_form(name, cell, wanted):
    task = TASKS[name]
    example = replace(dataset().test[0], inputs={"tokens": ["Ada", "runs"]})
    classes = ("O", "B-PER", "I-PER") if name == "ner" else ("0", "1")
    assert task.given.read(cell, example, classes, {"lowercase": False}) == wanted


def with_predictions(right=8, mark="sha256:1"):
    """The small data set of fakes with predictions that hit so many of its ten test examples."""
    data = dataset()
    values = tuple(e.target if i < right else 1 - e.target for i, e in enumerate(data.test))
    return replace(data, given={"gpt": (GivenPredictions(mark, {TEST: values}),)})


def scored(spec, data):
    """Score predictions that are given as a trial does, and make up all others."""
    return run_trial(spec, Bench({data.name: data}, None, "cpu", 1)) if spec.is_given else outcome_of(spec, data)


KEYS = {"arms": "scratch,full", "tune": 0, "budgets": [20, 30], "seeds": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    run(folder, {"reviews": with_predictions()}, FakeExecutor(behave=scored), **KEYS)
    return folder


def test_a_study_scores_them_once_and_compares_them_at_every_budget(folder):
    found = load(folder)
    assert [row.spec.budget for row in found.rows if row.spec.arm == "gpt"] == [0]
    rows = {(row.arm, row.reference, row.budget): row for row in found.predictions if row.metric == "accuracy"}
    assert set(rows) == {(*pair, budget) for pair in (("full", "gpt"), ("gpt", "scratch")) for budget in (20, 30)}
    assert all(row.low < row.estimate < row.high and row.n_seeds == 3 for row in rows.values())
    assert rows["full", "gpt", 30].estimate == pytest.approx(0.8 - 0.8)
    assert "; gpt has accuracy 80.0 %, scratch 60.0 % on the test set" in rows["gpt", "scratch", 30].sentence
    assert {row.reference for row in found.gains} == {"scratch"}, "the gains are what they were"


def test_every_view_shows_them(folder, tmp_path):
    found = load(folder)
    (candidate,) = [row for row in found.candidates if row.arm == "gpt"]
    assert (candidate.is_given, candidate.is_floor, candidate.score, candidate.n_seeds) == (True, False, 0.8, 1)
    assert candidate.low < 0.8 < candidate.high
    table = found.summary.datasets[0].table
    assert [row[table.columns.index("gpt")] for row in table.scores] == [0.8, 0.8]
    assert "than gpt at 80.0 %" in found.summary.answer
    assert any("gpt" in line.plain for line in terminal.lines(found.summary, 80))
    page = html.render(found)
    assert "gpt (given)" in page and "reviews, full over gpt" in page
    assert "gpt" in write_table(str(folder), "predictions", "markdown", str(tmp_path / "t.md")).read_text()
    content = json.loads(found.to_json())
    assert content["data"]["reviews"]["predictions"] == {"gpt": ["sha256:1"]}
    assert {row["reference"] for row in content["predictions"]} == {"gpt", "scratch"}


def test_another_file_is_scored_anew_and_nothing_else_runs(folder, tmp_path):
    run(tmp_path, {"reviews": with_predictions()}, FakeExecutor(behave=scored), **KEYS)
    ran, _ = run(tmp_path, {"reviews": with_predictions(3, "sha256:2")}, FakeExecutor(behave=scored), **KEYS)
    assert [spec.arm for spec in ran] == ["gpt"]
    assert next(row.score for row in load(tmp_path).candidates if row.arm == "gpt") == 0.3


def test_the_best_predictions_are_recommended_where_no_arm_is_near(tmp_path):
    run(tmp_path, {"reviews": with_predictions(10)}, FakeExecutor(behave=scored), **KEYS)
    taken = load(tmp_path).summary.datasets[0].recommendation
    assert (taken.name, taken.why) == ("gpt", "the best score")


def test_a_study_without_texts_says_so(tmp_path):
    with Store(tmp_path, create=True) as store:
        store.set_meta("identity", {"texts": False})
    from transfergain.report.sealed_texts import write

    with pytest.raises(UserError, match="run with --no-texts and holds no text"):
        write(str(tmp_path))


def test_texts_that_look_like_formulas_are_written_as_text(tmp_path):
    data = dataset()
    data = replace(data, test=tuple(replace(e, inputs={"text": "=1+1" if not i else e.inputs["text"]})
                                    for i, e in enumerate(data.test)))  # fmt: skip
    data = replace(data, ids={TEST: tuple(map(str, range(10)))})
    from transfergain.report.sealed_texts import SEALED_KEY, write

    with Store(tmp_path, create=True) as store:
        store.set_meta(SEALED_KEY, {"reviews": pack(data, SENTIMENT)})
    (path,) = write(str(tmp_path))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"id": "0", "split": "test", "text": "'=1+1"} and len(rows) == 10


def test_two_systems_are_compared_without_a_study(tmp_path, monkeypatch):
    test = write_csv(tmp_path / "test.csv", SEALED)
    worse = [(text, "negative") for text, _ in SEALED]
    a, b = (write_csv(tmp_path / name, rows, ("text", "prediction")) for name, rows in (("a.csv", SEALED), ("b.csv", worse)))
    found = tg.compare_predictions(a, b, test_file=test, task="sentiment")
    accuracy = found.rows[0]
    assert (accuracy.score_a, accuracy.score_b, accuracy.difference) == (1.0, 0.5, 0.5)
    assert 0 < accuracy.low < 0.5 <= accuracy.high <= 1 and accuracy.p_value < 0.001
    assert (found.discordant.only_a, found.discordant.only_b) == (20, 0)
    assert found.discordant.p_value == pytest.approx(2 * 0.5**20)
    back = tg.compare_predictions([b], [a], test_file=test, task="sentiment")
    assert back.rows[0].difference == -0.5 and back.rows[0].p_value == pytest.approx(accuracy.p_value)
    same = [shutil.copy(path, tmp_path / f"{n}.csv") for n, path in enumerate((a, b))]
    several = tg.compare_predictions([a, *same], b, test_file=test, task="sentiment")
    assert several.discordant is None and several.rows[0].low < 0 < several.rows[0].high
    for left, right in (([a, b], [b]), ([a], [a]), ([a, a], [b])):
        with pytest.raises(
            tg.UserError, match=r"[ab]\.csv is given twice: a file of predictions is one replicate of one sys"
        ):
            tg.compare_predictions(left, right, test_file=test, task="sentiment")
    assert len(found.to_frame()) == 2 and json.loads(found.to_json())["examples"] == 40


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("joy;fear", [1, 1, 0]),
        (["fear"], [1, 0, 0]),
        ("['joy', 'well, yes']", [0, 1, 1]),
        ("well, yes", [0, 0, 1]),
        ("", [0, 0, 0]),
    ],
)
def test_several_labels_are_read_as_lists_or_with_a_sign_between(cell, found):
    assert read_labels(cell, Example({"text": "x"}, (0, 0, 0)), ("fear", "joy", "well, yes"), {}) == found


def test_an_unknown_one_of_several_labels_is_named_with_the_nearest():
    with pytest.raises(ValueError, match='the label "jou" is none of the data'):
        read_labels("fear|jou", Example({"text": "x"}, (0, 0)), ("fear", "joy"), {})


def test_the_two_texts_of_a_pair_know_its_row():
    pair, alone = Example({"text": "a", "text_pair": "b"}, 0), Example({"text": "a"}, 0)
    given = TASKS["classification"].given
    assert given.texts(pair) == ("a", "b") and given.texts(alone) == ("a",)


def test_files_are_named_without_their_folders_in_what_a_study_stores():
    from transfergain.running.privacy import without_places

    kept = without_places({"predictions": {"gpt": ["/home/ada/a.csv", "b.csv"]}, "unlabelled": {"w": ["/home/ada/w.txt"]}})
    assert kept["unlabelled"] == {"w": ["w.txt"]}
    assert kept["predictions"] == {"gpt": ["a.csv", "b.csv"]}


@pytest.mark.parametrize(
    "given", ["gpt=a.csv,b.csv", ["gpt=a.csv, b.csv"], {"gpt": "a.csv,b.csv"}, {"gpt": ["a.csv", "b.csv"]}]
)
def test_several_files_may_be_named_in_several_ways(given):
    from transfergain.study import Study

    assert Study(predictions=given).predictions == {"gpt": ["a.csv", "b.csv"]}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.02, 0.18, "A is better: A has accuracy 90.0 against 80.0 %"),
        (-0.18, -0.02, "B is better"),
        (-0.1, 0.2, "do not tell"),
    ],
)
def test_the_first_sentence_says_which_system_is_better_or_that_the_test_set_does_not_tell(low, high, said):
    row = ComparedMetric("accuracy", 0.9, 0.85, 0.95, 0.8, 0.7, 0.9, 0.1, low, high, 0.01)
    found = Comparison("sentiment", "test.csv", 60, 60, ("a.csv",), ("b.csv",), (row,), None)
    assert said in answer(found) and "95 %" in answer(found)
    assert "without an interval" in answer(replace(found, rows=(replace(row, low=None, high=None),)))
