"""Attention by its parts is the scaled dot-product attention that it replaces, outputs and gradients."""

import math

import pytest
import torch
import transformers

from support.numeric import assert_same_gradients
from support.numeric import gradients as gradients_of
from transfergain.engine.batching import collate
from transfergain.engine.fit import fit
from transfergain.engine.shortcuts import Shortcuts
from transfergain.engine.shortcuts.attention import ATTENTION_NAME, attend, attention_by_parts
from transfergain.engine.shortcuts.dropout import cheap_dropout
from transfergain.engine.training import Training
from transfergain.outcome import DevScore
from transfergain.types import Recipe

CPU = torch.device("cpu")
CASES = {
    "bert": "AutoModelForSequenceClassification",
    "distilbert": "AutoModelForSequenceClassification",
    "gpt2": "AutoModelForSequenceClassification",
    "bart": "AutoModelForSeq2SeqLM",
    "t5": "AutoModelForSeq2SeqLM",
}
NO_DROPOUT = {"bert": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}, "t5": {"dropout_rate": 0.0}}


def rows(lengths, generates):
    found = [{"input_ids": [10 + i % 20 for i in range(n)], "attention_mask": [1] * n} for n in lengths]
    return [
        f | {"labels": f["input_ids"][: n // 2 + 1] if generates else n % 2} for f, n in zip(found, lengths, strict=True)
    ]


def load(checkpoints, kind, **settings):
    auto, folder = getattr(transformers, CASES[kind]), checkpoints(kind, CASES[kind])
    model = auto.from_pretrained(folder, attn_implementation="sdpa", **settings)
    if kind == "gpt2":
        model.config.pad_token_id = 0
    return model


@pytest.mark.parametrize("kind", CASES)
def test_models_compute_the_same_padding_included(checkpoints, kind):
    model = load(checkpoints, kind).eval()
    features = rows([3, 9, 14], "Seq2Seq" in CASES[kind])
    batch = collate(features, 0, CPU)

    def run():
        model.zero_grad()
        output = model(**batch)
        output.loss.backward()
        return output.logits.detach(), gradients_of(model)

    logits, gradients = run()
    with attention_by_parts(model, features, 0) as used:
        assert used and model.config._attn_implementation == ATTENTION_NAME
        got, got_gradients = run()
    assert model.config._attn_implementation == "sdpa"
    assert torch.allclose(got, logits, atol=1e-5)
    assert_same_gradients(got_gradients, gradients)


def test_groups_of_heads_share_keys_and_values():
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, 5, 8), torch.randn(2, 2, 5, 8), torch.randn(2, 2, 5, 8)
    mask = torch.zeros(2, 1, 5, 5).masked_fill_(torch.rand(2, 1, 5, 5) < 0.2, torch.finfo(torch.float32).min)
    module = torch.nn.Identity().eval()
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True).transpose(1, 2)
    got, weights = attend(module, q, k, v, mask)
    assert weights is None and torch.allclose(got, expected, atol=1e-6)


def test_a_row_that_is_masked_as_a_whole_is_no_nan_in_bf16():
    q = torch.randn(1, 2, 3, 4).bfloat16()
    mask = torch.full((1, 1, 3, 3), torch.finfo(torch.float32).min)
    got, _ = attend(torch.nn.Identity().eval(), q, q, q, mask)
    assert torch.isfinite(got).all() and got.dtype == torch.bfloat16


def test_dropout_is_on_the_weights_at_the_modules_rate():
    torch.manual_seed(0)
    q, v = torch.zeros(8, 4, 50, 8), torch.ones(8, 4, 50, 8)  # uniform attention to ones: the output is the share kept
    with cheap_dropout(CPU):
        got, _ = attend(torch.nn.Identity().train(), q, q, v, None, dropout=0.2)
    assert float(got.mean()) == pytest.approx(1.0, abs=5 * math.sqrt(0.25 / (8 * 4 * 50 * 50)))
    assert float(got.std()) > 0.01
    assert torch.allclose(attend(torch.nn.Identity().eval(), q, q, v, None, dropout=0.2)[0], torch.ones(8, 50, 4, 8))


def test_a_model_that_computes_something_else_keeps_its_own(checkpoints, monkeypatch):
    from transfergain.engine.shortcuts import attention

    model = load(checkpoints, "bert")
    features = rows([3, 9], False)
    monkeypatch.setattr(
        attention, "_loss_and_outputs", lambda *a: [torch.tensor(float(model.config._attn_implementation == ATTENTION_NAME))]
    )
    with attention_by_parts(model, features, 0) as used:
        assert not used and model.config._attn_implementation == "sdpa"


def test_a_model_that_was_loaded_with_another_keeps_it(checkpoints):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoints("bert"), attn_implementation="eager")
    with attention_by_parts(model, rows([3, 9], False), 0) as used:
        assert not used and model.config._attn_implementation == "eager"


@pytest.mark.parametrize("kind", ["bert", "t5"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_whole_training_run_learns_alike(checkpoints, kind, precision):
    """Without dropout, attending by parts or not leads to the same losses, to the precision's rounding."""
    features, curves = rows([3, 9, 14, 5, 6, 7], "Seq2Seq" in CASES[kind]), []
    recipe = Recipe(1e-3, batch_size=4, epochs=1, min_steps=12, precision=precision)
    for by_parts in (True, False):
        model = load(checkpoints, kind, **NO_DROPOUT[kind])
        training, shortcuts = Training(features, features, recipe, 0, 0), Shortcuts(attention=by_parts)
        curves.append([p.loss for p in fit(model, training, lambda predicted: DevScore(0.5), shortcuts=shortcuts).curve])
    first, second = curves
    assert first == pytest.approx(second, abs=1e-4 if precision == "fp32" else 2e-2)
    assert max(first) > min(first) + 1e-3, "the model learns"
