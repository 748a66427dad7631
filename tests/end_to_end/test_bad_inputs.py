"""Whatever the user gives wrongly is answered by one line that names it, with code 2, before anything is written.

Each case builds its files in an empty folder, which is also the working folder, and returns the arguments. All run in this
process; two run once more as a user would run them.
"""

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import sentences, write_csv
from transfergain import cli
from transfergain.store import FILE, Store

CASES = {}


@dataclass
class World:
    """The working folder and what cases put into it."""

    folder: Path
    checkpoints: object

    def csv(self, name, rows=None, **options):
        return write_csv(self.folder / name, sentences(300) if rows is None else rows, **options) and name

    def put(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    def model(self, name, *without, **instead):
        """A copy of a tiny checkpoint, without some files and with other content in some (`_` for `.` in names)."""
        shutil.copytree(self.checkpoints("bert"), self.folder / name)
        for file in without:
            (self.folder / name / file).unlink()
        for file, content in instead.items():
            self.put(f"{name}/{file.replace('_json', '.json').replace('_safe', '.safe')}", content)
        return name

    def study(self, name="runs/reviews", **identity):
        """An output folder that holds a study."""
        with Store(self.folder / name, create=True) as store:
            store.set_meta("identity", identity or {"checkpoint": "sha256:other", "data": {}})
        return self.put(f"{name}/.lock", "") and name


def case(*says, name=None):
    """Register a case: a function of a World that returns the arguments; its one line must contain all of `says`."""

    def register(build):
        CASES[name or build.__name__] = (build, says)
        return build

    return register


def train(world, rows=None, **options):
    return ["run", "--train-file", world.csv("reviews.csv", rows, **options)]


def with_file(name, content, *arguments):
    return lambda world: ["run", "--train-file", world.put(name, content), *arguments]


def flags(*arguments):
    return lambda world: [*train(world), *arguments]


def in_file(content):
    return lambda world: ["run", world.put("study.toml", 'train_file = "reviews.csv"\n' + content), *train(world)[3:]]


def in_tasks(content):
    return lambda world: ["run", world.put("study.toml", "[[tasks]]\n" + content)]


def csv_text(rows, header="text,label"):
    return "\n".join([header, *(",".join(row) for row in rows)]) + "\n"


def changed(index, row, count=300):
    rows = sentences(count)
    rows[index] = row
    return rows


# Files that are not there or cannot be read.
case("none.csv: no such file", name="missing file")(lambda w: ["run", "--train-file", "none.csv"])
case("none.csv: no such file", name="missing test file")(flags("--test-file", "none.csv"))
case("none.csv: no such file", name="missing shift file")(flags("--shift", "tweets=none.csv"))
case("reviews.csv is empty", name="empty file")(with_file("reviews.csv", ""))
case("reviews.csv holds no rows", name="header only")(with_file("reviews.csv", "text,label\n"))
case("reviews.csv line 3", "0xe9", "UTF-8", name="bytes that are no UTF-8")(
    with_file("reviews.csv", b"text,label\nfine,good\ncaf\xe9,good\n")
)
case("reviews.csv is UTF-16", "UTF-8", name="UTF-16")(with_file("reviews.csv", csv_text(sentences(50)).encode("utf-16")))
case("reviews.jsonl is UTF-16", name="JSON lines in UTF-16")(with_file("reviews.jsonl", '{"text": "a"}'.encode("utf-16")))
case("my reviews/ré sumé.csv line 2", "0xe9", name="path with spaces and accents")(
    with_file("my reviews/ré sumé.csv", b"text,label\ncaf\xe9,good\n")
)
case("tweets.csv is empty", name="empty shift")(lambda w: [*train(w), "--shift", "tweets=" + w.put("tweets.csv", "")])
case("tweets.csv holds no rows", name="shift of a header")(
    lambda w: [*train(w), "--shift", "tweets=" + w.put("tweets.csv", "text,label\n")]
)
case("test.csv row 3", '"Positive" does not occur', "negative, positive", name="label of another case")(
    lambda w: [*train(w), "--test-file", w.csv("test.csv", changed(2, ("some text", "Positive"), 40))]
)
case("reviews.csv", '"bad\\x1bname"', name="control characters in a header")(
    with_file("reviews.csv", "text,label\na,b\n", "--label-column", "bad\x1bname")
)
case("reviews.csv.gz", "gzip", name="no gzip at all")(with_file("reviews.csv.gz", csv_text(sentences(50))))
case("reviews.csv.gz", "gzip", name="gzip cut short")(
    with_file("reviews.csv.gz", gzip.compress(csv_text(sentences(50)).encode(), mtime=0)[:-30])
)
case("reviews.csv.gz", "gzip", name="gzip with wrong bytes")(
    with_file("reviews.csv.gz", gzip.compress(b"text,label\n", mtime=0)[:10] + b"\xff" * 99)
)
case("reviews.jsonl line 3", "not JSON", name="broken JSON lines")(
    with_file("reviews.jsonl", '{"text": "a", "label": "b"}\n\n{"text": "a", "lab\n')
)
case("reviews.json line 2", "not JSON", name="broken JSON")(with_file("reviews.json", '[{"text": "a"},\n{"text" "a"}]'))
case("reviews.json", "list of objects", name="JSON of another shape")(with_file("reviews.json", '["a", "b"]'))
case("reviews.jsonl line 1", "JSON object", name="JSON lines of another shape")(with_file("reviews.jsonl", '["a", "b"]\n'))
case("reviews.csv", "line 3", "saw 3", name="ragged row")(with_file("reviews.csv", "text,label\na,b\nc,d,e\n"))
case("reviews.csv row 1", "more fields", name="ragged first row")(with_file("reviews.csv", "text,label\na,b,c\nd,e\n"))
case("reviews.csv row 2", '"label" is empty', name="short row")(with_file("reviews.csv", "text,label\na,b\nc\n"))
case('two columns are called "text"', name="column twice")(with_file("reviews.csv", "text,label,text\na,b,c\n"))
case("reviews.parquet", "parquet", name="no parquet")(with_file("reviews.parquet", "text,label\n"))
case("reviews.xlsx", "unknown format .xlsx", ".csv", name="unknown ending")(with_file("reviews.xlsx", "text,label\n"))


@case("films is a folder", "--dataset-name")
def folder_given_as_file(world):
    world.csv("train.csv")
    world.put("films/train.csv", "")
    return ["run", "--train-file", "films"]


@case("--dataset-name reviews.csv is a file", "--train-file")
def file_given_as_data_set(world):
    return ["run", "--dataset-name", world.csv("reviews.csv")]


@case("films holds no train file")
def folder_without_train_file(world):
    world.put("films/test.csv", csv_text(sentences(50)))
    return ["run", "--dataset-name", "films"]


@case("films holds more than one train file", "train.csv, train.tsv")
def folder_with_two_train_files(world):
    world.put("films/train.csv", csv_text(sentences(50)))
    world.put("films/train.tsv", "")
    return ["run", "--dataset-name", "films"]


# Columns, rows and labels.
case('reviews.csv has no column "review"', "text, label", "--text-column", name="unknown text column")(
    flags("--text-column", "review")
)
case('reviews.csv has no column "stars"', "--label-column", name="unknown label column")(flags("--label-column", "stars"))
case('has one class only ("good")', name="one class")(lambda w: train(w, [(t, "good") for t, _ in sentences(99)]))
case("reviews.csv row 8", '"text" is empty', name="empty text")(lambda w: train(w, changed(7, (" ", "positive"))))
case("reviews.csv row 8", '"label" is empty', name="empty label")(lambda w: train(w, changed(7, ("some text", ""))))
case("reviews.jsonl line 2", '"text" is empty', name="NaN for a text")(
    with_file("reviews.jsonl", '{"text": "a", "label": 1}\n{"text": NaN, "label": 0}\n')
)
case("reviews.jsonl line 3", '"label" is empty', name="null for a label")(
    with_file("reviews.jsonl", '{"text": "a", "label": 1}\n\n{"text": "b", "label": null}\n')
)
case("reviews.jsonl line 2", '"label" holds a list', "one value", name="several labels in a row")(
    with_file("reviews.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": ["x", "y"]}\n')
)
case("reviews.jsonl line 1", '"text" holds a list', name="tokens for a text")(
    with_file("reviews.jsonl", '{"text": ["a", "b"], "label": "x"}\n')
)
case("test.csv row 3", '"neutral" does not occur in reviews.csv', "negative, positive", name="test label unseen")(
    lambda w: [*train(w), "--test-file", w.csv("test.csv", changed(2, ("some text", "neutral"), 40))]
)
case("tweets.csv row 5", '"neutral" does not occur in reviews.csv', name="shift label unseen")(
    lambda w: [*train(w), "--shift", "tweets=" + w.csv("tweets.csv", changed(4, ("some text", "neutral"), 40))]
)
case("tweets.csv", 'no column "text"', name="shift without the column")(
    lambda w: [*train(w), "--shift", "tweets=" + w.csv("tweets.csv", header=("body", "label"))]
)
case('"label" has 300 different values', "--label-column", name="free text for a label")(
    lambda w: train(w, [(t, f"{t} indeed") for t, _ in sentences(300)])
)
case("77 different labels", "--task classification", name="sentiment with 77 labels")(
    lambda w: train(w, [(t, f"intent {i % 77}") for i, (t, _) in enumerate(sentences(300))])
)
case("the test split has", "at least 10", name="too few rows")(lambda w: train(w, sentences(30)))
case("the label", "does not occur", name="a label of two lines stays one line")(
    lambda w: [*train(w), "--test-file", w.csv("test.csv", changed(2, ("some text", "two\nlines"), 40))]
)

# Flags.
case("--task", "no data for --task sentiment", "--train-file", name="no data at all")(lambda w: ["run"])
case("--dataset-name and --train-file", name="two sources of data")(flags("--dataset-name", "builtin:sentiment"))
case("--test-file goes with --train-file", name="test file beside a data set")(
    lambda w: ["run", "--dataset-name", "builtin:sentiment", "--test-file", w.csv("t.csv")]
)
case('"builtin:sentimnt"', 'Did you mean "builtin:sentiment"', name="unknown built-in data set")(
    lambda w: ["run", "--dataset-name", "builtin:sentimnt"]
)
case("--task", 'unknown task "sentimant"', 'Did you mean "sentiment"', name="unknown task")(flags("--task", "sentimant"))
case("--arms", 'unknown arm "lorra"', 'Did you mean "lora"', name="unknown arm")(flags("--arms", "scratch,lorra"))
case("--arms", 'must include "scratch"', name="arms without scratch")(flags("--arms", "full,lora"))
case("--shift", '"tweets.csv" is not of the form name=FILE', name="shift without a name")(flags("--shift", "tweets.csv"))
case("--shift", 'two files are called "a"', name="two shifts of one name")(flags("--shift", "a=x", "--shift", "a=y"))
case("--seeds", "greater than or equal to 1", "0", name="no seeds")(flags("--seeds", "0"))
case("--seeds", "integer", name="seeds that are no number")(flags("--seeds", "many"))
case("--budgets", "whole numbers", "'64,lots'", name="budget that is no number")(flags("--budgets", "64,lots"))
case("--budgets", "greater than or equal to 10", "0", name="budget of nothing")(flags("--budgets", "0"))
case("--tune", "greater than or equal to 0", "-1", name="negative tuning")(flags("--tune=-1"))
case("--budgets", "greater than or equal to 10", "-64", name="negative budget")(flags("--budgets=-64"))
case("--precision", "fp32", "'fp8'", name="unknown precision")(flags("--precision", "fp8"))
case("--margin", "less than 1", name="margin of a hundred")(flags("--margin", "100"))
case("--executor", 'unknown executor "slurm"', "local", name="unknown executor")(flags("--executor", "slurm"))
case("--sedes", "--seeds", name="unknown flag")(flags("--sedes", "3"))
case("'repot'", "'report'", name="unknown command")(lambda w: ["repot", "runs"])
case("DIR", name="report of nothing")(lambda w: ["report"])
case("--budgets: reviews: a budget of 5,000 labels", "240 is the most", name="budget larger than the data")(
    lambda w: [*train(w), "--budgets", "64,5000", "--model", w.model("tiny")]
)
case("--device tpu", "cuda", name="unknown device")(lambda w: [*train(w), "--device", "tpu", "--model", w.model("tiny")])
case("--max-length 4000", "at most 128 tokens", name="longer texts than the model has positions for")(
    lambda w: [*train(w), "--max-length", "4000", "--model", w.model("tiny")]
)

# Study files.
case("study.toml", 'unknown key "budget"', 'Did you mean "budgets"', name="unknown key")(in_file("budget = [64]"))
case("study.toml", "not valid TOML", "line 2", name="no TOML")(in_file("seeds 3"))
case("none.toml: no such study file", name="missing study file")(lambda w: ["run", "none.toml"])
case("folder: cannot be read as a study file", name="folder for a study file")(
    lambda w: w.put("folder/x", "") and ["run", "folder"]
)
case("study.toml", "b.toml", name="two study files")(
    lambda w: ["run", w.put("study.toml", ""), "--config", w.put("b.toml", "")]
)
case("study.toml: arms: must be arms", name="arms of a wrong type")(in_file("arms = 3"))
case("study.toml: shift: must be name=FILE", name="shift of a wrong type")(in_file("shift = 3"))
case("study.toml: budgets: must be whole", name="broken budget")(in_file("budgets = [64.5]"))

# Options of another task.
case("--num-beams", "is for the task translation, not for sentiment", name="beams for a classifier")(
    flags("--num-beams", "4")
)
case("--doc-stride", "is for the task qa, not for classification", name="windows for a classifier")(
    flags("--task", "classification", "--doc-stride", "64")
)
case("study.toml: label_map", "is for the task ner, not for sentiment", name="foreign key in a study file")(
    in_file('label_map = "a=b"')
)
case("study.toml: tasks.1.label_column", "not for qa", name="foreign key in one of several data sets")(
    in_tasks('task = "ner"\n[[tasks]]\ntask = "qa"\nlabel_column = "answers"')
)
case("study.toml: task", "valid string", name="task of a wrong type")(in_file('task = ["ner"]'))
case("study.toml: tasks.0.task", "valid string", name="task of a wrong type in one of several data sets")(
    in_tasks('task = ["ner"]')
)


# Named entities.
def conll(count=60, kind="PER", more=""):
    """Sentences of three words with one entity each, and what is to follow them."""
    return "".join(f"today O\nAda{i} B-{kind}\nspoke O\n\n" for i in range(count)) + more


def ner(content, *arguments, name="names.conll"):
    return with_file(name, content, "--task", "ner", *arguments)


def ner_rows(*rows):
    """A jsonl file of (words, tags), or of texts with marks in them."""
    columns = [{"text": row} if isinstance(row, str) else {"tokens": row[0], "ner_tags": row[1]} for row in rows]
    return "\n".join(map(json.dumps, columns))


def ner_lists(words, tags, *arguments):
    return ner(ner_rows((["Ada", "spoke"], ["B-PER", "O"]), (words, tags)), *arguments, name="names.jsonl")


def ner_text(text):
    return ner(ner_rows("[Ada|PER] spoke.", text), name="names.jsonl")


for name, says, build in [
    ("word without a tag", ("names.conll line 242", "one column only"), ner(conll(more="\nBob\n"))),
    (
        "spaces in a word",
        ("names.conll line 241", "4 columns, most lines have 2", "tabs"),
        ner(conll(more="New York City O\n")),
    ),
    ("prefix without a type", ("names.conll line 241", 'the tag "B" names no type'), ner(conll(more="Bob B\n"))),
    ("type without a prefix", ("names.conll line 241", '"PER" is no tag', "B-PER"), ner(conll(more="Bob PER\n"))),
    (
        "schemes mixed",
        ("names.conll line 243", "M- is mixed with B-, U-", "BILOU"),
        ner(conll(more="Bob U-PER\n\nAl M-PER\n")),
    ),
    ("tags of another kind", ("names.conll line 1", '"DT" is no tag', "--tags-column"), ner("the DT\ndog NN\n\n" * 40)),
    ("nothing but O", ("names.conll", "every tag is O"), ner("today O\n\n" * 40)),
    ("no words at all", ("names.conll holds no rows",), ner("-DOCSTART- -X- O\n\n\n")),
    ("CoNLL of other bytes", ("names.conll line 2", "0xe9", "UTF-8"), ner(b"a O\ncaf\xe9 O\n")),
    ("too few sentences", ("at least 10 are needed",), ner(conll(12))),
    ("label map without =", ('--label-map: "PER"', "TYPE=NEW"), ner(conll(), "--label-map", "PER")),
    ("label map of tags", ('--label-map: "B-PER=PERSON"', "without B-"), ner(conll(), "--label-map", "B-PER=PERSON")),
    ("label map of nothing", ('--label-map: "=PER"', "PERSON=PER"), ner(conll(), "--label-map", "=PER")),
    ("type mapped twice", ('--label-map: the type "PER"', "twice"), ner(conll(), "--label-map", "PER=A,PER=B")),
    ("all types dropped", ("--label-map drops all 60", "keep at least one"), ner(conll(), "--label-map", "PER=")),
    ("label names twice", ('--label-names: "O"', "twice"), ner(conll(), "--label-names", "O,B-PER,O")),
    ("numbers for tags", ("names.jsonl line 2 word 1", "number 1", "--label-names"), ner_lists(["Al", "ran"], [1, 0])),
    (
        "number without a name",
        ("names.jsonl line 2 word 1", "7 has no name", "0 to 2"),
        ner_lists(["Al", "ran"], [7, 0], "--label-names", "O,B-PER,I-PER"),
    ),
    ("fewer tags than words", ("names.jsonl line 2", "2 words, but 1 tags"), ner_lists(["Al", "ran"], ["O"])),
    ("number for a word", ("names.jsonl line 2 word 2", "3 where a word"), ner_lists(["Al", 3], ["O", "O"])),
    ("null for a tag", ("names.jsonl line 2 word 2", "None", "B-PER"), ner_lists(["Al", "ran"], ["O", None])),
    ("text for a list of words", ("names.jsonl line 2", "holds a str, not a list"), ner_lists("Al ran", ["O", "O"])),
    ("no words in a row", ("names.jsonl line 2", '"tokens" is empty'), ner_lists([], [])),
    ("half a character", ("names.jsonl", "half a character"), ner_lists(["A\ud800", "ran"], ["O", "O"])),
    ("no column of tags", ('no column "tags"', "--tags-column"), ner_lists(["Al"], ["O"], "--tags-column", "tags")),
    (
        "no columns of entities",
        ("names.jsonl has no columns", "review", "--tokens-column", "--text-column"),
        ner('{"review": "[Ada|PER]"}', name="names.jsonl"),
    ),
    ("texts without marks", ('no entity is marked in "text"',), ner(ner_rows("Ada spoke.", "Al ran."), name="names.jsonl")),
    ("open bracket", ("names.jsonl line 2", "marks no entity", "[Al|PER"), ner_text("[Al|PER ran.")),
    ("brackets in brackets", ("names.jsonl line 2", "marks no entity"), ner_text("[[Al|PER] & Co|ORG] ran.")),
    ("mark without a type", ("names.jsonl line 2", '"[Al|]" is no entity'), ner_text("[Al|] ran.")),
    ("prefix in a mark", ("names.jsonl line 2", '"[Al|B-PER]" is no entity'), ner_text("[Al|B-PER] ran.")),
    ("mark inside a word", ("names.jsonl line 2", "inside a word"), ner_text("un[American|MISC] food.")),
    (
        "texts of another task",
        ("no entity is marked",),
        lambda w: ["run", "--task", "ner", "--dataset-name", "builtin:sentiment"],
    ),
]:
    case(*says, name=f"ner: {name}")(build)

case(
    "times.conll line 2", "the type ORG does not occur in names.conll", "--label-map ORG=", name="ner: unknown type in test"
)(lambda w: [*ner(conll())(w), "--test-file", w.put("times.conll", "at O\nAcme B-ORG\n")])
case("times.conll line 2", "the types LOC, ORG do not occur", "LOC=,ORG=", name="ner: unknown types in a shift")(
    lambda w: [*ner(conll())(w), "--shift", "t=" + w.put("times.conll", "at O\nAcme B-ORG\nin O\nYork B-LOC\n")]
)
case("--max-length 4000", "at most 128 tokens", name="ner: longer sentences than the model has positions for")(
    lambda w: [*ner(conll(), "--max-length", "4000")(w), "--model", w.model("tiny")]
)
case("no TokenClassification head for bart", "another checkpoint", name="ner: model without a head for words")(
    lambda w: [*ner(conll())(w), "--model", w.checkpoints("bart")]
)
case("study.toml: label_map: ", "TYPE=NEW", name="ner: label map of a wrong type")(in_file('task = "ner"\nlabel_map = 3'))


# Question answering.
def questions(count=80, **instead):
    """Rows of eight questions an article; `instead` replaces their values."""
    rows = []
    for i in range(count):
        context = f"Ada number {i} was born in town{i} long ago."
        answers = {"text": [f"town{i}"], "answer_start": [context.index("town")]}
        row = {
            "id": str(i),
            "title": f"Ada {i // 8}",
            "context": context,
            "question": f"Where was {i} born?",
            "answers": answers,
        }
        rows.append(row | instead)
    return rows


def qa(rows, *arguments):
    return with_file("quiz.jsonl", "\n".join(map(json.dumps, rows)), "--task", "qa", *arguments)


def qa_changed(**values):
    """The fifth of the questions has other values."""
    rows = questions()
    rows[4] |= values
    return qa(rows)


def qa_answers(text, start):
    return qa_changed(answers={"text": text, "answer_start": start})


def qa_article(article):
    return with_file("quiz.json", json.dumps({"version": "1.1", "data": [article]}), "--task", "qa")


def qa_beside(flag, rows):
    return lambda w: [*qa(questions())(w), flag, w.put("other.jsonl", "\n".join(map(json.dumps, rows)))]


ONE_ARTICLE = [row | {"title": "Bob", "question": f"And {row['question']}"} for row in questions(20)]
HIDDEN = [row | {"answers": [], "question": f"And {row['question']}"} for row in questions(20)]
PARAGRAPH = {"context": "Ada spoke.", "qas": [{"id": "q7", "question": "Who?"}]}

for name, says, build in [
    ("no column of passages", ('no column "passage"', "--context-column"), qa(questions(), "--context-column", "passage")),
    ("no column of questions", ('no column "query"', "--question-column"), qa(questions(), "--question-column", "query")),
    ("no column of answers", ('no column "gold"', "--answers-column"), qa(questions(), "--answers-column", "gold")),
    ("empty question", ("quiz.jsonl line 5", '"question" is empty'), qa_changed(question=" ")),
    ("null for a passage", ("quiz.jsonl line 5", '"context" is empty'), qa_changed(context=None)),
    ("list for a passage", ("quiz.jsonl line 5", '"context" holds a list'), qa_changed(context=["Ada", "spoke"])),
    ("text for answers", ("quiz.jsonl line 5", '"answers" is "town4"', "answer_start"), qa_changed(answers="town4")),
    ("list of texts for answers", ("quiz.jsonl line 5", "['town4']", "answer_start"), qa_changed(answers=["town4"])),
    ("null for answers", ("quiz.jsonl line 5", "empty list"), qa_changed(answers=None)),
    ("answers without offsets", ("quiz.jsonl line 5", '"answer_start"'), qa_changed(answers={"text": ["town4"]})),
    ("fewer offsets than answers", ("quiz.jsonl line 5", "2 text but 1 answer_start"), qa_answers(["a", "b"], [0])),
    ("number for an answer", ("quiz.jsonl line 5", "an answer's text is"), qa_answers([4], [0])),
    ("text for an offset", ("quiz.jsonl line 5", 'answer_start is "27"', "whole number"), qa_answers(["town4"], ["27"])),
    ("half an offset", ("quiz.jsonl line 5", 'answer_start is "1.5"'), qa_answers(["town4"], [1.5])),
    ("NaN for an offset", ("quiz.jsonl line 5", 'answer_start is "nan"'), qa_answers(["town4"], [float("nan")])),
    ("words for is_impossible", ("quiz.jsonl line 5", "true or false"), qa_changed(is_impossible="no")),
    ("half a character", ("quiz.jsonl line 5", "half a character"), qa_changed(context="Ada \ud83d")),
    (
        "offsets that never match",
        ("quiz.jsonl holds no question", "80 answers do not stand at their offset", "first: question id 0", "from 0"),
        qa(questions(answers={"text": ["town"], "answer_start": [0]})),
    ),
    ("no answer anywhere", ("quiz.jsonl: none of its 80 questions has an answer",), qa(questions(answers=[]))),
    ("hidden answers", ("other.jsonl: none of its 20 questions has an answer",), qa_beside("--test-file", HIDDEN)),
    (
        "test of one article",
        ("all of the test split is of one article", "at least two"),
        qa_beside("--test-file", ONE_ARTICLE),
    ),
    ("data of one article", ("quiz: ", "by article", "--test-file"), qa(questions(title="Ada"))),
    ("too few questions", ("at least 10 are needed",), qa([row | {"title": row["id"]} for row in questions(12)])),
    (
        "articles without paragraphs",
        ("quiz.json article 1", '"paragraphs"'),
        qa_article({"title": "Ada", "paragraphs": "x"}),
    ),
    ("paragraph without questions", ("article 1 paragraph 1", '"qas"'), qa_article({"paragraphs": [{"context": "Ada."}]})),
    ("paragraph without a passage", ("paragraph 1 has no", '"context"'), qa_article({"paragraphs": [{"qas": []}]})),
    ("article's question without answers", ('question "q7" has no "answers"',), qa_article({"paragraphs": [PARAGRAPH]})),
    ("article without questions", ("quiz.json holds no question",), qa_article({"paragraphs": []})),
    ("negative overlap", ("--doc-stride", "-1"), qa(questions(), "--doc-stride", "-1")),
    (
        "labels",
        ("--label-column", "is for the tasks sentiment, classification, not for qa"),
        qa(questions(), "--label-column", "x"),
    ),
    (
        "another task's built-in data",
        ('no column "question"',),
        lambda w: ["run", "--task", "qa", "--dataset-name", "builtin:ner"],
    ),
]:
    case(*says, name=f"qa: {name}")(build)

case("shift:quiz", "one article", name="qa: shift of one article")(
    lambda w: [*qa(questions())(w), "--shift", "quiz=" + w.put("b.jsonl", "\n".join(map(json.dumps, ONE_ARTICLE)))]
)
case("--max-length 384", "at most 128 tokens", name="qa: longer windows than the model has positions for")(
    lambda w: [*qa(questions())(w), "--model", w.model("tiny")]
)
case("--max-length 4 leaves no room for a passage", name="qa: no room for a passage")(
    lambda w: [*qa(questions(), "--max-length", "4")(w), "--model", w.model("tiny")]
)


# Translation.
PAIRS = [(f"le mot numéro {i}", f"the word number {i}") for i in range(60)]
FRENCH, ENGLISH = ("".join(f"{pair[side]}\n" for pair in PAIRS) for side in (0, 1))
TO_ENGLISH = ("--source-lang", "fr", "--target-lang", "en")


def pairs(rows=PAIRS, languages=("fr", "en")):
    return "\n".join(json.dumps({"translation": dict(zip(languages, row, strict=True))}) for row in rows)


def mt(content, *arguments, languages=TO_ENGLISH, name="mt.jsonl"):
    return with_file(name, content, "--task", "translation", *languages, *arguments)


def mt_lines(source, target, *arguments, languages=TO_ENGLISH, other="mt.en"):
    """Two files of parallel text; `target` is None for one file alone."""

    def build(world):
        if target is not None:
            world.put(other, target)
        return mt(source, *arguments, languages=languages, name="mt.fr")(world)

    return build


def mt_folder(world):
    world.put("films/train.fr", FRENCH)
    world.put("films/train.en", ENGLISH)
    return ["run", "--task", "translation", "--dataset-name", "films"]


for name, says, build in [
    ("no languages", ("mt.jsonl", "--source-lang and --target-lang", "fr, en"), mt(pairs(), languages=())),
    ("no target language", ("mt.jsonl", "--target-lang", "fr, en"), mt(pairs(), languages=TO_ENGLISH[:2])),
    ("no languages for two files", ("mt.fr", "--source-lang", "mt.en"), mt_lines(FRENCH, ENGLISH, languages=())),
    ("no languages for a folder", ("films/train.", "--source-lang", "train.fr"), mt_folder),
    ("one language", ("--source-lang and --target-lang are both fr",), mt(pairs(), "--target-lang", "fr")),
    ("one language of two files", ("are both fr",), mt_lines(FRENCH, ENGLISH, "--target-lang", "fr")),
    (
        "two codes of one language",
        ("fr_FR", "fr_CA", 'both mean its "fr"'),
        mt(pairs(), languages=("--source-lang", "fr_FR", "--target-lang", "fr_CA")),
    ),
    ("unknown language", ('mt.jsonl has no language "de"', "fr, en", "--source-lang"), mt(pairs(), "--source-lang", "de")),
    ("column without its language", ('no language "fr"', "french"), mt("french,en\na,b\n", name="mt.csv")),
    ("file of the target language", ("mt.en: unknown format .en", ".fr"), mt(ENGLISH, name="mt.en")),
    ("no second file", ("mt.fr: its translation mt.en is not there",), mt_lines(FRENCH, None)),
    ("second file of another language", ("mt.en is not there", "mt.de"), mt_lines(FRENCH, ENGLISH, other="mt.de")),
    ("line too many", ("mt.fr has 60 lines and mt.en has 61 lines", "line 61"), mt_lines(FRENCH, ENGLISH + "more\n")),
    ("second file empty", ("mt.en has 0 lines",), mt_lines(FRENCH, "")),
    ("second file of other bytes", ("mt.en line 61", "UTF-8"), mt_lines(FRENCH + "x\n", ENGLISH.encode() + b"\xe9\n")),
    ("second file no gzip", ("mt.en.gz", "gzip"), mt_lines(FRENCH, ENGLISH, other="mt.en.gz")),
    ("line without translation", ("mt.en line 61 is empty", "mt.fr"), mt_lines(FRENCH + "x\n", ENGLISH + "\n")),
    ("pair without translation", ("mt.jsonl line 61", '"en" is empty'), mt(pairs([*PAIRS, ("x", "")]))),
    ("pair without a source", ("mt.jsonl line 61", '"fr" is empty'), mt(pairs([*PAIRS, (None, "x")]))),
    ("empty lines alone", ("mt.fr: every sentence is empty",), mt_lines("\n\n", "\n\n")),
    ("empty pairs alone", ("mt.jsonl: every sentence is empty",), mt(pairs([("", "")] * 40))),
    ("text for a pair", ("mt.jsonl line 61", "is no object"), mt(pairs() + '\n{"translation": "x"}')),
    ("list for a sentence", ("mt.jsonl line 61", '"fr" holds a list'), mt(pairs([*PAIRS, (["a", "b"], "c")]))),
    ("half a character", ("mt.jsonl line 61", "half a character"), mt(pairs([*PAIRS, ("x\ud800", "x")]))),
    ("too few pairs", ("at least 10 are needed",), mt(pairs(PAIRS[:12]))),
    ("no beams", ("--num-beams", "greater than or equal to 1", "0"), mt(pairs(), "--num-beams", "0")),
    ("no room for a translation", ("--max-target-length", "4", "2"), mt(pairs(), "--max-target-length", "2")),
    ("column of texts", ("--text-column", "not for translation"), mt(pairs(), "--text-column", "fr")),
    (
        "another task's built-in data",
        ('no language "fr"', "text"),
        lambda w: ["run", "--task", "translation", *TO_ENGLISH, "--dataset-name", "builtin:ner"],
    ),
]:
    case(*says, name=f"translation: {name}")(build)

case('news.jsonl has no language "en"', "fr, de", name="translation: test of another language")(
    lambda w: [*mt(pairs())(w), "--test-file", w.put("news.jsonl", pairs(PAIRS, ("fr", "de")))]
)
case('news.csv has no language "fr"', name="translation: shift without the languages")(
    lambda w: [*mt(pairs())(w), "--shift", "news=" + w.csv("news.csv")]
)
case("news.fr: its translation news.en is not there", name="translation: shift without its second file")(
    lambda w: [*mt_lines(FRENCH, ENGLISH)(w), "--shift", "news=" + w.put("news.fr", FRENCH)]
)
for kind in ("gpt2", "distilbert"):
    case(f"{kind} models are neither sequence-to-sequence nor encoders", "T5", name=f"translation: {kind} cannot translate")(
        lambda w, kind=kind: [*mt(pairs())(w), "--model", w.checkpoints(kind)]
    )
for flag in ("--max-length", "--max-target-length"):
    case(f"{flag} 500", "at most 128 tokens", name=f"translation: {flag} beyond the model's positions")(
        lambda w, flag=flag: [*mt(pairs(), flag, "500")(w), "--model", w.model("tiny")]
    )


# Checkpoints.
case("builtin:minlm", 'Did you mean "builtin:minilm"', name="unknown built-in model")(flags("--model", "builtin:minlm"))
case("--model", "neither a folder here nor a well-formed Hub id", name="no Hub id")(flags("--model", "./no/such/folder"))
case("--model empty: no config.json", name="model folder without config")(
    lambda w: w.put("empty/notes.txt", "x") and [*train(w), "--model", "empty"]
)
case("--model weights.bin is a file", name="file for a model")(lambda w: [*train(w), "--model", w.put("weights.bin", "x")])
case("--model tiny", "config.json", "JSON", name="model with a broken config")(
    lambda w: [*train(w), "--model", w.model("tiny", config_json="{")]
)
case("--model tiny", "pytorch_model.bin", "safetensors", name="model of pickles")(
    lambda w: [
        *train(w),
        "--model",
        w.model("tiny", "model.safetensors") and w.put("tiny/pytorch_model.bin", "pickle").split("/")[0],
    ]
)
case("--model tiny", "no weights", name="model without weights")(
    lambda w: [*train(w), "--model", w.model("tiny", "model.safetensors")]
)
case("--model tiny", "model.safetensors", "damaged", name="model with broken weights")(
    lambda w: [*train(w), "--model", w.model("tiny", model_safetensors="\xff" * 64)]
)
case("--model tiny", "no tokenizer", name="model without tokenizer")(
    lambda w: [*train(w), "--model", w.model("tiny", "tokenizer.json")]
)
case("--model tiny", "tokenizer cannot be read", name="model with a broken tokenizer")(
    lambda w: [*train(w), "--model", w.model("tiny", tokenizer_json="{}")]
)


# Output folders.
@case("--output-dir file/runs", "cannot write there")
def output_below_a_file(world):
    return [*train(world), "--model", world.model("tiny"), "--output-dir", world.put("file", "x") + "/runs"]


@case("--output-dir file", "cannot write there")
def output_that_is_a_file(world):
    return [*train(world), "--model", world.model("tiny"), "--output-dir", world.put("file", "x")]


@case("--output-dir runs/reviews", "holds a study of another checkpoint")
def output_of_another_study(world):
    world.study()
    return [*train(world), "--model", world.model("tiny")]


@case(f"runs/reviews/{FILE}", "cannot be")
def output_with_a_corrupt_store(world):
    world.put(f"runs/reviews/{FILE}", "no database, but someone's notes" * 99)
    world.put("runs/reviews/.lock", "")
    return [*train(world), "--model", world.model("tiny")]


for command in ("report", "export"):
    case("nowhere", "no study there", name=f"{command} of a folder that is not there")(lambda w, c=command: [c, "nowhere"])
    case("films", "no study there", name=f"{command} of a folder without study")(
        lambda w, c=command: w.put("films/train.csv", "x") and [c, "films"]
    )
    case("films/" + FILE, "cannot be read", name=f"{command} of garbage")(
        lambda w, c=command: w.put(f"films/{FILE}", "no database" * 999) and [c, "films"]
    )
    case("films/" + FILE, name=f"{command} of an empty store")(
        lambda w, c=command: w.put(f"films/{FILE}", "") and [c, "films"]
    )

    @case("films/" + FILE, "cannot be read", name=f"{command} of a store cut short")
    def _cut(world, command=command):
        with Store(world.folder / "films", create=True) as store:
            store.update_meta({f"key {i}": "x" * 500 for i in range(200)})
        path = world.folder / "films" / FILE
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return [command, "films"]

    @case("films/" + FILE, name=f"{command} of another program's database")
    def _foreign(world, command=command):
        (world.folder / "films").mkdir()
        with sqlite3.connect(world.folder / "films" / FILE) as database:
            database.execute("CREATE TABLE songs (title TEXT)")
        database.close()
        return [command, "films"]

    @case("films", "before the study was set up", name=f"{command} of a study that never began")
    def _unplanned(world, command=command):
        with Store(world.folder / "films", create=True):
            pass
        return [command, "films"]


case('--format: unknown format "xlsx"', "csv", name="unknown format")(lambda w: ["export", w.study(), "--format", "xlsx"])
case('--table: unknown table "gain"', 'Did you mean "gains"', name="unknown table")(
    lambda w: ["export", w.study(), "--table", "gain"]
)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def check(folder, before, says, code, err):
    assert code == 2, err
    assert err.startswith("transfergain: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    for part in says:
        assert part in err
    assert contents(folder) == before


@pytest.fixture
def world(tmp_path, monkeypatch, checkpoints):
    monkeypatch.chdir(tmp_path)
    return World(tmp_path, checkpoints)


def test_there_are_many_cases():
    assert len(CASES) >= 180
    for task in ("ner", "qa", "translation"):
        assert sum(name.startswith(f"{task}: ") for name in CASES) >= 12


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_line_and_changes_nothing(name, world, monkeypatch, capsys):
    build, says = CASES[name]
    arguments = build(world)
    before = contents(world.folder)
    monkeypatch.setattr(sys, "argv", ["transfergain", *arguments])
    monkeypatch.setattr("transfergain.runner.Runner.run", lambda self: pytest.fail("the study was begun"))
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    check(world.folder, before, says, ended.value.code, capsys.readouterr().err)


@pytest.mark.parametrize("name", ["ragged row", "model of pickles"])
def test_as_the_user_runs_it(name, world):
    build, says = CASES[name]
    arguments = build(world)
    before = contents(world.folder)
    command = [sys.executable, "-m", "transfergain", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    check(world.folder, before, says, done.returncode, done.stderr)


@pytest.mark.parametrize("settings", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "*"}])
@pytest.mark.parametrize("what", ["--model", "--dataset-name"])
def test_hub_out_of_reach_fails_clearly(what, settings, world):
    """Told to stay offline, or with nobody at the other end. In a process of its own: the client reads its settings once."""
    arguments = [*(train(world) if what == "--model" else ["run"]), what, "nobody/nothing"]
    before = contents(world.folder)
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"} | settings
    command = [sys.executable, "-m", "transfergain", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    check(world.folder, before, ('"nobody/nothing"', "Hub", "give"), done.returncode, done.stderr)


def test_a_mistake_loses_nothing_of_an_earlier_study(world, monkeypatch, capsys):
    """The store of a finished study is the same, byte for byte, after runs that were refused."""
    folder = world.folder / world.study()
    world.put("runs/reviews/findings.json", json.dumps({"kept": True}))
    model = world.model("tiny")
    before = contents(folder)
    for wrong in (["--budgets", "5000"], ["--seeds", "0"], ["--shift", "a=none.csv"], []):
        monkeypatch.setattr(sys, "argv", ["transfergain", *train(world), "--model", model, *wrong])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        assert contents(folder) == before
    assert capsys.readouterr().err.count("transfergain: ") == 4
