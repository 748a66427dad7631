"""Entity precision, recall and F1 equal seqeval's strict IOB2, type by type and over all."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transfergain.metrics import METRICS
from transfergain.metrics.entity_f1 import breakdown, counts, spans, types

LABELS = ("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-creative-work", "I-creative-work")
NAMES = ("entity_precision", "entity_recall", "entity_f1")


@st.composite
def sentences(draw, labels=LABELS):
    """(predictions, targets): class indices a word, any of them after any, so that stray I- tags are common."""
    lengths = draw(st.lists(st.integers(1, 8), min_size=1, max_size=6))
    tags = st.integers(0, len(labels) - 1)
    pairs = [draw(st.lists(st.tuples(tags, tags), min_size=n, max_size=n)) for n in lengths]
    return [[p for p, _ in pair] for pair in pairs], [[t for _, t in pair] for pair in pairs]


def named(rows, labels=LABELS):
    return [[labels[tag] for tag in row] for row in rows]


def seqeval_scores(predictions, targets, average="micro"):
    seqeval = pytest.importorskip("seqeval.metrics.v1")
    from seqeval.scheme import IOB2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scores without any entity, which are 0
        return seqeval.precision_recall_fscore_support(
            named(targets), named(predictions), average=average, scheme=IOB2, zero_division=0
        )


SINGLE = ([[0, 1, 2, 0]], [[0, 1, 2, 0]])
ALL_O = ([[0, 0]], [[0, 0]])
NOTHING_PREDICTED = ([[0, 0, 0]], [[1, 2, 0]])
NOTHING_THERE = ([[1, 2, 0]], [[0, 0, 0]])
STRAYS = ([[2, 2, 0, 4]], [[1, 2, 0, 3]])
TYPE_CHANGES_INSIDE = ([[1, 4, 4]], [[1, 2, 2]])


@pytest.mark.long
@settings(deadline=None, max_examples=300)
@given(case=sentences())
@example(case=SINGLE)
@example(case=ALL_O)
@example(case=NOTHING_PREDICTED)
@example(case=NOTHING_THERE)
@example(case=STRAYS)
@example(case=TYPE_CHANGES_INSIDE)
def test_equals_seqeval_strict(case):
    predictions, targets = case
    total = counts(predictions, targets, LABELS).sum(axis=0)
    wanted = seqeval_scores(predictions, targets)
    for name, value in zip(NAMES, wanted, strict=False):
        assert float(METRICS[name].finish(total)) == pytest.approx(value, abs=1e-9)


@settings(deadline=None, max_examples=150)
@given(case=sentences())
@example(case=ALL_O)
def test_breakdown_equals_seqeval_by_type(case):
    predictions, targets = case
    parts = breakdown(counts(predictions, targets, LABELS).sum(axis=0), LABELS)
    assert list(parts) == ["LOC", "ORG", "creative-work"]
    columns = seqeval_scores(predictions, targets, average=None)
    occurring = sorted({label[2:] for row in named(predictions) + named(targets) for label in row if label.startswith("B-")})
    found = dict(zip(occurring, zip(*columns, strict=True), strict=False)) if occurring else {}
    for kind, part in parts.items():
        precision, recall, f1, support = found.get(kind, (0, 0, 0, 0))
        assert part == pytest.approx({"precision": precision, "recall": recall, "f1": f1, "support": support}, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(case=sentences(), data=st.data())
def test_counts_are_per_example_and_add_up(case, data):
    predictions, targets = case
    whole = counts(predictions, targets, LABELS)
    assert whole.dtype == np.int64 and whole.shape == (len(targets), 3 * 3) and whole.min() >= 0
    alone = [counts([p], [t], LABELS)[0] for p, t in zip(predictions, targets, strict=True)]
    assert np.array_equal(whole, np.stack(alone))
    right, predicted, actual = np.split(whole, 3, axis=1)
    assert (right <= np.minimum(predicted, actual)).all()


@settings(deadline=None, max_examples=30)
@given(cases=st.lists(sentences(), min_size=1, max_size=4))
def test_finish_takes_many_sums_at_once_and_never_gives_nan(cases):
    sums = np.stack([counts(*case, LABELS).sum(axis=0) for case in cases] + [np.zeros(9, np.int64)])
    for name in NAMES:
        finish = METRICS[name].finish
        alone = np.array([finish(row) for row in sums])
        assert np.array_equal(finish(sums), alone)
        assert np.array_equal(finish(np.stack([sums, sums])), np.stack([alone, alone]))
        assert alone.dtype == np.float64 and ((alone >= 0) & (alone <= 1)).all()
        assert alone[-1] == 0.0, "no entities at all: 0, as seqeval says"


def test_by_hand():
    """Three entities, two predicted ones right, one with its last word missing."""
    targets = [[1, 2, 0, 3], [5, 6, 6, 0]]
    predictions = [[1, 2, 0, 3], [5, 6, 0, 0]]
    total = counts(predictions, targets, LABELS).sum(axis=0)
    assert total.tolist() == [1, 1, 0, 1, 1, 1, 1, 1, 1]
    assert [float(METRICS[name].finish(total)) for name in NAMES] == pytest.approx([2 / 3] * 3)
    assert breakdown(total, LABELS)["creative-work"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}


def test_a_perfect_score_is_one():
    total = counts(*SINGLE, LABELS).sum(axis=0)
    assert [float(METRICS[name].finish(total)) for name in NAMES] == [1.0] * 3


def test_only_b_begins_an_entity():
    assert spans([2, 2, 0, 1, 2, 1, 4, 4, 3], LABELS) == {("LOC", 3, 5), ("LOC", 5, 6), ("ORG", 8, 9)}
    assert types(LABELS) == ["LOC", "ORG", "creative-work"]


def test_lengths_that_differ_and_no_examples_are_refused():
    with pytest.raises(ValueError, match="1 predictions for 2"):
        counts([[0]], [[0], [0]], LABELS)
    with pytest.raises(ValueError, match="1 predicted tags for 2 words"):
        counts([[0]], [[0, 1]], LABELS)
    with pytest.raises(ZeroDivisionError):
        counts([], [], LABELS)
