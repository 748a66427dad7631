"""Token F1 and exact match are SQuAD's: by hand on its corner cases, and against torchmetrics on everything else."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transfergain.metrics import METRICS, squad

NAMES = ("squad_f1", "exact_match")
pieces = st.sampled_from(
    ["the", "The", "a", "an", "cat", "cats", "Theatre", "thé", "ß", "SS", "İ", "İstanbul", "1,000", "1000", "U.S.", "US",
     "—", "“cat”", "'", "...", "-", "the-cat", "\u00a0", "\u2028", "\u0301", "éa", "e\u0301", "😀", "日本", "", "$5"]
)  # fmt: skip
answers = st.one_of(
    st.lists(pieces, max_size=6).map(" ".join),
    st.lists(pieces, max_size=6).map("".join),
    st.text(max_size=12),
    st.just(""),
)
golds = st.lists(answers, max_size=4)


def score(name, predictions, targets):
    metric = METRICS[name]
    counts = metric.counts(predictions, [{"text": t, "answer_start": [0] * len(t)} for t in targets], ())
    return float(metric.finish(counts.sum(axis=0)))


@pytest.mark.parametrize(
    ("prediction", "gold", "f1", "exact"),
    [
        ("the cat", ["cat"], 1, 1),
        ("The Cat!", ["a cat"], 1, 1),
        ("U.S.", ["us"], 1, 1),  # punctuation goes before the words are cut, so letters come together
        ("the-cat", ["thecat"], 1, 1),
        ("the - cat", ["cat"], 1, 1),
        ("“cat”", ["cat"], 0, 0),  # only ASCII's punctuation goes
        ("cat cat", ["cat"], 2 / 3, 0),
        ("cat cat", ["cat cat dog"], 4 / 5, 0),
        ("black cat", ["cat black"], 1, 0),
        ("black cat", ["cat", "a black dog", "dog"], 2 / 3, 0),
        ("black cat", ["dog", "black cat"], 1, 1),
        ("dog", ["cat"], 0, 0),
        ("theatre", ["the theatre"], 1, 1),
        ("e\u0301a", ["\u00e9a"], 0, 0),  # nothing is composed
        ("cat\u00a0dog", ["cat dog"], 1, 1),
        ("", [], 1, 1),
        ("cat", [], 0, 0),
        ("the", [], 1, 1),
        ("...", [], 1, 1),
        ("", ["cat"], 0, 0),
        ("the", ["cat"], 0, 0),
        ("", ["the"], 1, 1),  # a gold answer of which nothing is left counts as none
        ("an", ["the", "?"], 1, 1),
        ("", ["the", "cat"], 0, 0),
        ("cat", ["the", "cat"], 1, 1),
        ("cat", ["the"], 0, 0),
    ],
)
def test_by_hand(prediction, gold, f1, exact):
    assert score("squad_f1", [prediction], [gold]) == pytest.approx(f1, abs=1e-12)
    assert score("exact_match", [prediction], [gold]) == exact


@given(st.lists(st.tuples(answers, golds), min_size=1, max_size=8))
@example([("", [])])
@example([("the", ["a", "cat"])])
@example([("!?", ["."])])
@example([("x", ["y"]), ("", [])])
@settings(deadline=None, max_examples=80)
def test_equals_torchmetrics(pairs):
    """torchmetrics has the formulas of SQuAD 2.0's script, but for gold answers that are nothing but articles, left out."""
    torch = pytest.importorskip("torch")
    reference = pytest.importorskip("torchmetrics.functional.text.squad")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        kept = [[g for g in gold if squad.words(g)] or [""] for _, gold in pairs]
        said = [{"prediction_text": p, "id": str(i)} for i, (p, _) in enumerate(pairs)]
        true = [{"answers": {"text": k, "answer_start": [0] * len(k)}, "id": str(i)} for i, k in enumerate(kept)]
        wanted = {key: float(value) / 100 for key, value in reference.squad(said, true).items()}
    finally:
        torch.set_default_dtype(before)
    predictions, targets = [p for p, _ in pairs], [g for _, g in pairs]
    assert score("squad_f1", predictions, targets) == pytest.approx(wanted["f1"], abs=1e-9)
    assert score("exact_match", predictions, targets) == pytest.approx(wanted["exact_match"], abs=1e-9)


@given(answers)
def test_words_are_those_of_torchmetrics(answer):
    reference = pytest.importorskip("torchmetrics.functional.text.squad")
    assert squad.words(answer) == reference._get_tokens(answer)


@given(answers, golds)
def test_an_exact_match_has_full_f1_and_more_golds_never_hurt(prediction, gold):
    assert squad.f1(prediction, gold) == 1 or not squad.exact(prediction, gold)
    assert 0 <= squad.f1(prediction, gold) <= 1
    some = [g for g in gold if squad.words(g)]
    for g in some:
        assert squad.f1(prediction, some) >= squad.f1(prediction, [g])
        assert squad.f1(g, some) == 1 and squad.exact(g, some)


@pytest.mark.parametrize("name", NAMES)
@given(st.lists(st.tuples(answers, golds), min_size=1, max_size=8))
@settings(deadline=None, max_examples=50)
def test_counts_are_one_row_an_example(name, pairs):
    metric = METRICS[name]
    targets = [{"text": g} for _, g in pairs]
    counts = metric.counts([p for p, _ in pairs], targets, ())
    assert counts.shape == (len(pairs), 2) and (counts[:, 1] == 1).all()
    assert counts.dtype == (np.float64 if name == "squad_f1" else np.int64)
    alone = [metric.counts([p], [t], ())[0] for (p, _), t in zip(pairs, targets, strict=True)]
    assert np.array_equal(counts, np.stack(alone))
    assert float(metric.finish(counts.sum(axis=0))) == pytest.approx(counts[:, 0].mean(), abs=1e-12)
    left_out = counts.sum(axis=0) - counts
    if len(pairs) > 1:
        assert metric.finish(left_out).shape == (len(pairs),)


@pytest.mark.parametrize("name", NAMES)
def test_no_examples_and_other_lengths_raise(name):
    metric = METRICS[name]
    assert metric.counts([], [], ()).shape == (0, 2)
    with pytest.raises(ZeroDivisionError):
        metric.finish(metric.counts([], [], ()).sum(axis=0))
    with pytest.raises(ValueError, match="2 predictions for 1 targets"):
        metric.counts(["a", "b"], [{"text": []}], ())
