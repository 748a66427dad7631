"""Take one training step on a batch of any size: in parts where it does not fit into memory, with the same gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from transfergain.engine.batching import IGNORED_LABEL, Feature, collate
from transfergain.engine.precision import autocast
from transfergain.engine.weights import Weights
from transfergain.types import Recipe

OUT_OF_MEMORY_MESSAGES = ("out of memory", "can't allocate memory", "not enough memory")
"""What PyTorch's allocators say when memory runs out."""


class Step:
    """Run forward pass, backward pass and update.

    When memory runs out, the batch is cut in halves until it fits. Where even single examples do not fit, activations are
    computed anew in the backward pass (gradient checkpointing), starting again with the whole batch.

    The gradient is that of the whole batch: parts are weighted by what their losses average over, labelled tokens or
    examples. `micro_batch` and `checkpointing` tell what was needed in the end.
    """

    def __init__(self, model: Any, weights: Weights, recipe: Recipe, pad_token_id: int, device: torch.device) -> None:
        self.micro_batch = recipe.batch_size
        self.checkpointing = False
        self._model, self._weights, self._recipe = model, weights, recipe
        self._pad, self.device = pad_token_id, device

    def __call__(self, rows: Sequence[Feature], learning_rate: float) -> float:
        """Train on one batch and return its loss; where that is not finite the weights stay as they are."""
        while (loss := self._backward(rows)) is None:
            self._weights.drop()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self._use_less()
        if math.isfinite(loss):
            self._weights.step(learning_rate)
        else:
            self._weights.drop()
        return loss

    def state(self) -> dict[str, Any]:
        """Gather what the next steps depend on beside weights and data: what memory asked for, and the random streams."""
        cuda = torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None
        return {
            "memory": (self.micro_batch, self.checkpointing),
            "random": torch.get_rng_state(),
            "random_cuda": cuda,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that was saved, on the same kind of device bit for bit."""
        self.micro_batch, checkpointing = state["memory"]
        if checkpointing:
            self._checkpoint()
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"], self.device)

    def close(self) -> None:
        """Leave the model without checkpointing."""
        if self.checkpointing:
            for part in self._checkpointed():
                part.gradient_checkpointing_disable()

    def _backward(self, rows: Sequence[Feature]) -> float | None:
        """Add up the gradients of all parts; None when memory ran out."""
        parts = [rows[i : i + self.micro_batch] for i in range(0, len(rows), self.micro_batch)]
        shares = [sum(map(answers, part)) for part in parts]
        losses = []
        try:
            for part, share in zip(parts, shares, strict=True):
                with autocast(self._recipe.precision, self.device):
                    loss = self._model(**collate(part, self._pad, self.device)).loss
                loss = loss * (share / sum(shares)) if len(parts) > 1 else loss
                loss.backward()
                losses.append(loss.detach())
            return float(sum(losses))
        except RuntimeError as error:
            if not any(words in str(error) for words in OUT_OF_MEMORY_MESSAGES):
                raise
            self._last = str(error)
        return None  # outside of the handler, whose traceback would keep the tensors alive

    def _use_less(self) -> None:
        if self.micro_batch > 1:
            self.micro_batch = -(-self.micro_batch // 2)
        elif not self.checkpointing and self._checkpointed():
            self._checkpoint()
            self.micro_batch = self._recipe.batch_size
        else:
            raise RuntimeError(f"one example at a time does not fit into memory: {self._last}")

    def _checkpoint(self) -> None:
        for part in self._checkpointed():
            part.gradient_checkpointing_enable({"use_reentrant": False})
        self.checkpointing = True

    def _checkpointed(self) -> list[Any]:
        models = [m for m in self._model.modules() if isinstance(m, PreTrainedModel) and m.supports_gradient_checkpointing]
        return models[:1]  # the outermost reaches all


def answers(feature: Feature) -> int:
    """Count the terms of the loss that a feature has: its labelled tokens, or one."""
    labels = feature.get("labels")
    return sum(label != IGNORED_LABEL for label in labels) if isinstance(labels, list) else 1
