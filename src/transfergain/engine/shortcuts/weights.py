"""What trains: in fp32 as AdamW moves it, and in bf16 as the model multiplies by it where that is the precision.

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

from transfergain.types import Recipe


class Weights:
    """The trained weights of a model, from the start of training until `close`.

    `masters` are the fp32 tensors of all parameters that train, in the model's order.
    """

    def __init__(self, model: Any, recipe: Recipe, rates: Mapping[str, float] | None = None) -> None:
        """`rates` holds, by name, how many times the learning rate a parameter moves at; 1 for those it does not name."""
        halved = multiplied(model) if recipe.precision == "bf16" else []
        self._clip = recipe.clip
        self._whole = [(parameter, parameter.data) for parameter in halved]
        masters = {id(p): nn.Parameter(whole) for p, whole in self._whole if p.requires_grad}
        trained = [p for p in model.parameters() if p.requires_grad]
        self._pairs = [(p, masters[id(p)]) for p in trained if id(p) in masters]
        self.masters = [masters.get(id(p), p) for p in trained]
        self.optimizer = _optimizer(model, masters, recipe, rates or {})
        for parameter, whole in self._whole:
            parameter.data = whole.to(torch.bfloat16)

    def step(self, learning_rate: float) -> None:
        """Clip the gradients of the last backward pass to the recipe's norm, move the weights, and drop the gradients."""
        for parameter, master in self._pairs:
            master.grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["times"]
        gradients = [m.grad for m in self.masters if m.grad is not None]
        if gradients[0].device.type == "mps":
            nn.utils.clip_grad_norm_(self.masters, self._clip)
        else:
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
            # The fused optimiser divides by this while it reads the gradients; 1e-6 as in `clip_grad_norm_`.
            setattr(self.optimizer, "grad_scale", ((norm + 1e-6) / self._clip).clamp(min=1.0))  # noqa: B010 (no attribute yet)
        self.optimizer.step()
        self.drop()
        self._follow()

    def drop(self) -> None:
        """Drop all gradients."""
        for tensor in (*self.masters, *(parameter for parameter, _ in self._pairs)):
            tensor.grad = None

    def put(self, values: Sequence[torch.Tensor]) -> None:
        """Set `masters` to these values."""
        with torch.no_grad():
            for master, value in zip(self.masters, values, strict=True):
                master.copy_(value)
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
    """Weights and biases of linear layers, but for those that an embedding or a layer of another kind shares."""
    linear = (nn.Linear, Conv1D)
    others = {id(p) for m in model.modules() if not isinstance(m, linear) for p in m.parameters(recurse=False)}
    layers = [m for m in model.modules() if isinstance(m, linear)]
    found = {id(p): p for layer in layers for p in layer.parameters(recurse=False)}
    return [p for key, p in found.items() if key not in others and p.dtype == torch.float32]


def _optimizer(
    model: Any, masters: Mapping[int, nn.Parameter], recipe: Recipe, rates: Mapping[str, float]
) -> torch.optim.Optimizer:
    """AdamW; weight decay on matrices only, not on biases, norms and embeddings. A group's `times` multiplies its rate."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    groups: dict[tuple[bool, float], list[Any]] = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            decayed = p.ndim >= 2 and id(p) not in embeddings
            groups.setdefault((decayed, rates.get(name, 1.0)), []).append(masters.get(id(p), p))
    settings = [
        {"params": trained, "weight_decay": recipe.weight_decay if decayed else 0.0, "times": times}
        for (decayed, times), trained in sorted(groups.items(), key=lambda group: group[0], reverse=True)
    ]
    fused = next(iter(groups.values()))[0].device.type in {"cpu", "cuda"}
    return torch.optim.AdamW(settings, lr=recipe.learning_rate, fused=fused)
