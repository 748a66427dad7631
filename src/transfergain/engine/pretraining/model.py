"""The model that is pretrained: a checkpoint with the head of its objective, or its architecture drawn afresh."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from transfergain.arms.base import Blueprint
from transfergain.arms.weights import POOLER, fresh_model, load_weights
from transfergain.counts import counted
from transfergain.engine.batching import IGNORED_LABEL, Feature, collate
from transfergain.engine.flops import StepFlops, count
from transfergain.engine.pretraining.objectives import Objective
from transfergain.engine.step import answers
from transfergain.errors import UserError
from transfergain.types import Checkpoint

SAME_LOSS = 1e-3
"""How far two losses may be apart, as a share, for the same model to be behind both."""


class Built(NamedTuple):
    """A model to pretrain, and what is new in it."""

    model: Any
    new: frozenset[str]
    """Names of the head's parameters where the checkpoint has none; empty where all is fresh, or nothing."""
    carried: Mapping[str, torch.Tensor]
    """Weights of the checkpoint that the objective does not use, such as a pooler: they are saved as they were."""


def build(blueprint: Blueprint, objective: Objective, from_scratch: bool) -> Built:
    """Build the model, drawn afresh or loaded. Raises UserError where weights other than the head's are missing."""
    if from_scratch:
        return Built(fresh_model(blueprint, "pretraining"), frozenset(), {})
    checkpoint = blueprint.checkpoint
    torch.manual_seed(blueprint.replicate)  # a head that the file has not is drawn
    model, missing, mismatched = load_weights(objective.auto_class, checkpoint, blueprint.config)
    prefix = f"{model.base_model_prefix}."
    absent = sorted(name for name in missing | mismatched if name.startswith(prefix) and not POOLER.search(name))
    if absent:
        raise UserError(
            f"--model {checkpoint.name}: {counted(len(absent), 'weight')} missing or of another shape in the file (first: "
            f"{absent[0]}); save the whole model again, or pretrain its architecture with --from-scratch"
        )
    _fill_new_biases(model, missing)
    names = {name for name, _ in model.named_parameters()}
    return Built(model, frozenset(missing & names), _poolers(checkpoint, prefix) if objective.some_positions else {})


def _fill_new_biases(model: Any, missing: Iterable[str]) -> None:
    """Set the biases of a new head to zero, as the library draws them: some are left as memory was."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in missing and parameter.ndim == 1 and name.endswith("bias"):
                parameter.zero_()


def _poolers(checkpoint: Checkpoint, prefix: str) -> dict[str, torch.Tensor]:
    """Read the poolers of a checkpoint, which models of masked tokens have not."""
    from safetensors import safe_open

    found = {}
    for path in sorted(Path(checkpoint.path).rglob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                if POOLER.search(key):
                    found[key if key.startswith(prefix) else prefix + key] = file.get_tensor(key).float()
    return found


class LabelledPositions(nn.Module):
    """A model whose output layer runs on the labelled positions alone: the loss is the same, most of its work is saved.

    The base model's output is cut to these positions on its way to the head, whatever the architecture.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.config = model.config

    def forward(self, labels: torch.Tensor, **inputs: torch.Tensor) -> Any:
        """Compute what the model does, of labelled positions alone."""
        chosen = labels != IGNORED_LABEL

        def cut(module: nn.Module, given: Any, output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state[chosen].unsqueeze(0)
            return output

        hook = self.model.base_model.register_forward_hook(cut)
        try:
            return self.model(**inputs, labels=labels[chosen].unsqueeze(0))
        finally:
            hook.remove()


def on_labelled_positions(model: Any, objective: Objective, features: Sequence[Feature], pad_token_id: int) -> Any:
    """Wrap a model to run its output layer on labelled positions alone, where that gives the same loss; else itself."""
    if not objective.some_positions or model.base_model is model:
        return model
    wrapped, few = LabelledPositions(model), features[:4]
    batch = collate(few, pad_token_id, next(model.parameters()).device)
    with evaluating(model), torch.inference_mode():
        whole = float(model(**batch).loss)
        try:
            cut = float(wrapped(**batch).loss)
        except (RuntimeError, ValueError, IndexError, AttributeError, TypeError):
            return model  # its head counts on a whole sequence
    return wrapped if abs(cut - whole) <= SAME_LOSS * abs(whole) else model


def step_flops(module: Any, features: Sequence[Feature], pad_token_id: int) -> Callable[[Sequence[Feature]], int]:
    """Find the operations of a step by its batch; `features` are of one.

    Where the output layer runs on labelled positions alone, their number varies from step to step: products are linear in
    it, and in the number of sequences, which all have one length.
    """
    if not isinstance(module, LabelledPositions):
        return StepFlops(module, features, pad_token_id)
    one, two = (_labelled(features[0], labels) for labels in (1, 2))
    few = count(module, [one, one], pad_token_id)
    with_a_label = count(module, [one, two], pad_token_id)
    with_a_sequence = count(module, [one, one, one], pad_token_id)
    label, sequence = with_a_label - few, with_a_sequence - with_a_label
    constant = few - 2 * sequence - 2 * label
    return lambda batch: constant + len(batch) * sequence + sum(map(answers, batch)) * label


def _labelled(feature: Feature, labels: int) -> Feature:
    """Make a sequence with so many labels."""
    ids = feature["input_ids"]
    return {**feature, "labels": [*ids[:labels], *[IGNORED_LABEL] * (len(ids) - labels)]}


@contextmanager
def evaluating(model: Any) -> Any:
    """Put a model into evaluation mode inside the block."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def save(built: Built, tokenizer: Any, folder: Path) -> None:
    """Save the model as a standard folder, with its tokenizer and the weights that it carries along."""
    model = built.model
    carried = {name: value for name, value in built.carried.items() if name not in model.state_dict()}
    model.save_pretrained(folder, **({"state_dict": {**model.state_dict(), **carried}} if carried else {}))
    for name in ("is_local", "local_files_only"):  # the same model is the same files
        tokenizer.init_kwargs.pop(name, None)
    tokenizer.save_pretrained(folder)
