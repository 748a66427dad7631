"""Training a head on stored features is the same as running the whole frozen model."""

from itertools import islice

import numpy as np
import pytest
import torch

from support.heads import HEAD, STEPPED, prepare
from support.texts import FILLER, GOOD, sentences
from transfergain import checkpoint as checkpoints_
from transfergain.arms.base import Blueprint
from transfergain.engine.batching import collate, training_batches
from transfergain.engine.fit import fit
from transfergain.engine.predict import predict
from transfergain.engine.shortcuts import ALL_SHORTCUTS, frozen
from transfergain.engine.training import Training
from transfergain.outcome import DevScore
from transfergain.tasks import TASKS
from transfergain.types import Example, Recipe

KINDS = ("bert", "roberta", "distilbert", "gpt2", "t5", "bart")
LABELS = ("negative", "positive")
CPU = torch.device("cpu")


def examples(pairs):
    return tuple(Example({"text": text}, LABELS.index(label)) for text, label in pairs)


def of_one_length(count):
    """Texts of five words each, so that batches cut by length are the same for features and for tokens."""
    pairs = []
    for text, label in sentences(count):
        opinion = next(w for w in text.split() if w not in FILLER)
        pairs.append((" ".join([*FILLER[len(pairs) % 10 :][:4], opinion]), label))
    return examples(pairs)


VARIED = (*examples(sentences(20, 3)), Example({"text": "a book quite unheard-of"}, 0), Example({"text": "good"}, 1))
"""Texts of many lengths; one ends in a word that is unknown, whose id is GPT-2's padding here."""


@pytest.fixture
def frozen_model(checkpoints):
    """kind -> (model without dropout whose head alone trains, encode, pad token id)."""

    def get(kind):
        checkpoint = checkpoints_.resolve(checkpoints(kind))
        tokenizer = checkpoints_.load_tokenizer(checkpoint)
        config = checkpoints_.load_config(checkpoint, tokenizer, LABELS)
        for key, value in config.to_dict().items():
            if ("drop" in key or "pdrop" in key) and isinstance(value, float):
                setattr(config, key, 0.0)
        model = prepare(HEAD, Blueprint(checkpoint, "AutoModelForSequenceClassification", config, 0)).model

        def encode(rows):
            return TASKS["sentiment"].encode(rows, tokenizer, {"max_length": 32}).features

        return model, encode, tokenizer.pad_token_id

    return get


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_replays_the_models_logits(frozen_model, kind):
    model, encode, pad = frozen_model(kind)
    cached = frozen.head_only(model, encode(VARIED), pad)
    assert cached, "a way to feed the head was found"
    module, position = cached
    assert position == ("last" if kind in ("gpt2", "t5", "bart") else "first")
    whole = predict(model, encode(VARIED), pad, "fp32")
    stored = frozen.run_base(model, encode(VARIED), pad, position, "fp32")
    replayed = predict(module, stored, pad, "fp32")
    np.testing.assert_allclose(np.stack(replayed.outputs), np.stack(whole.outputs), atol=1e-5)
    assert replayed.loss == pytest.approx(whole.loss, abs=1e-5)
    assert [f["labels"] for f in stored] == [e.target for e in VARIED]


@pytest.mark.parametrize("kind", KINDS)
def test_training_on_stored_features_gives_the_numbers_of_the_whole_model(frozen_model, kind):
    recipe = Recipe(3e-3, batch_size=8, epochs=1, min_steps=24, max_length=32)
    curves, said = [], []
    for store in (True, False):
        model, encode, pad = frozen_model(kind)
        module, features = model, encode
        if store:
            module, position = frozen.head_only(model, encode(VARIED), pad)

            def features(rows, model=model, encode=encode, pad=pad, position=position):
                return frozen.run_base(model, encode(rows), pad, position, "fp32")

        def accuracy(predicted):
            said.append(np.stack(predicted.outputs))
            return DevScore(
                float(np.mean([row.argmax() == e.target for row, e in zip(predicted.outputs, VARIED, strict=True)]))
            )

        before = {n: p.detach().clone() for n, p in model.base_model.named_parameters()}
        fitted = fit(module, Training(features(of_one_length(40)), features(VARIED), recipe, 0, pad), accuracy)
        assert all(torch.equal(p, before[n]) for n, p in model.base_model.named_parameters())
        curves.append(fitted.curve)
        assert len({p.loss for p in fitted.curve}) > 4, "the head learns"
    stored, whole = curves
    assert [p.step for p in stored] == [p.step for p in whole]
    assert len(said) == 2 * len(whole), "logits at every evaluation of each"
    np.testing.assert_allclose(np.stack(said[: len(whole)]), np.stack(said[len(whole) :]), atol=1e-4)
    assert [p.loss for p in stored] == pytest.approx([p.loss for p in whole], abs=1e-4)
    assert all(0 < p.flops < q.flops for p, q in zip(stored, whole, strict=True))


def test_stored_features_come_in_the_batches_of_the_tokens(frozen_model):
    """The batch order is the replicate's: batches hold the same examples whatever is read of them."""
    model, encode, pad = frozen_model("bert")
    tokens = encode(examples(sentences(40)))
    stored = frozen.run_base(model, tokens, pad, "first", "fp32")
    assert list(islice(training_batches(stored, 8, 0), 5)) == list(islice(training_batches(tokens, 8, 0), 5))


def test_only_models_whose_head_alone_trains_are_frozen(checkpoints):
    checkpoint = checkpoints_.resolve(checkpoints("bert"))
    config = checkpoints_.load_config(checkpoint, checkpoints_.load_tokenizer(checkpoint), LABELS)
    blueprint = Blueprint(checkpoint, "AutoModelForSequenceClassification", config, 0)
    found = {arm: frozen.only_head_trains(prepare(arm, blueprint).model) for arm in (*STEPPED, HEAD)}
    assert found == {arm: arm == HEAD for arm in (*STEPPED, HEAD)}


def test_the_base_models_own_forward_is_put_back(frozen_model):
    model, encode, pad = frozen_model("bert")
    batch = collate(encode(VARIED[:3]), pad, CPU)
    before = model(**batch).logits
    module, position = frozen.head_only(model, encode(VARIED), pad)
    stored = collate(frozen.run_base(model, encode(VARIED[:3]), pad, position, "fp32"), pad, CPU)
    module(**stored)
    assert "forward" not in vars(model.base_model) and not model.base_model._forward_hooks
    assert torch.equal(model(**batch).logits, before)
    with pytest.raises(IndexError):  # no pooled output; the forward is put back after an error too
        module(input_ids=stored["input_ids"], hidden=stored["hidden"], labels=stored["labels"])
    assert "forward" not in vars(model.base_model)


def whole_text_head(model):
    """Make the head read the mean over all tokens, which no single position can stand for."""
    original = model.forward

    def forward(input_ids, labels, attention_mask=None, **rest):
        hidden = model.base_model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        output = original(input_ids=input_ids, labels=labels, attention_mask=attention_mask, **rest)
        output.logits = model.classifier(hidden.mean(dim=1))
        return output

    model.forward = forward


def test_a_head_that_reads_the_whole_text_is_not_cached(frozen_model):
    model, encode, pad = frozen_model("bert")
    whole_text_head(model)
    assert frozen.head_only(model, encode(VARIED), pad) is None


def test_a_head_that_bypasses_the_base_model_is_not_cached(frozen_model):
    model, encode, pad = frozen_model("bert")
    inner = model.base_model.embeddings
    output = model(**collate(encode(VARIED[:4]), pad, CPU))

    def forward(input_ids, labels, **rest):
        output.logits = model.classifier(inner(input_ids)[:, 0])
        return output

    model.forward = forward
    assert frozen.head_only(model, encode(VARIED), pad) is None


@pytest.mark.parametrize("positions", [frozen.POSITIONS, ()])
def test_features_are_stored_where_a_way_is_found_and_are_part_of_the_price(frozen_model, monkeypatch, positions):
    monkeypatch.setattr(frozen, "POSITIONS", positions)
    model, encode, pad = frozen_model("distilbert")
    training = Training(encode(of_one_length(24)), encode(VARIED), Recipe(3e-3, max_length=16), 0, pad)
    base = ALL_SHORTCUTS.frozen_base(model, training)
    assert (base is not None) == bool(positions)
    read_once = 24 * 2 * 10_000  # the 24 training texts have over 10,000 products each in the frozen layers
    assert base is None or base.stored(training).spent.flops > read_once


def test_stored_features_are_those_of_evaluation_mode(checkpoints):
    """Dropout in the base model is off while features are computed, and computing them moves no random stream."""
    checkpoint = checkpoints_.resolve(checkpoints("bert"))
    tokenizer = checkpoints_.load_tokenizer(checkpoint)
    config = checkpoints_.load_config(checkpoint, tokenizer, LABELS)
    model = prepare(HEAD, Blueprint(checkpoint, "AutoModelForSequenceClassification", config, 0)).model.train()
    features = TASKS["sentiment"].encode([Example({"text": w}, 0) for w in GOOD], tokenizer, {"max_length": 16}).features
    state = torch.get_rng_state()
    first = frozen.run_base(model, features, tokenizer.pad_token_id, "first", "fp32")
    assert torch.equal(torch.get_rng_state(), state)
    second = frozen.run_base(model.train(), features, tokenizer.pad_token_id, "first", "fp32")
    assert all(torch.equal(a["hidden"], b["hidden"]) for a, b in zip(first, second, strict=True))
