"""A batch that does not fit into memory is computed in parts, with the gradient of the whole."""

import pytest
import torch
import transformers

from support.numeric import assert_same_gradients
from support.numeric import gradients as gradients_of
from transfergain.engine.fit import fit
from transfergain.engine.step import Step
from transfergain.engine.training import Training
from transfergain.engine.weights import Weights
from transfergain.outcome import DevScore
from transfergain.types import Recipe

CPU = torch.device("cpu")
RECIPE = Recipe(1e-2, batch_size=8, epochs=1, min_steps=6)
LENGTHS = (3, 9, 14, 5, 6, 8, 2, 11)
TEXTS = [{"input_ids": [10 + i % 20 for i in range(n)], "attention_mask": [1] * n, "labels": n % 2} for n in LENGTHS]
TAGGED = [f | {"labels": [-100] + [i % 2 for i in range(len(f["input_ids"]) - 1)]} for f in TEXTS]


def load(checkpoints, auto_class, dropout=0.0):
    model = getattr(transformers, auto_class).from_pretrained(checkpoints("bert", auto_class))
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return model.train()


def limited(model, examples, message="DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"):
    """Make the model run out of memory on more than so many examples at once; returns the sizes it was asked for."""
    sizes, forward = [], model.forward

    def fake(*args, **kwargs):
        sizes.append(len(kwargs["labels"]))
        if model.training and sizes[-1] > examples and not model.is_gradient_checkpointing:
            raise RuntimeError(message)
        return forward(*args, **kwargs)

    model.forward = fake
    return sizes


def gradients(model, rows, prepare=lambda model: None):
    weights = Weights(model, RECIPE, {})
    step, found = Step(model, weights, RECIPE, 0, CPU), {}
    prepare(model)
    weights.step = lambda rate: found.update(gradients_of(model))
    loss = step(rows, 0.1)
    return loss, found, step


@pytest.mark.parametrize(
    ("auto_class", "rows"), [("AutoModelForSequenceClassification", TEXTS), ("AutoModelForTokenClassification", TAGGED)]
)
@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_parts_have_the_gradient_of_the_whole(checkpoints, auto_class, rows, most):
    """Labelled tokens weigh alike wherever the batch is cut, examples where labels are one an example."""
    model = load(checkpoints, auto_class)
    loss, expected, whole = gradients(model, rows)
    assert whole.micro_batch == 8
    model.zero_grad()
    sizes = []
    got_loss, got, step = gradients(model, rows, lambda model: sizes.append(limited(model, most)))
    assert step.micro_batch == {1: 1, 2: 2, 3: 2, 7: 4}[most] and not step.checkpointing
    assert got_loss == pytest.approx(loss, abs=1e-6)
    assert len(expected) > 10
    assert_same_gradients(got, expected)
    assert sum(sizes[0][-(8 // step.micro_batch) :]) == 8


def test_where_one_example_is_too_much_activations_are_computed_anew(checkpoints):
    model = load(checkpoints, "AutoModelForSequenceClassification")
    loss, expected, _ = gradients(model, TEXTS)
    model.zero_grad()
    got_loss, got, step = gradients(model, TEXTS, lambda model: limited(model, 0))
    assert step.checkpointing and step.micro_batch == 8 and model.is_gradient_checkpointing
    assert got_loss == pytest.approx(loss, abs=1e-6)
    assert_same_gradients(got, expected)
    step.close()
    assert not model.is_gradient_checkpointing


def test_checkpointing_repeats_the_dropout_masks(checkpoints):
    from transfergain.engine.shortcuts.dropout import cheap_dropout

    found = []
    for examples in (8, 0):
        model = load(checkpoints, "AutoModelForSequenceClassification", dropout=0.3)
        with cheap_dropout(CPU):
            weights = Weights(model, RECIPE, {})
            step = Step(model, weights, RECIPE, 0, CPU)
            if not examples:
                step.micro_batch = 1
                step._use_less()
            weights.step = lambda rate, model=model: found.append(gradients_of(model))
            torch.manual_seed(5)
            step(TEXTS, 0.1)
        assert model.is_gradient_checkpointing == (not examples)
    assert_same_gradients(*found)


def test_nothing_left_to_try_is_an_error_that_says_so(checkpoints, monkeypatch):
    model = load(checkpoints, "AutoModelForSequenceClassification")
    weights = Weights(model, RECIPE, {})
    model.forward = lambda **kwargs: (_ for _ in ()).throw(
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    )
    with pytest.raises(RuntimeError, match=r"one example at a time does not fit into memory: CUDA out of memory"):
        Step(model, weights, RECIPE, 0, CPU)(TEXTS, 0.1)


def test_other_errors_are_not_taken_for_it(checkpoints):
    model = load(checkpoints, "AutoModelForSequenceClassification")
    limited(model, 0, "mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        Step(model, Weights(model, RECIPE, {}), RECIPE, 0, CPU)(TEXTS, 0.1)


def test_a_run_records_what_it_came_to_and_has_the_same_numbers(checkpoints):
    curves = []
    for most in (8, 2):
        # in double precision, as AdamW makes much of the rounding of gradients that are next to nothing
        model = load(checkpoints, "AutoModelForSequenceClassification").double()
        limited(model, most)
        fitted = fit(model, Training(TEXTS, TEXTS, RECIPE, 0, 0), lambda predicted: DevScore(0.5))
        assert (fitted.micro_batch, fitted.checkpointing) == (most, False)
        curves.append([(p.step, p.examples, p.flops) for p in fitted.curve])
        curves.append([p.loss for p in fitted.curve])
    assert curves[0] == curves[2]
    assert curves[1] == pytest.approx(curves[3], abs=1e-9)
    assert max(curves[1]) > min(curves[1]) + 1e-4, "the model learns"
