"""Predictions that somebody else made: mistakes in such a file or its flag, and those of `compare-predictions`."""

import json

from bad_inputs.world import case, train
from support.texts import (
    articles,
    sentences,
    tagged,
    translations,
    write_conll,
    write_parallel,
    write_squad,
)

TEST = sentences(40, seed=9)
SHOWN = "transfergain export DIR --table test-texts writes them"


def given(*says, name, header=("text", "prediction"), flag="gpt=gpt.csv"):
    """Register a case: `change` takes the right rows of a file of predictions and returns the wrong ones."""

    def register(change):
        def build(world):
            world.csv("gpt.csv", change([list(pair) for pair in TEST]), header=header)
            return [*train(world), "--test-file", world.csv("test.csv", TEST), "--predictions", flag]

        case(*says, name=f"predictions: {name}")(build)
        return change

    return register


@given("gpt.csv row 3", 'the prediction "postive" is no class', 'Did you mean "positive"?', name="unknown label")
def unknown_label(rows):
    rows[2][1] = "postive"
    return rows


@given("gpt.csv row 5", "the prediction is empty", name="empty prediction")
def empty(rows):
    rows[4][1] = ""
    return rows


@given("gpt.csv", "no prediction for 2 of the 40 texts of the test set", SHOWN, name="missing rows")
def missing(rows):
    return rows[2:]


@given("gpt.csv row 41", "predicts something else than gpt.csv row 1 for the same text", "keep one", name="doubled row")
def doubled(rows):
    return [*rows, [rows[0][0], "positive" if rows[0][1] == "negative" else "negative"]]


@given("gpt.csv", "no prediction for 1 of the 40 texts", "gpt.csv row 7 is of no sealed text", name="another text")
def other(rows):
    rows[6][0] = "a text of another file altogether"
    return rows


@given("gpt.csv", 'has no column "prediction"', "text, label", name="no column of predictions", header=("text", "label"))
def no_column(rows):
    return rows


@given("gpt.csv", 'no column "text"', "never joined by their place", name="no texts", header=("number", "prediction"))
def no_text(rows):
    return [[i, label] for i, (_, label) in enumerate(rows)]


@given("gpt.csv", 'its column "id" holds no id of', name="ids of another file", header=("id", "prediction"))
def other_ids(rows):
    return [[f"row-{i}", label] for i, (_, label) in enumerate(rows)]


@given('"full" is the name of an arm', "choose another name", name="name of an arm", flag="full=gpt.csv")
def arm_name(rows):
    return rows


@given('"tfidf" is the name of a floor', "choose another name", name="name of a floor", flag="tfidf=gpt.csv")
def floor_name(rows):
    return rows


@given('"gpt.csv" is not of the form name=FILE', name="no name", flag="gpt.csv")
def no_name(rows):
    return rows


@given("none.csv: no such file", name="no such file", flag="gpt=none.csv")
def no_file(rows):
    return rows


def lines(world, rows):
    """A file of predictions with a JSON object a line."""
    return world.put("gpt.jsonl", "\n".join(map(json.dumps, rows)))


@case("gpt.jsonl line 2", "has 1 tag for", "give one tag for each word", name="predictions: too few tags")
def too_few_tags(world):
    return of_tags(world, 1, ["O"])


@case("gpt.jsonl line 3", 'the tag "B-PERSON" is none of the data', name="predictions: unknown tag")
def unknown_tag(world):
    return of_tags(world, 2, lambda tags: ["B-PERSON", *tags[1:]])


def of_tags(world, row, tags):
    """Predictions for words, one row of which has these tags instead."""
    sealed = tagged(20, seed=3)
    rows = [{"tokens": words, "prediction": known} for words, known in sealed]
    rows[row]["prediction"] = tags(rows[row]["prediction"]) if callable(tags) else tags
    write_conll(world.folder / "names.conll", tagged(60))
    write_conll(world.folder / "test.conll", sealed)
    files = ["--train-file", "names.conll", "--test-file", "test.conll"]
    return ["run", "--task", "ner", *files, "--predictions", f"gpt={lines(world, rows)}"]


@case("gpt.jsonl", 'no column "question" and "context"', "never joined by their place", name="predictions: no questions")
def no_questions(world):
    write_squad(world.folder / "places.json", articles(12))
    write_squad(world.folder / "test.json", articles(4, seed=1))
    rows = [{"number": i, "prediction": "Rome"} for i in range(20)]
    files = ["--train-file", "places.json", "--test-file", "test.json"]
    return ["run", "--task", "qa", *files, "--predictions", f"gpt={lines(world, rows)}"]


@case("gpt.jsonl line 2", "the prediction is a list; one text is expected", name="predictions: several translations")
def several_translations(world):
    write_parallel(world.folder / "phrases", translations(60))
    sealed = translations(20, seed=1)
    write_parallel(world.folder / "test", sealed)
    rows = [{"source": source, "prediction": target} for source, target in sealed]
    rows[1]["prediction"] = [rows[1]["prediction"]] * 2
    files = ["--train-file", "phrases.fr", "--test-file", "test.fr", "--source-lang", "fr", "--target-lang", "en"]
    return ["run", "--task", "translation", *files, "--predictions", f"gpt={lines(world, rows)}"]


SEVERAL = [(text, ("joy", "fear", "joy;fear")[i % 3]) for i, (text, _) in enumerate(sentences(160))]


@case("gpt.csv row 4", 'the label "jou" is none of the data', 'Did you mean "joy"?', name="predictions: unknown of several")
def unknown_of_several(world):
    rows = [(text, "fear;jou" if i == 3 else labels) for i, (text, labels) in enumerate(SEVERAL[:40])]
    world.csv("gpt.csv", rows, header=("text", "prediction"))
    files = ["--train-file", world.csv("moods.csv", SEVERAL[40:]), "--test-file", world.csv("test.csv", SEVERAL[:40])]
    return ["run", "--task", "classification", "--multi-label", *files, "--predictions", "gpt=gpt.csv"]


@case("gpt.csv", 'no column "text" and "text_pair"', name="predictions: half of a pair")
def half_of_a_pair(world):
    pairs = [(f"{text} {i}", f"so {text}", label) for i, (text, label) in enumerate(sentences(160))]
    world.csv("gpt.csv", [(text, label) for text, _, label in pairs[:40]], header=("text", "prediction"))
    header = ("premise", "hypothesis", "label")
    files = ["--train-file", world.csv("pairs.csv", pairs[40:], header=header)]
    files += ["--test-file", world.csv("test.csv", pairs[:40], header=header)]
    columns = ["--text-column", "premise", "--text-pair-column", "hypothesis"]
    return ["run", "--task", "classification", *files, *columns, "--predictions", "gpt=gpt.csv"]


@case("compare-predictions", "--test-file FILE", name="predictions: compared without a test file")
def without_test_file(world):
    return ["compare-predictions", world.csv("a.csv", TEST, header=("text", "prediction")), "a.csv"]


@case("b.csv row 1", 'the prediction "good" is no class', name="predictions: compared with an unknown label")
def compared_with_unknown_label(world):
    a = world.csv("a.csv", TEST, header=("text", "prediction"))
    b = world.csv("b.csv", [(text, "good") for text, _ in TEST], header=("text", "prediction"))
    return ["compare-predictions", a, b, "--test-file", world.csv("test.csv", TEST)]
