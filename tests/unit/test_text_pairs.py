"""Pairs of texts: read, told by their columns, joined by the tokenizer, and judged by both texts."""

import random

import numpy as np
import pytest

from support.texts import write_csv
from transfergain import checkpoint as checkpoints_
from transfergain.data.draws import Drawn
from transfergain.data.formats.table import Table
from transfergain.data.prepare import DataSource, load
from transfergain.data.sample import sample
from transfergain.errors import UserError
from transfergain.floors.tfidf import TFIDF
from transfergain.options import OptionKind
from transfergain.perturbations import perturb
from transfergain.split import TEST, Kind, Split
from transfergain.tasks import TASKS, surest_first

TASK = TASKS["classification"]
COLUMNS = {"text_column": "premise", "text_pair_column": "hypothesis"}
WORDS = "soup bread chef menu bill euros waiter smile window garden table music lamp door".split()


def pair(first, second, label="yes"):
    return {"premise": first, "hypothesis": second, "label": label}


def rows(count=120, seed=0):
    """Pairs whose second text has two words of the first, or two others: no word tells by itself."""
    rng = random.Random(seed)
    found = []
    for i in range(count):
        words = rng.sample(WORDS, len(WORDS))
        shown = rng.sample(words[:5], 2) if i % 2 else words[5:7]
        found.append(pair(f"{' '.join(words[:5])} {i}", " ".join(shown), ("no", "yes")[i % 2]))
    return found


def parse(records, **given):
    return TASK.parse({"train": Table("nli.csv", records)}, {**TASK.defaults(OptionKind.PARSE), **COLUMNS, **given})


def loaded(folder, records):
    file = write_csv(folder / "nli.csv", [tuple(row.values()) for row in records], tuple(records[0]))
    return load(DataSource(train_file=file, options=COLUMNS), TASK)


def test_both_texts_become_inputs():
    parsed = parse(rows())
    assert dict(parsed.splits["train"][0].inputs) == {"text": rows()[0]["premise"], "text_pair": rows()[0]["hypothesis"]}
    assert parsed.notes[0].startswith("premise + hypothesis/label · 2 classes") and not parsed.warnings


@pytest.mark.parametrize(
    ("records", "given", "says"),
    [
        (rows(), {"text_pair_column": "answer"}, 'nli.csv has no column "answer"; it has: premise, hypothesis, label'),
        (rows(), {"text_pair_column": "premise"}, '--text-column and --text-pair-column both name "premise"'),
        ([*rows(), pair("a", " ")], {}, 'nli.csv row 121: "hypothesis" is empty'),
        ([*rows(), pair("a", ["b", "c"])], {}, 'nli.csv row 121: "hypothesis" holds a list'),
        (rows(), {"text_column": "text", "text_pair_column": None},
         "look like pairs of texts: give --text-column premise --text-pair-column hypothesis"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(records, given, says):
    with pytest.raises(UserError) as caught:
        parse(records, **given)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("read", "other"), [("premise", "hypothesis"), ("hypothesis", "premise")])
def test_a_second_text_that_is_not_read_is_warned_about(read, other):
    (warning,) = parse(rows(), text_column=read, text_pair_column=None).warnings
    assert f'"{other}" is not read' in warning and "--text-column premise --text-pair-column hypothesis" in warning


GLUE = [
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question", "sentence"), ("question1", "question2"),
    ("Sentence1", "Sentence2"),
]  # fmt: skip


@pytest.mark.parametrize("names", GLUE)
def test_the_columns_of_glue_are_recognised(names):
    records = [{"idx": i, names[1]: r["hypothesis"], names[0]: r["premise"], "label": i % 2} for i, r in enumerate(rows())]
    found = next((t.name, guess) for t in surest_first() if (guess := t.recognise(Table("f.csv", records))) is not None)
    assert found == (
        "classification", {"text_column": names[0], "text_pair_column": names[1], "label_column": "label"}
    )  # fmt: skip


def test_one_sentence_of_glue_is_no_pair():
    records = [{"idx": i, "sentence": row["premise"], "label": i % 2} for i, row in enumerate(rows())]
    assert TASK.recognise(Table("sst2.csv", records)) == {"text_column": "sentence", "label_column": "label"}


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2", "t5"])
def test_the_tokenizer_joins_both_and_cuts_the_longer(checkpoints, kind):
    tokenizer = checkpoints_.load_tokenizer(checkpoints_.resolve(checkpoints(kind)))
    (example,) = parse([*rows(3), pair("soup " * 60, "bread door")]).splits["train"][3:]
    options = {**TASK.defaults(OptionKind.ENCODING), "max_length": 24}
    (feature,) = TASK.encode([example], tokenizer, options).features
    long, short = str(example.inputs["text"]), str(example.inputs["text_pair"])
    assert feature["input_ids"] == tokenizer(long, short, truncation=True, max_length=24)["input_ids"]
    assert len(feature["input_ids"]) == 24
    inside = tokenizer(short, add_special_tokens=False)["input_ids"]
    ids = feature["input_ids"]
    assert any(ids[i : i + len(inside)] == inside for i in range(24)), "the shorter one is whole"
    assert kind != "bert" or set(feature["token_type_ids"]) == {0, 1}


def test_duplicates_are_pairs_and_not_texts(tmp_path):
    same = [pair("one premise for all", f"hypothesis {i}", ("no", "yes")[i % 2]) for i in range(60)]
    data = loaded(tmp_path, [*same, pair("one premise", "for all hypothesis 1"), same[0]])
    assert "duplicates dropped: 1 from train" in data.notes
    assert len(data.train) + len(data.dev) + len(data.test) == 61


def test_overlap_with_train_is_looked_for_in_both_texts(tmp_path):
    long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    data = loaded(tmp_path, [pair(f"text {i}", f"{long} {i}", ("no", "yes")[i % 2]) for i in range(80)])
    assert any("16 of 16 test texts" in note for note in data.notes)
    assert any("share a 13-gram" in warning.text for warning in data.warnings)


def test_both_texts_are_corrupted_and_more_so_at_each_severity():
    examples = parse([pair(f"{' '.join(WORDS)} {i}", " ".join(WORDS[::-1]), ("no", "yes")[i % 2]) for i in range(9)])
    mild, severe = (
        perturb(examples.splits["train"], Split(Kind.PERTURBED, "keyboard", severity=severity)) for severity in (1, 5)
    )
    for name in ("text", "text_pair"):
        changes = [
            sum(a.inputs[name] != b.inputs[name] for a, b in zip(examples.splits["train"], other, strict=True))
            for other in (mild, severe)
        ]
        assert 0 < changes[0] <= changes[1] == 9
    assert [e.target for e in severe] == [e.target for e in examples.splits["train"]]


def test_tfidf_sees_what_both_texts_share():
    parsed = parse(rows(300)).splits["train"]
    drawn, test = Drawn(parsed[:200], parsed[200:240]), parsed[240:]
    right = np.mean([p == e.target for p, e in zip(TFIDF.fit(drawn, TASK.text, 0)(test), test, strict=True)])
    bag = lambda example: type(example)({"text": TASK.text(example)}, example.target)  # noqa: E731
    blind = Drawn(tuple(map(bag, drawn.train)), tuple(map(bag, drawn.dev)))
    guess = TFIDF.fit(blind, TASK.text, 0)(list(map(bag, test)))
    assert right > 0.9 > 0.75 > np.mean([p == e.target for p, e in zip(guess, test, strict=True)])


def test_the_page_shows_both_texts(tmp_path):
    data = loaded(tmp_path, rows())
    shown = sample(data, {})
    assert shown[0].split == TEST and shown[0].text == " ‖ ".join(map(str, data.test[0].inputs.values()))


def test_sentiment_takes_pairs_too():
    task = TASKS["sentiment"]
    parsed = task.parse({"train": Table("nli.csv", rows())}, {**task.defaults(OptionKind.PARSE), **COLUMNS})
    assert "text_pair" in parsed.splits["train"][0].inputs
