"""The weights that train, how AdamW moves them, their average, and which of its states are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from transfergain.outcome import DevScore
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
            scale = ((norm + 1e-6) / self._clip).clamp(min=1.0).float()  # in double precision, too, it takes a float
            setattr(self.optimizer, "grad_scale", scale)  # noqa: B010 (no attribute yet)
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

    def copy(self) -> list[torch.Tensor]:
        """Copy the values of `masters`."""
        return [master.detach().clone() for master in self.masters]

    def state(self) -> dict[str, Any]:
        """Gather the weights and what AdamW remembers of them, to be saved."""
        return {"masters": self.copy(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that was saved."""
        self.put(state["masters"])
        self.optimizer.load_state_dict(state["optimizer"])

    def close(self) -> None:
        """Leave the model in fp32, with its weights of now."""


class Average:
    """The average of the weights over the last part of the run, be the run short or long.

    Polynomial-decay averaging (Shamir and Zhang 2013, section 4): step t weighs t to the power of EMPHASIS, so that the
    average is nine tenths of a run old, whatever its length. It takes the place of a decay of the learning rate, whose
    length would have to be known beforehand.
    """

    EMPHASIS = 8
    EVERY = 4
    """Steps between two values that enter, once the run is long: as good as every step, for a quarter of the time."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._values = weights.copy()
        self._taken = 0
        """The last step that entered."""

    def take(self, step: int) -> None:
        """Let the weights of a step enter, where its turn has come; `step` counts from 1."""
        if step % self.EVERY and step > self.EMPHASIS * self.EVERY:
            return
        share = 1 - (self._taken / step) ** (self.EMPHASIS + 1)
        torch._foreach_lerp_(self._values, [m.detach() for m in self._weights.masters], share)
        self._taken = step

    def state(self) -> dict[str, Any]:
        """Gather the average and its last step, to be saved."""
        return {"values": self._values, "taken": self._taken}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that was saved."""
        pairs = zip(state["values"], self._weights.masters, strict=True)
        self._values = [value.to(master.device) for value, master in pairs]  # files are read into the CPU's memory
        self._taken = state["taken"]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the average in the place of the weights inside this block."""
        now = self._weights.copy()
        self._weights.put(self._values)
        try:
            yield
        finally:
            self._weights.put(now)


class Kept:
    """Keeps the weights of the latest dev evaluation whose score is within a standard error of the best.

    The best of many readings of a small dev set is the luckiest. Of those that the dev set cannot tell from it, the latest
    was trained the longest (the one-standard-error rule of Breiman et al. 1984, section 3.4.3, for the length of a run).
    At equal scores that do not vary, the lower loss.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._values = weights.copy()
        self._best: tuple[float, float] = (-float("inf"), -float("inf"))
        self.score = -float("inf")
        """Of the weights kept."""
        self.step = 0
        """The step of the weights kept; 0 before the first evaluation."""

    def offer(self, step: int, dev: DevScore, loss: float) -> None:
        """Keep the weights if this evaluation is the best so far, or cannot be told from it."""
        best = (dev.score, -loss) > self._best
        if best or dev.score + dev.error > self._best[0]:
            self.score, self.step = dev.score, step
            self._values = self._weights.copy()
        self._best = max(self._best, (dev.score, -loss))

    def put_back(self) -> None:
        """Put the weights kept in the place of the model's."""
        self._weights.put(self._values)

    def state(self) -> dict[str, Any]:
        """Gather the weights kept and what they are compared by, to be saved."""
        return {"values": self._values, "best": self._best, "score": self.score, "step": self.step}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that was saved."""
        self._values, self._best = state["values"], tuple(state["best"])
        self.score, self.step = state["score"], state["step"]


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
