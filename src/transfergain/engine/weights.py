"""The weights that train, and how AdamW moves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from transfergain.types import Recipe

NO_MASTERS: Mapping[int, nn.Parameter] = {}


class Weights:
    """The parameters of a model that require gradients, from the start of training until `close`.

    `masters` are the fp32 tensors that AdamW moves, in the model's order: here the parameters themselves.
    """

    def __init__(
        self, model: Any, recipe: Recipe, rates: Mapping[str, float], masters: Mapping[int, nn.Parameter] = NO_MASTERS
    ) -> None:
        """Take `rates`, each named parameter's factor of the learning rate (1 for the others), and `masters`.

        `masters` holds, by the parameter's `id()`, the tensor that AdamW moves in its place.
        """
        self.masters = [masters.get(id(p), p) for p in model.parameters() if p.requires_grad]
        self.optimizer = _optimizer(model, masters, recipe, rates)
        self._clip = recipe.clip

    def step(self, learning_rate: float) -> None:
        """Clip the gradients of the last backward pass to the recipe's norm, move the weights, and drop the gradients."""
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

    def drop(self) -> None:
        """Drop all gradients."""
        for tensor in self.masters:
            tensor.grad = None

    def put(self, values: Sequence[torch.Tensor]) -> None:
        """Set `masters` to these values."""
        with torch.no_grad():
            for master, value in zip(self.masters, values, strict=True):
                master.copy_(value)

    def close(self) -> None:
        """Leave the model in fp32, with its weights of now."""


class Best:
    """Remembers the weights of the best dev evaluation: highest score, then lowest loss."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._key = (-float("inf"), -float("inf"))
        self.step = 0
        """The step of the best evaluation; 0 before the first one."""
        self._keep()

    @property
    def score(self) -> float:
        """The best score."""
        return self._key[0]

    def offer(self, step: int, score: float, loss: float) -> None:
        """Keep the weights if this evaluation is the best so far."""
        if (score, -loss) > self._key:
            self._key, self.step = (score, -loss), step
            self._keep()

    def restore(self) -> None:
        """Put the best weights back."""
        self._weights.put(self._kept)

    def _keep(self) -> None:
        self._kept = [p.detach().clone() for p in self._weights.masters]


def _optimizer(
    model: Any, masters: Mapping[int, nn.Parameter], recipe: Recipe, rates: Mapping[str, float]
) -> torch.optim.Optimizer:
    """Build AdamW with weight decay on matrices only, not on biases, norms and embeddings.

    A group's `times` multiplies its rate.
    """
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
