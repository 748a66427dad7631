"""The texts to label next: unsure, different, none that is sealed; and what is said where there is no model to ask."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from support.fakes import FakeExecutor, dataset, outcome_of, run
from support.texts import write_csv
from transfergain.data.sealed import pack
from transfergain.engine import doubts
from transfergain.errors import UserError
from transfergain.report.test_texts import SEALED_KEY
from transfergain.running import next_labels
from transfergain.split import TEST
from transfergain.store import Store
from transfergain.tasks import TASKS
from transfergain.types import Example, Recipe

pytestmark = pytest.mark.long


def test_rules_are_one_where_the_model_cannot_tell_and_order_as_it_is_unsure():
    probabilities = np.array([[0.5, 0.5], [0.9, 0.1], [0.7, 0.3]])
    for rule in next_labels.RULES.values():
        scores = rule(probabilities)
        assert scores[0] == pytest.approx(1.0) and scores[0] > scores[2] > scores[1] >= 0
    three = np.array([[0.45, 0.45, 0.1], [0.34, 0.33, 0.33]])
    assert next_labels.margin(three)[0] > next_labels.margin(three)[1], "two classes that are as probable"
    assert next_labels.entropy(three)[1] > next_labels.entropy(three)[0], "no class stands out"


def test_one_doubt_is_taken_once():
    """Thirty texts of one kind are a little more unsure than one each of three other kinds."""
    features = np.vstack([np.tile([1.0, 0, 0, 0], (30, 1)), np.eye(4)[1:]])
    scores = np.array([0.9] * 30 + [0.8, 0.7, 0.6])
    first, *others = next_labels.spread(scores, features, 4)
    assert first < 30 and others == [30, 31, 32]
    assert len(set(next_labels.spread(scores, features, 6))) == 6, "fewer kinds than texts that are wanted"


def test_as_many_as_there_are_come_in_order():
    scores = np.array([0.1, 0.9, 0.5])
    assert next_labels.spread(scores, np.eye(3), 3) == [1, 2, 0]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of fakes that keeps a model, which finds texts the less probable the longer they are."""
    data = dataset()
    run(tmp_path / "out", {"reviews": data}, FakeExecutor(behave=outcome_of), keep_models="best", budgets=[30])
    with Store(tmp_path / "out") as store:
        packed = pack(replace(data, ids={TEST: tuple(map(str, range(10)))}), TASKS["sentiment"])
        store.set_meta(SEALED_KEY, {"reviews": packed})

    def read(folder, texts, task, recipe, device):
        sure = np.array([1 - 1 / (2 + len(e.inputs["text"])) for e in texts])
        return doubts.Read(np.stack([sure, 1 - sure], axis=1), np.eye(len(texts)))

    monkeypatch.setattr(doubts, "read", read)
    return tmp_path


def test_they_are_written_in_order_without_sealed_and_repeated_texts(study):
    sealed = dataset().test[0].inputs["text"]
    pool = write_csv(study / "pool.csv", [("a", "aaaa"), ("b", "aa"), ("c", sealed.upper()), ("d", "AA "), ("e", "=aaa")],
                     ("id", "text"))  # fmt: skip
    found = next_labels.choose(str(study / "out"), pool, 3)
    assert (found.arm, found.pool, found.left_out) == ("full", 3, 2)
    with found.path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["text"]) for row in rows] == [("b", "aa"), ("a", "aaaa"), ("e", "'=aaa")]
    assert [float(row["score"]) for row in rows] == sorted((float(row["score"]) for row in rows), reverse=True)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"count": 9}, "-n 9: .*pool.csv holds 2 texts"),
        ({"rule": "margn"}, 'unknown rule "margn". Did you mean "margin"'),
        ({"arm": "lora"}, "--arm lora: .* has no kept model .*it keeps: full, scratch"),
        ({"column": "body"}, 'pool.csv has no column "body"; it has: text. Name it with --text-column'),
        ({"output": "no/such/file.csv"}, "--output no/such/file.csv: cannot write there"),
    ],
)
def test_mistakes_are_one_line(study, changed, says):
    pool = write_csv(study / "pool.csv", [("one",), ("two",)], ("text",))
    with pytest.raises(UserError, match=says):
        next_labels.choose(**{"folder": str(study / "out"), "pool": pool, "count": 1} | changed)


def test_a_kept_model_reads_texts_as_its_task_does(checkpoints):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = checkpoints("bert", "AutoModelForSequenceClassification")
    texts = [Example({"text": text}, 0) for text in ("good film", "bad", "good film")]
    found = doubts.read(str(folder), texts, TASKS["sentiment"], Recipe(1e-4, max_length=16), "cpu")
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(["bad"], return_tensors="pt")
    with torch.inference_mode():
        wanted = model(**inputs).logits.softmax(dim=1)[0].numpy()
    assert found.probabilities[1] == pytest.approx(wanted, abs=1e-5)
    assert found.features[0] == pytest.approx(found.features[2], abs=1e-5)
    assert np.linalg.norm(found.features, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
