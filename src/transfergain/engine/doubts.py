"""Read unlabelled texts with a trained classifier: how probable it finds each class, and the features it sees them by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from transfergain.arms.probe_model import pooled
from transfergain.checkpoint import explained, load_tokenizer, resolve
from transfergain.engine.batching import collate, evaluation_batches
from transfergain.engine.precision import autocast, pick_device
from transfergain.tasks.base import Task
from transfergain.types import Example, Recipe

Floats = NDArray[np.float32]


class Read(NamedTuple):
    """What a model makes of texts."""

    probabilities: Floats
    """(texts, classes)."""
    features: Floats
    """(texts, hidden size): the mean over tokens in the last layer, of length 1."""


def read(folder: str, texts: Sequence[Example], task: Task, recipe: Recipe, device_name: str) -> Read:
    """Run a kept model over texts, whatever their targets; loaded as every checkpoint is: verified, without own code."""
    from transformers import AutoModelForSequenceClassification

    checkpoint = resolve(folder)
    tokenizer, device = load_tokenizer(checkpoint), pick_device(device_name)
    with explained(checkpoint, "loading the kept model"):
        model = AutoModelForSequenceClassification.from_pretrained(
            checkpoint.path, local_files_only=True, use_safetensors=True
        )
    model.to(device).eval()
    options = {"max_length": recipe.max_length, **dict(recipe.options)}
    encoded = task.encode(texts, tokenizer, options).features
    found: list[tuple[Floats, Floats] | None] = [None] * len(texts)
    with torch.inference_mode(), autocast(recipe.precision, device):
        for batch in evaluation_batches(encoded):
            rows = _batch(model, collate([encoded[i] for i in batch], tokenizer.pad_token_id, device))
            for i, row in zip(batch, zip(*rows, strict=True), strict=True):
                found[i] = row
    pairs = [pair for pair in found if pair is not None]
    return Read(np.stack([p for p, _ in pairs]), np.stack([f for _, f in pairs]))


def _batch(model: Any, inputs: dict[str, Any]) -> tuple[Floats, Floats]:
    output = model(**{name: value for name, value in inputs.items() if name != "labels"}, output_hidden_states=True)
    states = output.hidden_states if hasattr(output, "hidden_states") else output.encoder_hidden_states
    vectors = pooled(states[-1].float(), inputs["attention_mask"], "mean")
    vectors = torch.nn.functional.normalize(vectors, dim=1)
    return output.logits.float().softmax(dim=1).cpu().numpy(), vectors.cpu().numpy()
