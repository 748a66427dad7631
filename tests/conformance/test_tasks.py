"""Every task kind keeps the contract of `Task`."""

import numpy as np
import pytest

from conftest import GOOD
from transfergain import checkpoint as checkpoints_
from transfergain.data.sources import Table
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.tasks import TASKS

TEXTS = ["good film", "a bad book", "the meal was very poor and cold", "lovely phone", "dull", "my room is bright"]
ANSWERS = ["positive", "negative", "negative", "positive", "negative", "positive"]


def text_rows(task):
    text, label = task.columns["text_column"], task.columns["label_column"]
    return [{text: t, label: a} for t, a in zip(TEXTS, ANSWERS, strict=True)]


ROWS = {"sentiment": text_rows, "classification": text_rows}
"""Task kind -> a small table in its default columns."""


@pytest.fixture(params=TASKS)
def task(request):
    return TASKS[request.param]


@pytest.fixture
def parsed(task):
    table = Table("train.csv", ROWS[task.name](task))
    return task.parse({"train": table, "test": Table("test.csv", table.rows[:2])}, task.columns)


def test_every_task_has_a_small_table():
    assert set(ROWS) == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_describes_itself(name):
    import transformers

    task = TASKS[name]
    assert task.name == name and task.title and task.citation
    assert all(option.endswith("_column") and column for option, column in task.columns.items())
    assert task.auto_class.startswith("AutoModelFor") and hasattr(transformers, task.auto_class)
    assert task.metrics and set(task.metrics) <= set(METRICS)


def test_a_small_table_becomes_examples(task, parsed):
    rows = ROWS[task.name](task)
    assert len(parsed.splits["train"]) == len(rows) and len(parsed.splits["test"]) == 2
    assert parsed.splits["test"] == parsed.splits["train"][:2]
    assert len(set(parsed.labels)) == len(parsed.labels)
    for e in parsed.splits["train"]:
        assert task.text(e) and isinstance(task.text(e), str)
        assert hash(task.stratum(e)) == hash(task.stratum(e))
    assert parsed.notes


def test_a_missing_column_is_named(task):
    for option, column in task.columns.items():
        rows = [{k: v for k, v in row.items() if k != column} for row in ROWS[task.name](task)]
        with pytest.raises(UserError, match=r"train\.csv") as error:
            task.parse({"train": Table("train.csv", rows)}, task.columns)
        assert "--" + option.replace("_", "-") in str(error.value) and "\n" not in str(error.value)


def test_an_empty_cell_is_named_by_its_row(task):
    for column in task.columns.values():
        rows = ROWS[task.name](task)
        rows[3] = rows[3] | {column: None}
        with pytest.raises(UserError, match=r"train\.csv row 4"):
            task.parse({"train": Table("train.csv", rows)}, task.columns)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5"])
def test_encode_gives_one_feature_an_example(task, parsed, checkpoints, kind):
    tokenizer = checkpoints_.load_tokenizer(checkpoints_.resolve(checkpoints(kind)))
    rows = parsed.splits["train"]
    features = task.encode(rows, tokenizer, 6)
    assert len(features) == len(rows)
    for feature in features:
        ids = feature["input_ids"]
        assert 1 <= len(ids) <= 6 and len(feature["attention_mask"]) == len(ids)
        assert "labels" in feature
    assert max(len(f["input_ids"]) for f in features) == 6, "a long text is cut, not refused"
    whole = task.encode(rows, tokenizer, 64)
    assert task.encode(rows[2:3], tokenizer, 64) == [whole[2]], "a feature depends on its example alone"


def test_decode_gives_one_prediction_an_example_that_the_metrics_take(task, parsed):
    rng = np.random.default_rng(0)
    rows = parsed.splits["train"]
    logits = [rng.normal(size=len(parsed.labels)).astype(np.float32) for _ in rows]
    predictions = task.decode(logits)
    assert len(predictions) == len(rows)
    for name in task.metrics:
        assert METRICS[name].counts(predictions, [e.target for e in rows], parsed.labels).shape[0] == len(rows)


def test_decoding_the_targets_own_logits_is_perfect(task, parsed):
    rows = parsed.splits["train"]
    logits = [np.eye(len(parsed.labels), dtype=np.float32)[e.target] for e in rows]
    primary = METRICS[task.metrics[0]]
    total = primary.counts(task.decode(logits), [e.target for e in rows], parsed.labels).sum(axis=0)
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
        task.parse({"train": Table("train.csv", rows), "test": other}, task.columns)


def test_sentiment_refuses_topics():
    rows = [{"text": f"{GOOD[i % 10]} {i}", "label": f"topic {i % 12}"} for i in range(48)]
    tables = {"train": Table("train.csv", rows)}
    assert len(TASKS["classification"].parse(tables, TASKS["classification"].columns).labels) == 12
    with pytest.raises(UserError, match="--task classification"):
        TASKS["sentiment"].parse(tables, TASKS["sentiment"].columns)
