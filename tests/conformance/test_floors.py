"""Every floor learns from the drawn examples alone, predicts classes, and does so the same way each time."""

import pytest

from conftest import sentences
from transfergain.data.splits import Drawn
from transfergain.floors import FLOORS
from transfergain.tasks import TASKS
from transfergain.types import Example

LABELS = ("negative", "positive")
TEXT = TASKS["sentiment"].text


def rows(count, number, target=None):
    pairs = sentences(count, number)
    return tuple(Example({"text": t}, LABELS.index(label) if target is None else target) for t, label in pairs)


DRAWN = Drawn(rows(120, 0), rows(30, 1))
TEST = rows(80, 2)


def accuracy(predictions, examples=TEST):
    return sum(p == e.target for p, e in zip(predictions, examples, strict=True)) / len(examples)


@pytest.fixture(params=[name for name, floor in FLOORS.items() if "sentiment" in floor.tasks])
def floor(request):
    """The floors of classes; those of other tasks are tested with their task in tests/unit."""
    return FLOORS[request.param]


@pytest.mark.parametrize("floor", FLOORS.values(), ids=FLOORS)
def test_a_floor_describes_itself(floor):
    assert FLOORS[floor.name] is floor
    assert floor.title and floor.citation
    assert floor.tasks and set(floor.tasks) <= set(TASKS)


def test_every_task_has_a_floor():
    assert {task for floor in FLOORS.values() for task in floor.tasks} == set(TASKS)


def test_predicts_one_known_class_an_example(floor):
    predictions = floor.fit(DRAWN, TEXT, 0)(TEST)
    assert len(predictions) == len(TEST)
    assert set(predictions) <= {e.target for e in DRAWN.train}
    assert all(type(p) is int for p in predictions)


def test_is_deterministic_and_does_not_look_at_test_labels(floor):
    first = floor.fit(DRAWN, TEXT, 7)(TEST)
    flipped = tuple(Example(e.inputs, 1 - e.target) for e in TEST)
    assert floor.fit(DRAWN, TEXT, 7)(flipped) == first


def test_a_prediction_depends_on_its_example_alone(floor):
    predict = floor.fit(DRAWN, TEXT, 0)
    assert [predict([e])[0] for e in TEST[:8]] == predict(TEST[:8])


def test_one_class_in_train_is_predicted_throughout(floor):
    drawn = Drawn(rows(20, 0, target=1), DRAWN.dev)
    assert floor.fit(drawn, TEXT, 0)(TEST) == [1] * len(TEST)


def test_majority_is_the_commonest_class_of_train_and_the_first_among_equals():
    mostly = Drawn(tuple(e for i, e in enumerate(DRAWN.train) if e.target == 1 or i % 3 == 0), DRAWN.dev)
    assert set(FLOORS["majority"].fit(mostly, TEXT, 0)(TEST)) == {1}
    assert set(FLOORS["majority"].fit(DRAWN, TEXT, 0)(TEST)) == {0}


def test_tfidf_beats_the_majority_where_words_tell():
    scores = {name: accuracy(FLOORS[name].fit(DRAWN, TEXT, 0)(TEST)) for name in ("majority", "tfidf")}
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
        found.append(accuracy(FLOORS["tfidf"].fit(Drawn(noisy, dev), TEXT, 0)(dev), dev))
    monkeypatch.undo()
    assert len(set(found)) > 1, "the strengths must differ for the test to say anything"
    assert accuracy(FLOORS["tfidf"].fit(Drawn(noisy, dev), TEXT, 0)(dev), dev) == max(found)
    assert accuracy(FLOORS["tfidf"].fit(Drawn(noisy, flipped), TEXT, 0)(dev), dev) == min(found)
