"""Translation: pairs in, ids and generation arguments for every kind of tokenizer, text out; and its floors."""

import logging

import pytest
import torch
import transformers

from support.checkpoints import build_tokenizer
from transfergain.checkpoint import load_tokenizer, resolve
from transfergain.data.draws import Drawn
from transfergain.data.formats.table import Table
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.options import OptionKind
from transfergain.tasks import TASKS, floors
from transfergain.types import Checkpoint, Example

TASK = TASKS["translation"]
READING = dict(TASK.defaults(OptionKind.READING)) | {"source_lang": "fr", "target_lang": "en"}
ENCODING = dict(TASK.defaults(OptionKind.ENCODING)) | {"max_length": 32, "decoder_start_token_id": None}
FLAT = [
    {"fr": "Un chat dort.", "en": "A cat sleeps."},
    {"fr": "Le chien court.", "en": "The dog runs."},
    {"fr": "Il pleut.", "en": "It is raining."},
]
NESTED = [{"translation": row} for row in FLAT]
WORDS = "a A ä é e E b l the cat well known it s don t . , - ' ’ : 3 5 10 30 1 000 ? #".split()
SPECIAL = "[PAD] [UNK] [CLS] [SEP] [MASK]".split()


def parse(rows, name="train.jsonl", **options):
    tables = rows if isinstance(rows, dict) else {"train": Table(name, rows)}
    return TASK.parse(tables, READING | options)


def message(rows, **options):
    with pytest.raises(UserError) as error:
        parse(rows, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def bert(**options):
    return transformers.BertTokenizer(vocab={word: i for i, word in enumerate([*SPECIAL, *WORDS])}, **options)


def pair(source="good film", target="a bad book"):
    return Example({"source": source}, target)


def encode(tokenizer, *examples, **options):
    return TASK.encode(examples or [pair()], tokenizer, ENCODING | options).features


def decode(tokenizer, *ids):
    return TASK.decode(ids, None, None, None, tokenizer)


# Reading.


@pytest.mark.parametrize("rows", [FLAT, NESTED], ids=["columns", "translation"])
def test_rows_become_examples(rows):
    parsed = parse({"train": Table("train.csv", rows), "shift:news": Table("news.csv", rows[:1])})
    assert parsed.labels == () and parsed.splits["train"][1] == Example({"source": "Le chien court."}, "The dog runs.")
    assert parsed.splits["shift:news"] == parsed.splits["train"][:1]
    assert parsed.notes == ("fr → en",) and parsed.warnings == ()
    assert TASK.text(parsed.splits["train"][0]) == "Un chat dort."
    assert parse(rows, source_lang="en", target_lang="fr").splits["train"][2] == Example(
        {"source": "It is raining."}, "Il pleut."
    )


def test_lower_casing_is_for_all_splits_and_said():
    rows = [{"fr": "L'ÉTÉ À Paris", "en": "SUMMER in Paris"}]
    parsed = parse({"train": Table("a", rows), "test": Table("b", rows)}, lowercase=True)
    assert parsed.splits["test"] == parsed.splits["train"] == (Example({"source": "l'été à paris"}, "summer in paris"),)
    assert "lower-cased" in parsed.notes[1]


def test_pairs_that_are_empty_on_both_sides_are_skipped_and_counted():
    parsed = parse([*FLAT, {"fr": " ", "en": ""}, {"fr": None, "en": float("nan")}, *NESTED[:0], {"other": 1}])
    assert len(parsed.splits["train"]) == 3
    assert "train.jsonl: 3 pairs skipped, empty on both sides" in parsed.notes
    assert "every sentence is empty" in message([{"fr": "", "en": ""}])


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        (FLAT, {"source_lang": "", "target_lang": ""}, "--source-lang and --target-lang; it has: fr, en"),
        (NESTED, {"target_lang": ""}, "with --target-lang; it has: fr, en"),
        (FLAT, {"target_lang": "fr"}, "--source-lang and --target-lang are both fr"),
        (FLAT, {"source_lang": "de"}, 'train.jsonl has no language "de"; it has: fr, en. Name it with --source-lang'),
        (NESTED, {"target_lang": "de"}, 'no language "de"; it has: fr, en. Name it with --target-lang'),
        (FLAT, {"source_lang": "fr_XX", "target_lang": "fr_CA"}, 'both mean its "fr"'),
        ([*FLAT, {"fr": "Oui.", "en": " "}], {}, 'train.jsonl row 4: "en" is empty and "fr" is not'),
        ([*FLAT, {"en": "Yes."}], {}, 'train.jsonl row 4: "fr" is empty and "en" is not'),
        ([*NESTED, {"translation": "Oui."}], {}, 'train.jsonl row 4: "translation" is no object; {"fr": ..., "en": ...}'),
        ([*NESTED, *FLAT], {}, 'train.jsonl row 4: "translation" is no object'),
        ([*FLAT, {"fr": ["Oui.", "Si."], "en": "Yes."}], {}, 'train.jsonl row 4: "fr" holds a list'),
    ],
)
def test_what_cannot_be_read_is_named(rows, options, says):
    assert says in message(rows, **options)


@pytest.mark.parametrize("codes", [("fr_XX", "en_XX"), ("fra_Latn", "eng_Latn"), ("fr_FR", "en")])
def test_codes_of_tokenizers_find_the_usual_columns_and_it_is_said(codes):
    parsed = parse(FLAT, source_lang=codes[0], target_lang=codes[1])
    assert parsed.splits == parse(FLAT).splits
    assert f'{codes[0]} read from "fr"' in parsed.notes[0]


def test_files_that_are_no_translation_are_warned_of():
    copied = [{"fr": f"{i} oui", "en": f"{i} oui" if i % 2 else f"{i} yes"} for i in range(20)]
    assert "10 of 20 pairs have the same text on both sides" in parse(copied).warnings[0]
    assert not parse([*FLAT * 10, {"fr": "Paris", "en": "Paris"}]).warnings, "some names are the same everywhere"


def test_bleu_is_warned_of_where_words_are_not_spaced():
    rows = [{"en": f"Cat {i} sleeps.", "ja": f"ねこ{i}はきょうもおうちでずっとねむっていますよ"} for i in range(5)]
    assert "go by chrF" in parse(rows, source_lang="en", target_lang="ja").warnings[0]


# Encoding.


@pytest.mark.parametrize("kind", ["bert", "t5", "bart"])
def test_features_are_ids_mask_and_labels(kind):
    tokenizer = build_tokenizer(kind)
    (feature,) = encode(tokenizer)
    assert set(feature) == {"input_ids", "attention_mask", "labels"}
    assert tokenizer.decode(feature["input_ids"], skip_special_tokens=True) == "good film"
    assert tokenizer.decode(feature["labels"], skip_special_tokens=True) == "a bad book"
    end = tokenizer.eos_token_id if kind != "bert" else tokenizer.sep_token_id
    assert feature["labels"][-1] == end and feature["labels"].count(end) == 1
    several = encode(tokenizer, pair(), pair("the room", "my meal is cold"), pair())
    assert several[0] == several[2] == feature and all(type(i) is int for i in several[1]["labels"])


@pytest.mark.parametrize(("kind", "start", "first"), [("bert", "[CLS]", "a"), ("bart", "</s>", "<s>"), ("bart", "<s>", "a"),
                                                      ("t5", "<pad>", "a"), ("bert", None, "[CLS]")])  # fmt: skip
def test_labels_leave_out_the_token_that_the_decoder_starts_from(kind, start, first):
    """An encoder-decoder of BERT starts from [CLS] and has not to predict it; BART starts from </s> and predicts <s>."""
    tokenizer = build_tokenizer(kind)
    start_id = tokenizer.convert_tokens_to_ids(start) if start else None
    (feature,) = encode(tokenizer, decoder_start_token_id=start_id)
    assert tokenizer.convert_ids_to_tokens(feature["labels"][0]) == first


@pytest.mark.parametrize("kind", ["bert", "t5", "bart", "gpt2"])
def test_a_truncated_target_keeps_its_end_token(kind):
    tokenizer = build_tokenizer(kind)
    long = pair("the meal was " * 30, "my room is cold and " * 30)
    (feature,) = encode(tokenizer, long, max_length=9, max_target_length=7)
    assert len(feature["input_ids"]) == len(feature["attention_mask"]) == 9 and len(feature["labels"]) == 7
    end = tokenizer.sep_token_id if kind == "bert" else tokenizer.eos_token_id
    assert feature["labels"][-1] == end and feature["labels"].count(end) == 1


def test_a_tokenizer_that_ends_no_text_is_made_to():
    tokenizer = build_tokenizer("gpt2")
    assert encode(tokenizer)[0]["labels"] == [*tokenizer("a bad book")["input_ids"], tokenizer.eos_token_id]


@pytest.mark.parametrize("prefix", ["the film:", "the film: "])
def test_the_source_prefix_stands_before_every_source_as_a_word(prefix):
    tokenizer = build_tokenizer("t5")
    (feature,) = encode(tokenizer, source_prefix=prefix)
    assert feature["input_ids"] == tokenizer("the film: good film")["input_ids"]
    assert feature["labels"] == encode(tokenizer)[0]["labels"]


@pytest.mark.parametrize(
    ("options", "says"), [({"max_target_length": 1}, "--max-target-length 1"), ({"num_beams": 0}, "--num-beams 0")]
)
def test_options_that_cannot_be_are_refused(options, says):
    tokenizer = build_tokenizer("t5")
    for refuses in (lambda: encode(tokenizer, **options), lambda: TASK.generation(ENCODING | options, tokenizer)):
        with pytest.raises(UserError, match=says):
            refuses()


MULTILINGUAL = {
    "mbart50": (transformers.MBart50Tokenizer, "fr_XX", "en_XX", "forced_bos_token_id"),
    "mbart": (transformers.MBartTokenizer, "fr_XX", "en_XX", "decoder_start_token_id"),
    "nllb": (transformers.NllbTokenizer, "fra_Latn", "eng_Latn", "forced_bos_token_id"),
}


@pytest.mark.parametrize("kind", MULTILINGUAL)
def test_tokenizers_with_language_codes_are_told_both(kind):
    make, source, target, argument = MULTILINGUAL[kind]
    tokenizer, languages = make(), {"source_lang": source, "target_lang": target}
    (feature,) = encode(tokenizer, **languages)
    sides = [tokenizer.convert_ids_to_tokens(feature[key]) for key in ("input_ids", "labels")]
    assert [side.count(code) for side in sides for code in (source, target)] == [1, 0, 0, 1]
    assert "</s>" in sides[1][-2:] and sides[1].count("</s>") == 1
    arguments = TASK.generation(ENCODING | languages, tokenizer)
    given = {name: value for name, value in arguments.items() if name.endswith("token_id")}
    assert given == {argument: tokenizer.convert_tokens_to_ids(target)}
    known = tokenizer.convert_tokens_to_ids(target)
    assert decode(tokenizer, [2, known, 2, 1, 1]) == [""], "the code is no text"


@pytest.mark.parametrize("kind", MULTILINGUAL)
def test_a_language_that_the_tokenizer_does_not_know_is_named(kind):
    make, source, target, _ = MULTILINGUAL[kind]
    tokenizer = make()
    for languages, flag in (
        ((source[:2], target), "--source-lang"),
        ((source, "e"), "--target-lang"),
        ((source, ""), "--target"),
    ):
        options = dict(zip(("source_lang", "target_lang"), languages, strict=True))
        for refuses in (
            lambda options=options: encode(tokenizer, **options),
            lambda options=options: TASK.generation(ENCODING | options, tokenizer),
            lambda options=options: TASK.advise(Checkpoint("m", "", ""), tokenizer, READING | options, []),
        ):
            with pytest.raises(UserError, match=flag) as error:
                refuses()
            assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=f"Nearby: {source}"):
        encode(tokenizer, source_lang="fr", target_lang=target)


# Generation and decoding.


def test_what_a_checkpoint_prefers_does_not_change_the_search(checkpoints, caplog):
    """BART's generation_config asks for beams, banned repetitions and a least length; the recipe has the last word."""
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(checkpoints("bart")).eval()
    tokenizer = load_tokenizer(resolve(checkpoints("bart")))
    options = ENCODING | {"max_target_length": 12}
    arguments = TASK.generation(options, tokenizer)
    inputs = {k: torch.tensor([v]) for k, v in encode(tokenizer)[0].items() if k != "labels"}
    caplog.set_level(logging.ERROR, logger="transformers")
    plain = model.generate(**inputs, **arguments).tolist()
    odd = {"num_beams": 4, "no_repeat_ngram_size": 1, "min_length": 9, "length_penalty": 3.0, "early_stopping": True}
    for name, value in (odd | {"repetition_penalty": 9.0, "do_sample": True, "max_length": 20}).items():
        setattr(model.generation_config, name, value)
    assert model.generate(**inputs).tolist() != plain
    assert model.generate(**inputs, **arguments).tolist() == plain
    beams = TASK.generation(options | {"num_beams": 3}, tokenizer)
    assert beams == arguments | {"num_beams": 3} and len(model.generate(**inputs, **beams)[0]) <= 13


def test_decoding_leaves_special_tokens_and_padding_out():
    for kind, start in (("bert", "[CLS]"), ("t5", "<pad>"), ("bart", "</s>")):
        tokenizer = build_tokenizer(kind)
        start_id, pad = tokenizer.convert_tokens_to_ids(start), tokenizer.pad_token_id
        labels = encode(tokenizer, decoder_start_token_id=start_id)[0]["labels"]
        assert decode(tokenizer, [start_id, *labels, pad, pad], [start_id]) == ["a bad book", ""]


@pytest.mark.parametrize(
    "text",
    [
        "it's the cat.",
        "don't, a b.",
        "a well-known cat?",
        "l'e, l’e.",
        "well-known-well",
        "3.5",
        "10:30",
        "1,000",
        "1, 3, 5",
        "a: b",
    ],
)
def test_wordpiece_is_put_together_as_it_was_written(text):
    tokenizer = bert()
    (feature,) = encode(tokenizer, pair(target=text), decoder_start_token_id=tokenizer.cls_token_id)
    joined = decode(tokenizer, feature["labels"])[0]
    assert joined.replace(" :", ":") == text, "a colon keeps the space that French wants before it"


def test_a_perfect_model_is_all_but_perfect_through_an_uncased_tokenizer(real_data):
    tokenizer = load_tokenizer(resolve("builtin:minilm"))
    rows = [
        Example({"source": "x"}, t) for t in (real_data / "multi30k" / "validation.en").read_text().lower().split("\n") if t
    ]
    features = encode(tokenizer, *rows, max_target_length=128)
    answers, targets = decode(tokenizer, *(f["labels"] for f in features)), [e.target for e in rows]
    scores = {
        name: float(METRICS[name].finish(METRICS[name].counts(answers, targets, ()).sum(axis=0))) for name in TASK.metrics
    }
    assert scores["chrf"] > 0.9999 and scores["bleu"] > 0.999


@pytest.mark.parametrize(
    ("tokenizer", "lowercase", "warnings"),
    [
        (bert(), False, ["lower-cases", "strips accents"]),
        (bert(), True, ["strips accents"]),
        (bert(strip_accents=False), False, ["lower-cases"]),
        (bert(strip_accents=False), True, []),
        (bert(do_lower_case=False), False, []),
        (build_tokenizer("bert"), False, []),  # whose vocabulary has no letters: nothing to tell
    ],
    ids=["uncased", "uncased, lowercase", "accents kept", "accents kept, lowercase", "cased", "unknown"],
)
def test_a_tokenizer_that_cannot_spell_the_references_is_warned_of(tokenizer, lowercase, warnings):
    texts = ["un café"] * 3 + ["Un Café"] * (0 if lowercase else 2) + ["un the"] * 5
    examples = [Example({"source": "x"}, text) for text in texts]
    found = TASK.advise(Checkpoint("some/model", "", ""), tokenizer, READING | {"lowercase": lowercase}, examples)
    assert len(found) == len(warnings)
    for said, wanted in zip(found, warnings, strict=True):
        assert wanted in said.text and "some/model" in said.text and "--lowercase" in said.text
        share = {"lower-cases": "20% of the references", "strips accents": "% of the references (en)"}[wanted]
        assert share in said.text


def test_a_tokenizer_that_cannot_spell_what_no_reference_holds_is_not_warned_of():
    examples = [Example({"source": "x"}, text) for text in ["a dog", "two dogs"] * 100 + ["A café"]]
    assert TASK.advise(Checkpoint("some/model", "", ""), bert(), READING, examples) == []


def test_chance_is_zero():
    assert TASK.chance(parse(FLAT).splits["train"], ()) == 0.0


# Floors.

DRAWN = Drawn(parse(FLAT).splits["train"], parse(FLAT).splits["train"][:1])


def test_the_source_is_copied():
    predict = floors()["copy_source"].fit(DRAWN, TASK.text, 0)
    assert predict(DRAWN.train[:2]) == ["Un chat dort.", "Le chien court."] and predict([]) == []


@pytest.mark.long
def test_the_nearest_translation_is_taken_from_train(monkeypatch):
    from transfergain.floors import nearest

    predict = floors()["nearest"].fit(DRAWN, TASK.text, 0)
    queries = [Example({"source": s}, "?") for s in ("Le gros chien court vite.", "Un chat dort.", "Il pleuvait.", "xyz")]
    expected = ["The dog runs.", "A cat sleeps.", "It is raining.", "A cat sleeps."]
    assert predict(queries) == expected and [predict([q])[0] for q in queries] == expected
    monkeypatch.setattr(nearest, "BATCH_EXAMPLES", 2)
    assert predict(queries) == expected and predict([]) == []


def test_the_nearest_of_equals_is_the_first_drawn():
    twice = Drawn((pair("un chat", "first"), pair("UN CHAT", "second"), pair("un chien", "third")), DRAWN.dev)
    assert floors()["nearest"].fit(twice, TASK.text, 0)([pair("un chat")]) == ["first"]


def test_floors_take_predictions_that_the_metrics_score():
    for name in ("copy_source", "nearest"):
        answers = floors()[name].fit(DRAWN, TASK.text, 0)(DRAWN.train)
        scores = [
            METRICS[m].finish(METRICS[m].counts(answers, [e.target for e in DRAWN.train], ()).sum(0)) for m in TASK.metrics
        ]
        assert (min(scores) == 1.0) == (name == "nearest"), "train itself is its own nearest neighbour"
