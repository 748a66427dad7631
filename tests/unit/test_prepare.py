"""From a source to a `Dataset`: what is carved and said, names, fingerprints, leaks."""

import json
import random

import pytest

from support.texts import sentences, write_csv
from transfergain.data.prepare import DataSource, load
from transfergain.errors import UserError
from transfergain.options import OptionKind
from transfergain.split import TEST, shift
from transfergain.tasks import TASKS
from transfergain.types import WarningKind

SENTIMENT = TASKS["sentiment"]


def texts(rows):
    return {e.inputs["text"] for e in rows}


def load_files(folder, **parts):
    """Load train, validation, test and shift rows, each written as a csv file."""
    folder.mkdir(exist_ok=True)
    files = {name: write_csv(folder / f"{name}.csv", rows) for name, rows in parts.items()}
    shifts = {name: files.pop(name) for name in list(files) if name not in ("train", "validation", "test")}
    return load(DataSource(**{f"{name}_file": path for name, path in files.items()}, shifts=shifts), SENTIMENT)


def test_missing_splits_are_carved_and_said(reviews):
    data = load(DataSource(train_file=reviews), SENTIMENT)
    assert (len(data.train), len(data.dev), len(data.test)) == (192, 48, 60)
    assert not texts(data.train) & texts(data.dev) and not texts(data.train + data.dev) & texts(data.test)
    for part in (data.train, data.dev, data.test):
        assert abs(sum(e.target for e in part) - len(part) / 2) <= 1
    said = "\n".join(data.notes)
    assert "reviews.csv 300 rows" in said
    assert "test: 60 carved from train" in said
    assert "dev: 48 carved from train" in said
    assert "train 192 · dev 48 · test 60" in said
    assert "no duplicates" in said
    assert data.labels == ("negative", "positive")
    assert data.name == "reviews"


def test_given_splits_are_kept_whole(tmp_path):
    rows = sentences(200)
    data = load_files(tmp_path, train=rows[:120], validation=rows[120:150], test=rows[150:])
    assert texts(data.train) == {t for t, _ in rows[:120]}
    assert texts(data.dev) == {t for t, _ in rows[120:150]}
    assert texts(data.test) == {t for t, _ in rows[150:]}
    assert not any("carved" in note for note in data.notes)


def test_carving_is_the_same_every_time(reviews):
    first, second = (load(DataSource(train_file=reviews), SENTIMENT) for _ in range(2))
    assert first == second


def test_duplicates_are_dropped_whatever_their_case_and_spaces_and_counted(tmp_path):
    rows = sentences(200)
    shouted = [(f"  {t.upper().replace(' ', '   ')} ", label) for t, label in rows[:7]]
    data = load_files(tmp_path, train=rows[:150] + shouted, test=rows[150:] + rows[:3], tweets=rows[:30] + sentences(20, 9))
    assert "duplicates dropped: 10 from train, 30 from shift:tweets" in " ".join(data.notes)
    assert texts(data.shifts["tweets"]) == {t for t, _ in sentences(20, 9)}
    assert len(data.test) == 53
    seen = texts(data.train) | texts(data.dev)
    assert not seen & texts(data.test)
    assert not (seen | texts(data.test)) & texts(data.shifts["tweets"])


def test_texts_that_stand_twice_with_different_labels_are_warned_of(tmp_path):
    rows = sentences(200)
    turned = [(text.upper(), {"positive": "negative", "negative": "positive"}[label]) for text, label in rows[:3]]
    data = load_files(tmp_path, train=rows[:150] + rows[10:12] + turned, test=rows[150:])
    (said,) = [str(warning) for warning in data.warnings if "another label" in str(warning)]
    assert said.startswith("3 of the duplicates that were dropped have another label than the text that they repeat")
    same = load_files(tmp_path, train=rows[:150] + rows[10:12], test=rows[150:])
    assert not any("another label" in str(warning) for warning in same.warnings)


def test_a_class_of_one_or_two_examples_among_many_is_warned_of(tmp_path):
    rows = sentences(200)
    data = load_files(tmp_path, train=[*rows[:150], ("a slip of the pen", "postive")], test=rows[150:])
    (said,) = [str(warning) for warning in data.warnings if "slip" in str(warning)]
    assert said == '1 class has no more than 2 examples in train (first: "postive"): a slip of the pen?'
    assert not any("slip" in str(w) for w in load_files(tmp_path, train=rows[:150], test=rows[150:]).warnings)


@pytest.mark.parametrize(("good_in_train", "good_in_test", "told"), [(0.7, 0.4, True), (0.5, 0.7, True), (0.5, 0.58, False)])
def test_other_shares_of_classes_in_test_are_told(tmp_path, good_in_train, good_in_test, told):
    def rows(where, count, good):
        return [(f"{where} {i}", "good" if i < good * count else "bad") for i in range(count)]

    data = load_files(tmp_path, train=rows("here", 400, good_in_train), test=rows("there", 200, good_in_test))
    said = [warning.text for warning in data.warnings if "shared out" in warning.text]
    assert bool(said) is told
    few = load_files(tmp_path, train=rows("here", 60, good_in_train), test=rows("there", 20, good_in_test))
    assert not any("shared out" in warning.text for warning in few.warnings), "the luck of the draw"


def test_labels_are_those_of_train_and_shared_by_every_split(tmp_path):
    rows = sentences(120)
    data = load_files(tmp_path, train=rows[:60], validation=rows[60:80], test=rows[80:100], tweets=rows[100:])
    wanted = dict(rows)
    for part in (*data.splits().values(), data.train, data.dev):
        assert all(data.labels[e.target] == wanted[e.inputs["text"]] for e in part)
    assert list(data.splits()) == [TEST, shift("tweets")]


def long_rows(count, seed):
    rng = random.Random(seed)
    return [(" ".join(f"w{rng.randrange(10**6)}" for _ in range(20)), "ab"[i % 2]) for i in range(count)]


def test_classes_that_differ_in_case_only_are_pointed_out(tmp_path):
    rows = [(text, label.title() if i % 5 == 0 else label) for i, (text, label) in enumerate(sentences(200))]
    data = load(DataSource(write_csv(tmp_path / "reviews.csv", rows)), TASKS["classification"])
    (warning,) = [w for w in data.warnings if "different classes" in w.text]
    assert '"Negative" and "negative"; "Positive" and "positive" count as different classes' in warning.text
    assert "reviews.csv" in warning.text and warning.kind is WarningKind.DATA
    clean = load(DataSource(write_csv(tmp_path / "clean.csv", sentences(200))), TASKS["classification"])
    assert not any("different classes" in w.text for w in clean.warnings)


def test_a_planted_leak_rings_and_a_clean_set_does_not(tmp_path):
    train, test = long_rows(100, 0), long_rows(50, 1)
    clean = load_files(tmp_path / "clean", train=train, test=test)
    assert clean.warnings == ()
    assert "13-gram overlap of test with train: 0 of 50 test texts of 13 words or more" in clean.notes
    # No duplicates: the leaked texts only contain most of a train text each.
    leaked = [(f"quoting {t} as they say", label) for t, label in train[:5]]
    data = load_files(tmp_path / "leaky", validation=long_rows(20, 2), train=train, test=test + leaked)
    assert len(data.test) == 55
    assert "13-gram overlap of test with train: 5 of 55 test texts of 13 words or more" in data.notes
    assert len(data.warnings) == 1
    assert "5 of 55 test texts share a 13-gram with train" in data.warnings[0].text
    assert data.warnings[0].text.startswith("leaky: ")
    assert data.warnings[0].kind is WarningKind.CONTAMINATION, "so that the report can say it is a leak"


def test_fingerprint_follows_content_and_not_the_path(tmp_path):
    rows = sentences(200)

    def marks(name, train=rows[:150], test=rows[150:], **shifts):
        data = load_files(tmp_path / name, train=train, test=test, **shifts)
        return data.fingerprint, data.shift_fingerprints

    other = sentences(30, seed=5)
    first = marks("a", tweets=other)
    assert marks("b", tweets=other) == first
    assert marks("c", tweets=other[:-1])[0] == first[0]
    assert marks("d", tweets=other[:-1])[1] != first[1]
    flipped = [(rows[0][0], rows[1][1]), *rows[1:150]]
    changed = [marks("e", train=flipped)[0], marks("f", train=rows[:149])[0], marks("g", test=rows[150:199])[0]]
    renamed = [(t, label.title()) for t, label in rows]
    changed.append(marks("h", train=renamed[:150], test=renamed[150:])[0])
    assert len({first[0], *changed}) == 5


def test_formats_of_one_content_have_one_fingerprint(tmp_path, reviews):
    rows = [{"label": label, "text": text} for text, label in sentences(300)]
    (tmp_path / "other.jsonl").write_text("\n".join(map(json.dumps, rows)))
    marks = {load(DataSource(train_file=str(f)), SENTIMENT).fingerprint for f in (reviews, tmp_path / "other.jsonl")}
    assert len(marks) == 1


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (DataSource(train_file="a/reviews.csv"), "reviews"),
        (DataSource(train_file="reviews.2024.jsonl.gz"), "reviews"),
        (DataSource(train_file="films/train.csv"), "films"),
        (DataSource(train_file="films/Training.csv.gz"), "films"),
        (DataSource(train_file="films/data.parquet"), "films"),
        (DataSource(dataset_name="stanfordnlp/imdb"), "imdb"),
        (DataSource(dataset_name="imdb"), "imdb"),
        (DataSource(dataset_name="builtin:sentiment"), "sentiment"),
    ],
)
def test_names_of_data_sets(source, name):
    assert source.name() == name


@pytest.mark.parametrize("given", [".", "./", "../films", "../films/"])
def test_a_folder_is_called_by_its_own_name(tmp_path, monkeypatch, given):
    (tmp_path / "films").mkdir()
    monkeypatch.chdir(tmp_path / "films")
    assert DataSource(dataset_name=given).name() == "films"


def test_folder_of_splits(tmp_path):
    rows = sentences(200)
    folder = tmp_path / "films"
    folder.mkdir()
    for name, part in (("train", rows[:140]), ("dev", rows[140:160]), ("test", rows[160:])):
        write_csv(folder / f"{name}.csv", part)
    data = load(DataSource(dataset_name=str(folder)), SENTIMENT)
    assert (data.name, len(data.train), len(data.dev), len(data.test)) == ("films", 140, 20, 40)


@pytest.mark.parametrize("task", TASKS)
def test_builtin_data_sets_bring_test_and_shift(task):
    languages = {"source_lang": "fr", "target_lang": "en"}
    options = languages if languages.keys() <= TASKS[task].defaults(OptionKind.READING).keys() else {}
    data = load(DataSource(dataset_name=f"builtin:{task}", options=options), TASKS[task])
    assert data.task == task
    assert len(data.shifts) == 1
    assert not data.warnings
    assert not any("carved" in note for note in data.notes)


def test_other_column_names(tmp_path):
    path = write_csv(tmp_path / "a.csv", sentences(100), header=("Review", "stars"))
    data = load(DataSource(train_file=path, options={"text_column": "Review", "label_column": "stars"}), SENTIMENT)
    assert len(data.train) + len(data.dev) + len(data.test) == 100


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({}, "no data for --task sentiment"),
        ({"validation_file": "x.csv"}, "no data for --task sentiment"),
        ({"train_file": "x.csv", "dataset_name": "y"}, "--dataset-name and --train-file exclude each other"),
        ({"dataset_name": "builtin:sentiment", "test_file": "x.csv"}, "--test-file goes with --train-file"),
        ({"train_file": "x.csv", "dataset_config_name": "en"}, "--dataset-config-name goes with --dataset-name"),
        ({"dataset_name": "builtin:sentiment", "dataset_config_name": "en"}, "--dataset-config-name goes with a data set"),
        ({"dataset_name": "builtin:sentimet"}, 'Did you mean "builtin:sentiment"'),
        ({"dataset_name": "builtin:"}, "unknown built-in data set"),
    ],
)
def test_sources_that_cannot_be(source, says):
    with pytest.raises(UserError, match=says):
        load(DataSource(**source), SENTIMENT)


def test_where_there_are_about_as_many_classes_as_examples_that_is_said(tmp_path):
    rows = [(f"a text of number {i}", f"label{i % 12}") for i in range(24)]
    source = DataSource(train_file=str(write_csv(tmp_path / "few.csv", rows)))
    with pytest.raises(UserError, match=r"needed: give more data, or fewer classes: 24 examples are of 12$"):
        load(source, TASKS["classification"])
    rows = [(f"a text of number {i}", f"label{i % 2}") for i in range(24)]
    source = DataSource(train_file=str(write_csv(tmp_path / "few.csv", rows)))
    with pytest.raises(UserError, match=r"needed: give more data$"):
        load(source, TASKS["classification"])


def test_a_split_too_small_to_say_anything_is_refused(tmp_path):
    rows = sentences(100)
    with pytest.raises(UserError, match="the test split has 3 examples"):
        load_files(tmp_path, train=rows[:90], test=rows[90:93])
    with pytest.raises(UserError, match="the shift:tweets split has 0 examples"):
        load_files(tmp_path, train=rows, tweets=rows[:40])
