"""Data in the shapes that people have: each gives all its rows, or a refusal that names the row; `init` tells them apart."""

import json
import zipfile
from collections import Counter

import pytest

from transfergain.commands import init
from transfergain.data import prepare
from transfergain.data.folders import read_folder
from transfergain.data.formats import annotations, tmx
from transfergain.data.read import read_file
from transfergain.errors import UserError
from transfergain.options import OptionKind
from transfergain.tasks import TASKS

TEXTS = [f"the {w} number {i} was {a}" for i in range(20) for w in ("soup", "room") for a in ("fine", "bad")]
LABELS = ["pos" if text.endswith("fine") else "neg" for text in TEXTS]


def loaded(path, task, **options):
    source = {"dataset_name" if path.is_dir() else "train_file": str(path)}
    return prepare.load(prepare.DataSource(**source, options=options), TASKS[task])


def size(data):
    return len(data.train) + len(data.dev) + len(data.test)


def entities(data):
    """Type -> how many, in all splits."""
    tags = [data.labels[t] for part in (data.train, data.dev, data.test) for e in part for t in e.target]
    return dict(Counter(tag[2:] for tag in tags if tag.startswith("B-")))


def parsed(path, task, **options):
    """The training examples as they are read, duplicates and all."""
    given = TASKS[task].defaults(OptionKind.PARSE) | options
    table = read_file(path, TASKS[task].readers(given))
    return table, TASKS[task].parse({"train": table}, given)


# The given files: (task, options) -> what each gives.


@pytest.mark.parametrize(
    ("name", "task", "options", "rows"),
    [
        ("quotes.tsv", "sentiment", {}, 200),
        ("quotes.csv", "classification", {}, 100),
        ("quotes_odd.tsv", "classification", {}, 100),
        ("pairs_quotes.tsv", "translation", {"source_lang": "en", "target_lang": "fr"}, 120),
        ("semicolon.csv", "sentiment", {}, 200),
        ("semicolon_comma.csv", "sentiment", {}, 200),
        ("data.csv.zip", "classification", {}, 60),
        ("fasttext.txt", "sentiment", {}, 200),
        ("qa_flat.csv", "qa", {}, 100),
        ("x.tmx", "translation", {"source_lang": "en", "target_lang": "fr"}, 120),
        ("splits.json", "classification", {}, 80),
    ],
)
def test_given_files_give_all_their_rows(cases, name, task, options, rows):
    assert len(parsed(cases / name, task, **options)[1].splits["train"]) == rows


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("germeval_shape.conll", {"tags_column": "3"}, {"ORG": 60, "PER": 60}),
        ("germeval_shape.conll", {"tags_column": "4"}, {"LOC": 60}),
        ("b_under.conll", {}, {"ORG": 60, "PER": 60}),
        ("uner_shape.iob2", {}, {"ORG": 60, "PER": 60}),
        ("bio_shape.tsv", {}, {"ORG": 60, "PER": 60}),
        ("mit.bio", {}, {"ORG": 60, "PER": 60}),
        ("multiconer.conll", {}, {"GRP": 60}),
        ("ontonotes.conll", {}, {"ORG": 60, "PER": 60}),
        ("doccano.jsonl", {}, {"PER": 120, "LOC": 120}),
        ("doccano_labels.jsonl", {}, {"PER": 120, "LOC": 120}),
        ("labelstudio_min.json", {}, {"PER": 120, "LOC": 120}),
        ("prodigy.jsonl", {}, {"PER": 120, "LOC": 120}),
        ("ner.parquet", {}, {"PER": 100, "LOC": 100}),
    ],
)
def test_given_files_give_all_their_entities(cases, name, options, wanted):
    assert entities(loaded(cases / name, "ner", **options)) == wanted


@pytest.mark.parametrize(
    ("name", "task", "says"),
    [
        ("germeval_shape.conll", "ner", "columns 3 (120 entities of ORG, PER) and 4 (60 entities of LOC)"),
        ("multilabel_str.csv", "classification", 'row 2: the label "2,5" is made of several'),
        ("multilabel_repr.csv", "classification", "row 1: the label is a list, ['joy']"),
        ("agnews.csv", "classification", "its first line seems to be data; put a header"),
    ],
)
def test_given_files_that_are_refused_are_so_in_one_line(cases, name, task, says):
    with pytest.raises(UserError) as caught:
        loaded(cases / name, task)
    assert says in str(caught.value)


@pytest.mark.parametrize(("name", "options", "rows"), [("hub", {}, (100, 50)), ("imdb", {}, (60, 60))])
def test_given_folders_give_all_their_rows(cases, name, options, rows):
    data = loaded(cases / name, "sentiment", **options)
    assert (len(data.train) + len(data.dev), len(data.test), data.labels) == (*rows, ("neg", "pos"))


def test_the_given_test_set_without_labels_is_left_out_aloud(cases):
    data = loaded(cases / "glue", "sentiment", text_column="sentence")
    assert (len(data.train), len(data.dev), len(data.test)) == (160, 59, 40)
    assert any('test.tsv: "label" is empty throughout, so it is left out, and a test set is carved' in n for n in data.notes)


@pytest.mark.parametrize(
    ("name", "task"),
    [("bio_shape.tsv", "ner"), ("mit.bio", "ner"), ("uner_shape.iob2", "ner"), ("multiconer.conll", "ner"),
     ("b_under.conll", "ner"), ("ontonotes.conll", "ner"), ("doccano.jsonl", "ner"), ("labelstudio_min.json", "ner"),
     ("prodigy.jsonl", "ner"),
     ("ner.parquet", "ner"), ("qa_flat.csv", "qa"), ("fasttext.txt", "sentiment"), ("x.tmx", "translation"),
     ("pairs_quotes.tsv", "translation"), ("semicolon.csv", "sentiment"), ("splits.json", "classification"),
     ("data.csv.zip", "classification"), ("hub", "sentiment"), ("imdb", "sentiment"), ("glue", "classification")],
)  # fmt: skip
def test_init_tells_the_given_files_apart(cases, name, task):
    assert init.propose(str(cases / name), {}).keys["task"] == task


def test_init_says_what_the_given_files_lack(cases):
    with pytest.raises(UserError, match="--tags-column 3"):
        init.propose(str(cases / "germeval_shape.conll"), {})
    assert init.propose(str(cases / "germeval_shape.conll"), {"tags_column": "3"}).keys["tags_column"] == "3"
    with pytest.raises(UserError, match="put a header"):
        init.propose(str(cases / "agnews.csv"), {})


# Relatives of them.


def spans(text, *wanted):
    """Offsets of words in a text, and their types."""
    return [(text.index(word), text.index(word) + len(word), kind) for word, kind in wanted]


def ner_texts(emoji=""):
    return [f"{emoji}Ada Hill met {i} of us in New York-based bars" for i in range(80)]


def span_rows(form, emoji="", utf16=False):
    """Rows of a tool, each with Ada Hill and New York."""
    for i, text in enumerate(ner_texts(emoji)):
        found = spans(text, ("Ada Hill", "PER"), ("New York", "LOC"))
        if utf16:
            found = [
                (len(text[:a].encode("utf-16-le")) // 2, len(text[:b].encode("utf-16-le")) // 2, k) for a, b, k in found
            ]
        held = ["Ada Hill", "New York"]
        objects = [{"start": a, "end": b, "text": t, "labels": [k]} for (a, b, k), t in zip(found, held, strict=True)]
        yield {
            "doccano": {"id": i, "text": text, "label": found},
            "doccano relations": {"text": text, "relations": [], "entities": [
                {"id": 1, "label": k, "start_offset": a, "end_offset": b} for a, b, k in found]},
            "spacy": [text, {"entities": found}],
            "prodigy": {"text": text, "answer": "accept", "tokens": [{"text": "Ada", "start": 0}],
                        "spans": [{"start": a, "end": b, "label": k, "token_start": 0} for a, b, k in found]},
            "label studio": {"id": i, "data": {"text": text}, "annotations": [
                {"was_cancelled": False, "result": [{"type": "labels", "value": value} for value in objects]}]},
            "label studio min": {"id": i, "text": text, "label": objects},
        }[form]  # fmt: skip


FORMS = ("doccano", "doccano relations", "spacy", "prodigy", "label studio", "label studio min")


def write(path, rows):
    rows = list(rows)
    path.write_text(json.dumps(rows) if path.suffix == ".json" else "".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    return path


@pytest.mark.parametrize("form", FORMS)
def test_spans_of_every_tool_are_read(tmp_path, form):
    path = write(tmp_path / "a.json", span_rows(form))
    table, found = parsed(path, "ner")
    assert len(table.rows) == 80
    first = found.splits["train"][0]
    assert first.inputs["tokens"] == "Ada Hill met 0 of us in New York - based bars".split()
    assert [found.labels[t] for t in first.target] == "B-PER I-PER O O O O O B-LOC I-LOC O O O".split()
    assert init.propose(str(path), {}).keys["task"] == "ner"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("utf16", [False, True])
def test_offsets_in_units_of_utf16_are_told_apart(tmp_path, form, utf16):
    _, found = parsed(write(tmp_path / "a.json", span_rows(form, "\U0001f600 ", utf16)), "ner")
    assert [found.labels[t] for t in found.splits["train"][3].target][:3] == ["O", "B-PER", "I-PER"]
    assert any("units of UTF-16" in note for note in found.notes) == utf16


def test_an_entity_within_a_word_cuts_it_and_is_counted(tmp_path):
    rows = [{"text": "anti-Mora-ist Easton's x", "label": [[5, 8, "PER"], [14, 20, "LOC"]]}, {"text": "none", "label": []}]
    _, found = parsed(write(tmp_path / "a.jsonl", rows), "ner")
    assert found.splits["train"][0].inputs["tokens"] == ["anti", "-", "Mor", "a", "-", "ist", "Easton", "'s", "x"]
    assert any("1 entity begins or ends within a word" in note for note in found.notes)


def test_spans_are_trimmed_and_counted_once(tmp_path):
    rows = [{"text": "Ada Hill ran", "label": [[0, 9, "PER"], [0, 8, "PER"]]}, {"text": "none", "label": []}]
    _, found = parsed(write(tmp_path / "a.jsonl", rows), "ner")
    assert [found.labels[t] for t in found.splits["train"][0].target] == ["B-PER", "I-PER", "O"]
    assert "a.jsonl: 1 entity trimmed of white space" in found.notes
    assert "a.jsonl: 1 entity that stands twice counted once" in found.notes


@pytest.mark.parametrize(
    ("span", "says"),
    [
        ([[0, 3, "PER"], [0, 8, "ORG"]], "a.jsonl line 2: the entities \"Ada Hill\" (ORG) and \"Ada\" (PER) overlap"),
        ([[5, 40, "PER"]], "the span 5 to 40 (PER) does not lie in the text, which has 12 characters"),
        ([[-1, 3, "PER"]], "does not lie in the text"),
        ([[4, 4, "PER"]], "does not lie in the text"),
        ([[3, 4, "PER"]], "holds only white space"),
        ([[0, 3, "B-PER"]], '"B-PER" is no type of entity'),
        ([{"start": 0, "end": 3, "text": "Eve", "labels": ["PER"]}], 'the span 0 to 3 holds "Ada", not "Eve"'),
    ],
)  # fmt: skip
def test_spans_that_cannot_be_are_refused_by_their_row(tmp_path, span, says):
    rows = [{"text": "Bob ran", "label": [[0, 3, "PER"]]}, {"text": "Ada Hill ran", "label": span}]
    with pytest.raises(UserError) as caught:
        parsed(write(tmp_path / "a.jsonl", rows), "ner")
    assert says in str(caught.value) and "a.jsonl line 2" in str(caught.value)


def test_of_overlapping_entities_the_longest_is_kept_if_wanted(tmp_path):
    rows = [{"text": "Ada Hill ran", "label": [[0, 3, "PER"], [0, 8, "ORG"], [9, 12, "PER"]]}]
    _, found = parsed(write(tmp_path / "a.jsonl", rows), "ner", overlaps="longest")
    assert [found.labels[t] for t in found.splits["train"][0].target] == ["B-ORG", "I-ORG", "B-PER"]
    assert "a.jsonl: 1 entity left out that overlaps a longer one" in found.notes


def test_rows_that_nobody_accepted_are_left_out_and_the_others_keep_their_line(tmp_path):
    rows = list(span_rows("prodigy"))
    rows[0]["answer"], rows[2]["answer"] = "reject", "ignore"
    table, _ = parsed(write(tmp_path / "a.jsonl", rows), "ner")
    assert table.left_out == {annotations.REJECTED: 2} and table.where(1) == "a.jsonl line 4"
    studio = list(span_rows("label studio"))
    studio[1]["annotations"][0]["was_cancelled"] = True
    studio[4]["annotations"] = []
    studio[5]["annotations"] *= 2
    table, _ = parsed(write(tmp_path / "b.json", studio), "ner")
    assert table.left_out == {annotations.UNANNOTATED: 2} and table.where(1) == "b.json row 3"
    assert "b.json: of 1 row with several annotations the first is read" in table.notes


@pytest.mark.parametrize("form", ["doccano", "label studio"])
def test_classes_of_annotation_tools(tmp_path, form):
    rows = [
        {"text": text, "label": [label]} if form == "doccano"
        else {"data": {"text": text}, "annotations": [{"result": [{"value": {"choices": [label]}}]}]}
        for text, label in zip(TEXTS, LABELS, strict=True)
    ]  # fmt: skip
    path = write(tmp_path / "a.json", rows)
    assert parsed(path, "sentiment")[1].labels == ("neg", "pos")
    assert init.propose(str(path), {}).keys["task"] == "sentiment"


# Classes by file, by line and by folder.


def folders(root, texts=TEXTS, labels=LABELS):
    for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / f"{i}.txt").write_text(text)


def test_a_folder_a_class_is_a_data_set_and_a_shift(tmp_path):
    folders(tmp_path / "films" / "train")
    folders(tmp_path / "films" / "test", [t + " x" for t in TEXTS])
    folders(tmp_path / "books", [t + " y" for t in TEXTS])
    (tmp_path / "films" / "train" / "unsup").mkdir()
    (tmp_path / "films" / "train" / "unsup" / "0.txt").write_text("nobody knows")
    (tmp_path / "films" / "train" / "pos" / "urls.html").write_text("x")
    source = prepare.DataSource(dataset_name=str(tmp_path / "films"), shifts={"books": str(tmp_path / "books")})
    data = prepare.load(source, TASKS["sentiment"])
    assert size(data) == 160 and len(data.shifts["books"]) == 80 and data.labels == ("neg", "pos")
    assert (
        "train: 1 text without a class (unsup) left out" in data.notes
        and "train: 1 file that is no .txt left out" in data.notes
    )
    assert size(loaded(tmp_path / "films" / "train", "sentiment")) == 80


def test_a_complaint_about_a_file_of_a_folder_names_it(tmp_path):
    folders(tmp_path / "films")
    (tmp_path / "films" / "pos" / "7.txt").write_text(" \n")
    with pytest.raises(UserError, match=r'films/pos/7\.txt: "text" is empty'):
        loaded(tmp_path / "films", "sentiment")


def test_fasttext_and_its_complaints(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(f"__label__{label} {text}\n\n" for text, label in zip(TEXTS, LABELS, strict=True)))
    table, found = parsed(path, "sentiment")
    assert len(table.rows) == 80 and table.where(1) == "a.txt line 3" and found.labels == ("neg", "pos")
    assert parsed(path, "classification", text_column="x", label_column="y")[0].columns() == ["x", "y"]
    for line, says in (("__label__a __label__b two", "begins with 2 labels"), ("no label", "begins with 0 labels")):
        path.write_text(f"__label__a one\n{line}\n")
        with pytest.raises(UserError, match=f"line 2 {says}"):
            parsed(path, "classification")


def test_pairs_of_texts_and_labels(tmp_path):
    for split, more in (("train", ""), ("val", " v"), ("test", " t")):
        (tmp_path / f"{split}_text.txt").write_text("".join(f"{text}{more}\n" for text in TEXTS))
        (tmp_path / f"{split}_labels.txt").write_text("".join(f"{int(label == 'pos')}\n" for label in LABELS))
    assert parsed(tmp_path / "train_text.txt", "sentiment")[1].labels == ("0", "1")
    (tmp_path / "mapping.txt").write_text("0\tnegative\n1\tpositive\n")
    data = loaded(tmp_path, "sentiment")
    assert (len(data.train), len(data.dev), len(data.test)) == (80, 80, 80) and data.labels == ("negative", "positive")
    with (tmp_path / "train_text.txt").open("a") as file:
        file.write("one more\n")
    with pytest.raises(UserError, match=r"train_text\.txt has 81 lines and train_labels\.txt 80"):
        parsed(tmp_path / "train_text.txt", "sentiment")


# Repositories of the Hub, splits in one file, packed files.

CARD = """---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': neg
          '1': pos
configs:
- config_name: default
  data_files:
  - split: train
    path: {path}
  - split: test
    path: parts/test-*
---
"""


def repository(folder, card=CARD, path="parts/train-*"):
    (folder / "parts").mkdir(parents=True)
    for n in range(2):
        (folder / "parts" / f"train-{n}.csv").write_text(
            "text,label\n" + "".join(f"{t} {n},{int(la == 'pos')}\n" for t, la in zip(TEXTS, LABELS, strict=True))
        )
    (folder / "parts" / "test-0.jsonl").write_text(
        "".join(
            json.dumps({"text": f"{t} t", "label": int(la == "pos")}) + "\n" for t, la in zip(TEXTS, LABELS, strict=True)
        )
    )
    (folder / "README.md").write_text(card.format(path=path))
    return folder


def test_a_repository_of_several_formats_is_read_by_its_card(tmp_path):
    folder = repository(tmp_path / "mine")
    (folder / "parts" / "test-0.jsonl").rename(folder / "parts" / "test-0.csv")
    (folder / "parts" / "test-0.csv").write_text("text,label\n" + "".join(f"{t} t,1\n{t} u,0\n" for t in TEXTS[:40]))
    data = loaded(folder, "sentiment")
    assert (len(data.train) + len(data.dev), len(data.test)) == (160, 80)


@pytest.mark.parametrize(
    "path", ["../outside/train.csv", "https://example.org/train.csv", "/etc/train.csv", "hf://x/train.csv"]
)
def test_a_card_that_names_files_elsewhere_is_refused(tmp_path, path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "train.csv").write_text("text,label\na,b\n")
    with pytest.raises(UserError, match=r"README\.md: it names files outside the folder"):
        loaded(repository(tmp_path / "mine", path=path), "sentiment")


def test_a_link_out_of_a_repository_is_not_followed(tmp_path):
    folder = repository(tmp_path / "mine")
    (tmp_path / "outside.csv").write_text("text,label\na,1\n")
    (folder / "parts" / "train-2.csv").symlink_to(tmp_path / "outside.csv")
    (folder / "parts" / "test-0.jsonl").unlink()
    with pytest.raises(UserError, match=r"outside the folder|cannot be read as a data set"):
        loaded(folder, "sentiment")


@pytest.mark.parametrize("names", [("train", "validation", "test"), ("Train", "dev"), ("training", "test", "notes")])
def test_splits_in_one_file(tmp_path, names):
    rows = [{"text": t, "label": la} for t, la in zip(TEXTS, LABELS, strict=True)]
    content = {name: [r | {"text": r["text"] + name} for r in rows] for name in names}
    (tmp_path / "a.json").write_text(json.dumps(content))
    data = loaded(tmp_path / "a.json", "sentiment")
    assert size(data) == 80 * len([n for n in names if n != "notes"])
    assert ("a.json[training]: 80 rows under notes left out" in data.notes) == ("notes" in names)
    if "test" in names:
        with pytest.raises(UserError, match="holds a test split of its own"):
            prepare.load(
                prepare.DataSource(train_file=str(tmp_path / "a.json"), test_file=str(tmp_path / "a.json")),
                TASKS["sentiment"],
            )
    (tmp_path / "b.csv").write_text("text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in rows))
    with pytest.raises(UserError, match="its file holds several splits"):
        prepare.load(
            prepare.DataSource(train_file=str(tmp_path / "b.csv"), shifts={"x": str(tmp_path / "a.json")}),
            TASKS["sentiment"],
        )


@pytest.mark.parametrize(("archive", "inside"), [("a.zip", "reviews.csv"), ("a.csv.zip", "x"), ("A.ZIP", "b/reviews.TSV")])
def test_a_zip_of_one_file(tmp_path, archive, inside):
    separator = "\t" if inside.endswith("TSV") else ","
    with zipfile.ZipFile(tmp_path / archive, "w") as file:
        file.writestr("__MACOSX/._x", "x")
        file.writestr(inside, f"text{separator}label\na{separator}b\n")
    assert read_file(tmp_path / archive).rows == [{"text": "a", "label": "b"}]


def test_a_test_set_without_labels_is_left_out_only_where_the_user_did_not_name_it(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"{t},{la}\n" for t, la in zip(TEXTS, LABELS, strict=True)))
    for content in ("text\n" + "\n".join(TEXTS), "text,label\n" + "".join(f"{t} x,-1\n" for t in TEXTS)):
        (tmp_path / "test.csv").write_text(content)
        assert any("test.csv" in n and "left out" in n for n in loaded(tmp_path, "sentiment").notes)
        source = prepare.DataSource(train_file=str(tmp_path / "train.csv"), test_file=str(tmp_path / "test.csv"))
        with pytest.raises(UserError, match=r"test\.csv"):
            prepare.load(source, TASKS["sentiment"])
    assert set(read_folder(tmp_path)) == {"train", "test"}


# Question answering in tables; translation memories.


@pytest.mark.parametrize("form", ["one a row", "json", "python", "numpy"])
def test_questions_of_a_csv(tmp_path, form):
    import pandas as pd

    rows = []
    for i in range(80):
        row = {"id": i, "context": f"Ada met {i} of us.", "question": f"Who met {i}?"}
        answers = {"text": ["Ada", f"{i}"], "answer_start": [0, 8]}
        if form == "one a row":
            rows += [row | {"answer": t, "answer_start": s} for t, s in zip(*answers.values(), strict=True)]
        else:
            text = f"{{'text': array(['Ada', '{i}'], dtype=object), 'answer_start': array([0, 8], dtype=int32)}}"
            rows.append(row | {"answers": {"json": json.dumps(answers), "python": str(answers), "numpy": text}[form]})
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    _, found = parsed(tmp_path / "a.csv", "qa")
    assert len(found.splits["train"]) == 80 and found.splits["train"][3].target == {
        "text": ["Ada", "3"],
        "answer_start": [0, 8],
    }
    if form == "one a row":
        assert "a.csv: 160 rows of one answer are 80 questions" in found.notes
        assert init.propose(str(tmp_path / "a.csv"), {}).keys["task"] == "qa"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("c,q,Ada,", 'row 2: the answer "Ada" has no "answer_start"'),
        ("c,q,Ada,x", 'row 2: answer_start is "x"; a whole number'),
        ("c,q,{nonsense,", 'row 2: "answer" begins as a list of answers and is none'),
        ("c,q,{},", 'row 2: "answer" holds no two lists'),
    ],
)
def test_questions_of_a_csv_that_cannot_be_read(tmp_path, row, says):
    (tmp_path / "a.csv").write_text(f"context,question,answer,answer_start\nAda ran,Who?,Ada,0\n{row}\n")
    with pytest.raises(UserError) as caught:
        parsed(tmp_path / "a.csv", "qa")
    assert says in str(caught.value)


ENGLISH = '<tuv xml:lang="{}"><seg>the <hi>soup</hi> <ph x="1">{{1}}</ph>{}</seg></tuv>'
UNIT = f'<tu>{ENGLISH}<tuv lang="{{}}"><seg>la soupe {{}}</seg></tuv></tu>'


def test_a_translation_memory(tmp_path):
    units = (
        "".join(UNIT.format("en-US", i, "FR", i) for i in range(30)) + '<tu><tuv xml:lang="en-US"><seg>x</seg></tuv></tu>'
    )
    (tmp_path / "a.tmx").write_text(f'<?xml version="1.0"?><!DOCTYPE tmx SYSTEM "tmx14.dtd"><tmx><body>{units}</body></tmx>')
    table, found = parsed(tmp_path / "a.tmx", "translation", source_lang="fr", target_lang="en")
    assert len(table.rows) == 30 and table.left_out == {tmx.ALONE: 1}
    assert "a.tmx: 1 unit of one language left out" in table.said()
    assert (found.splits["train"][2].inputs, found.splits["train"][2].target) == ({"source": "la soupe 2"}, "the soup 2")
    both = "".join(UNIT.format("en-US", i, "en-GB", i) for i in range(3))
    (tmp_path / "b.tmx").write_text(f"<tmx><body>{both}</body></tmx>")
    assert sorted(read_file(tmp_path / "b.tmx").rows[0]["translation"]) == ["en-GB", "en-US"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('<!DOCTYPE t [<!ENTITY a "b">]><tmx>&a;</tmx>', "declares entities of XML"),
        ("<tmx><body>", "not XML"),
        ("text", "not XML"),
        ("<tmx><body/></tmx>", "holds no rows"),
    ],
)
def test_translation_memories_that_are_refused(tmp_path, content, says):
    (tmp_path / "a.tmx").write_text(content)
    with pytest.raises(UserError, match=says):
        read_file(tmp_path / "a.tmx")
