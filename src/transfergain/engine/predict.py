"""Evaluation: logits and loss of every feature, without gradients and with little padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from transfergain.engine.batching import Feature, collate, evaluation_batches
from transfergain.engine.precision import autocast


class Predicted(NamedTuple):
    """`logits[i]` belongs to feature i; `loss` is the mean over features."""

    logits: list[NDArray[np.float32]]
    loss: float


def predict(model: Any, features: Sequence[Feature], pad_token_id: int, precision: str) -> Predicted:
    """Run the model over all features in evaluation mode. Raises ValueError on no features."""
    if not features:
        raise ValueError("nothing to predict")
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    logits: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(features)
    loss = 0.0
    with torch.inference_mode(), autocast(precision, device):
        for batch in evaluation_batches(features):
            output = model(**collate([features[i] for i in batch], pad_token_id, device))
            loss += float(output.loss) * len(batch)
            for i, row in zip(batch, output.logits.float().cpu().numpy(), strict=True):
                logits[i] = row
    model.train(was_training)
    return Predicted(logits, loss / len(features))
