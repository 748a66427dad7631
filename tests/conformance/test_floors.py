"""Every floor learns from the drawn examples alone, predicts what its task's metrics take, and is the same each time."""

import json
import random

import numpy as np
import pytest

from support.texts import articles, sentences, tagged, translations
from transfergain.data.draws import Drawn
from transfergain.data.formats.table import Table
from transfergain.metrics import METRICS
from transfergain.options import OptionKind
from transfergain.tasks import TASKS, floors
from transfergain.types import Example

LABELS = ("negative", "positive")
TEXT = TASKS["sentiment"].text
PAIRS = [(floor.name, name) for name, task in TASKS.items() for floor in task.floors]
OPTIONS = {"translation": {"source_lang": "fr", "target_lang": "en"}}


def rows(count, number, target=None):
    pairs = sentences(count, number)
    return tuple(Example({"text": t}, LABELS.index(label) if target is None else target) for t, label in pairs)


DRAWN = Drawn(rows(120, 0), rows(30, 1))
TEST = rows(80, 2)


def text_rows(count, number):
    return [{"text": text, "label": label} for text, label in sentences(count, number)]


def tagged_rows(count, number):
    return [{"tokens": words, "ner_tags": tags} for words, tags in tagged(count, number)]


def question_rows(count, number):
    found = [(article["title"], part) for article in articles(-(-count // 4), number) for part in article["paragraphs"]]
    return [{"title": title, "context": part["context"], **qa} for title, part in found for qa in part["qas"]][:count]


def pair_rows(count, number):
    return [{"fr": source, "en": target} for source, target in translations(count, number)]


ROWS = {"sentiment": text_rows, "classification": text_rows, "ner": tagged_rows, "qa": question_rows,
        "translation": pair_rows}  # fmt: skip


@pytest.fixture(scope="module")
def data():
    """Task -> (drawn, test, labels)."""
    made = {}

    def get(name):
        if name not in made:
            task, sizes = TASKS[name], {"train": 120, "dev": 30, "test": 60}
            tables = {split: Table(split, ROWS[name](size, i)) for i, (split, size) in enumerate(sizes.items())}
            parsed = task.parse(tables, {**task.defaults(OptionKind.PARSE), **OPTIONS.get(name, {})})
            splits = parsed.splits
            made[name] = Drawn(splits["train"], splits["dev"]), splits["test"], parsed.labels
        return made[name]

    return get


def accuracy(predictions, examples=TEST):
    return sum(p == e.target for p, e in zip(predictions, examples, strict=True)) / len(examples)


@pytest.fixture(params=[floor.name for floor in TASKS["sentiment"].floors])
def floor(request):
    """The floors of classes."""
    return floors()[request.param]


@pytest.mark.parametrize("floor", floors().values(), ids=floors())
def test_a_floor_describes_itself(floor):
    assert floors()[floor.name] is floor
    assert floor.title and floor.citation
    mine = [task for task in TASKS.values() if floor in task.floors]
    assert mine and all(task.floor(floor.name) is floor for task in mine)


def test_every_task_has_a_floor():
    assert all(task.floors for task in TASKS.values()) and set(TASKS) == set(ROWS)


def test_floors_of_one_name_are_one_floor():
    assert len({floor.name for task in TASKS.values() for floor in task.floors}) == len(floors())
    assert all(floor is floors()[floor.name] for task in TASKS.values() for floor in task.floors)


def test_a_floor_of_another_task_is_not_found():
    with pytest.raises(KeyError):
        TASKS["ner"].floor("majority")


def score(task, predictions, test, labels):
    counts = METRICS[task.metrics[0]].counts(predictions, [e.target for e in test], labels)
    return float(METRICS[task.metrics[0]].finish(counts.sum(axis=0)))


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_predicts_what_the_metrics_of_its_task_take(data, name, task):
    (drawn, test, labels), task = data(task), TASKS[task]
    predictions = floors()[name].fit(drawn, task.text, 0)(test)
    assert len(predictions) == len(test)
    assert json.loads(json.dumps(predictions)) == predictions, "the store keeps JSON, so numpy's numbers are none"
    for metric in task.metrics:
        counts = METRICS[metric].counts(predictions, [e.target for e in test], labels)
        assert len(counts) == len(test) and 0 <= float(METRICS[metric].finish(counts.sum(axis=0))) <= 1


def as_json(*parts):
    return json.dumps([[dict(e.inputs), e.target] for part in parts for e in part])


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_is_deterministic_and_does_not_look_at_test_targets(data, name, task):
    (drawn, test, _), text, fit = data(task), TASKS[task].text, floors()[name].fit
    before = as_json(*drawn, test)
    first = fit(drawn, text, 7)(test)
    random.seed(1)
    np.random.seed(1)  # a floor draws from its own seed
    other = tuple(Example(e.inputs, wrong.target) for e, wrong in zip(test, test[::-1], strict=True))
    assert fit(drawn, text, 7)(other) == first
    assert as_json(*drawn, test) == before


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_a_prediction_depends_on_its_example_alone(data, name, task):
    drawn, test, _ = data(task)
    predict = floors()[name].fit(drawn, TASKS[task].text, 0)
    together = predict(test[:8])
    assert [predict([e])[0] for e in test[:8]] == together
    assert predict(test[:8][::-1]) == together[::-1]


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_the_smallest_budget_is_enough(data, name, task):
    """Eight train and two dev examples, whatever they are."""
    drawn, test, labels = data(task)
    few = Drawn(drawn.train[:8], drawn.dev[:2])
    predictions = floors()[name].fit(few, TASKS[task].text, 0)(test)
    assert 0 <= score(TASKS[task], predictions, test, labels) <= 1


def test_floors_that_learn_do_better_where_names_and_phrases_of_train_return(data):
    found = {}
    for name, task in (("frequent_tag", "ner"), ("copy_source", "translation"), ("nearest", "translation")):
        drawn, test, labels = data(task)
        found[name] = score(TASKS[task], floors()[name].fit(drawn, TASKS[task].text, 0)(test), test, labels)
    assert found["frequent_tag"] > 0.6
    assert found["nearest"] > found["copy_source"] + 0.2


def test_predicts_one_known_class_an_example(floor):
    predictions = floor.fit(DRAWN, TEXT, 0)(TEST)
    assert len(predictions) == len(TEST)
    assert set(predictions) <= {e.target for e in DRAWN.train}
    assert all(type(p) is int for p in predictions)


def test_one_class_in_train_is_predicted_throughout(floor):
    drawn = Drawn(rows(20, 0, target=1), DRAWN.dev)
    assert floor.fit(drawn, TEXT, 0)(TEST) == [1] * len(TEST)


def test_majority_is_the_commonest_class_of_train_and_the_first_among_equals():
    mostly = Drawn(tuple(e for i, e in enumerate(DRAWN.train) if e.target == 1 or i % 3 == 0), DRAWN.dev)
    assert set(floors()["majority"].fit(mostly, TEXT, 0)(TEST)) == {1}
    assert set(floors()["majority"].fit(DRAWN, TEXT, 0)(TEST)) == {0}


def test_tfidf_beats_the_majority_where_words_tell():
    scores = {name: accuracy(floors()[name].fit(DRAWN, TEXT, 0)(TEST)) for name in ("majority", "tfidf")}
    assert scores["majority"] == 0.5
    assert scores["tfidf"] > 0.9


def test_tfidf_chooses_its_strength_on_dev(monkeypatch):
    """A dev set with flipped labels is best met by the strength whose predictions are the worst."""
    from transfergain.floors import tfidf

    noisy = tuple(Example(e.inputs, e.target if i % 4 else 1 - e.target) for i, e in enumerate(DRAWN.train))
    dev = rows(60, 3)
    flipped = tuple(Example(e.inputs, 1 - e.target) for e in dev)
    found = []
    for strength in tfidf.STRENGTHS:
        monkeypatch.setattr(tfidf, "STRENGTHS", (strength,))
        found.append(accuracy(floors()["tfidf"].fit(Drawn(noisy, dev), TEXT, 0)(dev), dev))
    monkeypatch.undo()
    assert len(set(found)) > 1, "the strengths must differ for the test to say anything"
    assert accuracy(floors()["tfidf"].fit(Drawn(noisy, dev), TEXT, 0)(dev), dev) == max(found)
    assert accuracy(floors()["tfidf"].fit(Drawn(noisy, flipped), TEXT, 0)(dev), dev) == min(found)
