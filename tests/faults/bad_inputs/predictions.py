"""Predictions that somebody else made: twelve mistakes in such a file or its flag, and those of `compare-predictions`."""

from bad_inputs.world import case, train
from support.texts import sentences, tagged, write_conll

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


@case("gpt.jsonl line 2", "has 1 tags for", "give one tag for each word", name="predictions: too few tags")
def too_few_tags(world):
    sealed = tagged(20, seed=3)
    lines = [f'{{"tokens": "{" ".join(words)}", "prediction": "{" ".join(tags)}"}}' for words, tags in sealed]
    lines[1] = lines[1].split('"prediction"')[0] + '"prediction": "O"}'
    world.put("gpt.jsonl", "\n".join(lines))
    write_conll(world.folder / "names.conll", tagged(60))
    write_conll(world.folder / "test.conll", sealed)
    files = ["--train-file", "names.conll", "--test-file", "test.conll"]
    return ["run", "--task", "ner", *files, "--predictions", "gpt=gpt.jsonl"]


@case("compare-predictions", "--test-file FILE", name="predictions: compared without a test file")
def without_test_file(world):
    return ["compare-predictions", world.csv("a.csv", TEST, header=("text", "prediction")), "a.csv"]


@case("b.csv row 1", 'the prediction "good" is no class', name="predictions: compared with an unknown label")
def compared_with_unknown_label(world):
    a = world.csv("a.csv", TEST, header=("text", "prediction"))
    b = world.csv("b.csv", [(text, "good") for text, _ in TEST], header=("text", "prediction"))
    return ["compare-predictions", a, b, "--test-file", world.csv("test.csv", TEST)]
