"""Attention for CPUs: two products and a softmax.

On a CPU PyTorch's scaled dot-product attention takes up to two and a half times as long as its parts with dropout, and its
fused kernel, used without, up to four times in training (docs/performance.md: at every length from 25 to 384 tokens). Which
one is used is settled by the device and not by a clock, as the choice changes how numbers are rounded, and the same trial
must give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

from transfergain.engine.batching import Feature, collate, length

ATTENTION_NAME = "transfergain_parts"
REPLACED_ATTENTION = "sdpa"
TRIED_FEATURES = 64
"""The shortest and the longest of so many features are tried."""
OUTPUT_TOLERANCE = 1e-4
"""How far outputs may be off in fp32 when the two are compared."""


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    position_bias: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Compute softmax(scaling * query @ key + mask) @ value, with dropout on the softmax.

    `query` (B, heads, Q, d), `key` and `value` (B, heads or groups of them, T, d), `attention_mask` (B, 1, Q, T) and
    `position_bias` (1, heads, Q, T) are added to the scores; returns (B, Q, heads, d). Products and softmax are in the
    query's precision, the softmax's sums in fp32.
    """
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    scores = torch.matmul(query * (query.shape[-1] ** -0.5 if scaling is None else scaling), key.transpose(2, 3))
    if position_bias is not None:
        scores = scores + position_bias.to(scores.dtype)
    if attention_mask is not None:
        lowest = torch.finfo(scores.dtype).min  # fp32's lowest would be -inf in bf16, and a row of it NaN
        scores = scores + attention_mask[..., : key.shape[-2]].clamp(min=lowest).to(scores.dtype)
    weights = torch.nn.functional.dropout(torch.softmax(scores, dim=-1), dropout, module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION_NAME, attend)
AttentionMaskInterface.register(ATTENTION_NAME, eager_mask)


@contextmanager
def attention_by_parts(model: Any, features: Sequence[Feature], pad_token_id: int) -> Iterator[bool]:
    """Have the model attend by `attend` inside the block, where that gives its outputs; yields whether it does.

    Only on the CPU, and only models that would use PyTorch's scaled dot-product attention: what they compute is this.
    """
    parts = [m for m in model.modules() if isinstance(m, PreTrainedModel) and _implementation(m) == REPLACED_ATTENTION]
    outer = [m for m in parts if not any(m is not other and m in other.modules() for other in parts)]
    if not outer or next(model.parameters()).device.type != "cpu":
        yield False
        return
    tried = sorted(features[:TRIED_FEATURES], key=length)
    few = [tried[0], tried[-1]]
    before = _loss_and_outputs(model, few, pad_token_id)
    _use(outer, ATTENTION_NAME)
    try:
        same = all(
            a.shape == b.shape and torch.allclose(a, b, rtol=0.0, atol=OUTPUT_TOLERANCE * max(1.0, float(a.abs().max())))
            for a, b in zip(before, _loss_and_outputs(model, few, pad_token_id), strict=True)
        )
        if not same:
            _use(outer, REPLACED_ATTENTION)
        yield same
    finally:
        _use(outer, REPLACED_ATTENTION)


def _implementation(model: PreTrainedModel) -> str:
    return str(getattr(model.config, "_attn_implementation", ""))


def _use(models: Sequence[PreTrainedModel], name: str) -> None:
    for model in models:
        model.set_attn_implementation(name)


def _loss_and_outputs(model: Any, features: Sequence[Feature], pad_token_id: int) -> list[torch.Tensor]:
    """Return loss and first outputs in evaluation mode."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            output = model(**collate(features, pad_token_id, next(model.parameters()).device))
    finally:
        model.train(training)
    return [value.float() for value in output.to_tuple()[:3] if isinstance(value, torch.Tensor)]
