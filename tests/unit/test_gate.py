"""Whatever the format: every text is whole, every name can be shown, and no name stands twice."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transfergain.data import prepare
from transfergain.data.formats import parquet
from transfergain.data.read import read_file
from transfergain.errors import UserError
from transfergain.study import load
from transfergain.tasks import TASKS

HALF = "half \ud83d"
ROWS = [{"text": f"text {i} is here", "label": "ab"[i % 2]} for i in range(60)]
TAGGED = [{"tokens": ["Ada", str(i)], "ner_tags": ["B-PER", "O"]} for i in range(60)]


def refused(tmp_path, name, content, task="classification", **options):
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(UserError) as caught:
        prepare.load(prepare.DataSource(train_file=str(tmp_path / name), options=options), TASKS[task])
    return str(caught.value)


@pytest.mark.parametrize("key", ["text", "label", "other"])
@pytest.mark.parametrize("form", ["json", "jsonl", "columns"])
def test_half_a_character_is_refused_in_every_column_of_every_format(tmp_path, key, form):
    rows = [*ROWS, ROWS[0] | {key: HALF}]
    content = {
        "json": json.dumps(rows),
        "jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "columns": json.dumps({k: [row.get(k, "") for row in rows] for k in ("text", "label", key)}),
    }[form]
    said = refused(tmp_path, "a.jsonl" if form == "jsonl" else "a.json", content)
    assert ("a.jsonl line 61" if form == "jsonl" else "a.json row 61") in said and "half a character" in said
    assert f'"{key}"' in said and '\\ud83d) after "half "' in said


@pytest.mark.parametrize(
    ("task", "row"),
    [
        ("classification", {"text": "a", "label": "b", HALF: "x"}),
        ("ner", {"tokens": ["Ada", HALF], "ner_tags": ["B-PER", "O"]}),
        ("ner", {"tokens": ["Ada", "ran"], "ner_tags": ["B-" + HALF, "O"]}),
        ("translation", {"translation": {"fr": HALF, "en": "a"}}),
        ("qa", {"context": "a", "question": "b", "answers": {"text": [HALF], "answer_start": [0]}}),
        ("qa", {"title": "t", "paragraphs": [{"context": HALF, "qas": []}]}),
    ],
)
def test_half_a_character_is_refused_for_every_task_and_however_deep(tmp_path, task, row):
    options = {"source_lang": "fr", "target_lang": "en"} if task == "translation" else {}
    assert "half a character" in refused(tmp_path, "a.jsonl", json.dumps(row) + "\n", task, **options)


def test_whole_characters_written_by_escapes_are_read(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "\U0001f600 ok", "label": "é"}) + "\n")
    assert read_file(tmp_path / "a.jsonl").rows == [{"text": "\U0001f600 ok", "label": "é"}]


def test_names_that_stand_twice_are_refused_in_every_format(tmp_path):
    for name, content in (("a.json", '[{"text": "a", "text": "b"}]'), ("a.jsonl", '{"text": "a", "text": "b"}\n')):
        assert 'an object has "text" twice' in refused(tmp_path, name, content)
    assert 'two columns are called "text"' in refused(tmp_path, "a.csv", "text,label,text\na,b,c\n")
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(UserError, match='two columns are called "text"'):
        read_file(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\u202eb", "a\nb", "a\udcffb"])
def test_names_are_printable_from_the_first_on(tmp_path, name):
    """Of the file, its classes and its types of entities: what stands in findings, reports and pictures."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(r | {"label": r["label"] + "\x1b"}) + "\n" for r in ROWS))
    data = prepare.load(prepare.DataSource(train_file=str(folder / "train.jsonl")), TASKS["classification"])
    assert data.name.isprintable() and data.labels == ("a\\x1b", "b\\x1b")
    (folder / "names.jsonl").write_text(json.dumps(TAGGED).replace("PER", "P\\u001bR").replace("}, ", "}\n").strip("[]"))
    data = prepare.load(prepare.DataSource(train_file=str(folder / "names.jsonl")), TASKS["ner"])
    assert data.labels == ("O", "B-P\\x1bR", "I-P\\x1bR")


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\u202eb", "\u200bx", "a\tb"])
@pytest.mark.parametrize("key", ["shift", "adapt"])
def test_names_of_shifts_that_cannot_be_shown_are_refused(name, key):
    with pytest.raises(UserError, match=f"{key}.*signs that cannot be shown"):
        load({"train_file": "a.csv", key: {name: "b.csv"}})


@pytest.mark.parametrize("code", ["import os; os.abort()", "print('no number')", "raise SystemExit(3)"])
def test_a_parquet_at_which_pyarrow_ends_its_process_is_refused(tmp_path, monkeypatch, code):
    """It does so for some damaged descriptions of columns, which are therefore read in a process of their own."""
    pq.write_table(pa.table({"tokens": [["a", "b"]]}), tmp_path / "a.parquet")
    assert read_file(tmp_path / "a.parquet").rows == [{"tokens": ["a", "b"]}]
    monkeypatch.setattr(parquet, "COUNT_VALUES", code)
    with pytest.raises(UserError, match=r"a\.parquet: not a readable parquet file \(its columns are damaged\)"):
        read_file(tmp_path / "a.parquet")
