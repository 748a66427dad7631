"""Every metric equals its reference implementation, and is a function of summed per-example counts."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transfergain.metrics import METRICS
from transfergain.tasks import TASKS
from transfergain.trial import score

REFERENCES = {
    "accuracy": sklearn.metrics.accuracy_score,
    "macro_f1": lambda true, predicted: sklearn.metrics.f1_score(true, predicted, average="macro", zero_division=0),
}
"""Of metrics of classes; those of entities, answers and translations are in tests/unit/test_entity_f1.py,
test_squad_metrics.py and test_chrf_bleu.py."""
SETS = {
    "micro_f1": lambda true, predicted: sklearn.metrics.f1_score(true, predicted, average="micro", zero_division=0),
    "label_macro_f1": lambda true, predicted: sklearn.metrics.f1_score(true, predicted, average="macro", zero_division=0),
    "subset_accuracy": sklearn.metrics.accuracy_score,
}
"""Of metrics of sets of labels, which scikit-learn takes as indicators."""
ELSEWHERE = {"entity_f1", "entity_precision", "entity_recall", "squad_f1", "exact_match", "chrf", "bleu"}
NAMES = ("a", "b", "c", "d")
TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


@st.composite
def answers(draw, least=1):
    """(labels, predictions, targets), some classes absent from one, the other or both."""
    labels = NAMES[: draw(st.integers(2, len(NAMES)))]
    classes = st.integers(0, len(labels) - 1)
    pairs = draw(st.lists(st.tuples(classes, classes), min_size=least, max_size=40))
    return labels, [p for p, _ in pairs], [t for _, t in pairs]


@st.composite
def sets(draw, least=1):
    """(labels, predicted indicators, true indicators): some labels absent from one, the other or both, some sets empty."""
    bits = st.lists(st.integers(0, 1), min_size=len(NAMES), max_size=len(NAMES))
    pairs = draw(st.lists(st.tuples(bits, bits), min_size=least, max_size=40))
    return NAMES, [p for p, _ in pairs], [tuple(t) for _, t in pairs]


@st.composite
def tagged(draw, least=1):
    pairs = st.integers(1, 6).flatmap(lambda n: st.tuples(*[st.lists(st.integers(0, 4), min_size=n, max_size=n)] * 2))
    cases = draw(st.lists(pairs, min_size=least, max_size=8))
    return TAGS, [p for p, _ in cases], [t for _, t in cases]


@st.composite
def answered(draw, least=1):
    text = st.sampled_from(["", "the mill", "in 1712", "A river!", "été", "seven old mills"])
    cases = draw(st.lists(st.tuples(text, st.lists(text, max_size=3)), min_size=least, max_size=8))
    return (), [p for p, _ in cases], [{"text": t, "answer_start": [0] * len(t)} for _, t in cases]


@st.composite
def translated(draw, least=1):
    text = st.text("abc é.", max_size=20)
    cases = draw(st.lists(st.tuples(text, text), min_size=least, max_size=8))
    return (), [p for p, _ in cases], [t for _, t in cases]


CASES = dict.fromkeys(REFERENCES, answers)
CASES |= dict.fromkeys(SETS, sets)
CASES |= {name: tagged for name in METRICS if name.startswith("entity_")}
CASES |= {"squad_f1": answered, "exact_match": answered, "chrf": translated, "bleu": translated}
PERFECT = {
    answers: (NAMES, [0, 1, 1], [0, 1, 1]),
    sets: (NAMES, [[1, 0, 1, 0], [0, 1, 0, 1]], [(1, 0, 1, 0), (0, 1, 0, 1)]),
    tagged: (TAGS, [[0, 1, 2]], [[0, 1, 2]]),
    answered: ((), ["in 1712", ""], [{"text": ["in 1712"], "answer_start": [0]}, {"text": [], "answer_start": []}]),
    translated: ((), ["a small cat sleeps here."], ["a small cat sleeps here."]),
}


def test_every_metric_has_a_reference():
    assert set(REFERENCES) | set(SETS) | ELSEWHERE == set(METRICS) == set(CASES)


@pytest.mark.parametrize("name", REFERENCES)
@given(case=answers())
@example(case=(NAMES, [0, 0, 0], [1, 1, 1]))  # nothing right
@example(case=(NAMES, [0, 1, 2], [0, 1, 2]))  # all right, one class nowhere
@example(case=(NAMES, [0, 0, 0, 0], [0, 1, 2, 3]))  # classes that are never predicted
@example(case=(NAMES, [0, 1, 2, 3], [0, 0, 0, 0]))  # classes that are predicted and never present
@example(case=(NAMES[:2], [1], [1]))
@settings(deadline=None, max_examples=60)
def test_equals_its_reference(name, case):
    labels, predictions, targets = case
    metric = METRICS[name]
    counts = metric.counts(predictions, targets, labels)
    assert float(metric.finish(counts.sum(axis=0))) == pytest.approx(REFERENCES[name](targets, predictions), abs=1e-9)


@pytest.mark.parametrize("name", SETS)
@given(case=sets())
@example(case=(NAMES, [[0, 0, 0, 0]], [(0, 0, 0, 0)]))  # nothing predicted, nothing there
@example(case=(NAMES, [[1, 1, 1, 1]] * 3, [(0, 0, 0, 0)] * 3))
@example(case=(NAMES, [[1, 0, 0, 0], [0, 1, 0, 0]], [(1, 0, 0, 0), (0, 1, 0, 0)]))  # two labels nowhere
@settings(deadline=None, max_examples=100)
def test_equals_its_reference_on_sets(name, case):
    labels, predictions, targets = case
    score = METRICS[name].finish(METRICS[name].counts(predictions, targets, labels).sum(axis=0))
    assert float(score) == pytest.approx(SETS[name](np.array(targets), np.array(predictions)), abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_counts_are_per_example_numbers_that_add_up(name, data):
    labels, predictions, targets = data.draw(CASES[name](least=2))
    metric = METRICS[name]
    counts = metric.counts(predictions, targets, labels)
    assert counts.dtype in (np.int64, np.float64) and counts.shape[0] == len(targets) and counts.ndim == 2
    assert counts.min() >= 0
    one_by_one = [metric.counts([p], [t], labels)[0] for p, t in zip(predictions, targets, strict=True)]
    assert np.array_equal(counts, np.stack(one_by_one)), "an example's counts depend on the example alone"
    order = data.draw(st.permutations(range(len(targets))))
    shuffled = metric.counts([predictions[i] for i in order], [targets[i] for i in order], labels)
    assert np.array_equal(shuffled, counts[order]), "rows are the examples', in their order"


@pytest.mark.parametrize("name", METRICS)
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_leaving_one_example_out_is_the_score_of_the_others(name, data):
    """What the jackknife asks for, in one call."""
    labels, predictions, targets = data.draw(CASES[name](least=2))
    metric = METRICS[name]
    counts = metric.counts(predictions, targets, labels)
    left_out = metric.finish(counts.sum(axis=0) - counts)
    assert left_out.shape == (len(targets),) and np.isfinite(left_out).all()
    assert ((left_out > -1e-12) & (left_out < 1 + 1e-12)).all()
    for i in range(min(len(targets), 8)):
        others = [p for j, p in enumerate(predictions) if j != i], [t for j, t in enumerate(targets) if j != i]
        assert left_out[i] == pytest.approx(float(metric.finish(metric.counts(*others, labels).sum(axis=0))), abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_finish_takes_many_sums_at_once(name, data):
    metric = METRICS[name]
    names = PERFECT[CASES[name]][0]
    cases = data.draw(st.lists(CASES[name](), min_size=1, max_size=5))
    sums = np.stack([metric.counts(predicted, true, names).sum(axis=0) for _, predicted, true in cases])
    alone = np.array([metric.finish(row) for row in sums])
    assert np.array_equal(metric.finish(sums), alone)
    assert np.array_equal(metric.finish(np.stack([sums, sums])), np.stack([alone, alone]))
    assert alone.dtype == np.float64 and ((alone >= 0) & (alone <= 1)).all()


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_score_is_one_and_no_examples_have_none(name):
    metric = METRICS[name]
    names, predictions, targets = PERFECT[CASES[name]]
    assert metric.finish(metric.counts(predictions, targets, names).sum(axis=0)) == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(ZeroDivisionError):
        metric.finish(metric.counts([], [], names).sum(axis=0))
    if CASES[name] is tagged or name in ("micro_f1", "label_macro_f1"):
        return  # a sum without entities, or labels, has the F1 of seqeval, or scikit-learn, 0
    one = metric.counts(predictions[:1], targets[:1], names)
    with pytest.raises(ZeroDivisionError):  # one empty sum among others does not pass as a zero
        metric.finish(np.concatenate([one, np.zeros_like(one)]))


@pytest.mark.parametrize("name", METRICS)
def test_as_many_predictions_as_targets_are_needed(name):
    names, predictions, targets = PERFECT[CASES[name]]
    for said, true in ((predictions, [*targets, targets[0]]), ([*predictions, predictions[0]], targets)):
        with pytest.raises(ValueError, match=f"{len(said)} predictions for {len(true)} targets"):
            METRICS[name].counts(said, true, names)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.breakdown])
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_parts_are_figures_that_json_can_hold(name, data):
    labels, predictions, targets = data.draw(CASES[name]())
    parts = METRICS[name].breakdown(METRICS[name].counts(predictions, targets, labels).sum(axis=0), labels)
    assert parts and all(figures.keys() == next(iter(parts.values())).keys() for figures in parts.values())
    assert all(type(value) is float and np.isfinite(value) for figures in parts.values() for value in figures.values())


def test_a_metric_with_options_signs_them():
    signatures = {name: metric.signature() for name, metric in METRICS.items() if metric.signature}
    assert signatures.keys() == {"chrf", "bleu"}
    assert all(text and "\n" not in text for text in signatures.values())
    assert signatures == {name: METRICS[name].signature() for name in signatures}


@pytest.mark.parametrize("name", TASKS)
def test_scoring_an_empty_split_raises(name):
    with pytest.raises(ZeroDivisionError):
        score(TASKS[name], [], [], NAMES)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_describes_itself(name):
    assert METRICS[name].title and METRICS[name].citation
