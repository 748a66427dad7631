"""NER: every way of giving tagged words becomes the same examples, and every word is labelled and predicted once."""

import json
from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from transfergain.data.draws import Drawn
from transfergain.data.formats.table import Table
from transfergain.data.prepare import DataSource, load
from transfergain.data.read import read_file
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.options import OptionKind
from transfergain.tasks import TASKS, floors
from transfergain.tasks.ner import IGNORED_LABEL, NER
from transfergain.types import Checkpoint, Example

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
DEFAULTS = {**NER.defaults(OptionKind.PARSE)}
TAGGED = [
    (["Ada", "Lovelace", "met", "Babbage", "in", "London"], ["B-PER", "I-PER", "O", "B-PER", "O", "B-LOC"]),
    (["Nothing", "here"], ["O", "O"]),
    (["Acme", "Rail", "left", "Peru"], ["B-ORG", "I-ORG", "O", "B-LOC"]),
]
LABELS = ("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER")


def table(pairs=TAGGED, name="train.jsonl"):
    return Table(name, [{"tokens": words, "ner_tags": tags} for words, tags in pairs])


def parse(train, options=None, **others):
    return NER.parse({"train": train} | others, DEFAULTS | (options or {}))


def tagged(parsed, split="train"):
    return [(e.inputs["tokens"], [parsed.labels[i] for i in e.target]) for e in parsed.splits[split]]


def refused(*says, **arguments):
    """Whether the data is refused with one line that has all of `says`."""
    with pytest.raises(UserError) as caught:
        parse(**arguments)
    message = str(caught.value)
    return all(part in message for part in says) and "\n" not in message


# Reading.


def test_words_and_tags_become_class_indices():
    parsed = parse(table())
    assert parsed.labels == LABELS
    assert tagged(parsed) == TAGGED
    assert parsed.splits["train"][0].target == [5, 6, 0, 5, 0, 1]
    assert [NER.stratum(e) for e in parsed.splits["train"]] == [True, False, True]
    assert NER.text(parsed.splits["train"][1]) == "Nothing here"
    json.dumps([[dict(e.inputs), e.target] for e in parsed.splits["train"]])
    assert parsed.warnings == () and "5 entities in train" in parsed.notes[0] and "tags: BIO in train.jsonl" in parsed.notes


def test_files_of_every_kind_give_the_same(tmp_path):
    conll = "\n\n".join("\n".join(f"{w} {t}" for w, t in zip(*pair, strict=True)) for pair in TAGGED)
    texts = ["[Ada Lovelace|PER] met [Babbage|PER] in [London|LOC]", "Nothing here", "[Acme Rail|ORG] left [Peru|LOC]"]
    names = list(reversed(LABELS))
    files = {
        "a.conll": conll,
        "a.txt": conll,
        "a.jsonl": "\n".join(json.dumps({"words": w, "tags": t}) for w, t in TAGGED),
        "b.jsonl": "\n".join(json.dumps({"words": w, "tags": [names.index(x) for x in t]}) for w, t in TAGGED),
        "c.jsonl": "\n".join(json.dumps({"text": text, "domain": "news"}) for text in texts),
    }
    options = DEFAULTS | {"tokens_column": "words", "tags_column": "tags", "label_names": ",".join(names)}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        parsed = NER.parse({"train": read_file(tmp_path / name, NER.readers(options))}, options)
        assert (parsed.labels, tagged(parsed)) == (LABELS, TAGGED), name


def test_txt_is_conll_for_this_task_only(tmp_path):
    (tmp_path / "a.txt").write_text("Ada B-PER\n")
    sentiment = TASKS["sentiment"]
    with pytest.raises(UserError, match=r"a\.txt: of .txt, lines of fastText"):
        read_file(tmp_path / "a.txt", sentiment.readers(sentiment.defaults(OptionKind.PARSE)))


def test_a_complaint_names_the_line_of_the_word(tmp_path):
    (tmp_path / "a.conll").write_text("Ada B-PER\nsmiled O\n\nIn O\nLondon LOC\n")
    assert refused('a.conll line 5: "LOC" is no tag', train=read_file(tmp_path / "a.conll"))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"tokens": ["a"], "tags": ["O"]}], 'no column "ner_tags"; it has: tokens, tags. Name it with --tags-column'),
        ([{"words": ["a"], "ner_tags": ["O"]}], "Name it with --tokens-column"),
        ([{"sentence": "a"}], "Name them with --tokens-column and --tags-column, or --text-column"),
        ([{"tokens": ["a"], "ner_tags": ["O"]}, {"tokens": [], "ner_tags": []}], 'row 2: "tokens" is empty'),
        ([{"tokens": None, "ner_tags": ["O"]}], 'row 1: "tokens" is empty'),
        ([{"tokens": "['a']", "ner_tags": "['O']"}], 'row 1: "tokens" holds a str, not a list'),
        ([{"tokens": ["a", "b"], "ner_tags": ["O"]}], "row 1: 2 words, but 1 tag;"),
        ([{"tokens": ["a", ""], "ner_tags": ["O", "O"]}], "row 1 word 2: \"tokens\" holds '' where a word"),
        ([{"tokens": ["a", None], "ner_tags": ["O", "O"]}], 'row 1 word 2: "tokens" holds None'),
        ([{"tokens": ["a", "b"], "ner_tags": ["O", None]}], "row 1 word 2: the tag None is neither"),
        ([{"tokens": ["a", "b"], "ner_tags": [True, "O"]}], "row 1 word 1: the tag True is neither"),
        ([{"tokens": ["a", "b"], "ner_tags": [0, 3]}], "row 1 word 1: the tag is the number 0; name the numbers"),
        ([{"tokens": ["a", "b"], "ner_tags": ["0", "3"]}], "--label-names O,B-PER,I-PER"),
        ([{"tokens": ["a", "b"], "ner_tags": ["O", "B-PER"]}, {"tokens": ["a"], "ner_tags": ["PER"]}], "row 2 word 1"),
        ([{"tokens": ["a", "b"], "ner_tags": ["O", "O"]}], "train.jsonl: every tag is O"),
    ],
)
def test_bad_tables_are_named(rows, says):
    assert refused("train.jsonl", says, train=Table("train.jsonl", rows))


def test_numbers_need_as_many_names():
    rows = Table("train.jsonl", [{"tokens": ["a", "b"], "ner_tags": [0, 3]}])
    assert refused("row 1 word 2: the tag 3 has no name; --label-names names 0 to 2", train=rows,
            options={"label_names": "O,B-PER,I-PER"})  # fmt: skip
    ignored = Table("train.jsonl", [{"tokens": ["a"], "ner_tags": [-100]}])
    assert refused("row 1 word 1: the tag -100 has no name", train=ignored, options={"label_names": "O,B-PER"})
    assert refused('--label-names: "B-PER" is empty or given twice', train=rows, options={"label_names": "O,B-PER,B-PER"})
    assert refused('--label-names: "" is empty', train=rows, options={"label_names": "O,,B-PER"})
    assert "--label-names changes nothing" in parse(table(), {"label_names": "O,B-PER"}).warnings[0]


# The in-line form.


@pytest.mark.parametrize(
    ("text", "words", "tags"),
    [
        (
            "[Ada Lovelace|PER] met [Babbage|PER]'s friends in [London|LOC].",
            "Ada Lovelace met Babbage 's friends in London .",
            "B-PER I-PER O B-PER O O O B-LOC O",
        ),
        ("([Fenwick Rail|ORG]) is [Berlin|LOC]-based", "( Fenwick Rail ) is Berlin - based", "O B-ORG I-ORG O O B-LOC O O"),
        ("paid 1,250.50 at 10:30, not 3rd", "paid 1,250.50 at 10:30 , not 3rd", "O O O O O O O"),
        ("L'[Assemblée nationale|ORG] | oui", "L ' Assemblée nationale | oui", "O O B-ORG I-ORG O O"),
        ("[O'Brien|PER] & [C|ORG][.|MISC]", "O ' Brien & C .", "B-PER I-PER I-PER O B-ORG B-MISC"),
        ("[ Peru |LOC] won #gold :)", "Peru won # gold : )", "B-LOC O O O O O"),
        ("[हिन्दी|MISC], e\u0301te\u0301!", "हिन्दी , e\u0301te\u0301 !", "B-MISC O O O"),
    ],
)
def test_marks_in_a_text(text, words, tags):
    parsed = parse(Table("a.jsonl", [{"text": text}, {"text": "[X|PER] [Y|LOC] [Z|ORG] [W|MISC]"}]))
    assert tagged(parsed)[0] == (words.split(), tags.split())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[Ada|PER", 'row 2: a bracket that marks no entity, near "[Ada|PER"'),
        ("Ada|PER] came", "row 2: a bracket"),
        ("a [sic] b", "row 2: a bracket"),
        ("[[Ada|PER] Smith|ORG]", "row 2: a bracket"),
        ("[|PER]", 'row 2: "[|PER]" is no entity'),
        ("[Ada|]", 'row 2: "[Ada|]" is no entity'),
        ("[Ada|O]", 'row 2: "[Ada|O]" is no entity'),
        ("[Ada|B-PER]", 'row 2: "[Ada|B-PER]" is no entity'),
        ("[Ada|a person]", "is no entity"),
        ("[Kenya|LOC]n runners", 'row 2: the entity "Kenya" begins or ends inside a word'),
        ("un[Kenya|LOC]", 'row 2: the entity "Kenya" begins or ends inside a word'),
        ("", 'row 2: "text" is empty'),
        (" ", 'row 2: "text" is empty'),
        (None, 'row 2: "text" is empty'),
        (3, 'row 2: "text" holds a int'),
    ],
)
def test_malformed_marks_are_named_by_row(text, says):
    assert refused("a.jsonl", says, train=Table("a.jsonl", [{"text": "[Ada|PER]"}, {"text": text}]))


def test_texts_without_marks_are_refused():
    assert refused(
        'a.jsonl: no entity is marked in "text"', "[Ada Lovelace|PER]", train=Table("a.jsonl", [{"text": "plain"}])
    )


pieces = st.one_of(
    st.tuples(st.sampled_from(["Ada", "King's Cross", "U.N.", "São-Tomé", "3.5"]), st.sampled_from(["PER", "LOC"])),
    st.tuples(st.sampled_from(["met", "don't", "(", "10,000", "...", "d'"]), st.none()),
)


@QUICK
@given(st.lists(pieces, min_size=1, max_size=8))
def test_words_do_not_depend_on_the_marks(sentence):
    """Were a marked word cut differently from an unmarked one, its form would give the answer away."""
    marked = " ".join(f"[{text}|{kind}]" if kind else text for text, kind in sentence)
    plain = " ".join(text for text, _ in sentence)
    parsed = parse(Table("a.jsonl", [{"text": marked}, {"text": plain}, {"text": "[x|PER] [y|LOC]"}]))
    with_marks, without = tagged(parsed)[:2]
    assert with_marks[0] == without[0] and "".join(with_marks[0]) == plain.replace(" ", "")
    assert sum(tag[0] == "B" for tag in with_marks[1]) == sum(kind is not None for _, kind in sentence)
    assert set(without[1]) == {"O"}


# Types of entities.

MAP = "PERSON=PER, corporation=ORG,group=ORG,product=,work=O"
FOREIGN = [
    (["Ada", "of", "Acme", "Beta", "Rail"], ["B-PERSON", "O", "B-corporation", "B-group", "I-group"]),
    (["The", "Widget", "Two", "Opus"], ["O", "B-product", "I-product", "B-work"]),
]


@pytest.mark.parametrize("given_as", [str, dict])
def test_types_are_mapped_in_every_split(given_as):
    label_map = (
        MAP if given_as is str else {"PERSON": "PER", "corporation": "ORG", "group": "ORG", "product": "", "work": "O"}
    )
    parsed = parse(table(), {"label_map": label_map}, **{"shift:web": table(FOREIGN, "web.jsonl")})
    assert parsed.labels == LABELS
    assert tagged(parsed, "shift:web") == [
        (FOREIGN[0][0], ["B-PER", "O", "B-ORG", "B-ORG", "I-ORG"]),
        (FOREIGN[1][0], ["O", "O", "O", "O"]),
    ]
    notes = " · ".join(parsed.notes)
    assert "entities mapped: 1 PERSON to PER, 1 corporation to ORG, 1 group to ORG" in notes
    assert "entities dropped: 1 product, 1 work" in notes
    assert "web.jsonl has no LOC" in notes
    assert parsed.warnings == ()


def test_neighbours_of_types_that_become_one_stay_two_in_io():
    rows = Table("a.jsonl", [{"tokens": ["Acme", "Beta", "x"], "ner_tags": ["I-corporation", "I-group", "O"]}])
    assert tagged(parse(rows, {"label_map": "corporation=ORG,group=ORG"}))[0][1] == ["B-ORG", "B-ORG", "O"]


@pytest.mark.parametrize("split", ["validation", "test", "shift:web"])
def test_a_type_that_train_lacks_is_refused_with_a_hint(split):
    assert refused("web.jsonl row 1 word 1: the types PERSON, corporation, group, product, work do not occur in train.jsonl",
            "whose types are LOC, ORG, PER", "--label-map PERSON=,corporation=",
            train=table(), **{split: table(FOREIGN, "web.jsonl")})  # fmt: skip
    assert refused("row 2 word 2: the type product does not occur", "--label-map product=", train=table(),
            options={"label_map": "PERSON=PER,corporation=ORG,group=ORG,work="},
            **{split: table(FOREIGN, "web.jsonl")})  # fmt: skip


def test_bad_maps_are_named():
    assert refused('--label-map: "PERSON" is not of the form TYPE=NEW', train=table(), options={"label_map": "PERSON"})
    assert refused('--label-map: the type "A" is mapped twice', train=table(), options={"label_map": "A=B,A=C"})
    assert refused('--label-map: "B-PER=PERSON" must name types', train=table(), options={"label_map": "B-PER=PERSON"})
    assert refused('--label-map: "=PER" must name types', train=table(), options={"label_map": "=PER"})
    assert refused("--label-map drops all 5 entities", train=table(), options={"label_map": "PER=,LOC=,ORG=O"})
    warnings = parse(table(), {"label_map": "PERS=PERSON"}).warnings
    assert warnings == ('--label-map: no entity has the type "PERS", so it changes nothing. Did you mean "PER"?',)


def test_what_was_normalised_is_said():
    io = Table("io.jsonl", [{"tokens": ["Ada", "x"], "ner_tags": ["I-PER", "O"]}])
    broken = Table("odd.jsonl", [{"tokens": ["Ada", "x", "y"], "ner_tags": ["B-PER", "O", "I-LOC"]}])
    notes = " · ".join(parse(table(), test=io, validation=broken).notes)
    assert "tags: IO in io.jsonl, read as BIO (entities of one type without a word between are one)" in notes
    assert "odd.jsonl: 1 of 2 entities against the rules of BIO" in notes


# For the model.


def trained(model, trainer, pre, normalizer=None, post=None, **named):
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(["the film was good and London is a city in Peru , Mr Babbage said"] * 9, trainer)
    if post:
        tokenizer.post_processor = post
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)


def build(kind):
    """Tokenizers as BERT, RoBERTa, GPT-2 and T5 have them, trained on a sentence so that most words are in pieces."""
    from tokenizers import models, normalizers, processors, trainers
    from tokenizers import pre_tokenizers as pre

    if kind == "wordpiece":
        trainer = trainers.WordPieceTrainer(
            vocab_size=60, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False
        )
        post = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        return trained(models.WordPiece(unk_token="[UNK]"), trainer, pre.BertPreTokenizer(), normalizers.BertNormalizer(),
                       post, unk_token="[UNK]", pad_token="[PAD]")  # fmt: skip
    if kind == "unigram":
        specials = ["<pad>", "</s>", "<unk>"]
        trainer = trainers.UnigramTrainer(vocab_size=50, special_tokens=specials, unk_token="<unk>", show_progress=False)
        post = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        return trained(models.Unigram(), trainer, pre.Metaspace(), normalizers.NFKC(), post, unk_token="<unk>",
                       pad_token="<pad>")  # fmt: skip
    trainer = trainers.BpeTrainer(vocab_size=290, special_tokens=["<s>", "</s>"], show_progress=False,
                                  initial_alphabet=pre.ByteLevel.alphabet())  # fmt: skip
    post = {
        "roberta": processors.RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=True, add_prefix_space=False),
        "gpt2": processors.ByteLevel(trim_offsets=False),
    }[kind]
    return trained(models.BPE(), trainer, pre.ByteLevel(add_prefix_space=False), None, post, pad_token="</s>")


KINDS = ("wordpiece", "roberta", "gpt2", "unigram")


@pytest.fixture(scope="module")
def tokenizers():
    return {kind: build(kind) for kind in KINDS}


strange = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
ordinary = st.sampled_from(
    "the film in London , Babbage . Peru's 日本 naïve \u00a0 \ufe0f 😀 a\u200bb internationalisation".split(" ")
)
sentence = st.lists(st.one_of(ordinary, ordinary, ordinary, strange), min_size=1, max_size=40)


def examples_of(sentences):
    return [
        Example({"tokens": words}, [(7 * k + len(words)) % len(LABELS) for k in range(len(words))]) for words in sentences
    ]


def perfect(encoded, padding=3):
    """Outputs whose largest logit is the label, at labelled tokens; at all others, something else."""
    outputs = []
    for feature in encoded.features:
        logits = np.zeros((len(feature["labels"]) + padding, len(LABELS)), np.float32)
        for at, label in enumerate(feature["labels"]):
            logits[at, label if label != IGNORED_LABEL else 1] = 1
        logits[len(feature["labels"]) :, 2] = 1
        outputs.append(logits)
    return outputs


def words_with_tokens(tokenizer, words):
    """By the characters: the words some token of the whole sentence shows a sign of. An independent, slower way."""
    text, found = " ".join(words), set()
    starts = [sum(len(w) + 1 for w in words[:k]) for k in range(len(words))]
    ids = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    for start, end in ids["offset_mapping"]:
        signs = [at for at in range(start, end) if not text[at].isspace()]
        if signs:
            found.add(bisect_right(starts, signs[0]) - 1)
    return found


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sentences=st.lists(sentence, min_size=1, max_size=3), max_length=st.integers(5, 40))
@example(sentences=[["London"] * 40], max_length=5)
@example(sentences=[["internationalisation", "x", "internationalisation", "internationalisation"]], max_length=6)
@example(sentences=[["\ufe0f"], ["\u00a0", "\u200b"], ["film"]], max_length=8)
def test_every_word_is_labelled_and_predicted_once(tokenizers, kind, sentences, max_length):
    tokenizer, rows = tokenizers[kind], examples_of(sentences)
    encoded = NER.encode(rows, tokenizer, {"max_length": max_length})
    labelled = [[] for _ in rows]
    for feature, (i, shown) in zip(encoded.features, encoded.windows, strict=True):
        assert set(feature) <= {"input_ids", "attention_mask", "token_type_ids", "labels"}
        assert len({len(values) for values in feature.values()}) == 1
        assert 1 <= len(feature["input_ids"]) <= max_length
        assert {at for at, label in enumerate(feature["labels"]) if label != IGNORED_LABEL} == {at for _, at in shown}
        assert shown and all(feature["labels"][at] == rows[i].target[word] for word, at in shown)
        labelled[i] += [word for word, _ in shown]
    predictions = NER.decode(perfect(encoded), encoded, rows, None, tokenizer)
    for i, e in enumerate(rows):
        seen = words_with_tokens(tokenizer, e.inputs["tokens"])
        assert sorted(labelled[i]) == sorted(seen)
        assert predictions[i] == [tag if k in seen else 0 for k, tag in enumerate(e.target)]
        assert all(type(tag) is int for tag in predictions[i])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(words=st.lists(ordinary, min_size=1, max_size=15))
def test_a_sentence_that_fits_is_what_the_tokenizer_makes_of_it(tokenizers, kind, words):
    tokenizer = tokenizers[kind]
    encoded = NER.encode(examples_of([words]), tokenizer, {"max_length": 512})
    whole = dict(tokenizer(" ".join(words)))
    for feature in encoded.features:
        assert {key: values for key, values in feature.items() if key != "labels"} == whole
    assert len(encoded.features) <= 1


def test_the_label_is_at_the_first_piece_of_a_word(tokenizers):
    words, target = ["the", "Babbage", "film"], [0, 5, 0]
    for kind, first in (("wordpiece", "b"), ("roberta", "Ġ"), ("gpt2", "Ġ"), ("unigram", "▁")):
        encoded = NER.encode([Example({"tokens": words}, target)], tokenizers[kind], {"max_length": 64})
        (feature,), ((_, shown),) = encoded.features, encoded.windows
        pieces = tokenizers[kind].convert_ids_to_tokens(feature["input_ids"])
        at = dict(shown)[1]
        assert feature["labels"][at] == 5 and [word for word, _ in shown] == [0, 1, 2]
        assert pieces[at].startswith(first) or pieces[at - 1] == first, pieces
        assert sum(label != IGNORED_LABEL for label in feature["labels"]) == 3


def numbered(count):
    """A tokenizer with a token for each of w0, w1, ..., between [CLS] and [SEP]; so ids tell which words a window shows."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {f"w{i}": i for i in range(count)} | {"[CLS]": count, "[SEP]": count + 1, "[UNK]": count + 2}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", count), ("[SEP]", count + 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


NUMBERED = numbered(120)


@QUICK
@given(count=st.integers(1, 120), max_length=st.integers(3, 60))
@example(count=120, max_length=32)
@example(count=31, max_length=32)
def test_windows_overlap_and_a_word_is_read_where_it_has_most_context(count, max_length):
    words = [f"w{i}" for i in range(count)]
    encoded = NER.encode(examples_of([words]), NUMBERED, {"max_length": max_length})
    shown_by, owned_by, windows = {}, {}, []
    for feature, (_, owned) in zip(encoded.features, encoded.windows, strict=True):
        ids = feature["input_ids"]
        assert ids[0] == 120 and ids[-1] == 121, "every window has the tokenizer's own special tokens"
        inner = ids[1:-1]
        assert inner == list(range(inner[0], inner[-1] + 1)), "a window is a run of words"
        windows.append((inner[0], inner[-1]))
        for word, at in owned:
            assert ids[at] == word
            owned_by[word] = (inner[0], inner[-1])
        for word in inner:
            shown_by.setdefault(word, []).append((inner[0], inner[-1]))
    assert set(owned_by) == set(range(count))
    assert len(windows) == 1 or max_length < count + 2

    def context(word, window):
        left = word - window[0] if window[0] else np.inf
        right = window[1] - word if window[1] < count - 1 else np.inf
        return min(left, right)

    for word, window in owned_by.items():
        assert context(word, window) == max(context(word, other) for other in shown_by[word])
    if max_length >= 12:
        assert min(context(w, window) for w, window in owned_by.items()) >= (max_length - 2) // 4 - 1


def test_a_word_longer_than_a_window_is_cut_and_keeps_its_first_piece(tokenizers):
    words = ["in", "x" * 60, "Peru"]
    for kind in KINDS:
        encoded = NER.encode([Example({"tokens": words}, [0, 1, 3])], tokenizers[kind], {"max_length": 8})
        assert all(len(f["input_ids"]) <= 8 for f in encoded.features)
        owned = [word for _, shown in encoded.windows for word, _ in shown]
        assert sorted(owned) == [0, 1, 2]


def test_features_depend_on_their_sentence_alone(tokenizers):
    rows = examples_of([["the", "film"], ["London"] * 30, ["Peru", ","]])
    whole = NER.encode(rows, tokenizers["roberta"], {"max_length": 16})
    alone = [NER.encode([e], tokenizers["roberta"], {"max_length": 16}).features for e in rows]
    assert whole.features == [feature for features in alone for feature in features]


def test_a_sentence_without_any_token_is_predicted_as_o(tokenizers):
    rows = [Example({"tokens": ["\ufe0f", "\u00a0"]}, [1, 0]), Example({"tokens": ["film"]}, [1])]
    encoded = NER.encode(rows, tokenizers["wordpiece"], {"max_length": 16})
    assert [i for i, _ in encoded.windows] == [1]
    assert NER.decode(perfect(encoded), encoded, rows, None, None) == [[0, 0], [1]]


def test_no_room_and_no_fast_tokenizer_are_refused(tokenizers):
    rows = examples_of([["film"]])
    with pytest.raises(UserError, match="--max-length 2 leaves no room for words beside 2 special tokens"):
        NER.encode(rows, tokenizers["wordpiece"], {"max_length": 2})

    class Slow:
        is_fast, name_or_path = False, "old/model"

    for refuse in (
        lambda: NER.encode(rows, Slow(), {"max_length": 16}),
        lambda: NER.advise(CHECKPOINT, Slow(), {}, []),
    ):
        with pytest.raises(UserError, match="the tokenizer of old/model"):
            refuse()


CHECKPOINT = Checkpoint("some/model", "path", "revision")


def test_a_tokenizer_that_lower_cases_is_warned_of(tokenizers):
    (warning,) = NER.advise(CHECKPOINT, tokenizers["wordpiece"], DEFAULTS, [])
    assert "some/model lower-cases" in warning.text
    for kind in ("roberta", "gpt2", "unigram"):
        assert NER.advise(CHECKPOINT, tokenizers[kind], DEFAULTS, []) == ()
    assert NER.advise(CHECKPOINT, NUMBERED, DEFAULTS, []) == (), "words it does not know say nothing"


# The floor.


def rows_of(*pairs):
    return tuple(Example({"tokens": words.split()}, tags) for words, tags in pairs)


def test_the_floor_gives_each_word_its_commonest_tag_and_repairs_bio():
    train = rows_of(("Ada Lovelace met ada", [5, 6, 0, 0]), ("Ada Lovelace", [5, 6]), ("ada won", [1, 0]), ("Ada x", [0, 3]))
    predict = floors()["frequent_tag"].fit(Drawn(train, ()), NER.text, 0)
    cases = {
        "Ada Lovelace x": [5, 6, 3],
        "ada": [0],  # the first of O and B-LOC, which it has once each
        "ADA": [0],  # as "ada" in any case: twice B-PER, twice O
        "MET LOVELACE": [0, 5],  # an I- that follows nothing of its type becomes a B-
        "Ada Lovelace Lovelace": [5, 6, 6],
        "x Lovelace": [3, 5],
        "unknown": [0],
    }
    assert predict(rows_of(*((words, []) for words in cases))) == list(cases.values())


def test_the_floor_looks_at_train_alone():
    train = rows_of(("Ada won", [5, 0]))
    first = floors()["frequent_tag"].fit(Drawn(train, rows_of(("Ada won", [1, 1]))), NER.text, 3)
    assert first(rows_of(("Ada won", [0, 1]))) == [[5, 0]]


# Public corpora.


@pytest.mark.long
def test_noisy_text_with_wikipedia_as_its_shift(real_data):
    files = (str(real_data / "wnut17" / f"{split}.conll") for split in ("train", "validation", "test"))
    label_map = "person=PER,corporation=ORG,group=ORG,creative-work=MISC,product=MISC,location=LOC"
    wiki = {"wiki": str(real_data / "wikigold" / "all.conll")}
    data = load(DataSource(*files, options={"label_map": label_map}, shifts=wiki), NER)
    assert data.labels == ("O", "B-LOC", "I-LOC", "B-MISC", "I-MISC", "B-ORG", "I-ORG", "B-PER", "I-PER")
    assert (len(data.dev), len(data.test)) == pytest.approx((1009, 1287), abs=20)
    notes = " · ".join(data.notes)
    assert "tags: IO in all.conll, read as BIO" in notes and "1,559 person to PER" in notes
    predict = floors()["frequent_tag"].fit(Drawn(data.train, data.dev), NER.text, 0)
    f1 = METRICS["entity_f1"]
    for rows in (data.test, data.shifts["wiki"]):
        score = f1.finish(f1.counts(predict(rows), [e.target for e in rows], data.labels).sum(axis=0))
        assert 0.02 < score < 0.6
