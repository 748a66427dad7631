"""Frozen features: where only the head trains, run the base model once and train the head on what it returned.

The head is not taken apart: the model's own forward runs, with its base model replaced by the stored output. Only the
position the head reads is stored (first token for BERT's kind, last real one for GPT-2's and T5's), and which one that is
is found by trying: the replayed logits must equal the model's own, else nothing is cached and training runs the whole
model, which is slower and the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from transfergain.engine.batching import Feature, collate, evaluation_batches
from transfergain.engine.precision import autocast

POSITIONS = ("first", "last")
TOLERANCE = 1e-3


class HeadOnly(torch.nn.Module):
    """The model with its base model's output given: inputs `hidden` (B, H), `pooled` (B, H), `input_ids` (B, 1)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, hidden: torch.Tensor, labels: torch.Tensor, pooled: torch.Tensor | None = None
    ) -> Any:
        """The model's own output for the stored base output."""
        from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPooling

        stored: Any
        if pooled is None:
            stored = BaseModelOutput(last_hidden_state=hidden[:, None])
        else:
            stored = BaseModelOutputWithPooling(last_hidden_state=hidden[:, None], pooler_output=pooled)
        base = self.model.base_model
        original = base.forward
        base.forward = lambda *args, **kwargs: stored
        try:
            return self.model(input_ids=input_ids, labels=labels)
        finally:
            base.forward = original


def only_head_trains(model: Any) -> bool:
    """True when no parameter of the model's base model requires a gradient."""
    base = getattr(model, "base_model", None)
    return base is not None and base is not model and not any(p.requires_grad for p in base.parameters())


def head_only(model: Any, sample: Sequence[Feature], pad_token_id: int) -> tuple[HeadOnly, str] | None:
    """(module, position) that reproduces the model's logits on the sample, or None when no position does."""
    few = list(sample[:4])
    model.eval()
    device = next(model.parameters()).device
    with torch.inference_mode():
        expected = model(**collate(few, pad_token_id, device)).logits
        for position in POSITIONS:
            module = HeadOnly(model).eval()
            try:
                stored = run_base(model, few, pad_token_id, position, "fp32")
                got = module(**collate(stored, pad_token_id, device)).logits
            except (RuntimeError, ValueError, IndexError, KeyError, AttributeError, TypeError):
                continue  # this architecture's head cannot be fed one position: the caller trains the whole model
            if got.shape == expected.shape and torch.allclose(got, expected, atol=TOLERANCE):
                return module, position
    return None


def run_base(
    model: Any, features: Sequence[Feature], pad_token_id: int, position: str, precision: str
) -> list[dict[str, Any]]:
    """The base model's output at one position for every feature, in evaluation mode, as features for `HeadOnly`."""
    model.eval()
    device = next(model.parameters()).device
    rows: list[dict[str, Any]] = [{}] * len(features)
    captured: dict[str, Any] = {}

    def keep(module: Any, args: Any, output: Any) -> None:
        captured["output"] = output

    handle = model.base_model.register_forward_hook(keep)
    try:
        with torch.inference_mode(), autocast(precision, device):
            for batch in evaluation_batches(features):
                inputs = collate([features[i] for i in batch], pad_token_id, device)
                model(**inputs)
                output = captured.pop("output")
                at = _index(inputs["attention_mask"], position)
                take = torch.arange(len(batch), device=device)
                pooled = getattr(output, "pooler_output", None)
                hidden = output[0][take, at].float()
                for row, i in enumerate(batch):
                    rows[i] = {
                        "input_ids": inputs["input_ids"][row, at[row]].reshape(1).cpu().clone(),
                        "hidden": hidden[row].cpu().clone(),
                        "labels": features[i]["labels"],
                    }
                    if pooled is not None:
                        rows[i]["pooled"] = pooled[row].float().cpu().clone()
    finally:
        handle.remove()
    return rows


def _index(mask: torch.Tensor, position: str) -> torch.Tensor:
    if position == "first":
        return mask.argmax(dim=1)
    return mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
