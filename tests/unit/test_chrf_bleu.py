"""chrF and BLEU are sacrebleu's, from sums of per-example counts."""

import subprocess
import sys

import numpy as np
import pytest
import sacrebleu
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transfergain.metrics import METRICS, bleu, chrf

REFERENCES = {"chrf": (chrf, sacrebleu.corpus_chrf, 19), "bleu": (bleu, sacrebleu.corpus_bleu, 11)}
WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "mat",
    "l'eau",
    "well-known",
    "3.5",
    "1,000",
    "été",
    "Ünï",
    "猫が",
    "&amp;",
    ".",
    "!",
    "«",
    "\u2028",
]
text = st.one_of(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), st.text(max_size=20))
corpora = st.lists(st.tuples(text, text), min_size=1, max_size=8)

PERFECT = [("the cat sat on the mat", "the cat sat on the mat")]
EMPTY = [("", "the cat sat on the mat"), ("", "on")]
ONE_WORD = [("cat", "cat"), ("sat", "mat")]
NOTHING_SHARED = [("aaa bbb ccc ddd eee", "fff ggg hhh iii jjj")]
SHORT = [("the cat", "the cat sat on the mat"), ("on the", "on the well-known mat today")]
LONG = [("the cat sat on the mat on the mat on the mat", "the cat sat")]
NO_FOUR_GRAM = [("the cat on the", "the cat sat on"), ("the mat", "mat the")]
BLANK_REFERENCE = [("the cat", ""), ("", "")]
UNICODE = [
    ("l'été, ça ira !", "L'été ça ira!"),
    ("e\u0301te\u0301", "été"),
    ("猫が好き", "猫も好き"),
    ("👩‍🚀 up", "👩‍🚀 down"),
]


def sums(metric, pairs):
    return metric.counts([p for p, _ in pairs], [t for _, t in pairs], ()).sum(axis=0)


def reference(name, pairs):
    return REFERENCES[name][1]([p for p, _ in pairs], [[t for _, t in pairs]]).score / 100


@pytest.fixture(params=REFERENCES)
def name(request):
    return request.param


@pytest.mark.long
@pytest.mark.parametrize("name", REFERENCES)
@given(pairs=corpora)
@example(pairs=PERFECT)
@example(pairs=EMPTY)
@example(pairs=ONE_WORD)
@example(pairs=NOTHING_SHARED)
@example(pairs=SHORT)
@example(pairs=LONG)
@example(pairs=NO_FOUR_GRAM)
@example(pairs=BLANK_REFERENCE)
@example(pairs=UNICODE)
@settings(deadline=None, max_examples=150)
def test_equals_sacrebleu(name, pairs):
    metric = REFERENCES[name][0]
    score = float(metric.finish(sums(metric, pairs)))
    assert score == pytest.approx(reference(name, pairs), abs=1e-9)
    assert 0 <= score <= 1


@pytest.mark.parametrize("name", REFERENCES)
@given(pairs=st.lists(st.tuples(text, text), min_size=2, max_size=8))
@example(pairs=[*ONE_WORD, *EMPTY])
@settings(deadline=None, max_examples=60)
def test_leaving_one_out_equals_sacrebleu_without_it(name, pairs):
    metric = REFERENCES[name][0]
    counts = metric.counts([p for p, _ in pairs], [t for _, t in pairs], ())
    scores = metric.finish(counts.sum(axis=0) - counts)
    assert scores.shape == (len(pairs),) and scores.dtype == np.float64
    for i in range(len(pairs)):
        assert scores[i] == pytest.approx(reference(name, pairs[:i] + pairs[i + 1 :]), abs=1e-9)


def test_counts_are_integers_of_each_example_alone(name):
    metric, _, width = REFERENCES[name]
    pairs = [*PERFECT, *EMPTY, *SHORT, *UNICODE]
    counts = metric.counts([p for p, _ in pairs], [t for _, t in pairs], ())
    assert counts.shape == (len(pairs), width) and counts.dtype == np.int64 and counts.min() >= 0
    assert np.array_equal(counts, np.stack([sums(metric, [pair]) for pair in pairs]))


def test_finish_takes_sums_of_any_shape(name):
    metric = REFERENCES[name][0]
    each = [PERFECT, EMPTY, SHORT, NO_FOUR_GRAM, UNICODE, NOTHING_SHARED]
    stacked = np.stack([sums(metric, pairs) for pairs in each]).reshape(2, 3, -1)
    alone = np.array([float(metric.finish(sums(metric, pairs))) for pairs in each]).reshape(2, 3)
    assert np.array_equal(metric.finish(stacked), alone)
    assert np.array_equal(metric.finish(stacked.astype(np.float64)), alone), "resampled sums are floats"
    assert alone[0, 0] == 1 and alone[0, 1] == 0


def test_no_examples_have_no_score(name):
    metric, _, width = REFERENCES[name]
    assert metric.counts([], [], ()).shape == (0, width)
    with pytest.raises(ZeroDivisionError):
        metric.finish(metric.counts([], [], ()).sum(axis=0))
    one = sums(metric, PERFECT)
    with pytest.raises(ZeroDivisionError):
        metric.finish(np.stack([one, np.zeros_like(one)]))
    with pytest.raises(ValueError, match="2 predictions for 1 targets"):
        metric.counts(["a", "b"], ["a"], ())


def test_the_signature_is_sacrebleus_own(name):
    reference_class = {"chrf": sacrebleu.CHRF, "bleu": sacrebleu.BLEU}[name]()
    reference_class.corpus_score(["a"], [["a"]])
    assert METRICS[name].signature() == str(reference_class.get_signature())
    assert f"version:{sacrebleu.__version__}" in METRICS[name].signature()


def test_a_report_needs_no_sacrebleu():
    """`finish` is all that the report calls; sacrebleu is slow to import."""
    program = (
        "import sys, numpy as np; from transfergain.metrics import METRICS; "
        "METRICS['chrf'].finish(np.ones(19)), METRICS['bleu'].finish(np.ones(11)); sys.exit('sacrebleu' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
