"""Every task kind keeps the contract of `Task`."""

import json

import numpy as np
import pytest

from conftest import GOOD, articles, tagged, translations
from transfergain import checkpoint as checkpoints_
from transfergain.data.sources import Table
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.study import TaskEntry
from transfergain.tasks import TASKS
from transfergain.tasks.base import Encoded

TEXTS = ["good film", "a bad book", "the meal was very poor and cold", "lovely phone", "dull", "my room is bright"]
ANSWERS = ["positive", "negative", "negative", "positive", "negative", "positive"]


def text_rows(task):
    text, label = task.columns["text_column"], task.columns["label_column"]
    return [{text: t, label: a} for t, a in zip(TEXTS, ANSWERS, strict=True)]


def tagged_rows(task):
    return [{"tokens": words, "ner_tags": tags} for words, tags in tagged(6)]


def question_rows(task):
    return [
        {"title": article["title"], "context": paragraph["context"], **question}
        for article in articles(6)
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ][:6]


def pair_rows(task):
    return [{"translation": {"fr": source, "en": target}} for source, target in translations(6)]


ROWS = {"sentiment": text_rows, "classification": text_rows, "ner": tagged_rows, "qa": question_rows,
        "translation": pair_rows}  # fmt: skip
"""Task kind -> a small table in its default columns."""
OPTIONS = {"translation": {"source_lang": "fr", "target_lang": "en"}}
OF_CLASSES = ("sentiment", "classification")


def options_of(task):
    return {**task.columns, **task.reading, **OPTIONS.get(task.name, {})}


def settings_of(task, max_length):
    given = {k: v for k, v in OPTIONS.get(task.name, {}).items() if k in task.encoding}
    return {**task.encoding, **given, "max_length": max_length, "decoder_start_token_id": None}


def parse(task, tables):
    return task.parse(tables, options_of(task))


@pytest.fixture(params=TASKS)
def any_task(request):
    return TASKS[request.param]


@pytest.fixture(params=OF_CLASSES)
def task(request):
    return TASKS[request.param]


@pytest.fixture
def parsed(task):
    return small(task)


def small(task):
    table = Table("train.csv", ROWS[task.name](task))
    return parse(task, {"train": table, "test": Table("test.csv", table.rows[:2])})


def test_every_task_has_a_small_table():
    assert set(ROWS) == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_describes_itself(name):
    import transformers

    task = TASKS[name]
    assert task.name == name and task.title and task.citation
    assert all(option.endswith("_column") and column for option, column in task.columns.items())
    assert {*task.columns, *task.reading, *task.encoding} <= TaskEntry.model_fields.keys(), "every option is a study's key"
    assert task.max_length >= 16
    assert task.auto_class.startswith("AutoModelFor") and hasattr(transformers, task.auto_class)
    assert task.metrics and set(task.metrics) <= set(METRICS)


def test_a_small_table_becomes_examples(any_task):
    task, parsed = any_task, small(any_task)
    rows = ROWS[task.name](task)
    assert len(parsed.splits["train"]) == len(rows) and len(parsed.splits["test"]) == 2
    assert parsed.splits["test"] == parsed.splits["train"][:2]
    assert len(set(parsed.labels)) == len(parsed.labels)
    for e in parsed.splits["train"]:
        assert task.text(e) and isinstance(task.text(e), str)
        assert hash(task.stratum(e)) == hash(task.stratum(e))
        assert task.cluster is None or hash(task.cluster(e)) == hash(task.cluster(e))
        json.dumps([dict(e.inputs), e.target])  # data sets are fingerprinted so
    assert parsed.notes


def test_a_missing_column_is_named(task):
    for option, column in task.columns.items():
        rows = [{k: v for k, v in row.items() if k != column} for row in ROWS[task.name](task)]
        with pytest.raises(UserError, match=r"train\.csv") as error:
            parse(task, {"train": Table("train.csv", rows)})
        assert "--" + option.replace("_", "-") in str(error.value) and "\n" not in str(error.value)


def test_an_empty_cell_is_named_by_its_row(task):
    for column in task.columns.values():
        rows = ROWS[task.name](task)
        rows[3] = rows[3] | {column: None}
        with pytest.raises(UserError, match=r"train\.csv row 4"):
            parse(task, {"train": Table("train.csv", rows)})


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
def test_every_task_encodes_and_decodes(any_task, checkpoints, kind):
    """Features hold what a model takes; outputs of any value become one prediction an example that the metrics take."""
    task, rows = any_task, small(any_task).splits["train"]
    tokenizer = checkpoints_.load_tokenizer(checkpoints_.resolve(checkpoints(kind)))
    parsed = small(task)
    encoded = task.encode(rows, tokenizer, settings_of(task, 32))
    assert len(encoded.features) >= len(rows)
    assert not encoded.windows or len(encoded.windows) == len(encoded.features)
    assert all(1 <= len(f["input_ids"]) == len(f["attention_mask"]) <= 32 for f in encoded.features)
    assert all({"labels", "start_positions"} & f.keys() for f in encoded.features)
    rng = np.random.default_rng(0)
    if task.generation:
        arguments = task.generation(settings_of(task, 32), tokenizer)
        assert arguments["num_beams"] == 1 and arguments["do_sample"] is False
        outputs = [rng.integers(0, len(tokenizer), 5).tolist() for _ in encoded.features]
    else:
        shape = (len(parsed.labels),) if task.name in OF_CLASSES else (32, len(parsed.labels)) if parsed.labels else (2, 32)
        outputs = [rng.normal(size=shape).astype(np.float32) for _ in encoded.features]
    setting = task.calibrate(outputs, encoded, rows) if task.calibrate else None
    predictions = task.decode(outputs, encoded, rows, setting, tokenizer)
    assert json.loads(json.dumps([setting, predictions])) == [setting, predictions]
    assert len(predictions) == len(rows)
    for name in task.metrics:
        counts = METRICS[name].counts(predictions, [e.target for e in rows], parsed.labels)
        assert counts.shape[0] == len(rows) and 0 <= float(METRICS[name].finish(counts.sum(axis=0))) <= 1


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
def test_encode_gives_one_feature_an_example(task, parsed, checkpoints, kind):
    tokenizer = checkpoints_.load_tokenizer(checkpoints_.resolve(checkpoints(kind)))
    rows = parsed.splits["train"]
    features = task.encode(rows, tokenizer, {"max_length": 6}).features
    assert len(features) == len(rows)
    for feature in features:
        ids = feature["input_ids"]
        assert 1 <= len(ids) <= 6 and len(feature["attention_mask"]) == len(ids)
        assert "labels" in feature
    assert max(len(f["input_ids"]) for f in features) == 6, "a long text is cut, not refused"
    whole = task.encode(rows, tokenizer, {"max_length": 64}).features
    assert task.encode(rows[2:3], tokenizer, {"max_length": 64}).features == [whole[2]], (
        "a feature depends on its example alone"
    )


def test_decode_gives_one_prediction_an_example_that_the_metrics_take(task, parsed):
    rng = np.random.default_rng(0)
    rows = parsed.splits["train"]
    logits = [rng.normal(size=len(parsed.labels)).astype(np.float32) for _ in rows]
    predictions = task.decode(logits, Encoded([]), rows, None, None)
    assert len(predictions) == len(rows)
    for name in task.metrics:
        assert METRICS[name].counts(predictions, [e.target for e in rows], parsed.labels).shape[0] == len(rows)


def test_decoding_the_targets_own_logits_is_perfect(task, parsed):
    rows = parsed.splits["train"]
    logits = [np.eye(len(parsed.labels), dtype=np.float32)[e.target] for e in rows]
    primary = METRICS[task.metrics[0]]
    total = primary.counts(task.decode(logits, Encoded([]), rows, None, None), [e.target for e in rows], parsed.labels).sum(
        axis=0
    )
    assert primary.finish(total) == 1.0


def test_chance_is_the_score_of_a_constant_guess(task, parsed):
    rows = parsed.splits["train"]
    primary = METRICS[task.metrics[0]]
    targets = [e.target for e in rows]
    guesses = [
        float(primary.finish(primary.counts([guess] * len(rows), targets, parsed.labels).sum(axis=0)))
        for guess in range(len(parsed.labels))
    ]
    assert task.chance(rows, parsed.labels) == max(guesses)


def test_an_unseen_label_outside_train_is_named(task):
    rows = ROWS[task.name](task)
    column = task.columns["label_column"]
    other = Table("test.csv", [*rows, rows[0] | {column: "something else"}])
    with pytest.raises(UserError, match=r'test\.csv row 7: the label "something else"'):
        parse(task, {"train": Table("train.csv", rows), "test": other})


def test_sentiment_refuses_topics():
    rows = [{"text": f"{GOOD[i % 10]} {i}", "label": f"topic {i % 12}"} for i in range(48)]
    tables = {"train": Table("train.csv", rows)}
    assert len(TASKS["classification"].parse(tables, TASKS["classification"].columns).labels) == 12
    with pytest.raises(UserError, match="--task classification"):
        TASKS["sentiment"].parse(tables, TASKS["sentiment"].columns)
