"""Readers: every format gives the rows that were written, and complaints name the file and the row."""

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfergain.data.folders import read_folder
from transfergain.data.formats import conll
from transfergain.data.formats.hub import read_hub
from transfergain.data.formats.table import Table, require_columns
from transfergain.data.read import READERS, read_file
from transfergain.errors import UserError
from transfergain.options import OptionKind
from transfergain.tasks.classification import CLASSIFICATION

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def delimited(separator):
    def write(rows):
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, delimiter=separator)
        writer.writerow(["text", "label"])
        writer.writerows([row["text"], row["label"]] for row in rows)
        return buffer.getvalue().encode()

    return write


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def parquet(rows):
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


WRITERS = {
    ".csv": delimited(","),
    ".tsv": delimited("\t"),
    ".json": lambda rows: json.dumps(rows, ensure_ascii=False).encode(),
    ".jsonl": lines,
    ".ndjson": lines,
    ".parquet": parquet,
}
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
rows = st.lists(
    st.fixed_dictionaries({"text": words, "label": st.sampled_from(["bad", "good, really", 'so "so"'])}), min_size=1
)


def test_every_reader_has_a_round_trip():
    assert set(WRITERS) == set(READERS) - {*conll.ENDINGS, ".tmx", ".xlsx"}, "theirs are in other files"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("ending", WRITERS)
@QUICK
@given(rows=rows)
def test_round_trip(ending, packed, rows):
    content = WRITERS[ending](rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"reviews{ending}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
        table = read_file(path)
    assert table.rows == rows or any("plain characters" in note for note in table.notes)
    assert table.name == path.name
    assert sorted(table.columns()) == ["label", "text"]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".json", ".jsonl"])
def test_byte_order_mark_is_no_part_of_the_first_column(tmp_path, ending):
    wanted = [{"text": "schön", "label": "gut"}]
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"\xef\xbb\xbf" + WRITERS[ending](wanted))
    assert read_file(path).rows == wanted


def test_endings_are_read_in_any_case(tmp_path):
    path = tmp_path / "Reviews.2024.CSV.GZ"
    path.write_bytes(gzip.compress(b"text,label\na,b\n"))
    assert read_file(path).rows == [{"text": "a", "label": "b"}]


def test_json_lines_under_the_name_json(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(lines([{"text": "a", "label": 1}, {"text": "b", "label": 0}]))
    assert read_file(path).rows == [{"text": "a", "label": 1}, {"text": "b", "label": 0}]


@pytest.mark.parametrize(
    "content",
    [
        {"data": [{"text": "a", "label": 1}, {"text": "b", "label": 0}]},
        {"text": ["a", "b"], "label": [1, 0]},
    ],
    ids=["data", "columns"],
)
def test_json_shapes(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    assert read_file(path).rows == [{"text": "a", "label": 1}, {"text": "b", "label": 0}]


def test_missing_words_stay_words_in_delimited_files(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\nNA,null\nNone,nan\n")
    assert read_file(path).rows == [{"text": "NA", "label": "null"}, {"text": "None", "label": "nan"}]


def test_blank_lines_do_not_shift_the_line_a_complaint_names(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('\n{"text": "a", "label": "x"}\n\n\n{"text": "", "label": "y"}\n')
    table = read_file(path)
    assert [table.where(0), table.where(1)] == ["a.jsonl line 2", "a.jsonl line 5"]
    with pytest.raises(UserError, match=r"a\.jsonl line 5"):
        CLASSIFICATION.parse({"train": table}, CLASSIFICATION.defaults(OptionKind.COLUMN))


def labels_of(path):
    parsed = CLASSIFICATION.parse({"train": read_file(path)}, CLASSIFICATION.defaults(OptionKind.COLUMN))
    return parsed.labels, [example.target for example in parsed.splits["train"]]


@pytest.mark.parametrize(
    ("values", "names", "targets"),
    [
        (["good", "bad", "good"], ("bad", "good"), [1, 0, 1]),
        ([10, 2, 1, 2], ("1", "2", "10"), [2, 1, 0, 1]),
        ([1.0, 0.0, 1.0], ("0", "1"), [1, 0, 1]),
        ([True, False, True], ("false", "true"), [1, 0, 1]),
        ([-1, 1, 0], ("-1", "0", "1"), [0, 2, 1]),
    ],
    ids=["words", "integers", "float integers", "booleans", "negative"],
)
@pytest.mark.parametrize("ending", [".json", ".jsonl", ".parquet"])
def test_labels_of_every_type(tmp_path, ending, values, names, targets):
    path = tmp_path / f"a{ending}"
    path.write_bytes(WRITERS[ending]([{"text": f"t{i}", "label": v} for i, v in enumerate(values)]))
    assert labels_of(path) == (names, targets)


def test_integer_labels_of_a_csv_are_in_numeric_order(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,10\nb,2\nc,1\n")
    assert labels_of(path) == (("1", "2", "10"), [2, 1, 0])


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "string", "float64"])
def test_missing_parquet_labels_are_missing_not_a_class(tmp_path, dtype):
    values = ["1", None, "0"] if dtype == "string" else [1, None, 0]
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": pd.array(values, dtype=dtype)})
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r'a\.parquet row 2: "label" is empty'):
        labels_of(tmp_path / "a.parquet")


def test_parquet_text_stored_as_bytes_is_text(tmp_path):
    pq.write_table(pa.table({"text": [b"caf\xc3\xa9"], "label": [1]}), tmp_path / "a.parquet")
    assert read_file(tmp_path / "a.parquet").rows == [{"text": "café", "label": 1}]


def test_parquet_categories_are_their_words(tmp_path):
    frame = pd.DataFrame({"text": ["a", "b"], "label": pd.Categorical(["x", "y"])})
    frame.to_parquet(tmp_path / "a.parquet")
    assert [row["label"] for row in read_file(tmp_path / "a.parquet").rows] == ["x", "y"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"text,label\nok,x\nfine,y,z\n", r"a\.csv row 2 has 3 fields, the header has 2"),
        ("a.csv", b"text,label\nfine,y,z\nok,x\n", r"a\.csv row 1 has 3 fields"),
        ("a.csv", b'text,label\n"never, closed,x\nb,y\n', r"a\.csv row 1: a quote that is not closed"),
        ("a.csv", b"text,label,text\na,b,c\n", r'a\.csv: two columns are called "text"'),
        ("a.csv", b'"text","label","text"\na,b,c\n', r'a\.csv: two columns are called "text"'),
        ("a.csv", b'\n"text","label","text"\na,b,c\n', r'a\.csv: two columns are called "text"'),
        ("a.csv", b"text,label\nok,x\ncaf\xe9,y\n", r"a\.csv line 3: byte 0xe9 is not UTF-8"),
        ("a.csv", "text,label\na,b\n".encode("utf-16"), r"a\.csv is UTF-16"),
        ("a.csv", b"", r"a\.csv is empty"),
        ("a.csv", b" \n\n", r"a\.csv is empty"),
        ("a.csv", b"text,label\n", r"a\.csv holds no rows"),
        ("a.csv.gz", b"text,label\na,b\n", r"a\.csv\.gz: not a readable gzip"),
        ("a.csv.gz", gzip.compress(b"text,label\na,b\n" * 99, mtime=0)[:-20], r"a\.csv\.gz: not a readable gzip"),
        ("a.csv.gz", gzip.compress(b"text,label\na,b\n", mtime=0)[:10] + b"\xff" * 40, r"a\.csv\.gz: not a readable gzip"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), r"a\.csv\.gz is empty"),
        ("a.jsonl", b'{"text": "a"}\n\n{"text": \n', r"a\.jsonl line 3: not JSON"),
        ("a.jsonl", b'{"text": "a"}\n[1]\n', r"a\.jsonl line 2: a JSON object"),
        ("a.jsonl", b"\n\n", r"a\.jsonl holds no rows"),
        ("a.json", b'[{"text": "a"},\n {"text": }]', r"a\.json line 2: not JSON"),
        ("a.json", b"[" * 100_000, r"a\.json: .*nested"),
        ("a.json", b"3", r"a\.json: a list of objects"),
        ("a.json", b"[[1, 2]]", r"a\.json: a list of objects"),
        ("a.json", b'{"text": ["a", "b"], "label": [1]}', r"a\.json: its columns have different lengths"),
        ("a.json", b"[]", r"a\.json holds no rows"),
        ("a.json", b"{}", r"a\.json"),
        ("a.parquet", b"PAR1 not really", r"a\.parquet: not a readable parquet"),
        ("a.txt", b"x", r"a\.txt: unknown format \.txt"),
        ("a", b"x", r"unknown format \(no ending\)"),
        ("a.gz", b"x", r"a\.gz: unknown format"),
    ],
)
def test_complaints(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says) as caught:
        read_file(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_file_folder_and_overlong_name(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_file(tmp_path / "none.csv")
    with pytest.raises(UserError, match="is a folder"):
        read_file(tmp_path)
    with pytest.raises(UserError):
        read_file(tmp_path / ("x" * 5000 + ".csv"))


def test_folder_of_splits(tmp_path):
    for name in ("train.csv", "dev.csv", "TEST.csv"):
        (tmp_path / name).write_text(f"text,label\n{name},x\n")
    (tmp_path / "train.csv.bak").write_text("no table")
    (tmp_path / "notes.csv").write_text("no split")
    found = read_folder(tmp_path)
    assert {split: table.rows[0]["text"] for split, table in found.items()} == {
        "train": "train.csv",
        "validation": "dev.csv",
        "test": "TEST.csv",
    }


def test_folder_with_two_train_files_or_none(tmp_path):
    (tmp_path / "test.csv").write_text("text,label\na,b\n")
    with pytest.raises(UserError, match="holds no train file"):
        read_folder(tmp_path)
    for name in ("train.csv", "train.jsonl"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(UserError, match=r"more than one train file \(train\.csv, train\.jsonl\)"):
        read_folder(tmp_path)


def test_saved_dataset_uses_class_names(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})

    def split(labels):
        return datasets.Dataset.from_dict({"text": [f"t{i}" for i in range(len(labels))], "label": labels}, features)

    datasets.disable_progress_bars()
    parts = {"train": split([0, 1]), "validation": split([1, -1]), "test": split([-1, -1])}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    found = read_folder(tmp_path / "saved")
    assert [row["label"] for row in found["train"].rows] == ["neg", "pos"]
    assert [row["label"] for row in found["test"].rows] == [None, None]
    assert [row["label"] for row in found["validation"].rows] == ["pos", None]


def test_folder_that_only_looks_like_a_saved_dataset(tmp_path):
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(UserError, match=tmp_path.name):
        read_folder(tmp_path)


def test_unreachable_hub_is_asked_once(monkeypatch):
    """One failed request is enough: the library's own retries take half a minute and print as they go."""
    import datasets
    import huggingface_hub

    asked = []
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)

    def no_network(self, name, **_):
        asked.append(name)
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", no_network)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("retried"))
    with pytest.raises(UserError, match='data set "nobody/nothing-here" from the Hub'):
        read_hub("nobody/nothing-here", None)
    assert asked == ["nobody/nothing-here"]


def test_require_columns_names_the_flag():
    table = Table("a.csv", [{"review": "x"}])
    with pytest.raises(UserError, match=r'a\.csv has no column "text"; it has: review. Name it with --text-column'):
        require_columns(table, [("--text-column", "text")])


@given(st.integers(-(10**6), 10**6), st.booleans())
def test_a_label_has_one_spelling_whatever_its_type(number, flag):
    rows = [{"text": "a", "label": v} for v in (number, float(number), np.int64(number), np.float32(number % 1000))]
    rows += [{"text": "b", "label": flag}, {"text": "b", "label": np.bool_(flag)}, {"text": "c", "label": "other"}]
    parsed = CLASSIFICATION.parse({"train": Table("a", rows)}, CLASSIFICATION.defaults(OptionKind.COLUMN))
    assert set(parsed.labels) == {str(number), str(number % 1000), str(flag).lower(), "other"}


def parsed(*values, texts=None):
    rows = [{"text": f"text {i}", "label": value} for i, value in enumerate(values)]
    return CLASSIFICATION.parse({"train": Table("a.csv", rows)}, CLASSIFICATION.defaults(OptionKind.COLUMN))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["1", "2", "5", "2,5"], 'row 4: the label "2,5" is made of several, 2 and 5; one label'),
        (["joy", "fear", "joy; fear"], 'row 3: the label "joy; fear" is made of several'),
        (["joy", "fear", "fear|joy"], "one label a text is read"),
        (["1", "3", "1,2", "2,5", "5"], 'row 3: the label "1,2" is made of several'),
        (["['joy']", "['joy', 'fear']"], r"row 1: the label is a list, ['joy']; one label"),
        (["{1}", "{2}"], "the label is a list"),
        (["good", "bad", "nan"], 'row 3: the label "nan" is what programs write for a missing one'),
        (["good", "<NA>", "bad"], 'row 2: the label "<NA>"'),
        ([["joy", "fear"], ["joy"]], 'row 1: "label" holds a list'),
    ],
)
def test_several_labels_and_missing_ones_are_no_classes(values, says):
    with pytest.raises(UserError) as caught:
        parsed(*values)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("values", "names", "says"),
    [
        (["1", "1.0", "2"], ("1", "2"), None),
        (["0.0", "1.0"], ("0", "1"), None),
        (["1.0", "1.1"], ("1.0", "1.1"), None),
        (["1.0", "1", "good"], ("1", "1.0", "good"), '"1" and "1.0" count as different'),
        (["None", "some", "none"], ("None", "none", "some"), 'the label "None" (1 row) counts as a class'),
        (["a,b", "b,c", "c,a", "d"], ("a,b", "b,c", "c,a", "d"), "look like several at once"),
        (["Business, Finance", "Arts, Music", "Sport"], ("Arts, Music", "Business, Finance", "Sport"), None),
        ([["pos"], ["neg"]], ("neg", "pos"), None),
        (["a\x1b[31m", "b\nc"], ("a\\x1b[31m", "b c"), None),
    ],
)
def test_odd_labels_are_read_with_a_word_about_it(values, names, says):
    found = parsed(*values)
    assert found.labels == names
    assert says is None or any(says in warning for warning in found.warnings)
    assert says is not None or found.warnings == ()


def test_labels_of_every_split_are_spelt_as_those_of_train():
    rows = {name: [{"text": str(i), "label": value} for i, value in enumerate(values)]
            for name, values in (("train", ["1", "0"]), ("test", ["1.0", "0.0"]))}  # fmt: skip
    found = CLASSIFICATION.parse(
        {k: Table(f"{k}.csv", v) for k, v in rows.items()}, CLASSIFICATION.defaults(OptionKind.COLUMN)
    )
    assert [e.target for e in found.splits["test"]] == [1, 0] and found.notes[1] == "labels such as 1.0 read as 1"


def test_a_file_without_a_header_is_told_so_whatever_its_values():
    for table in (
        Table("a.csv", [{"1": "2", "The soup is cold today": "x"}] * 9),
        Table("a.csv", [{"x": "y", "The soup is cold and nobody likes it": "good"}] * 9),
        Table("a.csv", [{"fine": "bad", "pos": "pos"}] * 9),
    ):
        with pytest.raises(UserError, match="its first line seems to be data; put a header"):
            require_columns(table, [("--text-column", "text")])
