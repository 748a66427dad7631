"""For every reader: rows written are rows read, rows counted as left out, and rows that a refusal names."""

import json

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
    "tmx": ("a.tmx", "translation", texts, units),
}
"""Reader -> (file, task, what a row is, rows to the content of a file of one row each)."""


@pytest.mark.parametrize("name", WRITERS)
def test_no_row_is_lost_in_silence(name, tmp_path_factory):
    file, task, kind, write = WRITERS[name]
    path = tmp_path_factory.mktemp("rows") / file
    task = TASKS[task]
    readers = task.readers(
        task.defaults(OptionKind.PARSE) | ({"source_lang": "en", "target_lang": "fr"} if "tmx" in name else {})
    )

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(kind, min_size=1, max_size=8))
    def check(rows):
        path.write_text(write(rows), "utf-8")
        try:
            table = read_file(path, readers)
        except UserError as refusal:
            assert path.name in str(refusal)
            assert any(word in str(refusal) for word in (" row ", " line ", "columns ", "holds no rows", "two columns"))
            return
        said = [*table.warnings, *table.notes]  # quotes that enclose lines may be meant so: the row is named
        named = any("could be a row" in line or "texts with both line breaks" in line for line in said)
        assert len(table.rows) + sum(table.left_out.values()) == len(rows) or named

    check()
