"""Weights in bf16 as the model multiplies by them, and in fp32 as AdamW moves them.

Under autocast every step casts every weight to bf16 and every gradient back, and frozen weights are cast at each use. Here
the weights of linear layers are bf16 while the model trains, and their fp32 masters are what the optimiser moves: the same
products on the same numbers, cast once a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from transfergain.engine.weights import Weights
from transfergain.types import Recipe


class Bf16Weights(Weights):
    """The weights of a model whose linear layers, frozen ones too, are bf16 until `close`."""

    def __init__(self, model: Any, recipe: Recipe, rates: Mapping[str, float]) -> None:
        self._whole = [(parameter, parameter.data) for parameter in multiplied(model)]
        masters = {id(p): nn.Parameter(whole) for p, whole in self._whole if p.requires_grad}
        self._pairs = [(p, masters[id(p)]) for p in model.parameters() if id(p) in masters]
        super().__init__(model, recipe, rates, masters)
        for parameter, whole in self._whole:
            parameter.data = whole.to(torch.bfloat16)

    def step(self, learning_rate: float) -> None:
        """Move the masters by the copies' gradients, and the copies after them."""
        for parameter, master in self._pairs:
            master.grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        super().step(learning_rate)
        self._follow()

    def drop(self) -> None:
        """Drop all gradients."""
        super().drop()
        for parameter, _ in self._pairs:
            parameter.grad = None

    def put(self, values: Sequence[torch.Tensor]) -> None:
        """Set `masters` to these values."""
        super().put(values)
        self._follow()

    def close(self) -> None:
        """Leave the model in fp32, with its weights of now."""
        for parameter, whole in self._whole:
            parameter.grad = None
            parameter.data = whole
        self._whole, self._pairs = [], []

    def _follow(self) -> None:
        """Bring the bf16 copies up to date."""
        with torch.no_grad():
            for parameter, master in self._pairs:
                parameter.copy_(master)


def multiplied(model: Any) -> list[nn.Parameter]:
    """List the weights and biases of linear layers, but for those that an embedding or a layer of another kind shares."""
    linear = (nn.Linear, Conv1D)
    others = {id(p) for m in model.modules() if not isinstance(m, linear) for p in m.parameters(recurse=False)}
    layers = [m for m in model.modules() if isinstance(m, linear)]
    found = {id(p): p for layer in layers for p in layer.parameters(recurse=False)}
    return [p for key, p in found.items() if key not in others and p.dtype == torch.float32]
