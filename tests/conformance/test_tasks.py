"""Every task kind keeps the contract of `Task`."""

import itertools
import json

import numpy as np
import pytest
import typer

from support.texts import GOOD, articles, translations
from transfergain import checkpoint as checkpoints_
from transfergain import cli
from transfergain.data.formats.table import Table
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.options import OptionKind
from transfergain.study import Study, TaskEntry
from transfergain.tasks import TASKS, find, is_known
from transfergain.types import Checkpoint, StudyWarning

TEXTS = ["good film", "a bad book", "the meal was very poor and cold", "lovely phone", "dull", "my room is bright"]
ANSWERS = ["positive", "negative", "negative", "positive", "negative", "positive"]
TAGGED = {
    "jean-paul okafor was in new-york with my phone and our book": "B-PER I-PER O O B-LOC O O O O O O",
    "the film was rather good": "O O O O O",
    "ada noor and mira in paris": "B-PER B-PER O B-PER O B-LOC",  # two people, not one
    "a meal with tomas babbage": "O O O B-PER I-PER",
    "saint-denis": "B-LOC",
    "this is my chair": "O O O O",
}
KINDS = ("bert", "roberta", "distilbert", "gpt2", "t5", "bart", "marian")


def text_rows():
    return [{"text": t, "label": a} for t, a in zip(TEXTS, ANSWERS, strict=True)]


def tagged_rows():
    """Words of one token and of several, sentences with and without entities."""
    return [{"tokens": words.split(), "ner_tags": tags.split()} for words, tags in TAGGED.items()]


def question_rows():
    """Six questions on three passages, the fourth and the last without an answer; one answer is several tokens."""
    rows = [
        {"title": article["title"], "context": paragraph["context"], **qa}
        for article in articles(3)
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    assert [bool(row["answers"]) for row in rows] == 3 * [True, True, True, False]
    return [*rows[:5], rows[11]]


def several_rows():
    """A text with both labels and one with none among them."""
    labels = [["good"], ["bad"], ["bad", "cold"], ["good"], [], ["good", "cold"]]
    return [{"text": t, "label": found} for t, found in zip(TEXTS, labels, strict=True)]


def pair_rows():
    return [{"fr": source, "en": target} for source, target in translations(6)]


EVERY = TASKS | {variant.name: variant for task in TASKS.values() for variant in task.variants.values()}
"""The tasks, and their variants by the names that data sets carry."""
ROWS = {
    "sentiment": text_rows,
    "classification": text_rows,
    "multi-label": several_rows,
    "ner": tagged_rows,
    "qa": question_rows,
    "translation": pair_rows,
}
"""Task kind -> a small table in its default columns."""
SHORT = {"qa": 12}
"""Tokens of an input that some texts do not fit into, where they are not 6."""
LANGUAGES = {"source_lang": "fr", "target_lang": "en"}
OPTIONS = {"translation": LANGUAGES}
NEEDED = {
    "sentiment": {"text": "--text-column", "label": "--label-column"},
    "classification": {"text": "--text-column", "label": "--label-column"},
    "multi-label": {"text": "--text-column", "label": "--label-column"},
    "ner": {"tokens": "--tokens-column", "ner_tags": "--tags-column"},
    "qa": {"question": "--question-column", "context": "--context-column", "answers": "--answers-column"},
    "translation": {"fr": "--source-lang", "en": "--target-lang"},
}
"""Task kind -> column that must be there -> the flag that names it."""
MAY_BE_EMPTY = {"multi-label": {"label"}}
"""Task kind -> columns of these whose cells may be empty."""
UNSEEN = {
    "sentiment": ({"label": "something else"}, 'test.csv row 7: the label "something else"'),
    "classification": ({"label": "something else"}, 'test.csv row 7: the label "something else"'),
    "multi-label": ({"label": ["bad", "new"]}, 'test.csv row 7: the label "new"'),
    "ner": ({"tokens": ["a", "cat"], "ner_tags": ["O", "B-CAT"]}, "test.csv row 7 word 2: the type CAT"),
}
"""Task kind with labels -> a row with one that train lacks, and how it is named."""
GUESSES = {
    "sentiment": lambda example: (0, 1),
    "classification": lambda example: (0, 1),
    "multi-label": lambda example: tuple(itertools.product((0, 1), repeat=len(example.target))),
    "ner": lambda example: ([0] * len(example.inputs["tokens"]),),
    "qa": lambda example: ("",),
    "translation": lambda example: ("",),
}
"""Task kind -> what a guess that knows label frequencies alone may say of any example."""


def small(task):
    """The small table as train, and its first two rows as test."""
    table = Table("train.csv", ROWS[task.name]())
    return parse(task, train=table, test=Table("test.csv", table.rows[:2]))


def parse(task, **tables):
    return task.parse(tables, {**task.defaults(OptionKind.PARSE), **OPTIONS.get(task.name, {})})


def settings_of(task, max_length, start=None):
    """Options of `encode` as a trial gives them."""
    given = {key: value for key, value in OPTIONS.get(task.name, {}).items() if key in task.defaults(OptionKind.ENCODING)}
    return {**task.defaults(OptionKind.ENCODING), **given, "max_length": max_length, "decoder_start_token_id": start}


@pytest.fixture(params=EVERY)
def task(request):
    return EVERY[request.param]


@pytest.fixture
def parsed(task):
    return small(task)


@pytest.fixture
def tokenizer_of(checkpoints):
    return lambda kind: checkpoints_.load_tokenizer(checkpoints_.resolve(checkpoints(kind)))


def scores(task, predictions, rows, labels):
    """Metric -> the score of predictions."""
    counts = {name: METRICS[name].counts(predictions, [e.target for e in rows], labels) for name in task.metrics}
    assert all(len(array) == len(rows) for array in counts.values())
    return {name: float(METRICS[name].finish(array.sum(axis=0))) for name, array in counts.items()}


def test_every_task_is_described_here():
    assert set(ROWS) == set(NEEDED) == set(GUESSES) == set(EVERY)
    assert {name for name, task in EVERY.items() if small(task).labels} == set(UNSEEN)
    for name, rows in ROWS.items():
        assert rows()[0].keys() - NEEDED[name].keys() <= {"id", "title", "is_impossible"}


@pytest.mark.parametrize("name", EVERY)
def test_a_task_describes_itself(name):
    import transformers

    task = EVERY[name]
    assert find(name) is task and is_known(name) and not is_known(f"{name} ")
    assert task.name == name and task.title and task.citation and task.pipeline
    assert all(option.endswith("_column") and column for option, column in task.defaults(OptionKind.COLUMN).items())
    assert task.auto_class.startswith("AutoModelFor") and hasattr(transformers, task.auto_class)
    assert task.metrics and set(task.metrics) <= set(METRICS) and len(set(task.metrics)) == len(task.metrics)
    assert task.max_length >= 16
    assert bool(task.outputs) == (task.generation is None), "a task reads outputs of the model, or what it generates"
    defaults = [task.defaults(kind) for kind in OptionKind]
    assert json.loads(json.dumps(defaults)) == defaults
    assert len({option.name for option in task.options}) == len(task.options) == len(set().union(*defaults))
    assert all(option.help and option.kind for option in task.options)


@pytest.mark.parametrize("name", TASKS)
def test_a_variant_is_what_its_switch_makes_of_a_task(name):
    task, others = TASKS[name], set(TASKS[name].variants)
    assert others <= {option.name for option in task.options if option.type is bool}
    assert task.chosen({}) is task and task.chosen(dict.fromkeys(others, False)) is task
    for switch, variant in task.variants.items():
        assert task.chosen({switch: True}) is variant and variant.name not in TASKS
        assert {option.name for option in variant.options} <= {option.name for option in task.options}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_option_is_a_key_of_a_study_and_a_flag(task):
    flags = {flag for p in typer.main.get_command(cli.app).commands["run"].params for flag in p.opts}
    defaults = {**task.defaults(OptionKind.PARSE), **task.defaults(OptionKind.ENCODING)}
    for option, value in defaults.items():
        assert option in TaskEntry.model_fields and "--" + option.replace("_", "-") in flags, option
        if value not in ("", None):  # empty is "not given", which flags cannot say
            assert getattr(Study(task=task.name, **{option: value}), option) == value
    entry = Study(task=task.name).entries()[0]
    assert dict(entry.encoding()) == dict(task.defaults(OptionKind.ENCODING)) and not entry.source().options
    assert entry.tokens() == task.max_length


def plain(target):
    return list(target) if isinstance(target, tuple) else target


def test_a_small_table_becomes_examples(task, parsed):
    train = parsed.splits["train"]
    assert len(train) == len(ROWS[task.name]()) and len(parsed.splits["test"]) == 2
    assert parsed.splits["test"] == train[:2]
    assert len(set(parsed.labels)) == len(parsed.labels)
    for e in train:
        assert task.text(e) and isinstance(task.text(e), str)
        assert hash(task.stratum(e)) == hash(task.stratum(e))
        assert task.cluster is None or hash(task.cluster(e)) == hash(task.cluster(e))
        assert json.loads(json.dumps([dict(e.inputs), e.target])) == [e.inputs, plain(e.target)], (
            "data sets are fingerprinted so"
        )
    assert len({task.text(e) for e in train}) == len(train), "different examples are no duplicates"
    assert parsed.notes and not parsed.warnings
    assert all("\n" not in note for note in parsed.notes)


def test_reading_takes_no_option_for_another(task):
    """Every option is one that `parse` or `readers` reads: a table in columns of other names is read by them."""
    readers = task.readers({**task.defaults(OptionKind.PARSE)})
    assert all((not ending or ending[0] == ".") and callable(read) for ending, read in readers.items())
    renamed = {option: f"my {column}" for option, column in task.defaults(OptionKind.COLUMN).items()}
    names = {task.defaults(OptionKind.COLUMN)[option]: name for option, name in renamed.items()}
    rows = [{names.get(key, key): value for key, value in row.items()} for row in ROWS[task.name]()]
    options = {**task.defaults(OptionKind.PARSE), **OPTIONS.get(task.name, {}), **renamed}
    assert task.parse({"train": Table("train.csv", rows)}, options).splits["train"] == small(task).splits["train"]


def test_a_missing_column_is_named(task):
    for column, flag in NEEDED[task.name].items():
        rows = [{k: v for k, v in row.items() if k != column} for row in ROWS[task.name]()]
        with pytest.raises(UserError, match=r"train\.csv") as error:
            parse(task, train=Table("train.csv", rows))
        assert flag in str(error.value) and "\n" not in str(error.value)


def test_an_empty_cell_is_named_by_its_row(task):
    for column in NEEDED[task.name].keys() - MAY_BE_EMPTY.get(task.name, set()):
        rows = ROWS[task.name]()
        rows[3] = {k: v for k, v in rows[3].items() if k != "is_impossible"} | {column: None}
        with pytest.raises(UserError, match=r"train\.csv row 4") as error:
            parse(task, train=Table("train.csv", rows))
        assert f'"{column}"' in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", UNSEEN)
def test_an_unseen_label_outside_train_is_named(name):
    rows, (unseen, says) = ROWS[name](), UNSEEN[name]
    other = Table("test.csv", [*rows, rows[0] | unseen])
    with pytest.raises(UserError) as error:
        parse(EVERY[name], train=Table("train.csv", rows), test=other)
    assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_encode_gives_features_with_targets(task, parsed, tokenizer_of, kind):
    tokenizer, rows = tokenizer_of(kind), parsed.splits["train"]
    short = SHORT.get(task.name, 6)
    for max_length in (short, 64):
        encoded = task.encode(rows, tokenizer, settings_of(task, max_length))
        assert not encoded.windows or len(encoded.windows) == len(encoded.features)
        for feature in encoded.features:
            ids = feature["input_ids"]
            assert 1 <= len(ids) <= max_length
            lists = [v for key, v in feature.items() if isinstance(v, list) and not (task.generation and key == "labels")]
            assert all(len(v) == len(ids) and all(type(i) is int for i in v) for v in lists)
            assert {"input_ids", "attention_mask"} <= feature.keys()
            assert {"labels"} <= feature.keys() or {"start_positions", "end_positions"} <= feature.keys()
            assert all(type(v) in (int, list, tuple) for v in feature.values())
        if max_length == short:
            assert len(encoded.features) >= len(rows)
            assert max(len(f["input_ids"]) for f in encoded.features) == short, "a long text is cut or split, not refused"
    assert len(encoded.features) == len(rows), "one feature an example where there is room"
    alone = task.encode(rows[2:3], tokenizer, settings_of(task, 64)).features
    assert alone == [encoded.features[2]], "a feature depends on its example alone"


def ideal(task, feature, classes, tokenizer):
    """What a perfect model returns for a feature: sure of what it is trained on, and padded with what must not be read."""
    if "start_positions" in feature:
        logits = np.zeros((2, len(feature["input_ids"])), np.float32)
        logits[0, feature["start_positions"]] = logits[1, feature["end_positions"]] = 9
        return np.pad(logits, ((0, 0), (0, 3)), constant_values=99)
    if task.generation:
        pad = tokenizer.pad_token_id
        return [pad, *feature["labels"], pad, pad]
    if isinstance(feature["labels"], list):
        rows = np.eye(classes, dtype=np.float32)[np.maximum(feature["labels"], 0)]
        return np.pad(rows, ((0, 3), (0, 0)), constant_values=99)
    if isinstance(feature["labels"], tuple):
        return 9 * (2 * np.array(feature["labels"], np.float32) - 1)
    return np.eye(classes, dtype=np.float32)[feature["labels"]]


@pytest.mark.parametrize("max_length", [12, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_decoding_ideal_outputs_is_perfect(task, parsed, tokenizer_of, kind, max_length):
    tokenizer, rows = tokenizer_of(kind), parsed.splits["train"]
    encoded = task.encode(rows, tokenizer, settings_of(task, max_length))
    outputs = [ideal(task, feature, len(parsed.labels), tokenizer) for feature in encoded.features]
    setting = task.calibrate(outputs, encoded, rows) if task.calibrate else None
    predictions = task.decode(outputs, encoded, rows, setting, tokenizer)
    assert scores(task, predictions, rows, parsed.labels) == pytest.approx(dict.fromkeys(task.metrics, 1.0), abs=1e-12)


def noise(output, rng):
    """Something of the output's shape."""
    if isinstance(output, list):
        return rng.permutation(output).tolist()
    return rng.normal(size=output.shape).astype(np.float32)


@pytest.mark.parametrize("max_length", [12, 64])
@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
def test_decode_gives_one_prediction_an_example_that_the_metrics_take(task, parsed, tokenizer_of, kind, max_length):
    rng, tokenizer, rows = np.random.default_rng(0), tokenizer_of(kind), parsed.splits["train"]
    encoded = task.encode(rows, tokenizer, settings_of(task, max_length))
    outputs = [noise(ideal(task, feature, len(parsed.labels), tokenizer), rng) for feature in encoded.features]
    setting = task.calibrate(outputs, encoded, rows) if task.calibrate else None
    for given in (setting, None):
        predictions = task.decode(outputs, encoded, rows, given, tokenizer)
        assert len(predictions) == len(rows)
        assert json.loads(json.dumps([given, predictions], allow_nan=False)) == [given, predictions], "the store keeps JSON"
        assert all(0 <= value <= 1 for value in scores(task, predictions, rows, parsed.labels).values())


def test_a_setting_is_not_worse_than_none(task, parsed, tokenizer_of):
    """Calibration is chosen by the primary score of the very outputs it is given."""
    if task.calibrate is None:
        return
    rng, tokenizer, rows = np.random.default_rng(1), tokenizer_of("bert"), parsed.splits["train"]
    encoded = task.encode(rows, tokenizer, settings_of(task, 64))
    for _ in range(20):
        outputs = [noise(ideal(task, feature, len(parsed.labels), tokenizer), rng) for feature in encoded.features]
        found = [
            scores(task, task.decode(outputs, encoded, rows, setting, tokenizer), rows, parsed.labels)[task.metrics[0]]
            for setting in (task.calibrate(outputs, encoded, rows), None)
        ]
        assert found[0] >= found[1]


def test_generation_is_greedy_by_default_and_takes_the_recipes_options(task, tokenizer_of):
    if task.generation is None:
        return
    for kind in ("bert", "t5", "bart", "marian"):
        tokenizer, options = tokenizer_of(kind), settings_of(task, 32)
        arguments = task.generation(options, tokenizer)
        assert json.loads(json.dumps(arguments)) == arguments
        assert arguments["num_beams"] == 1 and arguments["do_sample"] is False
        assert arguments["max_new_tokens"] == task.defaults(OptionKind.ENCODING)["max_target_length"]
        other = task.generation(options | {"num_beams": 3, "max_target_length": 7}, tokenizer)
        assert other == arguments | {"num_beams": 3, "max_new_tokens": 7}


def test_chance_is_the_score_of_a_constant_guess(task, parsed):
    rows = parsed.splits["train"]
    said = zip(*map(GUESSES[task.name], rows), strict=True)
    guesses = [scores(task, list(guess), rows, parsed.labels)[task.metrics[0]] for guess in said]
    assert task.chance(rows, parsed.labels) == pytest.approx(max(guesses), abs=1e-12)


def test_what_examples_share_is_their_article():
    task = TASKS["qa"]
    assert {name for name, t in TASKS.items() if t.cluster} == {"qa"}
    rows = small(task).splits["train"]
    assert [task.cluster(e) for e in rows] == [e.inputs["title"] for e in rows]
    untitled = [{k: v for k, v in row.items() if k != "title"} for row in question_rows()]
    found = parse(task, train=Table("train.csv", untitled)).splits["train"]
    assert len({task.cluster(e) for e in found}) == len({e.inputs["context"] for e in found}) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_advice_is_lines_or_none(task, parsed, tokenizer_of, kind):
    options = {**task.defaults(OptionKind.PARSE), **OPTIONS.get(task.name, {})}
    for seen in ("", "pairs of SQuAD"):
        found = task.advise(Checkpoint("here", "", "", seen), tokenizer_of(kind), options, parsed.splits["train"])
        assert all(isinstance(w, StudyWarning) and "here" in w.text and "\n" not in w.text for w in found)


def test_sentiment_refuses_topics():
    rows = [{"text": f"{GOOD[i % 10]} {i}", "label": f"topic {i % 12}"} for i in range(48)]
    tables = {"train": Table("train.csv", rows)}
    assert len(TASKS["classification"].parse(tables, TASKS["classification"].defaults(OptionKind.COLUMN)).labels) == 12
    with pytest.raises(UserError, match="--task classification"):
        TASKS["sentiment"].parse(tables, TASKS["sentiment"].defaults(OptionKind.COLUMN))
