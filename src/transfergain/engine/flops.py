"""Floating-point operations of training, counted exactly for any architecture.

The operations of a step's matrix products are a polynomial of the batch's shape: (1, B) x (1, T, T^2) with B examples of
T tokens, and with targets of U tokens also U, U^2 and T U. A few tiny batches are counted by PyTorch's own formulas, at
every product of the model's own forward and backward pass, so that frozen parts, LoRA and stored features cost what they
cost; Newton's differences then give the polynomial in whole numbers. It is checked on the longest texts; where
it does not hold (attention in blocks), every shape is counted once. A multiplication and an addition are two operations;
the optimiser's and element-wise ones are not counted, nor what gradient checkpointing computes anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import comb, prod
from typing import Any, NamedTuple

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from transfergain.engine.batching import Feature, collate, length

SMALLEST_BATCH = (2, 4, 4)
"""(B, T, U) of the smallest batch that is counted: above 1, where products may be done as something else."""
IRRELEVANT_SETTINGS = ("vocab", "token", "problem_type")
"""Parts of names of a config's settings that change no product but that of an output layer, whose shape is seen."""
SHAPE_ERRORS = (RuntimeError, ValueError, IndexError, TypeError)
"""What a model may raise on a batch of a made-up shape."""


class Shape(NamedTuple):
    """Padded shape of a batch: examples, tokens, and tokens of the targets (SMALLEST_BATCH's where there are none)."""

    examples: int
    tokens: int
    targets: int


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Add up the operations of all products inside its block.

    PyTorch's `FlopCounterMode` by the same formulas also tells modules apart and takes composite operations to pieces,
    which costs several times what a tiny batch does. Here only the total is asked for, and composite operations come in
    pieces anyway, outside of inference mode.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func.overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


def count(model: Any, features: Sequence[Feature], pad_token_id: int, backward: bool = True) -> int:
    """Run one batch and count its operations."""
    batch = collate(features, pad_token_id, next(model.parameters()).device)
    training = model.training
    model.eval()  # nothing random, nothing counted of running statistics
    counter = _Counter()
    try:
        # One way of attending for all shapes and devices: the others' products are fused, or computed twice.
        with torch.set_grad_enabled(backward), sdpa_kernel(SDPBackend.MATH), counter:
            loss = model(**batch).loss
            if backward:
                loss.backward()
    finally:
        model.zero_grad()
        model.train(training)
    return counter.total


class StepFlops:
    """The operations of one training step, forward and backward, by its batch."""

    def __init__(self, model: Any, features: Sequence[Feature], pad_token_id: int, backward: bool = True) -> None:
        self._model, self._pad, self._backward = model, pad_token_id, backward
        self._sample = features[0]
        lists = {key for key, value in self._sample.items() if isinstance(value, list)}
        self._targets = frozenset(k for k in lists if any(len(f[k]) != length(f) for f in features))
        self._varies = (True, "input_ids" in lists, bool(self._targets))
        self._counted: dict[Shape, int] = {}
        longest = Shape(SMALLEST_BATCH[0], max(map(self._tokens, features)), max(map(self._target_tokens, features)))
        self._polynomial = self._fit_polynomial(longest)

    def __call__(self, batch: Sequence[Feature]) -> int:
        """Count the operations of a step on these features, padded to the longest."""
        shape = Shape(len(batch), max(map(self._tokens, batch)), max(map(self._target_tokens, batch)))
        if self._polynomial is not None:
            return self._polynomial(shape)
        if shape not in self._counted:
            self._counted[shape] = self._count(shape)
        return self._counted[shape]

    def _tokens(self, feature: Feature) -> int:
        return length(feature) if self._varies[1] else SMALLEST_BATCH[1]

    def _target_tokens(self, feature: Feature) -> int:
        return max((len(feature[key]) for key in self._targets), default=SMALLEST_BATCH[2])

    def _fit_polynomial(self, longest: Shape) -> Callable[[Shape], int] | None:
        """Find the polynomial; None where the operations are not one."""
        key = (_fingerprint(self._model), self._keys(), self._varies, self._backward)
        if key not in _known:
            _known[key] = None
            try:
                differences = _differences(self._count, self._varies)
                if _evaluate(differences, longest) == self._count(longest):
                    _known[key] = differences
            except SHAPE_ERRORS:
                pass  # the model does not take the shapes that are tried: those of its batches are counted
            while len(_known) > REMEMBERED_POLYNOMIALS:
                del _known[next(iter(_known))]
        found = _known[key]
        return None if found is None else lru_cache(maxsize=4096)(lambda shape: _evaluate(found, shape))

    def _keys(self) -> Hashable:
        return tuple((k, getattr(v, "ndim", type(v).__name__)) for k, v in self._sample.items())

    def _count(self, shape: Shape) -> int:
        """Run one batch of the shape and count."""
        return count(self._model, [self._resized(shape)] * shape.examples, self._pad, self._backward)

    def _resized(self, shape: Shape) -> dict[str, Any]:
        """Make a feature of the shape's lengths from the first one."""
        resized: dict[str, Any] = {}
        for key, value in self._sample.items():
            size = shape.targets if key in self._targets else shape.tokens
            if isinstance(value, list):
                # The last one is kept: the heads of T5 and BART look for the end token.
                resized[key] = [*(value * size)[: size - 1], value[-1]] if value else [0] * size
            elif isinstance(value, torch.Tensor) and value.ndim > 1:
                resized[key] = value[:1].expand(size, *value.shape[1:])
            else:
                resized[key] = 0 if key.endswith("_positions") else value
        return resized


Differences = Mapping[tuple[int, ...], int]
REMEMBERED_POLYNOMIALS = 32
_known: dict[Hashable, Differences | None] = {}
"""By model and features: trials of a study share their polynomials."""


def _differences(count: Callable[[Shape], int], varies: Sequence[bool]) -> dict[tuple[int, ...], int]:
    """Compute forward differences at SMALLEST_BATCH by their orders in (B, T, U).

    At most 1 in B, at most 2 in T and U together.
    """
    orders = [o for o in product(range(2), range(3), range(3)) if o[1] + o[2] <= 2]
    orders = [o for o in orders if all(v or not n for v, n in zip(varies, o, strict=True))]
    counts: dict[tuple[int, ...], int] = {
        o: count(Shape(*(b + n for b, n in zip(SMALLEST_BATCH, o, strict=True)))) for o in orders
    }
    return {
        o: sum((-1) ** (sum(o) - sum(m)) * prod(map(comb, o, m)) * counts[m] for m in product(*(range(n + 1) for n in o)))
        for o in orders
    }


def _evaluate(differences: Differences, shape: Shape) -> int:
    """Add up Newton's series: differences times binomials of the distance to SMALLEST_BATCH."""
    apart = [x - b for x, b in zip(shape, SMALLEST_BATCH, strict=True)]
    return sum(d * prod((1, a, a * (a - 1) // 2)[n] for a, n in zip(apart, o, strict=True)) for o, d in differences.items())


def _fingerprint(model: Any) -> Hashable:
    """Gather what decides on the products: kinds and shapes of layers, and what trains; not how many rows are looked up."""
    multiplied = {
        id(p) for m in model.modules() if not isinstance(m, torch.nn.Embedding) for p in m.parameters(recurse=False)
    }
    sizes = tuple(
        (name, p.shape if id(p) in multiplied else p.shape[1:], p.requires_grad) for name, p in model.named_parameters()
    )
    config = getattr(getattr(model, "model", model), "config", None)
    settings = {k: v for k, v in (config.to_dict() if config else {}).items() if not any(map(k.count, IRRELEVANT_SETTINGS))}
    return type(model), sizes, str(settings)
