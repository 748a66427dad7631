"""Read unlabelled texts with a trained model: how probable it finds each class, and the features it sees them by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from scipy.special import softmax

from transfergain.arms.probe_model import pooled
from transfergain.checkpoint import explained, load_config, load_tokenizer, resolve
from transfergain.engine.batching import Feature, collate, evaluation_batches
from transfergain.engine.precision import autocast, pick_device
from transfergain.tasks.base import Task
from transfergain.types import Example, Recipe

Floats = NDArray[np.float32]


class Read(NamedTuple):
    """What a model makes of texts."""

    probabilities: list[Floats]
    """Of each text (decisions, classes): one decision on its class, one a label where it has several, one a word where words
    are tagged; none of a text in which the model sees no word."""
    features: Floats
    """(texts, hidden size): the mean over tokens in the last layer, of length 1."""


def read(folder: str, texts: Sequence[Example], task: Task, labels: Sequence[str], recipe: Recipe, device_name: str) -> Read:
    """Run a kept model over texts, whatever their targets; loaded as every checkpoint is: verified, without own code.

    `labels` are the study's: what a config says of a head is left out of what is verified.
    """
    assert task.probabilities is not None, "the model of such a task chooses between classes"
    checkpoint = resolve(folder)
    tokenizer, device = load_tokenizer(checkpoint), pick_device(device_name)
    config = load_config(checkpoint, tokenizer, tuple(labels), head=task.head)
    with explained(checkpoint, "loading the kept model"):
        model = getattr(transformers, task.auto_class).from_pretrained(
            checkpoint.path, config=config, local_files_only=True, use_safetensors=True
        )
    model.to(device).eval()
    options = {"max_length": recipe.max_length, **dict(recipe.options)}
    encoded = [task.encode([text], tokenizer, options) for text in texts]
    flat = [feature for each in encoded for feature in each.features]
    outputs, vectors = _run(model, flat, tokenizer.pad_token_id, recipe.precision, device)
    found, sums, begin = list[Floats](), np.zeros((len(texts), len(vectors[0]) if vectors else 1), np.float32), 0
    for i, each in enumerate(encoded):
        end = begin + len(each.features)
        logits = np.empty((0, 1), np.float32)
        if begin < end:
            logits = task.probabilities(outputs[begin:end], each, [texts[i]])[0]
            sums[i] = np.sum(vectors[begin:end], axis=0)
        found.append(np.asarray(softmax(logits, axis=1)))
        begin = end
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return Read(found, np.divide(sums, lengths, out=sums, where=lengths > 0))


def _run(
    model: Any, features: Sequence[Feature], pad_token_id: int, precision: str, device: torch.device
) -> tuple[list[Floats], list[Floats]]:
    """Give the logits of every feature, and its mean vector, of length 1."""
    outputs, vectors = ([np.empty(0, np.float32)] * len(features) for _ in range(2))
    unlabelled = [{name: value for name, value in feature.items() if name != "labels"} for feature in features]
    with torch.inference_mode(), autocast(precision, device):
        for batch in evaluation_batches(features):
            inputs = collate([unlabelled[i] for i in batch], pad_token_id, device)
            output = model(**inputs, output_hidden_states=True)
            states = output.hidden_states if hasattr(output, "hidden_states") else output.encoder_hidden_states
            means = pooled(states[-1].float(), inputs["attention_mask"], "mean")
            rows = output.logits.float().cpu().numpy(), torch.nn.functional.normalize(means, dim=1).cpu().numpy()
            for i, logits, vector in zip(batch, *rows, strict=True):
                outputs[i], vectors[i] = logits, vector
    return outputs, vectors
