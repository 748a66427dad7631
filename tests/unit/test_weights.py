"""bf16 copies with fp32 masters: the updates of AdamW with clipping, and a model that is fp32 again afterwards."""

import copy

import pytest
import torch
import transformers

from transfergain.engine.batching import collate
from transfergain.engine.fit import fit
from transfergain.engine.precision import autocast
from transfergain.engine.shortcuts.bf16 import Bf16Weights, multiplied
from transfergain.engine.step import Step
from transfergain.engine.training import Training
from transfergain.engine.weights import Average, Weights
from transfergain.outcome import DevScore
from transfergain.types import Recipe

CPU = torch.device("cpu")
ROWS = [
    {"input_ids": [10 + i % 20 for i in range(n)], "attention_mask": [1] * n, "labels": n % 2} for n in (3, 9, 14, 5, 6, 8)
]


def load(checkpoints, kind="bert", auto_class="AutoModelForSequenceClassification"):
    torch.manual_seed(0)
    return getattr(transformers, auto_class).from_pretrained(checkpoints(kind, auto_class)).eval()


def recipe(**keys):
    return Recipe(1e-3, batch_size=6, epochs=1, min_steps=8, **keys)


def backward(model, precision):
    with autocast(precision, CPU):
        loss = model(**collate(ROWS, 0, CPU)).loss
    loss.backward()


@pytest.mark.parametrize("clip", [1e-3, 1.0, 1e3])
def test_steps_are_those_of_adamw_with_clipping(checkpoints, clip):
    model, other = load(checkpoints), load(checkpoints)
    weights = Weights(model, recipe(clip=clip), {})
    embeddings = {id(p) for m in other.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    decays = [p for p in other.parameters() if p.ndim >= 2 and id(p) not in embeddings]
    rest = [p for p in other.parameters() if p.ndim < 2 or id(p) in embeddings]
    optimizer = torch.optim.AdamW(
        [{"params": decays, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}], fused=False
    )
    for rate in (1e-3, 5e-4, 1e-3):
        backward(model, "fp32")
        for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
            theirs.grad = mine.grad.clone()  # its own would differ by rounding, which AdamW blows up where there is no more
        weights.step(rate)
        torch.nn.utils.clip_grad_norm_(other.parameters(), clip)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
    weights.close()
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-6), float((a - b).abs().max())
        assert a.grad is None


def test_small_updates_are_not_lost_to_bf16(checkpoints):
    """A weight moves by less than bf16 can tell, a thousand times."""
    model = load(checkpoints)
    layer = model.classifier
    torch.nn.init.constant_(layer.weight, 1.0)
    weights = Bf16Weights(model, recipe(precision="bf16", weight_decay=0.0), {})
    assert layer.weight.dtype == torch.bfloat16
    for _ in range(1000):
        layer.weight.grad = torch.full_like(layer.weight, 1e-4)
        weights.step(1e-5)
    weights.close()
    assert layer.weight.dtype == torch.float32
    assert torch.allclose(layer.weight, torch.tensor(0.99), atol=1e-4)


def test_the_products_are_those_of_autocast(checkpoints):
    model = load(checkpoints)
    with autocast("bf16", CPU):
        expected = model(**collate(ROWS, 0, CPU)).logits.detach().float()
    weights = Bf16Weights(model, recipe(precision="bf16"), {})
    with autocast("bf16", CPU):
        got = model(**collate(ROWS, 0, CPU)).logits.detach().float()
    assert torch.allclose(got, expected, atol=2e-2 * float(expected.abs().max()) + 2e-3)
    weights.close()


def test_fp32_leaves_the_model_as_it_is(checkpoints):
    model = load(checkpoints)
    weights = Weights(model, recipe(), {})
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert all(a is b for a, b in zip(weights.masters, model.parameters(), strict=True))


def test_frozen_weights_are_halved_once_and_come_back_untouched(checkpoints):
    model = load(checkpoints)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("classifier"))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    weights = Bf16Weights(model, recipe(precision="bf16"), {})
    assert model.bert.encoder.layer[0].intermediate.dense.weight.dtype == torch.bfloat16
    backward(model, "bf16")
    weights.step(1e-2)
    weights.close()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) != name.startswith("classifier"), name


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_what_an_embedding_shares_stays_fp32(checkpoints, kind):
    model = load(checkpoints, kind, "AutoModelForSeq2SeqLM")
    halved = {id(p) for p in multiplied(model)}
    assert halved
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert tied and id(model.get_output_embeddings().weight) not in halved
    assert not any(id(p) in halved for m in model.modules() if isinstance(m, torch.nn.LayerNorm) for p in m.parameters())


def test_bf16_training_ends_in_fp32_with_the_best_weights_and_no_hooks(checkpoints):
    model = load(checkpoints).train()
    before, hooks = copy.deepcopy(model.state_dict()), sum(len(m._forward_hooks) for m in model.modules())
    fitted = fit(model, Training(ROWS, ROWS, recipe(precision="bf16"), 0, 0), lambda predicted: DevScore(-predicted.loss))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert sum(len(m._forward_hooks) for m in model.modules()) == hooks
    assert any(not torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not fitted.diverged
    weight = model.bert.encoder.layer[0].intermediate.dense.weight
    assert not torch.equal(weight, weight.bfloat16().float()), "the masters, not their bf16 copies"


def test_named_parameters_move_at_their_own_multiple_of_the_rate(checkpoints):
    model, other = load(checkpoints), load(checkpoints)
    names = {name for name, _ in model.named_parameters() if name.startswith("classifier.")}
    weights, plain = Weights(model, recipe(), dict.fromkeys(names, 8.0)), Weights(other, recipe(), {})
    for each, kept, rate in ((model, weights, 1e-4), (other, plain, 1e-4)):
        backward(each, "fp32")
        kept.step(rate)
        kept.close()
    start = dict(load(checkpoints).named_parameters())
    for (name, mine), theirs in zip(model.named_parameters(), other.parameters(), strict=True):
        moved, plainly = (mine - start[name]).abs().max(), (theirs - start[name]).abs().max()
        assert float(moved.detach()) == pytest.approx(float(plainly.detach()) * (8 if name in names else 1), rel=0.01)


def test_an_average_that_is_read_from_a_file_goes_on_where_the_weights_are():
    """Files are read into the CPU's memory; on a GPU a training that went on stopped at its next step."""
    model = torch.nn.Linear(3, 2)
    average = Average(Weights(model, recipe(), {}))
    saved = average.state() | {"taken": 4}
    elsewhere = Average(Weights(model.to("meta"), recipe(), {}))
    elsewhere.restore(saved)
    assert {value.device.type for value in elsewhere.state()["values"]} == {"meta"}
    elsewhere.take(8)


def test_random_streams_are_saved_of_the_device_that_trains(monkeypatch):
    streams = {"cuda:1": torch.tensor([7])}
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device="cuda": streams[str(device)])
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device="cuda": streams.update({str(device): state}))
    model = torch.nn.Linear(3, 2)
    step = Step(model, Weights(model, recipe(), {}), recipe(), 0, torch.device("cuda:1"))
    saved = step.state()
    streams["cuda:1"] = torch.tensor([8])
    step.restore(saved)
    assert streams["cuda:1"].tolist() == [7]
    with_no_gpu = Step(model, Weights(model, recipe(), {}), recipe(), 0, CPU)
    with_no_gpu.restore(saved)
