"""Tags stay with their words and answers at their offsets, whatever the text and whatever the edits."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from transfergain.perturbations import PERTURBATIONS, perturb
from transfergain.perturbations.align import align
from transfergain.perturbations.base import Edit, draw_places, pick, rewritten
from transfergain.split import Kind, Split
from transfergain.types import Example, Target

QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PLAIN = ["Ada", "don't", "do n't", "it's a", "we will go", "Modern", "clown", "x", "3.5", ",", ".", "!?", ":)", " ", "\n"]
STRANGE = "é|e\u0301|\u0301|ß|İ|ſ|Σ|ς|K|ŉ|ﬁ|日本語|👩\u200d👩\u200d👧|🙂|नमस्ते|\u00a0".split("|")
PIECES = st.sampled_from([*PLAIN, *STRANGE])
TEXTS = st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=60))
WORD = st.one_of(PIECES, st.text(min_size=1, max_size=12)).map(lambda t: "".join(t.split())).filter(bool)
TARGETS = {"sentiment": Target.LABEL, "ner": Target.TAGS, "qa": Target.SPANS}
FOR = {task: [n for n, entry in PERTURBATIONS.items() if entry.keeps(target)] for task, target in TARGETS.items()}


def editor(*edits):
    return lambda text: [Edit(*edit) for edit in edits]


def one(inputs, target, name, severity=5):
    (found,) = perturb([Example(inputs, target)], Split(Kind.PERTURBED, name, severity=severity))
    return found


@st.composite
def tagged(draw_):
    words = draw_(st.lists(WORD, min_size=1, max_size=12))
    tags = []
    for _ in words:  # O, B-x, I-x, B-y, I-y: I only after its own B or I
        tags.append(draw_(st.sampled_from([0, 0, 1, 3, *([tags[-1] + tags[-1] % 2] * 2 if tags and tags[-1] else [])])))
    return words, tags


@st.composite
def answered(draw_):
    context = draw_(TEXTS.filter(str.strip))
    spans = draw_(st.lists(st.tuples(st.integers(0, len(context) - 1), st.integers(1, 12)), max_size=4))
    found = [(context[start : start + length], start) for start, length in spans]
    found = [(text, start) for text, start in found if text.strip()]
    return context, {"text": [text for text, _ in found], "answer_start": [start for _, start in found]}


# Any text.


@QUICK
@given(
    name=st.sampled_from(list(PERTURBATIONS)), text=TEXTS, share=st.sampled_from([0.05, 0.5, 1.0]), seed=st.integers(0, 99)
)
def test_edits_are_within_the_text_in_order_and_apart(name, text, share, seed):
    edits = PERTURBATIONS[name].edits(text, share, np.random.default_rng(seed))
    assert edits == PERTURBATIONS[name].edits(text, share, np.random.default_rng(seed))
    at = 0
    for start, end, new in edits:
        assert at <= start <= end <= len(text) and new != text[start:end]
        at = end
    assert text.strip() == "" or rewritten(text, edits).strip()


@QUICK
@given(name=st.sampled_from(list(PERTURBATIONS)), text=TEXTS, seed=st.integers(0, 99))
def test_a_higher_severity_makes_the_same_edits_and_more(name, text, seed):
    few, more = (PERTURBATIONS[name].edits(text, share, np.random.default_rng(seed)) for share in (0.2, 0.6))
    assert set(few) <= set(more)


@QUICK
@given(name=st.sampled_from(FOR["sentiment"]), text=TEXTS)
def test_labels_stay_and_no_text_becomes_empty(name, text):
    found = one({"text": text}, 7, name)
    assert found.target == 7
    assert bool(found.inputs["text"].strip()) == bool(text.strip())


# Tagged words.


def spelt(example_):
    return list(zip(example_.inputs["tokens"], example_.target, strict=True))


@QUICK
@given(name=st.sampled_from(FOR["ner"]), pair=tagged())
def test_words_keep_their_tags(name, pair):
    words, tags = pair
    found = one({"tokens": words}, tags, name)
    assert all(word.split() == [word] for word in found.inputs["tokens"])
    assert len(found.inputs["tokens"]) == len(found.target)
    kept = [tag for tag in found.target if tag]
    assert kept == [tag for tag in tags if tag]
    for before, tag in zip(found.target, found.target[1:], strict=False):  # no entity is torn
        assert tag == 0 or tag % 2 or before in (tag, tag - 1)


@QUICK
@given(name=st.sampled_from([n for n in FOR["ner"] if n not in ("filler", "punctuation")]), pair=tagged())
def test_words_are_neither_added_nor_lost_where_none_are_inserted(name, pair):
    words, tags = pair
    found = one({"tokens": words}, tags, name)
    assert found.target == tags and len(found.inputs["tokens"]) == len(words)


@pytest.mark.long
@QUICK
@given(pair=tagged(), data=st.data())
def test_the_words_of_a_sentence_with_fillers_are_the_words_of_the_sentence(pair, data):
    words, tags = pair
    assume(not {"FILL", "IT"} & set(words))
    places = data.draw(st.lists(st.integers(0, len(words)), unique=True).map(sorted))
    starts = np.cumsum([0, *(len(word) + 1 for word in words)]).tolist()
    starts[-1] -= 1
    found = align(Example({"tokens": words}, tags), editor(*((starts[p], starts[p], " FILL IT ") for p in places)))
    assert [pair for pair in spelt(found) if pair[0] not in ("FILL", "IT")] == list(zip(words, tags, strict=True))
    free = [p for p in places if p in (0, len(words)) or 0 in tags[p - 1 : p + 1]]
    assert found.inputs["tokens"].count("FILL") == found.inputs["tokens"].count("IT") == len(free)
    assert all(tag == 0 for word, tag in spelt(found) if word in ("FILL", "IT"))


def test_entities_at_the_edges_of_a_sentence_can_have_words_around_but_not_inside():
    sentence = Example({"tokens": ["Ada", "Lovelace", "met", "Bo"]}, [1, 2, 0, 1])
    everywhere = editor((0, 0, "um "), (4, 4, "um "), (13, 13, "um "), (17, 17, "um "), (19, 19, " um"))
    assert spelt(align(sentence, everywhere)) == [
        ("um", 0), ("Ada", 1), ("Lovelace", 2), ("um", 0), ("met", 0), ("um", 0), ("Bo", 1), ("um", 0),
    ]  # fmt: skip
    adjacent = Example({"tokens": ["Ada", "Rome"]}, [1, 3])
    assert align(adjacent, editor((4, 4, "um "))) == adjacent


@pytest.mark.parametrize(
    "edit", [(0, 1, ""), (0, 1, " "), (0, 4, "x"), (1, 2, ""), (2, 4, "x y"), (3, 3, " "), (2, 5, ""), (2, 8, "met Bo")]
)
def test_edits_that_would_empty_split_or_join_words_are_left_out(edit):
    sentence = Example({"tokens": ["A", "met", "Bo"]}, [1, 0, 1])
    assert align(sentence, editor(edit)) == sentence


def test_edits_of_a_word_are_in_its_own_characters():
    sentence = Example({"tokens": ["Ада", "👩‍👩‍👧", "met", "Bo"]}, [1, 0, 0, 1])
    text = " ".join(sentence.inputs["tokens"])
    found = align(
        sentence, editor((1, 2, "DD"), (text.index("et"), text.index("et") + 2, "te"), (len(text) - 1, len(text), "0"))
    )
    assert found.inputs["tokens"] == ["АDDа", "👩‍👩‍👧", "mte", "B0"] and found.target == [1, 0, 0, 1]


# Passages.


def holds(found):
    spans = zip(found.target["text"], found.target["answer_start"], strict=True)
    return all(found.inputs["context"][start : start + len(text)] == text for text, start in spans)


@QUICK
@given(name=st.sampled_from(FOR["qa"]), pair=answered(), question=TEXTS.filter(str.strip))
def test_answers_stay_at_their_offsets(name, pair, question):
    context, target = pair
    found = one({"id": "1", "title": "t", "context": context, "question": question}, target, name)
    assert holds(found)
    assert [t.casefold() for t in found.target["text"]] == [t.casefold() for t in target["text"]]
    assert found.inputs["context"].strip() and found.inputs["question"].strip()
    assert (found.inputs["id"], found.inputs["title"]) == ("1", "t")


@QUICK
@given(pair=answered(), data=st.data())
@example(pair=("ab", {"text": ["ab", "a", "b"], "answer_start": [0, 0, 1]}), data=None)
def test_answers_survive_any_edits(pair, data):
    """Also several answers, overlapping ones, the same twice, and answers at the start and end of the passage."""
    context, target = pair
    cuts = [0, 1, len(context)] if data is None else sorted(data.draw(st.lists(st.integers(0, len(context)), max_size=8)))
    new = "Ω" if data is None else data.draw(st.sampled_from(["", "Ω", "long new text "]))
    edits = [Edit(a, b, new) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    found = align(Example({"id": "", "title": "", "context": context, "question": "q"}, target), lambda text: edits)
    assert holds(found) and found.target["text"] == target["text"]
    assert found.inputs["title"] == context, "examples of one passage stay one cluster"


def passage(context, *texts):
    target = {"text": list(texts), "answer_start": [context.index(text) for text in texts]}
    return Example({"id": "", "title": "t", "context": context, "question": "who"}, target)


def edited_context(context, *edits, answers=("Bo Li", "Li")):
    found = align(passage(context, *answers), lambda text: [Edit(*e) for e in edits] if text == context else [])
    return found.inputs["context"], found.target["answer_start"]


def test_edits_before_between_and_after_answers_move_them():
    context = "I saw Bo Li twice, Bo and me"
    assert edited_context(context, (0, 1, "We"), (2, 5, "met"), (14, 14, "y")) == ("We met Bo Li twyice, Bo and me", [7, 10])
    assert edited_context(context, (0, 5, ""), (26, 28, "us")) == (" Bo Li twice, Bo and us", [1, 4])
    assert edited_context(context, (0, 1, "We"), answers=()) == ("We saw Bo Li twice, Bo and me", [])


@pytest.mark.parametrize(
    "edit", [(6, 7, "b0"), (8, 8, " "), (5, 6, ""), (11, 11, ","), (6, 6, "um "), (11, 12, ""), (0, 28, "x")]
)
def test_edits_that_overlap_or_touch_an_answer_are_left_out(edit):
    context = "I saw Bo Li twice, Bo and me"
    assert edited_context(context, edit) == (context, [6, 9])


def test_case_changes_inside_answers_too_so_that_capitals_do_not_point_at_them():
    found = one(
        {"id": "", "title": "", "context": "He met Bo Li.", "question": "Who?"},
        {"text": ["Bo Li"], "answer_start": [7]},
        "lowercase",
    )
    assert found.inputs["context"] == "he met bo li." and found.target == {"text": ["bo li"], "answer_start": [7]}


def test_a_question_without_answers_has_none_after():
    found = one(
        {"id": "", "title": "", "context": "Nobody knows it.", "question": "Who?"},
        {"text": [], "answer_start": []},
        "lowercase",
    )
    assert found.target == {"text": [], "answer_start": []}
    assert (found.inputs["context"], found.inputs["question"]) == ("nobody knows it.", "who?")


def test_an_answer_that_was_never_at_its_offset_is_an_error_not_a_number():
    wrong = Example({"id": "", "title": "", "context": "ΣΑΣ", "question": "q"}, {"text": ["x"], "answer_start": [0]})
    with pytest.raises(ValueError, match="does not stand at its offset"):
        align(wrong, editor())


def test_inputs_of_no_known_kind_are_an_error():
    with pytest.raises(ValueError, match="text, tokens, context, source"):
        align(Example({"image": "x"}, 0), editor())


# Parts.


def test_draws_hit_their_share_and_choose_evenly():
    hits = draw_places(100_000, 0.2, np.random.default_rng(0))
    assert len(hits) == pytest.approx(20_000, rel=0.03)
    chosen = np.bincount([pick(range(4), choice) for _, choice in hits]) / len(hits)
    assert chosen == pytest.approx([0.25] * 4, abs=0.02)
    assert [place for place, _ in draw_places(5, 1.0, np.random.default_rng(0))] == [0, 1, 2, 3, 4]
    assert draw_places(0, 1.0, np.random.default_rng(0)) == []


@QUICK
@given(text=TEXTS)
def test_no_text_is_edited_away(text):
    assume(text.strip())
    assert rewritten(text, [Edit(0, len(text), " ")]) == text
    assert rewritten(text, [Edit(0, 0, "a"), Edit(len(text), len(text), "b")]) == f"a{text}b"


def test_a_pair_of_texts_with_a_label_is_edited_as_texts():
    """A task such as relevance has a passage and a question, and no answer that must stay."""
    found = one({"question": "Who came home?", "context": "Ada came home late."}, 1, "uppercase")
    assert found.target == 1 and "ADA" in found.inputs["context"] and found.inputs["question"] != "Who came home?"
