"""Question answering: windows show the whole passage, training positions are the answer's, decoding finds the best span."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.checkpoints import build_tokenizer
from support.texts import BAD, FILLER, GOOD
from transfergain import checkpoint as checkpoints_
from transfergain.data.draws import Drawn
from transfergain.data.folders import read_folder
from transfergain.errors import UserError
from transfergain.metrics import METRICS, squad
from transfergain.options import OptionKind
from transfergain.tasks import TASKS, floors, qa, qa_windows
from transfergain.tasks.base import Encoded
from transfergain.types import Checkpoint, Example

QA = TASKS["qa"]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
EMPTY = {"text": [], "answer_start": []}
VOCABULARY = [*GOOD, *BAD, *FILLER]


def options(max_length=32, doc_stride=6):
    return {"max_length": max_length, "doc_stride": doc_stride}


def question(context, *answers, asked="was the film very good", title=""):
    """An example whose answers are given as (text, offset), or as a text that occurs once."""
    pairs = [a if isinstance(a, tuple) else (a, context.index(a)) for a in answers]
    target = {"text": [t for t, _ in pairs], "answer_start": [s for _, s in pairs]}
    return Example({"id": "", "title": title, "context": context, "question": asked}, target)


def word_level():
    """BERT's layout over whole words."""
    from tokenizers import processors

    tokenizer = build_tokenizer("bert")
    pieces = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=pieces
    )
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return tokenizer


def byte_level(last=False):
    """GPT-2's bytes, spaces belonging to the word behind; with a classification token at the end, or none."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: i for i, piece in enumerate([*alphabet, "Ġf", "Ġfi", "Ġfil", "Ġfilm", "<cls>", "<pad>"])}
    merges = [("Ġ", "f"), ("Ġf", "i"), ("Ġfi", "l"), ("Ġfil", "m")]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    if last:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A <cls>", pair="$A $B:1 <cls>:2", special_tokens=[("<cls>", vocabulary["<cls>"])]
        )
    named = {"cls_token": "<cls>"} if last else {}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", **named)


TOKENIZERS = {"words": word_level(), "bytes": byte_level(), "cls last": byte_level(last=True)}
kinds = pytest.mark.parametrize("kind", TOKENIZERS)


def gold_logits(encoded, padding=3):
    """Logits that are sure of every window's training positions, padded with something that must not be read."""
    outputs = []
    for feature, window in zip(encoded.features, encoded.windows, strict=True):
        logits = np.zeros((2, len(feature["input_ids"])), np.float32)
        sure = 9 if feature["start_positions"] != window.null else 1
        logits[0, feature["start_positions"]] = logits[1, feature["end_positions"]] = sure
        outputs.append(np.pad(logits, ((0, 0), (0, padding)), constant_values=99))
    return outputs


passages = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=60)


@kinds
@given(words=passages, data=st.data(), length=st.integers(16, 48), stride=st.integers(4, 12))
@QUICK
def test_decoding_sure_logits_gives_the_training_answer(kind, words, data, length, stride):
    context = " ".join(words)
    begin = data.draw(st.integers(0, len(words) - 1))
    size = data.draw(st.integers(1, 3)) if kind == "words" else 1
    start = len(" ".join([*words[:begin], ""])) if begin else 0
    answer = " ".join(words[begin : begin + size])
    if kind != "words":  # a token a letter: shorter answers, longer features
        length, stride = length + 16, max(stride, 8) + 4
        answer = answer[:4]
    rows = [question("the film"), question(context, (answer, start))]
    encoded = QA.encode(rows, TOKENIZERS[kind], options(length, stride))
    assert QA.decode(gold_logits(encoded), encoded, rows, None, TOKENIZERS[kind])[1] == answer.strip()


@kinds
@given(words=passages, length=st.integers(12, 48), stride=st.integers(0, 70))
@QUICK
def test_windows_show_the_whole_passage_and_fit(kind, words, length, stride):
    tokenizer, context = TOKENIZERS[kind], " ".join(words)
    encoded = QA.encode([question(context)], tokenizer, options(length, stride))
    shown = set()
    for feature, window in zip(encoded.features, encoded.windows, strict=True):
        ids = feature["input_ids"]
        assert len(ids) <= length and all(len(v) == len(ids) for v in feature.values() if isinstance(v, list))
        part = ids[window.first : window.first + len(window.spans)]
        lone = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)
        at = {tuple(o): i for o, i in zip(lone["offset_mapping"], lone["input_ids"], strict=True)}
        assert part == [at[int(a), int(b)] for a, b in window.spans], "spans are those of the tokens shown"
        shown |= {(int(a), int(b)) for a, b in window.spans}
        assert window.example == 0
        assert window.solid.tolist() == [bool(context[a:b].strip()) for a, b in window.spans]
    assert shown == set(at)


def test_features_have_what_the_model_takes_and_integer_positions():
    rows = [question("a film was good", "film"), question("a film was good")]
    first, second = QA.encode(rows, TOKENIZERS["words"], options()).features
    assert set(first) == {"input_ids", "token_type_ids", "attention_mask", "start_positions", "end_positions"}
    assert first["input_ids"][first["start_positions"]] == TOKENIZERS["words"].convert_tokens_to_ids("film")
    assert type(first["start_positions"]) is int and type(first["end_positions"]) is int
    assert first["token_type_ids"] == [0] * 7 + [1] * 5
    assert (second["start_positions"], second["end_positions"]) == (0, 0), "the classification token's position"


@pytest.mark.parametrize(("kind", "position"), [("words", 0), ("bytes", 0), ("cls last", -1)])
def test_no_answer_is_the_classification_token_or_position_0(kind, position):
    encoded = QA.encode([question("a film was [CLS] good <cls>")], TOKENIZERS[kind], options(64))
    for feature, window in zip(encoded.features, encoded.windows, strict=True):
        expected = position % len(feature["input_ids"])
        assert window.null == feature["start_positions"] == feature["end_positions"] == expected


def test_only_windows_with_the_whole_answer_are_trained_to_find_it():
    context = " ".join(f"{g} {f}" for g, f in zip(GOOD, FILLER, strict=False))
    answer = f"{GOOD[3]} {FILLER[3]} {GOOD[4]}"
    encoded = QA.encode([question(context, answer, asked="a")], TOKENIZERS["words"], options(12, 3))
    found = []
    for feature, window in zip(encoded.features, encoded.windows, strict=True):
        shown = context[window.spans[0, 0] : window.spans[-1, 1]]
        has = feature["start_positions"] != window.null
        assert has == (answer in shown)
        if has:
            positions = feature["start_positions"] - window.first, feature["end_positions"] - window.first
            assert context[window.spans[positions[0], 0] : window.spans[positions[1], 1]] == answer
        found.append(has)
    assert any(found) and not all(found)


def test_the_first_gold_answer_is_trained_on_without_white_space_around_it():
    context = "the film was good"
    row = question(context, ("film ", 4), "good")
    feature = QA.encode([row], TOKENIZERS["words"], options()).features[0]
    assert (feature["start_positions"], feature["end_positions"]) == (8, 8)


def test_an_answer_beside_characters_that_are_no_tokens_is_found():
    """A tokenizer may drop characters at either end of the passage; what is left of the answer is trained on."""
    from tokenizers import normalizers

    tokenizer = word_level()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("~", "")
    for context, answer in (("~film was good", "~film"), ("a film~", "film~"), ("~film~", "~film~")):
        encoded = QA.encode([question(context, answer)], tokenizer, options())
        assert encoded.features[0]["start_positions"] != 0, context
    nothing = [question("~~~", "~~"), question("a film", "film")]
    encoded = QA.encode(nothing, tokenizer, options())
    assert QA.decode(gold_logits(encoded), encoded, nothing, None, tokenizer) == ["", "film"]
    setting = QA.calibrate(gold_logits(encoded), encoded, [question("~~~"), nothing[1]])
    assert math.isfinite(setting["threshold"])


@kinds
def test_a_feature_depends_on_its_example_alone(kind):
    rows = [question(" ".join(GOOD * k), GOOD[k], asked=" ".join(FILLER[:k])) for k in (1, 2, 3)]
    tokenizer = TOKENIZERS[kind]
    together = QA.encode(rows, tokenizer, options(24))
    alone = [QA.encode([r], tokenizer, options(24)).features for r in rows]
    assert together.features == [f for features in alone for f in features]


def test_a_tokenizer_that_cuts_on_the_left_loses_nothing():
    tokenizer, context = word_level(), " ".join(VOCABULARY)
    tokenizer.truncation_side = "left"
    for word in (VOCABULARY[0], "weak", "our"):
        rows = [question(context, word)]
        encoded = QA.encode(rows, tokenizer, options(24))
        assert len(encoded.features) > 2
        assert QA.decode(gold_logits(encoded), encoded, rows, None, tokenizer) == [word]


@pytest.mark.parametrize(("length", "most"), [(24, 8), (192, 64), (400, 64)])
@kinds
def test_a_long_question_is_cut_and_the_passage_still_shown(kind, length, most):
    tokenizer = TOKENIZERS[kind]
    row = question(" ".join(GOOD), GOOD[0], asked="very 😀 very " * 90)
    encoded = QA.encode([row], tokenizer, options(length, 64))
    specials = tokenizer.num_special_tokens_to_add(pair=True)
    for feature, window in zip(encoded.features, encoded.windows, strict=True):
        asked = len(feature["input_ids"]) - specials - len(window.spans)
        assert most - 4 <= asked <= most and len(feature["input_ids"]) <= length  # a character is not cut in two
    assert max(w.spans.max() for w in encoded.windows) == len(row.inputs["context"])


@pytest.mark.parametrize("asked", ["ab", "😀" * 9, " "])
def test_a_cut_question_that_falls_into_more_pieces_is_cut_again(asked):
    class Awkward:
        """One token a character of the whole, but a cut text costs one more."""

        def __call__(self, text, **_):
            if isinstance(text, list):
                return {"offset_mapping": [[(i, i + 1) for i in range(len(t))] for t in text]}
            return {"input_ids": [0] * (len(text) + 1)}

    found = qa_windows._cut([asked], Awkward(), 3)
    assert found == [asked if len(asked) <= 3 else asked[:2]]
    assert qa_windows._cut(["abc"], Awkward(), 0) == [""]


spread = st.integers(-40, 40).map(lambda eighths: eighths / 8)  # sums of these are exact, so that ties are ties


@st.composite
def model_outputs(draw, values=spread):
    """(outputs, encoded, examples): random logits over random windows of up to three examples."""
    contexts = ["ab cd  ef g", "uvwxyz", "one"]
    count = draw(st.integers(1, 3))
    outputs, windows = [], []
    for n in range(count):
        for _ in range(draw(st.integers(1, 3))):
            cuts = draw(st.lists(st.integers(0, len(contexts[n])), min_size=0, max_size=12))
            bounds = sorted({0, *cuts})
            spans = np.array(list(itertools.pairwise(bounds)), np.int32).reshape(-1, 2)
            solid = np.array([bool(contexts[n][a:b].strip()) for a, b in spans], bool)
            first = draw(st.integers(1, 3))
            size = first + len(spans) + draw(st.integers(0, 2))
            outputs.append(
                np.array(draw(st.lists(values, min_size=2 * size, max_size=2 * size)), np.float32).reshape(2, size)
            )
            windows.append(qa_windows.Window(n, first, spans, solid, draw(st.integers(0, first - 1))))
    golds = [draw(st.sampled_from([[], ["ab cd"], ["xyz", "w"], ["one"]])) for _ in range(count)]
    examples = [
        Example({"id": "", "title": "", "context": contexts[n], "question": "?"}, {"text": g, "answer_start": [0] * len(g)})
        for n, g in enumerate(golds)
    ]
    return outputs, Encoded([], windows), examples


def by_hand(outputs, encoded, examples, longest):
    """(text, score, null score) of every example, all spans written out."""
    answers = []
    for n, row in enumerate(examples):
        best, null = ("", -math.inf), math.inf
        for (start, end), w in zip(outputs, encoded.windows, strict=True):
            if w.example != n:
                continue
            null = min(null, float(start[w.null]) + float(end[w.null]))
            for s in range(len(w.spans)):
                for e in range(s, min(s + longest, len(w.spans))):
                    score = float(start[w.first + s]) + float(end[w.first + e])
                    if w.solid[s] and w.solid[e] and score > best[1]:
                        best = (row.inputs["context"][w.spans[s, 0] : w.spans[e, 1]].strip(), score)
        answers.append((*best, null))
    return answers


@given(case=model_outputs(), longest=st.integers(1, 5), threshold=st.floats(-8, 8))
@QUICK
def test_decode_is_the_best_span_of_all(case, longest, threshold):
    outputs, encoded, examples = case
    wanted = by_hand(*case, longest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qa, "MAX_ANSWER_LENGTH", longest)
        assert QA.decode(outputs, encoded, examples, None, None) == [text for text, _, _ in wanted]
        off = {"null": False, "threshold": threshold}
        assert QA.decode(outputs, encoded, examples, off, None) == [text for text, _, _ in wanted]
        on = {"null": True, "threshold": threshold}
        expected = ["" if null - score > threshold else text for text, score, null in wanted]
        assert QA.decode(outputs, encoded, examples, on, None) == expected


def token_f1(outputs, encoded, examples, setting):
    said = QA.decode(outputs, encoded, examples, setting, None)
    return sum(squad.f1(s, e.target["text"]) for s, e in zip(said, examples, strict=True))


@given(case=model_outputs(st.integers(-2, 2)))
@QUICK
def test_the_threshold_is_the_best_there_is_on_dev(case):
    """Small whole logits make many equal margins, of which none can be answered without the others."""
    setting = QA.calibrate(*case)
    assert json.loads(json.dumps(setting)) == setting
    assert setting["null"] == any(not e.target["text"] for e in case[2])
    if setting["null"]:
        best = max(token_f1(*case, {"null": True, "threshold": t}) for t in np.arange(-40, 40.5, 0.5))
        assert token_f1(*case, setting) == pytest.approx(best, abs=1e-9)


def official(margins, f1s, answerable):
    """The search as SQuAD 2.0's script describes it: all unanswered, then one after the other answered."""
    score = best = sum(not a for a in answerable)
    threshold = 0.0
    for i in sorted(range(len(margins)), key=lambda i: margins[i]):
        score += f1s[i] if answerable[i] else -1
        if score > best:
            best, threshold = score, margins[i]
    return best, threshold


rows_of_dev = st.lists(st.tuples(spread, st.sampled_from([0, 0.25, 0.5, 1]), st.booleans()), min_size=1, max_size=20,
                       unique_by=lambda row: row[0])  # fmt: skip


@given(rows=rows_of_dev)
@example(rows=[(1.0, 1, False), (2.0, 0.5, True)])
@QUICK
def test_the_threshold_is_that_of_the_official_search(rows):
    margins, f1s, answerable = zip(*rows, strict=True)
    gains = [f1 if a else -1 for f1, a in zip(f1s, answerable, strict=True)]
    best, threshold = official(margins, f1s, answerable)
    found = qa._threshold(np.array(margins), np.array(gains, float))
    if best > sum(not a for a in answerable):
        assert found == threshold
    else:  # no answer pays: the official script is then left with 0, which need not silence all
        assert found < min(margins)


def test_answers_of_more_than_30_tokens_are_not_given():
    row = question(" ".join(["a"] * 50))
    encoded = QA.encode([row], TOKENIZERS["words"], options(64))
    logits = np.zeros((2, 64), np.float32)
    logits[0, encoded.windows[0].first] = logits[1, encoded.windows[0].first + 49] = 9
    logits[1, encoded.windows[0].first + 29] = 1
    assert QA.decode([logits], encoded, [row], None, None) == [" ".join(["a"] * 30)]


def test_white_space_is_neither_an_answer_nor_an_end_of_one():
    row = question("a\n\n film")
    encoded = QA.encode([row], TOKENIZERS["bytes"], options(64))
    window = encoded.windows[0]
    assert window.solid.tolist() == [True, False, False, True], "two line breaks are tokens of their own"
    logits = np.zeros((2, window.first + 4), np.float32)
    logits[:, window.first + 1] = 9
    logits[:, window.first + 3] = 1
    assert QA.decode([logits], encoded, [row], None, None) == ["film"]


def test_a_model_that_has_diverged_answers_nothing():
    rows = [question("a film was good", "film"), question("a film")]
    encoded = QA.encode(rows, TOKENIZERS["words"], options())
    outputs = [np.full((2, 12), np.nan, np.float32) for _ in rows]
    setting = QA.calibrate(outputs, encoded, rows)
    assert math.isfinite(setting["threshold"])
    assert QA.decode(outputs, encoded, rows, setting, None) == QA.decode(outputs, encoded, rows, None, None) == ["", ""]


def test_every_question_is_answered_where_dev_has_an_answer_to_each():
    rows = [question("a film was good", "film")] * 2
    encoded = QA.encode(rows, TOKENIZERS["words"], options())
    outputs = [np.zeros((2, 12), np.float32) for _ in rows]
    for logits in outputs:
        logits[:, 0] = 9
    setting = QA.calibrate(outputs, encoded, rows)
    assert setting == {"null": False, "threshold": 0.0}
    assert all(QA.decode(outputs, encoded, rows, setting, None))


def test_chance_is_the_score_of_no_answer():
    rows = [question("a film", "film"), question("a book"), question("a book"), question("a book", "book")]
    counts = METRICS["squad_f1"].counts([""] * 4, [r.target for r in rows], ())
    assert QA.chance(rows, ()) == 0.5 == float(METRICS["squad_f1"].finish(counts.sum(axis=0)))
    assert QA.chance(rows[:1], ()) == 0.0


def test_settings_that_cannot_be_encoded_are_refused():
    row, tokenizer = question("a film", "film"), TOKENIZERS["words"]
    with pytest.raises(UserError, match=r"--max-length 4 leaves no room"):
        QA.encode([row], tokenizer, options(4))
    with pytest.raises(UserError, match=r"doc_stride = -1"):
        QA.encode([row], tokenizer, options(32, -1))
    assert QA.encode([row], tokenizer, options(5)).features, "one token of each is the least"

    class Slow:
        name_or_path, is_fast = "some/model", False

    for refused in (
        lambda: QA.encode([row], Slow(), options()),
        lambda: QA.advise(Checkpoint("m", "", ""), Slow(), {}, []),
    ):
        with pytest.raises(UserError, match=r"--model some/model: its tokenizer \(Slow\)"):
            refused()


def test_a_checkpoint_that_has_seen_squad_is_flagged():
    tokenizer = TOKENIZERS["words"]
    (warning,) = QA.advise(Checkpoint("m", "", "", "Natural Questions, squad and TriviaQA pairs"), tokenizer, {}, [])
    assert warning.text.startswith("m has seen") and "SQuAD" in warning.text and "\n" not in warning.text
    assert QA.advise(Checkpoint("m", "", "", "Wikipedia"), tokenizer, {}, []) == ()
    assert QA.advise(Checkpoint("m", "", ""), tokenizer, {}, []) == ()


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "gpt2", "t5", "bart"])
def test_models_take_the_features_and_give_the_outputs(checkpoints, kind):
    torch = pytest.importorskip("torch")
    import transformers

    from transfergain.engine.predict import predict

    folder = checkpoints(kind)
    tokenizer = checkpoints_.load_tokenizer(checkpoints_.resolve(folder))
    torch.manual_seed(0)
    model = getattr(transformers, QA.auto_class).from_pretrained(folder)
    rows = [question(" ".join(GOOD * k), GOOD[k], asked=" ".join(FILLER[:k])) for k in (1, 2, 6)] + [question("a film")]
    encoded = QA.encode(rows, tokenizer, options(48))
    assert len(encoded.features) > len(rows)
    predicted = predict(model, encoded.features, tokenizer.pad_token_id, "fp32", QA.outputs)
    assert math.isfinite(predicted.loss) and all(o.shape[0] == 2 for o in predicted.outputs)
    said = QA.decode(predicted.outputs, encoded, rows, QA.calibrate(predicted.outputs, encoded, rows), tokenizer)
    assert all(s in r.inputs["context"] for s, r in zip(said, rows, strict=True))


def test_real_passages_are_decoded_to_their_answers(real_data):
    rows = QA.parse(read_folder(real_data / "xquad_en"), QA.defaults(OptionKind.COLUMN)).splits["validation"]
    for length in (128, 384):
        encoded = QA.encode(rows, TOKENIZERS["words"], {"max_length": length, **QA.defaults(OptionKind.ENCODING)})
        said = QA.decode(gold_logits(encoded), encoded, rows, None, None)
        counts = METRICS["squad_f1"].counts(said, [r.target for r in rows], ())
        assert METRICS["squad_f1"].finish(counts.sum(axis=0)) > 0.98  # a word such as "2008-2009" is one token or three


# The word-overlap floor.

MILL = "The mill burned in 1841. Anna Orle bought the ruin for nine crowns in 1850. Wheat grows there today."


def drawn(*rows, dev=()):
    return Drawn(tuple(rows), tuple(dev))


def test_overlap_answers_from_the_sentence_that_shares_most():
    fit = floors()["overlap"].fit
    rows = [question(MILL, "1841", asked="When did the mill burn?"), question(MILL, "1850", asked="When was it bought?")]
    predict = fit(drawn(*rows), QA.text, 0)
    (said,) = predict([question(MILL, asked="Who bought the ruin?")])
    assert said and said in "Anna Orle bought the ruin for nine crowns in 1850"
    assert predict([question("...", asked="What?")]) == ["..."]
    unseen = [question("Über 日本。新しい水車", asked="水車 ?"), question(MILL, "Anna Orle", asked="Who bought the ruin?")]
    assert predict(unseen) == [predict([e])[0] for e in unseen] == fit(drawn(*rows), QA.text, 5)(unseen)
    assert all(s in e.inputs["context"] for s, e in zip(predict(unseen), unseen, strict=True))


def test_overlap_learns_how_long_answers_are():
    asked = "Who bought the ruin?"
    short = [question(MILL, "Anna", asked=asked)] * 4
    long = [question(MILL, "Anna Orle bought the ruin for nine crowns", asked=asked)] * 4
    lengths = [len(floors()["overlap"].fit(drawn(*rows), QA.text, 0)(rows[:1])[0].split()) for rows in (short, long)]
    assert lengths[0] < lengths[1]


def test_overlap_says_nothing_where_most_questions_have_no_answer():
    rows = [question(MILL)] * 3 + [question(MILL, "1841")] * 2
    assert floors()["overlap"].fit(drawn(*rows), QA.text, 0)(rows) == [""] * 5
    assert all(floors()["overlap"].fit(drawn(*rows, question(MILL, "1850")), QA.text, 0)(rows))


def test_overlap_reaches_what_was_published_for_sliding_windows(real_data):
    splits = QA.parse(read_folder(real_data / "xquad_en"), QA.defaults(OptionKind.COLUMN)).splits
    said = floors()["overlap"].fit(drawn(*splits["train"][:200], dev=splits["validation"][:50]), QA.text, 0)(splits["test"])
    counts = METRICS["squad_f1"].counts(said, [e.target for e in splits["test"]], ())
    assert 0.15 < METRICS["squad_f1"].finish(counts.sum(axis=0)) < 0.3
