"""The texts to label next: unsure, different, none that is sealed; and what is said where there is no model to ask."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from support.fakes import FakeExecutor, dataset, outcome_of, run
from support.texts import write_csv
from transfergain.data.sealed import LABELLED_KEY, labelled, pack
from transfergain.engine import doubts
from transfergain.errors import UserError
from transfergain.report.sealed_texts import SEALED_KEY
from transfergain.running import next_labels
from transfergain.running.next_labels import Asked
from transfergain.split import TEST
from transfergain.store import Store
from transfergain.tasks import TASKS, find
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

    def read(folder, texts, task, labels, recipe, device):
        sure = np.array([1 - 1 / (2 + len(e.inputs["text"])) for e in texts])
        return doubts.Read(list(np.stack([sure, 1 - sure], axis=1)[:, None]), np.eye(len(texts)))

    monkeypatch.setattr(doubts, "read", read)
    return tmp_path


def choose(folder, pool, count, **changed):
    return next_labels.choose(str(folder / "out"), Asked(pool, count, **changed))


def test_texts_whose_labels_are_known_are_left_out(study):
    data = dataset()
    with Store(study / "out") as store:
        store.set_meta(LABELLED_KEY, {"reviews": labelled(data, TASKS["sentiment"])})
    known = [("a", data.train[0].inputs["text"].upper()), ("b", data.dev[0].inputs["text"]), ("c", "new"), ("d", "newer")]
    found = choose(study, write_csv(study / "pool.csv", known, ("id", "text")), 2)
    assert [texts["text"] for texts in found.texts] == ["new", "newer"] and found.left_out == 2
    pool = write_csv(study / "pool.csv", known[:2], ("id", "text"))
    with pytest.raises(UserError, match="holds no text to choose; give texts that are neither labelled already nor in the"):
        choose(study, pool, 1)


def test_they_are_written_in_order_without_sealed_and_repeated_texts(study):
    sealed = dataset().test[0].inputs["text"]
    pool = write_csv(study / "pool.csv", [("a", "aaaa"), ("b", "aa"), ("c", sealed.upper()), ("d", "AA "), ("e", "=aaa")],
                     ("id", "text"))  # fmt: skip
    found = choose(study, pool, 3)
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
        choose(study, **{"pool": pool, "count": 1} | changed)


def test_a_kept_model_reads_texts_as_its_task_does(checkpoints):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = checkpoints("bert", "AutoModelForSequenceClassification")
    texts = [Example({"text": text}, 0) for text in ("good film", "bad", "good film")]
    found = doubts.read(str(folder), texts, TASKS["sentiment"], ("no", "yes"), Recipe(1e-4, max_length=16), "cpu")
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(["bad"], return_tensors="pt")
    with torch.inference_mode():
        wanted = model(**inputs).logits.softmax(dim=1)[0].numpy()
    assert found.probabilities[1] == pytest.approx(wanted[None], abs=1e-5)
    assert found.features[0] == pytest.approx(found.features[2], abs=1e-5)
    assert np.linalg.norm(found.features, axis=1) == pytest.approx(np.ones(3), abs=1e-5)


def test_a_text_is_as_unsure_as_the_least_sure_of_its_decisions():
    """Of five labels or words the model is in doubt about one; forty more that it is sure of change nothing."""
    sure, doubt = [0.99, 0.01], [0.55, 0.45]
    texts = [np.array([sure] * 4 + [doubt]), np.array([sure] * 5), np.array([sure] * 40 + [doubt]), np.empty((0, 1))]
    for rule in next_labels.RULES.values():
        scores = next_labels.doubts(texts, rule)
        assert scores[0] == pytest.approx(scores[2]) and scores[0] > scores[1] > scores[3] == 0.0


def test_pairs_are_read_and_written_as_pairs(study):
    sealed = [Example({"text": "a", "text_pair": "b"}, 0)]
    with Store(study / "out") as store:
        store.set_meta(
            SEALED_KEY, {"reviews": pack(replace(dataset(), test=sealed, ids={TEST: ("0",)}), TASKS["sentiment"])}
        )
    rows = [("a", "b"), ("a", "c"), ("a", "c"), ("b", "a"), ("a", "")]
    pool = write_csv(study / "pool.csv", rows, ("premise", "hypothesis"))
    found = choose(study, pool, 2, column="premise,hypothesis")
    assert sorted(tuple(texts.values()) for texts in found.texts) == [("a", "c"), ("b", "a")] and found.left_out == 3
    assert found.path.read_text().splitlines()[0] == "premise,hypothesis,score"
    with pytest.raises(UserError, match="--text-column premise: a row of this study is text and text_pair; name 2 columns"):
        choose(study, pool, 1, column="premise")


def test_tasks_without_labels_or_tags_are_declined_in_one_line(study, monkeypatch):
    monkeypatch.setattr(next_labels, "find", lambda name: TASKS["qa"])
    pool = write_csv(study / "pool.csv", [("one",)], ("text",))
    with pytest.raises(UserError, match="the answers of qa are neither; draw the texts to label at random"):
        choose(study, pool, 1)


def test_words_are_read_as_lists_or_with_spaces_between():
    for written in ("Ada met Bo", '["Ada", "met", "Bo"]', "['Ada', 'met', 'Bo']"):
        assert TASKS["ner"].unlabelled({"tokens": written}).inputs == {"tokens": ["Ada", "met", "Bo"]}


def test_every_word_is_a_decision_in_long_sentences_too(checkpoints):
    """A window shows ten tokens and two special ones; a sentence without a token decides nothing."""
    folder = checkpoints("bert", "AutoModelForTokenClassification")
    task, words = TASKS["ner"], ["good", "film"] * 15
    texts = [task.unlabelled({"tokens": " ".join(words[:n])}) for n in (30, 3)] + [Example({"tokens": []}, ())]
    found = doubts.read(str(folder), texts, task, ("O", "PER"), Recipe(1e-4, max_length=12), "cpu")
    assert [len(each) for each in found.probabilities] == [30, 3, 0]
    assert all(each.sum(axis=1) == pytest.approx(np.ones(len(each)), abs=1e-5) for each in found.probabilities[:2])
    assert np.linalg.norm(found.features, axis=1) == pytest.approx([1, 1, 0], abs=1e-5)


def test_every_label_is_a_decision(checkpoints):
    task = find("multi-label")
    folder = checkpoints("bert", "AutoModelForSequenceClassification")
    texts = [task.unlabelled({"text": text}) for text in ("good film", "bad")]
    found = doubts.read(str(folder), texts, task, ("a", "b"), Recipe(1e-4, max_length=16), "cpu")
    (labels,) = {len(each) for each in found.probabilities}
    assert labels >= 2 and all(each.shape == (labels, 2) for each in found.probabilities)
