"""For every reader: rows written are rows read, rows counted as left out, and rows that a refusal names."""

import io
import json
import shutil
import zipfile

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfergain.data.read import read_file
from transfergain.errors import UserError
from transfergain.options import OptionKind
from transfergain.tasks import TASKS

SIGNS = [*"abc \"',;|#[]{}\\/<>&=", "é", "\U0001f600", "\u2028", "\xa0"]
texts = st.text(st.sampled_from(SIGNS), min_size=1, max_size=10).filter(str.strip)
words = st.sampled_from(["Ada", "#", "O", "en:x", "1", '"', "-", "B-X", "'s", "\U0001f600"])
tags = st.sampled_from(["O", "B-PER", "I-PER"])
sentences = st.lists(st.tuples(words, tags), min_size=1, max_size=4)
cells = st.sampled_from(["*", "(PER*)", "(ORG*", "*)"])


def plain(separator):
    """As a program writes it that knows nothing of quotes."""
    return lambda rows: f"text{separator}label\n" + "".join(f"{text}{separator}x\n" for text in rows)


def conll(separator):
    return lambda rows: "".join("".join(f"{w}{separator}{t}\n" for w, t in row) + "\n" for row in rows)


def span_rows(rows):
    return "".join(json.dumps({"text": text, "label": [[0, 1, "PER"]]}) + "\n" for text in rows)


def units(rows):
    escaped = [text.replace("&", "&amp;").replace("<", "&lt;") for text in rows]
    tuv = '<tuv xml:lang="{}"><seg>{}</seg></tuv>'
    return (
        "<tmx>"
        + "".join(f"<tu>{tuv.format('en', t)}{tuv.format('fr', t) * (i % 3 > 0)}</tu>" for i, t in enumerate(escaped))
        + "</tmx>"
    )


def prodigy(rows):
    return "".join(
        json.dumps({"text": t, "answer": ("accept", "reject")[i % 3 == 2], "spans": []}) + "\n" for i, t in enumerate(rows)
    )


def workbook(rows):
    """With an empty row between any two."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["text", "label"])
    for i, text in enumerate(rows):
        book.active.append([text, "x"] if i % 3 < 2 else [None, " "])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def parquet(rows):
    content = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"text": rows, "label": ["x"] * len(rows)}), content)
    return content.getvalue()


def zipped(rows):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.csv", plain(",")(rows))
    return content.getvalue()


def brackets(rows):
    return "".join("".join(f"{w} {t}\n" for w, t in row) + "\n" for row in rows)


def in_2012(rows):
    line = "bc/x 0 {} {} NN * - - - - {} *\n"
    return "".join("".join(line.format(k, w, t) for k, (w, t) in enumerate(row)) + "\n" for row in rows)


def studio_min(rows):
    return json.dumps([{"text": t, "topic": ("x", {"choices": ["x"]})[i % 2], "id": i} for i, t in enumerate(rows)])


def squad(rows):
    """An article a row, with a question."""
    asked = {"question": "q", "answers": [{"text": "x", "answer_start": 0}]}
    return json.dumps({"data": [{"title": t, "paragraphs": [{"context": "x" + t, "qas": [{"id": str(i), **asked}]}]}
                                for i, t in enumerate(rows)]})  # fmt: skip


def class_folder(rows):
    """A file a row, of two classes and a folder without any."""
    return {f"{('pos', 'neg', 'unsup')[i % 3]}/{i}.txt": text for i, text in enumerate(["x", "y", *rows])}


def studio(rows):
    done = [{"result": []}], [{"result": [], "was_cancelled": True}], []
    return json.dumps([{"data": {"text": text}, "annotations": done[i % 3]} for i, text in enumerate(rows)])


WRITERS = {
    "csv": ("a.csv", "sentiment", texts, plain(",")),
    "tsv": ("a.tsv", "sentiment", texts, plain("\t")),
    "semicolons": ("a.csv", "sentiment", texts, plain(";")),
    "bars": ("a.csv", "sentiment", texts, plain("|")),
    "jsonl": ("a.jsonl", "sentiment", texts, lambda rows: "".join(json.dumps({"text": t}) + "\n" for t in rows)),
    "json": ("a.json", "sentiment", texts, lambda rows: json.dumps([{"text": t} for t in rows])),
    "spacy": ("a.json", "ner", texts, lambda rows: json.dumps([[t, {"entities": []}] for t in rows])),
    "conll tabs": ("a.conll", "ner", sentences, conll("\t")),
    "conll spaces": ("a.txt", "ner", sentences, conll(" ")),
    "spans": ("a.jsonl", "ner", texts, span_rows),
    "prodigy": ("a.jsonl", "ner", texts, prodigy),
    "label studio": ("a.json", "ner", texts, studio),
    "fasttext": ("a.txt", "sentiment", texts, lambda rows: "".join(f"__label__x {t}\n" for t in rows)),
    "xlsx": ("a.xlsx", "sentiment", texts.filter(lambda text: text[0] != "="), workbook),
    "parquet": ("a.parquet", "sentiment", texts, parquet),
    "zip": ("a.zip", "sentiment", texts, zipped),
    "label studio min": ("a.json", "classification", texts, studio_min),
    "columns": ("a.json", "sentiment", texts, lambda rows: json.dumps({"text": rows, "label": ["x"] * len(rows)})),
    "splits": ("a.json", "sentiment", texts, lambda rows: json.dumps({"train": [{"text": t} for t in rows], "notes": []})),
    "brackets": ("a.conll", "ner", st.lists(st.tuples(words, cells), min_size=1, max_size=4), brackets),
    "conll 2012": ("a.conll", "ner", st.lists(st.tuples(words, cells), min_size=1, max_size=4), in_2012),
    "squad": ("a.json", "qa", texts, squad),
    "tweeteval": ("train_text.txt", "sentiment", texts, lambda rows: "".join(f"{text}\n" for text in rows)),
    "class folders": ("films", "sentiment", texts, class_folder),
    "two files": ("a.en", "translation", texts, lambda rows: "".join(f"{text}\n" for text in rows)),
    "tmx": ("a.tmx", "translation", texts, units),
}
"""Reader -> (file, task, what a row is, rows to the content of a file of one row each)."""


def put(path, content):
    """Write a file, or the files of a folder."""
    if isinstance(content, dict):
        shutil.rmtree(path, ignore_errors=True)
        for name, text in content.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text, "utf-8")
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, "utf-8")


@pytest.mark.parametrize("name", WRITERS)
def test_no_row_is_lost_in_silence(name, tmp_path_factory):
    file, task, kind, write = WRITERS[name]
    path = tmp_path_factory.mktemp("rows") / file
    task = TASKS[task]
    readers = task.readers(
        task.defaults(OptionKind.PARSE) | ({"source_lang": "en", "target_lang": "fr"} if task.name == "translation" else {})
    )

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(kind, min_size=1, max_size=8))
    def check(rows):
        lines = len(rows) + 2 * (name == "class folders")
        put(path, write(rows))
        for beside, content in {"train_labels.txt": "0\n" * lines, "a.fr": "y\n" * lines}.items():
            (path.parent / beside).write_text(content)
        try:
            table = read_file(path, readers)
        except UserError as refusal:
            assert path.name in str(refusal)
            assert any(word in str(refusal) for word in (" row ", " line ", "columns ", "holds no rows", "two columns"))
            return
        said = [*table.warnings, *table.notes]  # quotes that enclose lines may be meant so: the row is named
        named = any("could be a row" in line or "texts with both line breaks" in line for line in said)
        assert len(table.rows) + sum(table.left_out.values()) == lines or named

    check()
