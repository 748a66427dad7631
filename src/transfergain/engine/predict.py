"""Evaluation: outputs and loss of every feature, or generated ids; without gradients and with little padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from transfergain.engine.batching import Feature, collate, evaluation_batches
from transfergain.engine.precision import autocast

GENERATION_TOKENS = 2048
"""Source tokens of a batch in generation."""


class Predicted(NamedTuple):
    """`outputs[i]` belongs to feature i: one array, or several stacked; `loss` is the mean over features."""

    outputs: list[NDArray[np.float32]]
    loss: float


def predict(
    model: Any, features: Sequence[Feature], pad_token_id: int, precision: str, fields: Sequence[str] = ("logits",)
) -> Predicted:
    """Run the model over all features in evaluation mode and keep the named fields of its output.

    With one field `outputs[i]` is its row for feature i, with several their rows stacked on a new first axis, with none
    empty. Rows with a value a token are padded as their batch was. Raises ValueError on no features.
    """
    if not features:
        raise ValueError("nothing to predict")
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    outputs: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(features)
    loss = 0.0
    with torch.inference_mode(), autocast(precision, device):
        for batch in evaluation_batches(features):
            output = model(**collate([features[i] for i in batch], pad_token_id, device))
            loss += float(output.loss) * len(batch)
            if fields:
                rows = torch.stack([getattr(output, field).float() for field in fields], dim=1).cpu().numpy()
                for i, row in zip(batch, rows, strict=True):
                    outputs[i] = row[0] if len(fields) == 1 else row
    model.train(was_training)
    return Predicted(outputs, loss / len(features))


def generate(
    model: Any, features: Sequence[Feature], pad_token_id: int, precision: str, arguments: Mapping[str, Any]
) -> list[list[int]]:
    """Generate ids for every feature, special ones included; `arguments` go to the model's `generate`.

    Raises ValueError on no features.
    """
    if not features:
        raise ValueError("nothing to generate from")
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    outputs: list[list[int]] = [[]] * len(features)
    with torch.inference_mode(), autocast(precision, device):
        for batch in evaluation_batches(features, tokens=GENERATION_TOKENS):
            inputs = collate([{k: v for k, v in features[i].items() if k != "labels"} for i in batch], pad_token_id, device)
            for i, row in zip(batch, model.generate(**inputs, **arguments).tolist(), strict=True):
                outputs[i] = row
    model.train(was_training)
    return outputs
