"""Frozen features: where only the head trains, run the base model once and train the head on what it returned.

The head is not taken apart: the model's own forward runs, with its base model replaced by the stored output. Only what
the head reads is stored: the first token for BERT's classifier, the last that is no padding for GPT-2's, T5's and BART's,
all of them for labels of words and spans. These are tried in turn, and the first whose outputs equal the model's own is
taken. Where none does, nothing is stored and training runs the whole model, which is slower and the same; a trial's
`frozen_features` says which it was.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from transfergain.engine.batching import Feature, collate, evaluation_batches, length
from transfergain.engine.flops import StepFlops
from transfergain.engine.precision import autocast
from transfergain.engine.training import Training, TrainingCost

POSITIONS = ("first", "last", "all")
"""Which tokens' outputs may be stored."""
TARGET_KEYS = ("labels", "start_positions", "end_positions")
"""Keys of a feature that the head is trained on."""
OUTPUT_TOLERANCE = 1e-3
"""How far outputs of the head alone may be off in fp32."""


class HeadOnly(torch.nn.Module):
    """The model with its base model's output given.

    Inputs: `hidden` (B, H) and `input_ids` (B, 1) of one position, or (B, T, H) and (B, T) of all; `pooled` (B, H).

    `output_class` is the class of the base model's output: heads read fields of their own base's class (GPT-2's asks for
    `past_key_values`), and all that are not given are None there.
    """

    def __init__(self, model: Any, output_class: Any) -> None:
        super().__init__()
        self.model = model
        self.output_class = output_class

    def forward(
        self,
        input_ids: torch.Tensor,
        hidden: torch.Tensor,
        tokens: torch.Tensor | None = None,
        pooled: torch.Tensor | None = None,
        **targets: torch.Tensor,
    ) -> Any:
        """Run the head on the stored base output; `tokens`, the text's length, only orders batches."""
        given = {} if pooled is None else {"pooler_output": pooled}
        stored = self.output_class(last_hidden_state=hidden if hidden.ndim == 3 else hidden[:, None], **given)
        base = self.model.base_model
        own = vars(base).get("forward")  # only where a library has put its own wrapper there
        base.forward = lambda *args, **kwargs: stored
        try:
            return self.model(input_ids=input_ids, **targets)
        finally:
            del base.forward
            if own is not None:
                base.forward = own


@dataclass(frozen=True)
class FrozenBase:
    """A base model that does not train, and the head that reads its stored output."""

    head: HeadOnly
    position: str
    """One of POSITIONS: what of the output is stored."""
    pad_token_id: int
    precision: str

    def run(self, features: Sequence[Feature]) -> list[dict[str, Any]]:
        """Run the base model on the features; returns features for `head`."""
        return run_base(self.head.model, features, self.pad_token_id, self.position, self.precision)

    def stored(self, training: Training) -> Training:
        """Turn the training into one of `head` on stored features, whose cost counts as spent."""
        since = time.perf_counter()
        train = self.run(training.train)
        flops = base_flops(self.head.model, training.train, self.pad_token_id)
        spent = TrainingCost(flops, time.perf_counter() - since)
        return replace(training, train=train, dev=self.run(training.dev), spent=spent)


def only_head_trains(model: Any) -> bool:
    """Tell whether no parameter of the model's base model requires a gradient."""
    base = getattr(model, "base_model", None)
    return base is not None and base is not model and not any(p.requires_grad for p in base.parameters())


def head_only(
    model: Any, sample: Sequence[Feature], pad_token_id: int, fields: Sequence[str] = ("logits",)
) -> tuple[HeadOnly, str] | None:
    """Find the (module, position) that reproduces these fields of the model's output on the sample; None where none does."""
    few = list(sample[:4])
    model.eval()
    device = next(model.parameters()).device
    with torch.inference_mode():
        captured: list[type] = []
        handle = model.base_model.register_forward_hook(lambda module, args, output: captured.append(type(output)))
        try:
            expected = _real(model(**collate(few, pad_token_id, device)), fields, few)
        finally:
            handle.remove()
        if not captured:
            return None  # the head bypasses the base model's forward
        for position in POSITIONS:
            module = HeadOnly(model, captured[0]).eval()
            try:
                stored = run_base(model, few, pad_token_id, position, "fp32")
                got = _real(module(**collate(stored, pad_token_id, device)), fields, few)
            except (RuntimeError, ValueError, IndexError, KeyError, AttributeError, TypeError):
                continue  # this architecture's head cannot be fed one position: the caller trains the whole model
            if len(got) == len(expected) and all(map(_close, got, expected)):
                return module, position
    return None


def _real(output: Any, fields: Sequence[str], features: Sequence[Feature]) -> list[torch.Tensor]:
    """Take the named fields feature by feature, without the padding's rows where there is a row a token."""
    padded = max(map(length, features))
    rows = []
    for field in fields:
        whole = getattr(output, field)
        by_token = whole.ndim == 3 or (whole.ndim == 2 and len(fields) > 1)
        if by_token and whole.shape[1] < padded:
            raise ValueError("the head was fed fewer tokens than it answers for")
        rows += [row[: length(f)] if by_token else row for row, f in zip(whole, features, strict=True)]
    return rows


def _close(got: torch.Tensor, expected: torch.Tensor) -> bool:
    return got.shape == expected.shape and torch.allclose(got, expected, atol=OUTPUT_TOLERANCE)


def run_base(
    model: Any, features: Sequence[Feature], pad_token_id: int, position: str, precision: str
) -> list[dict[str, Any]]:
    """Run the base model in evaluation mode; returns its output for every feature as features for `HeadOnly`."""
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
                pooled = getattr(output, "pooler_output", None)
                for row, i in enumerate(batch):
                    rows[i] = {key: features[i][key] for key in TARGET_KEYS if key in features[i]}
                    if position == "all":
                        ids, hidden = features[i]["input_ids"], output[0][row, : length(features[i])]
                    else:
                        at = _index(inputs, position, pad_token_id)[row]
                        ids, hidden = inputs["input_ids"][row, at].reshape(1).cpu().clone(), output[0][row, at]
                        rows[i]["tokens"] = length(features[i])
                    rows[i] |= {"input_ids": ids, "hidden": hidden.float().cpu().clone()}
                    if pooled is not None:
                        rows[i]["pooled"] = pooled[row].float().cpu().clone()
    finally:
        handle.remove()
    return rows


def base_flops(model: Any, features: Sequence[Feature], pad_token_id: int) -> int:
    """Count the floating-point operations of `run_base` on these features."""
    forward = StepFlops(model, features, pad_token_id, backward=False)
    return sum(forward([features[i] for i in batch]) for batch in evaluation_batches(features))


def _index(inputs: dict[str, torch.Tensor], position: str, pad_token_id: int) -> torch.Tensor:
    """Find the (B,) indices of the first attended token, or of the last whose id is not the padding's.

    GPT-2's kind pads with its end token and reads the last token that is another one, attended or not, the first where
    there is none. Where padding has a token of its own the two readings of "last" are the same.
    """
    if position == "first":
        return inputs["attention_mask"].argmax(dim=1)
    real = (inputs["input_ids"] != pad_token_id).int()
    return (torch.arange(real.shape[1], device=real.device) * real).argmax(dim=1)
