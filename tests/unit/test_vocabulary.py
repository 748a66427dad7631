"""A model that knows only the tokens met trains and generates as the whole one."""

import copy
import random

import numpy as np
import pytest
import torch
import transformers as t
from hypothesis import given
from hypothesis import strategies as st

from support.checkpoints import build_tokenizer
from support.heads import STEPPED
from support.numeric import assert_same_gradients
from support.numeric import gradients as gradients_of
from transfergain import checkpoint as checkpoints_
from transfergain.arms import ARMS
from transfergain.arms.base import Blueprint
from transfergain.engine.batching import collate
from transfergain.engine.fit import fit
from transfergain.engine.predict import generate, predict
from transfergain.engine.shortcuts.vocabulary import NEVER_BIAS, Vocabulary, _ordered
from transfergain.engine.training import Training
from transfergain.outcome import DevScore
from transfergain.types import Recipe

SIZE = 240
LAST = SIZE - 1
WORDS = random.Random(0).sample(range(20, LAST), 25)
"""The tokens of all features, most of them above the number of tokens kept."""
ENCODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SIDES = {
    f"{side}_{key}": value
    for side in ("encoder", "decoder")
    for key, value in {"layers": 1, "attention_heads": 2, "ffn_dim": 64}.items()
}
PAD = {"bert": 0, "distilbert": 0, "roberta": 1, "gpt2": LAST, "t5": 0, "bart": 1, "marian": LAST}
END = {"bert": 3, "distilbert": 3, "roberta": 2, "gpt2": 5, "t5": 1, "bart": 2, "marian": 0}
HEADS = {"single": "SequenceClassification", "tokens": "TokenClassification", "spans": "QuestionAnswering"}
FIELDS = {"single": ("logits",), "tokens": ("logits",), "spans": ("start_logits", "end_logits")}
GENERATION = {"num_beams": 1, "max_new_tokens": 12, "do_sample": False}


def config_of(kind, size=SIZE, **changes):
    pad, end = PAD[kind], END[kind]
    return {
        "bert": lambda: t.BertConfig(vocab_size=size, pad_token_id=pad, **ENCODER | changes),
        "roberta": lambda: t.RobertaConfig(
            **{"vocab_size": size, "pad_token_id": pad, "max_position_embeddings": 40} | ENCODER | changes
        ),
        "distilbert": lambda: t.DistilBertConfig(vocab_size=size, dim=32, n_layers=2, n_heads=2, hidden_dim=64),
        "gpt2": lambda: t.GPT2Config(
            vocab_size=size, n_positions=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=LAST, eos_token_id=LAST,
            pad_token_id=pad,
        ),
        "t5": lambda: t.T5Config(
            vocab_size=size, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, pad_token_id=pad,
            decoder_start_token_id=pad,
        ),
        "bart": lambda: t.BartConfig(vocab_size=size, d_model=32, max_position_embeddings=64, **SIDES),
        "marian": lambda: t.MarianConfig(
            vocab_size=size, d_model=32, max_position_embeddings=64, pad_token_id=pad, eos_token_id=end,
            forced_eos_token_id=end, decoder_start_token_id=pad, **SIDES,
        ),
    }[kind]()  # fmt: skip


def features(kind, count=24, labels="single", seed=1):
    """Random texts, all different in length or words, ending in the kind's end token."""
    rng = random.Random(seed)
    made = []
    for i in range(count):
        ids = [*rng.choices(WORDS, k=rng.randint(2, 7)), END[kind]]
        feature = {"input_ids": ids, "attention_mask": [1] * len(ids)}
        feature |= {
            "single": lambda i=i: {"labels": i % 2},
            "tokens": lambda ids=ids: {"labels": [-100, *(j % 2 for j in ids[1:])]},
            "spans": lambda ids=ids: {"start_positions": 0, "end_positions": len(ids) - 1},
            "text": lambda ids=ids: {"labels": [*reversed(ids[:-1]), END[kind]]},
        }[labels]()
        made.append(feature)
    return made


def classifier(kind, labels="single", **changes):
    torch.manual_seed(0)
    config = config_of(kind, **changes)
    if labels == "single":
        config.num_labels, config.problem_type = 2, "single_label_classification"  # the first loss would set it
    return getattr(t, "AutoModelFor" + HEADS[labels]).from_config(config)


def translator(kind):
    torch.manual_seed(0)
    model = t.AutoModelForSeq2SeqLM.from_config(config_of(kind))
    if kind == "marian":
        model.generation_config.bad_words_ids = [[PAD["marian"]]]
    return model


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    """arm -> encoder-decoder warm-started from a tiny BERT with more tokens than its tokenizer."""
    folder = tmp_path_factory.mktemp("warm")
    torch.manual_seed(0)
    t.BertForMaskedLM(config_of("bert")).save_pretrained(folder)
    build_tokenizer("bert").save_pretrained(folder)

    def get(arm="full"):
        checkpoint = checkpoints_.resolve(str(folder))
        tokenizer = checkpoints_.load_tokenizer(checkpoint)
        config = checkpoints_.load_config(checkpoint, tokenizer, (), generates=True)
        return ARMS[arm].build(Blueprint(checkpoint, "AutoModelForSeq2SeqLM", config, 0)).model

    return get


@pytest.fixture
def generating(warm):
    return lambda kind: warm() if kind == "warm" else translator(kind)


def train(model, seen, pad, fields=("logits",), rate=1e-3, steps=5):
    recipe = Recipe(rate, batch_size=8, epochs=1, min_steps=steps)
    return fit(model, Training(seen, seen[:7], recipe, 0, pad, fields), lambda predicted: DevScore(-predicted.loss))


def state(model):
    """Every name's tensor, shared ones under each of their names."""
    return {name: value.detach().clone() for name, value in model.state_dict(keep_vars=True).items()}


def ties(model):
    """Names of the parameters that are one and the same."""
    names = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), set()).add(name)
    return sorted(map(sorted, names.values()))


def settings(model):
    """All configs of the model and its parts."""
    found = [m.config.to_dict() for m in model.modules() if isinstance(m, t.PreTrainedModel)]
    found += [m.generation_config.to_dict() for m in model.modules() if getattr(m, "generation_config", None) is not None]
    return copy.deepcopy(found)


def numbers(model):
    """(module, attribute) -> number, of what counts or names tokens outside the configs."""
    kept = ("num_embeddings", "out_features", "padding_idx", "vocab_size")
    return {(n, key): getattr(m, key) for n, m in model.named_modules() for key in kept if hasattr(m, key)}


def assert_close(got, expected, **tolerance):
    assert got.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(got[name], expected[name], **tolerance, msg=lambda text, name=name: f"{name}: {text}")


def step_gradients(model, seen, pad):
    """Gradients of one step on eight texts, without dropout."""
    model.eval().zero_grad()
    model(**collate(seen[:8], pad, torch.device("cpu"))).loss.backward()
    found = gradients_of(model)
    model.zero_grad()
    return found


def assert_same_step(small, whole, vocabulary, seen, pad):
    """The tokens kept have the gradients that they have among all tokens, and the others none."""
    expected, left_out = step_gradients(whole, seen, pad), [i for i in range(SIZE) if i not in vocabulary.kept]
    tokens = {name for name, gradient in expected.items() if gradient.shape[0] == SIZE}
    assert tokens and not any(expected[name][left_out].any() for name in tokens)
    expected |= {name: expected[name][list(vocabulary.kept)] for name in tokens}
    assert_same_gradients(step_gradients(small, vocabulary.features(seen), vocabulary.pad_token_id), expected)


def determined(outputs, labels):
    """Outputs as far as the loss fixes them: a number added to all words of a text leaves spans the same."""
    return [row - row.mean(-1, keepdims=True) if labels == "spans" else row for row in outputs]


CLASSIFIERS = [(kind, "single") for kind in ("bert", "roberta", "distilbert", "gpt2", "t5", "bart")]
CLASSIFIERS += [(kind, labels) for kind in ("bert", "roberta", "distilbert") for labels in ("tokens", "spans")]


@pytest.mark.parametrize(("kind", "labels"), CLASSIFIERS)
def test_training_with_fewer_tokens_is_training_with_all(kind, labels):
    seen, pad, fields = features(kind, labels=labels), PAD[kind], FIELDS[labels]
    whole, small = classifier(kind, labels), classifier(kind, labels)
    initial, config, counts, tied = state(small), settings(small), numbers(small), ties(small)
    random_state = torch.get_rng_state()
    vocabulary = Vocabulary.shrink(small, seen, [pad], pad)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not vocabulary.why_whole and set(WORDS) < set(vocabulary.kept) and len(vocabulary.kept) < 40
    embeddings = small.get_input_embeddings()
    assert embeddings.num_embeddings == embeddings.weight.shape[0] == len(vocabulary.kept)
    assert small.config.vocab_size == len(vocabulary.kept) and ties(small) == tied
    assert_same_step(small, whole, vocabulary, seen, pad)
    expected = train(whole, seen, pad, fields)
    got = train(small, vocabulary.features(seen), vocabulary.pad_token_id, fields)
    assert [p.loss for p in got.curve] == pytest.approx([p.loss for p in expected.curve], abs=1e-6)
    assert len({p.loss for p in got.curve}) == 5, "the model learns"
    predicted = predict(small, vocabulary.features(seen), vocabulary.pad_token_id, "fp32", fields).outputs

    vocabulary.restore()
    for a, b in zip(
        determined(predicted, labels), determined(predict(whole, seen, pad, "fp32", fields).outputs, labels), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)
    left_out = [i for i in range(SIZE) if i not in vocabulary.kept]
    rows = embeddings.weight
    name = next(n for n, p in small.named_parameters() if p is rows)
    assert torch.equal(rows[left_out], initial[name][left_out])
    assert not torch.equal(rows[list(vocabulary.kept)], initial[name][list(vocabulary.kept)])
    assert (settings(small), numbers(small), ties(small)) == (config, counts, tied)
    for a, b in zip(predict(small, seen, pad, "fp32", fields).outputs, predicted, strict=True):
        assert a == pytest.approx(b, abs=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["bart", "marian", "warm"])
@pytest.mark.parametrize("beams", [1, 3])
def test_the_restored_model_generates_what_the_trial_did(generating, tmp_path, kind, beams):
    source = "bert" if kind == "warm" else kind
    seen, pad, model = features(source, labels="text"), PAD[source], generating(kind)
    config, counts, tied, initial = settings(model), numbers(model), ties(model), state(model)
    vocabulary = Vocabulary.shrink(model, seen, [pad], pad, GENERATION | {"num_beams": beams})
    assert not vocabulary.why_whole and model.get_output_embeddings().out_features == len(vocabulary.kept)
    assert ties(model) == tied
    train(model, vocabulary.features(seen), vocabulary.pad_token_id, (), rate=5e-3, steps=100)
    seen = [{k: v for k, v in f.items() if k != "labels"} for f in seen]
    small = generate(model, vocabulary.features(seen), vocabulary.pad_token_id, "fp32", vocabulary.generation)
    small = [vocabulary.widen(ids) for ids in small]
    assert len(set(map(tuple, small))) > 3 and len({i for ids in small for i in ids}) > 8, "the model says something"

    vocabulary.restore()
    assert generate(model, seen, pad, "fp32", GENERATION | {"num_beams": beams}) == small
    assert (settings(model), numbers(model), ties(model)) == (config, counts, tied)
    left_out = [i for i in range(SIZE) if i not in vocabulary.kept]
    for name, value in state(model).items():
        assert value.shape == initial[name].shape
        if SIZE in value.shape and "position" not in name:
            biased = "bias" in name
            dimension = value.shape.index(SIZE)
            others = value.index_select(dimension, torch.tensor(left_out))
            was = initial[name].index_select(dimension, torch.tensor(left_out))
            assert torch.equal(others, torch.full_like(was, NEVER_BIAS) if biased else was), name
    model.save_pretrained(tmp_path)
    loaded = t.AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    assert generate(loaded, seen, pad, "fp32", GENERATION | {"num_beams": beams}) == small


@pytest.mark.parametrize(("kind", "words"), [("bart", 30), ("warm", 30), ("warm", 1)])
def test_few_labels_leave_sealed_texts_untried(generating, kind, words):
    """The shortest or longest of the first features may be a sealed one, without the labels that a loss asks for."""
    source = "bert" if kind == "warm" else kind
    seen, ids = features(source, count=8, labels="text"), [WORDS[0]] * words
    sealed = {"input_ids": ids, "attention_mask": [1] * words}
    vocabulary = Vocabulary.shrink(generating(kind), [*seen, sealed], [PAD[source]], PAD[source], GENERATION)
    assert vocabulary.kept and not vocabulary.why_whole


@pytest.mark.parametrize("kind", ["bart", "marian"])
def test_training_to_generate_is_training_the_model_that_is_saved(kind):
    seen, pad = features(kind, labels="text"), PAD[kind]
    whole, small = translator(kind), translator(kind)
    vocabulary = Vocabulary.shrink(small, seen, [pad], pad, GENERATION)
    whole.final_logits_bias[:, [i for i in range(SIZE) if i not in vocabulary.kept]] = NEVER_BIAS
    assert_same_step(small, whole, vocabulary, seen, pad)
    expected = train(whole, seen, pad, ())
    got = train(small, vocabulary.features(seen), vocabulary.pad_token_id, ())
    assert [p.loss for p in got.curve] == pytest.approx([p.loss for p in expected.curve], abs=1e-5)
    assert len({p.loss for p in got.curve}) == 5, "the model learns"
    vocabulary.restore()
    logits = [
        torch.cat([model.eval()(**collate([f], pad, torch.device("cpu"))).logits[0] for f in seen])
        for model in (small, whole)
    ]
    met = list(vocabulary.kept)
    torch.testing.assert_close(logits[0][:, met], logits[1][:, met], atol=1e-4, rtol=1e-4)


@pytest.mark.long
def test_every_arm_that_generates_has_the_same_vocabulary(warm):
    """It changes the softmax, so what trains must have no say in it: LoRA trains no embeddings."""
    seen = features("bert", labels="text")
    for arm in STEPPED:
        model = warm(arm)
        trained = {n for n, p in model.named_parameters() if p.requires_grad}
        vocabulary = Vocabulary.shrink(model, seen, [0, 1, 2, 3], 0, GENERATION)
        assert (vocabulary.why_whole, set(vocabulary.kept)) == ("", {0, 1, 2, 3, *WORDS}), arm
        assert {n for n, p in model.named_parameters() if p.requires_grad} == trained
        train(model, vocabulary.features(seen), 0, ())
        vocabulary.restore()
        assert {n for n, p in model.named_parameters() if p.requires_grad} == trained
        base = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
        assert base.get_output_embeddings().weight.shape[0] == SIZE
        assert len(generate(base, seen[:2], 0, "fp32", GENERATION)) == 2


def test_what_trains_does_not_matter_where_a_model_generates():
    model = translator("marian")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("fc1" in name)
    vocabulary = Vocabulary.shrink(model, features("marian", labels="text"), [], LAST, GENERATION)
    assert vocabulary.kept and not model.get_output_embeddings().weight.requires_grad


def declined(model, seen, pad, generation=None):
    """The reason, after checking that nothing was changed."""

    def all_of_it():
        return settings(model), numbers(model), ties(model), list(map(id, model.parameters())), model.training

    weights, rest = state(model), all_of_it()
    vocabulary = Vocabulary.shrink(model, seen, [pad], pad, generation)
    assert rest == all_of_it()
    assert_close(state(model), weights, atol=0, rtol=0)
    assert vocabulary.kept == () and vocabulary.pad_token_id == pad and vocabulary.generation == generation
    assert vocabulary.features(seen) == seen and vocabulary.widen([4, 5]) == [4, 5]
    vocabulary.restore()
    return vocabulary.why_whole


def test_an_output_layer_without_a_bias_stays_whole():
    model = t.AutoModelForSeq2SeqLM.from_config(config_of("t5"))
    assert "no bias" in declined(model, features("t5", labels="text"), 0, GENERATION)


@pytest.mark.parametrize("share", [1.0, 0.999])
def test_a_bias_that_does_not_reach_the_logits_stays_whole(share):
    model = translator("bart")
    model.lm_head.register_forward_hook(lambda module, args, output: output - share * model.final_logits_bias)
    assert "something else" in declined(model, features("bart", labels="text"), 1, GENERATION)


def test_frozen_embeddings_stay_whole(warm):
    model = classifier("bert")
    model.get_input_embeddings().weight.requires_grad_(False)
    assert "do not train" in declined(model, features("bert"), 0)


def test_few_tokens_left_out_are_not_worth_it():
    model = classifier("bert", size=40)
    seen = [f | {"input_ids": [i % 40 for i in f["input_ids"]]} for f in features("bert")]
    assert "of 40 tokens occur" in declined(model, seen, 0)


def test_positions_counted_from_a_padding_that_moves_stay_whole():
    model = classifier("roberta", pad_token_id=90, max_position_embeddings=120)
    assert "something else" in declined(model, features("roberta"), 90)


def test_a_model_that_counts_on_the_whole_vocabulary_stays_whole():
    model = classifier("bert")

    def demand(module, args):
        if module.config.vocab_size != SIZE:
            raise IndexError("its own table of tokens")

    model.register_forward_pre_hook(demand)
    assert "something else" in declined(model, features("bert"), 0)


@pytest.mark.parametrize(
    ("case", "why"),
    [("sizes", "several vocabularies"), ("output", "output layer"), ("none", "output layer"), ("tokens", "tokenizer has")],
)
def test_what_is_not_understood_stays_whole(case, why):
    seen = features("bert", labels="text")
    if case == "sizes":
        both = t.EncoderDecoderConfig.from_encoder_decoder_configs(config_of("bert"), config_of("bert", size=230))
        assert why in declined(t.EncoderDecoderModel(both), seen, 0, GENERATION)
    elif case == "output":
        assert why in declined(t.BertForMaskedLM(config_of("bert")), seen, 0)
    elif case == "none":
        assert why in declined(classifier("bert"), seen, 0, GENERATION)
    else:
        assert why in declined(classifier("bert"), [{"input_ids": [5, SIZE], "labels": 0}], 0)


def test_lora_of_a_classifier_stays_whole(checkpoints):
    checkpoint = checkpoints_.resolve(checkpoints("bert"))
    config = checkpoints_.load_config(checkpoint, checkpoints_.load_tokenizer(checkpoint), ("a", "b"))
    for arm, why in {"lora": "do not train", "full": "occur", "scratch": "occur"}.items():
        model = ARMS[arm].build(Blueprint(checkpoint, "AutoModelForSequenceClassification", config, 0)).model
        many = config.vocab_size * 3 // 5
        seen = [{"input_ids": list(range(many)), "attention_mask": [1] * many, "labels": 0}]
        assert why in Vocabulary.shrink(model, seen, [0], 0).why_whole


def test_positions_as_many_as_tokens_are_left_alone():
    model = classifier("bert", max_position_embeddings=SIZE, type_vocab_size=SIZE)
    model.bert.embeddings.position_embeddings.padding_idx = WORDS[0]  # a position here
    vocabulary = Vocabulary.shrink(model, features("bert"), [0], 0)
    embeddings = model.bert.embeddings
    assert embeddings.word_embeddings.num_embeddings == len(vocabulary.kept) < SIZE
    assert embeddings.position_embeddings.num_embeddings == embeddings.token_type_embeddings.num_embeddings == SIZE
    assert embeddings.position_embeddings.padding_idx == WORDS[0]
    assert model.config.max_position_embeddings == model.config.type_vocab_size == SIZE


def test_the_classes_of_words_are_no_tokens():
    seen = features("bert", labels="tokens")
    vocabulary = Vocabulary.shrink(classifier("bert", "tokens"), seen, [0], 0)
    made = vocabulary.features(seen)
    assert [f["labels"] for f in made] == [f["labels"] for f in seen]
    assert [vocabulary.widen(f["input_ids"]) for f in made] == [f["input_ids"] for f in seen]
    assert made[0].keys() == seen[0].keys() and made[0]["input_ids"] != seen[0]["input_ids"]
    with pytest.raises(KeyError):
        vocabulary.features([{"input_ids": [SIZE - 2]}])


def test_ignored_labels_stay_ignored_and_arguments_are_renumbered():
    code, other = [i for i in range(100, SIZE) if i not in WORDS][:2]
    seen = [f | {"labels": [-100, *f["labels"]]} for f in features("bart", labels="text")]
    arguments = GENERATION | {"forced_bos_token_id": code, "bad_words_ids": [[WORDS[0], other]], "min_length": 2}
    model = translator("bart")
    vocabulary = Vocabulary.shrink(model, seen, [1], 1, arguments)
    made = vocabulary.features(seen)
    assert all(f["labels"][0] == -100 and vocabulary.widen(f["labels"][1:]) == s["labels"][1:]
               for f, s in zip(made, seen, strict=True))  # fmt: skip
    given = vocabulary.generation
    assert vocabulary.widen([given["forced_bos_token_id"], *given["bad_words_ids"][0]]) == [code, WORDS[0], other]
    assert given["min_length"] == 2 and given["max_new_tokens"] == 12


def test_precision_and_device_are_the_models():
    model = classifier("bert").double()
    vocabulary = Vocabulary.shrink(model, features("bert"), [0], 0)
    assert model.get_input_embeddings().weight.dtype == torch.float64
    model.float()
    vocabulary.restore()
    assert model.get_input_embeddings().weight.dtype == torch.float32
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@given(st.sets(st.integers(0, 500), min_size=1))
def test_tokens_below_their_count_keep_their_number(met):
    order = _ordered(met)
    assert sorted(order) == sorted(met)
    assert all(order[i] == i for i in met if i < len(met))
