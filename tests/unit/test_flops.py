"""Counted operations of a step equal those that PyTorch counts while it runs, for every kind of model and batch."""

import itertools
from types import SimpleNamespace

import pytest
import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from transfergain.engine import flops as module
from transfergain.engine.batching import collate
from transfergain.engine.flops import StepFlops
from transfergain.engine.shortcuts import frozen

CPU = torch.device("cpu")
SHAPES = [[3, 9, 5], [17], [2, 2, 30, 6, 11], [7] * 8]
"""Lengths of the texts of four batches."""


def text(n, **more):
    return {"input_ids": [10 + i % 20 for i in range(n)], "attention_mask": [1] * n} | more


def classified(lengths):
    return [text(n, labels=n % 2) for n in lengths]


def translated(lengths):
    return [text(n, labels=[10 + i % 9 for i in range(1 + n * 2 // 3)]) for n in lengths]


def spans(lengths):
    return [text(n, start_positions=n - 1, end_positions=n - 1) for n in lengths]


def counted(model, rows, pad=0, backward=True):
    """What PyTorch counts in one training step."""
    model.train()
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
        loss = model(**collate(rows, pad, CPU)).loss
        if backward:
            loss.backward()
    model.zero_grad()
    return counter.get_total_flops()


def load(checkpoints, kind, auto_class):
    model = getattr(transformers, auto_class).from_pretrained(checkpoints(kind, auto_class))
    if kind == "gpt2":
        model.config.pad_token_id = 0
    return model


CASES = {
    "bert": ("AutoModelForSequenceClassification", classified),
    "gpt2": ("AutoModelForSequenceClassification", classified),
    "distilbert": ("AutoModelForQuestionAnswering", spans),
    "t5": ("AutoModelForSeq2SeqLM", translated),
    "bart": ("AutoModelForSeq2SeqLM", translated),
}


@pytest.mark.parametrize("kind", CASES)
def test_equals_what_pytorch_counts_padding_included(checkpoints, kind, monkeypatch):
    auto_class, make = CASES[kind]
    model = load(checkpoints, kind, auto_class)
    batches = [make(lengths) for lengths in SHAPES]
    monkeypatch.setattr(module, "_known", {})
    step = StepFlops(model, list(itertools.chain(*batches)), 0)
    assert [step(batch) for batch in batches] == [counted(model, batch) for batch in batches]
    assert not step._counted, "by the polynomial, not by counting each"


def test_frozen_parts_cost_no_backward_pass(checkpoints, monkeypatch):
    monkeypatch.setattr(module, "_known", {})
    batches = [classified(lengths) for lengths in SHAPES]
    model = load(checkpoints, "bert", CASES["bert"][0])
    whole = StepFlops(model, batches[0], 0)(batches[0])
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("classifier"))
    step = StepFlops(model, batches[0], 0)
    assert [step(batch) for batch in batches] == [counted(model, batch) for batch in batches]
    forward = StepFlops(model, batches[0], 0, backward=False)
    assert forward(batches[0]) == counted(model, batches[0], backward=False)
    assert forward(batches[0]) < step(batches[0]) < 0.4 * whole


def test_lora_and_stored_features_cost_what_they_do(checkpoints, monkeypatch):
    from peft import LoraConfig, get_peft_model

    monkeypatch.setattr(module, "_known", {})
    rows = classified(SHAPES[2])
    model = load(checkpoints, "bert", CASES["bert"][0])
    lora = get_peft_model(model, LoraConfig(r=2, target_modules=["query", "value"], modules_to_save=["classifier"]))
    assert StepFlops(lora, rows, 0)(rows) == counted(lora, rows)
    model = load(checkpoints, "bert", CASES["bert"][0])
    for parameter in model.base_model.parameters():
        parameter.requires_grad_(False)
    head, position = frozen.head_only(model, rows, 0)
    stored = frozen.run_base(model, rows, 0, position, "fp32")
    assert 0 < StepFlops(head, stored, 0)(stored) == counted(head, stored) < 1e4
    assert frozen.base_flops(model, rows, 0) == counted(model, rows, backward=False), "one batch holds them all"


def test_counting_changes_nothing(checkpoints):
    model = load(checkpoints, "bert", CASES["bert"][0]).train()
    torch.manual_seed(0)
    state, weights = torch.get_rng_state(), [p.detach().clone() for p in model.parameters()]
    StepFlops(model, classified([5, 9]), 0)
    assert torch.equal(state, torch.get_rng_state()) and model.training
    assert all(torch.equal(a, b) and a.grad is None for a, b in zip(model.parameters(), weights, strict=True))


class Blocks(torch.nn.Module):
    """A model that pads to whole blocks of eight tokens: its operations are no polynomial of the length."""

    def __init__(self):
        super().__init__()
        self.words, self.out = torch.nn.Embedding(40, 4), torch.nn.Linear(4, 2)

    def forward(self, input_ids, attention_mask, labels):
        x = torch.nn.functional.pad(self.words(input_ids), (0, 0, 0, -input_ids.shape[1] % 8))
        logits = self.out(x).mean(1)
        return SimpleNamespace(loss=torch.nn.functional.cross_entropy(logits, labels), logits=logits)


def test_a_model_that_is_no_polynomial_is_counted_shape_by_shape():
    model = Blocks()
    batches = [classified(lengths) for lengths in SHAPES]
    step = StepFlops(model, list(itertools.chain(*batches)), 0)
    assert step._polynomial is None
    assert [step(batch) for batch in batches] == [counted(model, batch) for batch in batches]


def test_trials_of_a_study_share_what_was_counted(checkpoints, monkeypatch):
    monkeypatch.setattr(module, "_known", {})
    model = load(checkpoints, "bert", CASES["bert"][0])
    first = StepFlops(model, classified([5, 9]), 0)
    monkeypatch.setattr(StepFlops, "_count", lambda self, shape: pytest.fail("counted again"))
    model.resize_token_embeddings(60)  # rows that are looked up cost nothing
    rows = classified([3, 8, 20])
    assert StepFlops(model, rows, 0)(rows) == first(rows)
