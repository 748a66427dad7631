"""Large data: the work grows with the data and no faster, counted in operations rather than seconds."""

import json
import sys

import numpy as np
import pytest

from transfergain.data import contamination, prepare
from transfergain.data import draws as splits
from transfergain.data.draws import Drawn
from transfergain.data.read import read_file
from transfergain.errors import Declined, UserError
from transfergain.floors import tfidf
from transfergain.split import TEST, TRAIN
from transfergain.tasks import TASKS, floors
from transfergain.types import Example


def calls(work):
    """Function calls, those of built-in functions included, that `work` makes."""
    count = [0]

    def profile(frame, event, argument):
        count[0] += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count[0]


def rows(count, classes):
    return [{"text": f"text number {i} of many that all differ", "label": f"class {i % classes}"} for i in range(count)]


WRITERS = {
    "reviews.csv": lambda found: "text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in found),
    "reviews.jsonl": lambda found: "".join(json.dumps(r) + "\n" for r in found),
    "reviews.json": json.dumps,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("many_classes", [False, True])
def test_loading_and_preparing_is_linear(name, many_classes, tmp_path):
    found = []
    for count in (500, 1000, 4000):
        (tmp_path / name).write_text(WRITERS[name](rows(count, count // 4 if many_classes else 3)))
        source = prepare.DataSource(train_file=str(tmp_path / name))
        found.append(calls(lambda source=source: prepare.load(source, TASKS["classification"])))
    assert found[2] < 5 * found[1]


class Counted:
    """A key that counts how often it is compared and hashed."""

    used = 0

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        Counted.used += 1
        return hash(self.value)

    def __eq__(self, other):
        Counted.used += 1
        return self.value == other.value


@pytest.mark.parametrize("work", ["duplicates", "carve", "carve clusters", "order"])
def test_keys_are_looked_up_and_not_searched(work):
    found = []
    for count in (1000, 4000):
        examples = tuple(Example({"text": str(i)}, Counted(i // 2)) for i in range(count))
        Counted.used = 0
        {
            "duplicates": lambda e: splits.drop_duplicates({TRAIN: e, TEST: e[:100]}, lambda x: x.target),
            "carve": lambda e: splits.carve(e, 0.2, lambda x: x.target, "test"),
            "carve clusters": lambda e: splits.carve(e, 0.2, lambda x: 0, "test", lambda x: x.target),
            "order": lambda e: splits.stratified_order([x.target for x in e], "train", replicate=0),
        }[work](examples)
        found.append(Counted.used)
    assert 0 < found[1] < 5 * found[0]


def test_the_overlap_is_linear_and_holds_no_grams_of_train():
    texts = [" ".join(f"w{i}" for i in range(start, start + 40)) for start in range(0, 4000, 7)]
    found = [calls(lambda n=n: contamination.overlap(texts[:n], texts[-50:])) for n in (100, 400)]
    assert found[1] < 5 * found[0]
    held = [h.size for h in contamination._batches(texts, {})]
    assert sum(held) == len(texts) * 28


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_texts_of_two_lines_are_rows_and_bytes_are_named_by_their_line(ending, tmp_path):
    path = tmp_path / f"a.{ending}"
    separator = {"csv": ",", "tsv": "\t"}[ending]
    lines = [separator.join(["text", "label"]), *(separator.join([f'"a{i}\n b"', f"0{i % 3}"]) for i in range(100))]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert read_file(path).rows[99] == {"text": "a99\n b", "label": "00"}
    path.write_bytes("\r\n".join(lines).encode() + b"\r\ncaf\xe9" + separator.encode() + b"1\r\n")
    with pytest.raises(UserError, match="line 202: byte 0xe9 is not UTF-8"):
        read_file(path)


def test_a_line_of_a_hundred_thousand_characters_loads(tmp_path):
    found = rows(60, 2)
    found[7]["text"] = "long " * 20_000
    (tmp_path / "a.jsonl").write_text(WRITERS["reviews.jsonl"](found))
    data = prepare.load(prepare.DataSource(train_file=str(tmp_path / "a.jsonl")), TASKS["sentiment"])
    assert max(len(e.inputs["text"]) for part in (data.train, data.dev, data.test) for e in part) == 99_999


def test_tfidf_declines_what_would_take_gigabytes(monkeypatch):
    examples = tuple(Example({"text": f"word{i} word{i % 7}"}, i % 20) for i in range(80))
    text, drawn = (lambda e: e.inputs["text"]), Drawn(examples[:60], examples[60:])
    assert len(floors()["tfidf"].fit(drawn, text, 0)(examples[60:])) == 20
    monkeypatch.setattr(tfidf, "MOST_COEFFICIENTS", 1000)
    with pytest.raises(Declined, match="20 classes with"):
        floors()["tfidf"].fit(drawn, text, 0)


def test_hashes_do_not_depend_on_the_process():
    """Notes on the overlap are part of the findings, which repeat to the last digit."""
    found = contamination._hashes(" ".join(map(str, range(14))), {})
    assert found.dtype == np.uint64
    assert found.tolist() == [17164042044253177075, 13351781688387397139]
