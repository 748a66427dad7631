"""The tensors of a model that have a row a token: found, replaced by the rows of fewer tokens, and put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel


class StaysWhole(Exception):
    """The vocabulary stays whole; the message says why."""


@dataclass
class TokenRows:
    """A parameter or buffer with a row (a bias: a number) a token, and every place of the model that shares it."""

    whole: torch.Tensor
    places: list[tuple[nn.Module, str]]
    bias: bool

    @property
    def dim(self) -> int:
        """The tokens' dimension: (tokens, H) of embeddings and output layers, (tokens,) or (1, tokens) of biases."""
        return -1 if self.bias else 0

    def take(self, kept: Sequence[int]) -> None:
        """Put the rows of the kept tokens into all places, and the whole aside on the CPU."""
        whole = self.whole.detach()
        rows = whole.index_select(self.dim, torch.tensor(kept, device=whole.device))
        if isinstance(self.whole, nn.Parameter):
            rows = nn.Parameter(rows, requires_grad=self.whole.requires_grad)
        self.whole.data, self.whole.grad = whole.cpu(), None
        for module, name in self.places:
            setattr(module, name, rows)

    def give(self, kept: Sequence[int], bias: float | None) -> None:
        """Put the whole back into all places, with the rows of now; biases of the others become `bias` if it is given."""
        module, name = self.places[0]
        rows = getattr(module, name)
        whole = self.whole.detach().to(rows.device, rows.dtype)
        if self.bias and bias is not None:
            whole.fill_(bias)
        whole.index_copy_(self.dim, torch.tensor(kept, device=rows.device), rows.detach())
        self.whole.data = whole
        for module, name in self.places:
            setattr(module, name, self.whole)


def token_rows(model: Any, generates: bool) -> tuple[int, list[TokenRows]]:
    """Find (number of tokens, all that has a row a token).

    Raises StaysWhole where it is not all of the standard kinds and of one size.
    """
    parts: list[Any] = [m for m in model.modules() if isinstance(m, PreTrainedModel)]
    embeddings = list(filter(None, dict.fromkeys(map(_input_embeddings, parts))))
    outputs = list(filter(None, dict.fromkeys(part.get_output_embeddings() for part in parts)))
    sizes = {getattr(m, "num_embeddings", None) for m in embeddings} | {getattr(m, "out_features", None) for m in outputs}
    standard = all(isinstance(m, nn.Embedding) for m in embeddings) and all(isinstance(m, nn.Linear) for m in outputs)
    if not embeddings or not standard or len(sizes) != 1:
        raise StaysWhole("the model has no token embeddings of the standard kind, or several vocabularies")
    if generates != bool(outputs):
        raise StaysWhole("the model has an output layer and the task does not generate, or the reverse")
    size = int(embeddings[0].num_embeddings)
    biases = [tensor for output in outputs for tensor in _biases(model, output, size)]
    if any(not _biases(model, output, size) for output in outputs):
        raise StaysWhole("the model's output layer has no bias that could keep it from generating other tokens")
    found = {id(m.weight): TokenRows(m.weight, [], False) for m in (*embeddings, *outputs)}
    found |= {id(tensor): TokenRows(tensor, [], True) for tensor in biases}
    for module in model.modules():
        for name, tensor in chain(module._parameters.items(), module._buffers.items()):
            if id(tensor) in found:
                found[id(tensor)].places.append((module, name))
    return size, list(found.values())


def _input_embeddings(part: Any) -> Any:
    try:
        return part.get_input_embeddings()
    except NotImplementedError:
        return None


def _biases(model: Any, output: Any, size: int) -> list[torch.Tensor]:
    """Find what is added to the output layer's logits: its own bias (BERT's kind), or the model's (BART's kind)."""
    owners = [m for m in model.modules() if output in m.children()]
    found = [output.bias, *(getattr(m, "final_logits_bias", None) for m in owners)]
    return [b for b in found if isinstance(b, torch.Tensor) and b.shape[-1:] == (size,) and b.numel() == size]
