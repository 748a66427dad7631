"""What bf16's rounding does to a pretraining from scratch: held-out loss by step in fp32, and with rounded products.

    python -m benchmarks.rounding MODEL TEXT --steps 500 --max-length 32

`rounded` multiplies in fp32, but rounds what goes into every product and comes out of it to bf16, forward and backward, the
softmax of attention too. So it runs anywhere, and tells the rounding of bf16 from what a processor's own kernels do. Name
`bf16` among `--ways` on a machine that has it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from transfergain.checkpoint import resolve
from transfergain.data import unlabelled
from transfergain.engine.pretraining import Asked, pretrain
from transfergain.running.tryout import quiet_libraries

WAYS = ("fp32", "rounded", "bf16")
own_linear, own_matmul, own_softmax = torch.nn.functional.linear, torch.matmul, torch.softmax


def rounded(tensor: Any) -> Any:
    """Round to bf16 and back."""
    return None if tensor is None else tensor.bfloat16().float()


class Linear(torch.autograd.Function):
    """A linear layer (..., in) x (out, in)."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
        x, weight = rounded(x), rounded(weight)
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return rounded(own_linear(x, weight, rounded(bias)))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, weight = ctx.saved_tensors
        gradient = rounded(gradients[0])
        flat, rows = gradient.reshape(-1, gradient.shape[-1]), x.reshape(-1, x.shape[-1])
        bias = rounded(flat.sum(0)) if ctx.biased else None
        return rounded(own_matmul(gradient, weight)), rounded(own_matmul(flat.T, rows)), bias


class Product(torch.autograd.Function):
    """A product of attention (B, heads, n, k) x (B, heads, k, m)."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        a, b = rounded(a), rounded(b)
        ctx.save_for_backward(a, b)
        return rounded(own_matmul(a, b))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (a, b), gradient = ctx.saved_tensors, rounded(gradients[0])
        return rounded(own_matmul(gradient, b.mT)), rounded(own_matmul(a.mT, gradient))


class Softmax(torch.autograd.Function):
    """The softmax of attention's scores."""

    @staticmethod
    def forward(ctx: Any, scores: Any) -> Any:
        weights = rounded(own_softmax(rounded(scores), dim=-1))
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (weights,), gradient = ctx.saved_tensors, rounded(gradients[0])
        return rounded(weights * (gradient - (weights * gradient).sum(-1, keepdim=True)))


@contextmanager
def rounded_products() -> Iterator[None]:
    """Round what goes into linear layers and attention, and comes out of them, inside the block."""

    def linear(x: Any, weight: Any, bias: Any = None) -> Any:
        return Linear.apply(x, weight, bias)

    def matmul(a: Any, b: Any) -> Any:
        return Product.apply(a, b) if a.ndim == b.ndim == 4 else own_matmul(a, b)

    def softmax(scores: Any, dim: int, **more: Any) -> Any:
        return Softmax.apply(scores) if scores.ndim == 4 and not more else own_softmax(scores, dim=dim, **more)

    with (
        patch.object(torch.nn.functional, "linear", linear),
        patch.object(torch, "matmul", matmul),
        patch.object(torch, "softmax", softmax),
    ):
        yield


def curve(way: str, model: str, texts: unlabelled.Unlabelled, options: Any) -> list[tuple[int, float]]:
    """Pretrain the model's architecture from scratch; returns (step, held-out loss)."""
    asked = Asked(
        from_scratch=True,
        steps=options.steps,
        max_length=options.max_length,
        seed=options.seed,
        precision="bf16" if way == "bf16" else "fp32",
        device="cpu",
    )
    with tempfile.TemporaryDirectory() as folder, rounded_products() if way == "rounded" else nullcontext():
        done = pretrain(resolve(model), texts, asked, Path(folder))
    return [(point.step, point.loss) for point in done.curve]


def show(curves: Sequence[list[tuple[int, float]]], ways: Sequence[str]) -> None:
    """Print the curves side by side as a table."""
    print(f"{'step':>8}" + "".join(f"{way:>10}" for way in ways))
    for points in zip(*curves, strict=True):
        print(f"{points[0][0]:>8}" + "".join(f"{loss:>10.3f}" for _, loss in points))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["fp32", "rounded"])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--max-length", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    texts = unlabelled.read(options.texts)
    with quiet_libraries():
        show([curve(way, options.model, texts, options) for way in options.ways], options.ways)


if __name__ == "__main__":
    main()
