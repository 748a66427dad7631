"""Files that are not there or cannot be read; columns, rows and labels."""

import gzip

from bad_inputs.world import case, changed, csv_text, flags, train, with_file
from support.texts import sentences

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
LINES = [f"text {i} is here,{'ab'[i % 2]}" for i in range(40)]


def lines(*changes):
    """A csv of 40 rows, some of which (number, line) are written otherwise."""
    rows = [*LINES]
    for number, line in changes:
        rows[number - 1] = line
    return "text,label\n" + "\n".join(rows) + "\n"


for name, says, file, content in [
    ("a quote that swallows rows", ("row 9", "7 lines", '""'), "a.csv", lines((9, '"so it,a'), (15, 'it ends",b'))),
    ("a quote that is not closed", ("row 9", "not closed"), "a.csv", lines((9, '"so, it,a'))),
    ("no header", ("a.csv", "put a header"), "a.csv", "\n".join([*LINES, "a,a"]) + "\n"),
    ("several labels", ("a.csv row 9", '"a;b" is made of several'), "a.csv", lines((9, "so it,a;b"))),
    ("a list of labels", ("a.csv row 9", "the label is a list"), "a.csv", lines((9, "so it,['a']"))),
    ("a label that is missing", ("a.csv row 9", "missing one"), "a.csv", lines((9, "so it,nan"))),
    ("a name twice in an object", ("a.jsonl line 2", '"text" twice'), "a.jsonl", '{}\n{"text": "a", "text": "b"}\n'),
    ("a .txt of no format", ("a.txt", "fastText", "csv"), "a.txt", "so it was\n"),
    ("no zip at all", ("a.zip", "unzip"), "a.zip", "text,label\n"),
    ("a translation memory cut short", ("a.tmx", "not XML"), "a.tmx", "<tmx"),
]:
    case(*says, name=name)(with_file(file, content))
case("--shift: the name", "signs that cannot be shown", name="name of a shift that steers the terminal")(
    flags("--shift", "a\x1b[31m=reviews.csv")
)
case("reviews.csv row 2 has 3 fields, the header has 2", name="ragged row")(
    with_file("reviews.csv", "text,label\na,b\nc,d,e\n")
)
case("reviews.csv row 1 has 3 fields", "put quotes around", name="ragged first row")(
    with_file("reviews.csv", "text,label\na,b,c\nd,e\n")
)
case("reviews.csv row 2", '"label" is empty', name="short row")(with_file("reviews.csv", "text,label\na,b\nc\n"))
case('two columns are called "text"', name="column twice")(with_file("reviews.csv", "text,label,text\na,b,c\n"))
case("reviews.parquet", "parquet", name="no parquet")(with_file("reviews.parquet", "text,label\n"))
case("reviews.ods", "unknown format .ods", ".csv", name="unknown ending")(with_file("reviews.ods", "text,label\n"))


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


# Pairs of texts, and several labels a text.
PAIRS = "premise,hypothesis,label\n" + "".join(f"text {i} is here,so is {i},{'ab'[i % 2]}\n" for i in range(40))
SETS = "text,label\n" + "".join(f"text {i} is here,{('a;b', 'b', 'a')[i % 3]}\n" for i in range(40))
COLUMNS = ("--text-column", "premise", "--text-pair-column")
SEVERAL = ("--task", "classification", "--multi-label")
for name, says, content, arguments in [
    ("pairs without their flags", ("--text-column premise --text-pair-column hypothesis",), PAIRS, ()),
    ("a pair's column that is not there", ('no column "answer"', "--text-pair-column"), PAIRS, (*COLUMNS, "answer")),
    ("a pair of one column", ("--text-pair-column both name",), PAIRS, (*COLUMNS, "premise")),
    ("an empty second text", ("row 41", '"hypothesis" is empty'), PAIRS + "text,,a\n", (*COLUMNS, "hypothesis")),
    ("two signs between labels", ("separated by ; or by ,", "--label-separator"), SETS + 'text,"a,b"\n', SEVERAL),
    ("labels that are no list", ("row 41", "no list that can be read"), SETS + "text,['a' 'b']\n", SEVERAL),
    ("one of several labels is missing", ("row 41", "missing one"), SETS + "text,a;nan\n", SEVERAL),
    ("a mark that is none", ("row 1", '"y" is', "0 or 1"), "text,x,y\nfine,1,7\n", (*SEVERAL, "--label-column", "x,y")),
    ("one label in all", ("has 1 different label;",), "text,label\nso it was,b\nand is,b\n", SEVERAL),
    ("several labels for sentiment", ("--multi-label is for the task classification",), SETS, ("--multi-label",)),
]:
    case(*says, name=name)(with_file("a.csv", content, *arguments))
case("b.csv row 41", '"c" does not occur', name="one of several labels that train lacks")(
    lambda w: ["run", "--train-file", w.put("a.csv", SETS), *SEVERAL, "--test-file", w.put("b.csv", SETS + "so,a;c\n")]
)
