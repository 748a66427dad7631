"""Trim the vocabulary: a trial trains a standard model whose vocabulary holds only the tokens that occur.

Most parameters of a small model are word embeddings, and a study meets few of them. A row whose token never occurs has a
zero gradient, and AdamW without weight decay never moves it: gradients, clipping and updates that leave such rows out give
the same training. Where a model generates, its output layer has a row a token too; leaving rows out there takes the tokens
out of the softmax, in every arm alike, and the restored model has an output bias that keeps it from generating them.

Where this is not possible the vocabulary stays whole, and `why_whole` says why. No architecture is known by name: token
embeddings and output layers are found as `transformers` declares them, and a few features are tried to see that the smaller
model computes what the whole one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import torch

from transfergain.engine.batching import IGNORED_LABEL, Feature, collate, length
from transfergain.engine.shortcuts.token_ids import ID_NAMES, ids_in, is_id, token_attributes, token_keys
from transfergain.engine.shortcuts.token_rows import StaysWhole, TokenRows, token_rows

LARGEST_KEPT_SHARE = 0.5
"""Where more of the vocabulary than this share occurs, it stays whole: little would be saved."""
NEVER_BIAS = -1e4
"""Output bias of the tokens that a model is not to generate: far below any logit, and within half precision."""
TRIED_FEATURES = 64
"""The shortest and the longest of so many features are tried."""
OUTPUT_TOLERANCE = 1e-3
"""How far the smaller model's outputs may be off when it is tried, as a share of the largest."""


class Vocabulary:
    """The tokens that occur in a trial, numbered anew, and a model that knows no others until `restore`.

    A whole vocabulary has the same methods, which then change nothing.
    """

    def __init__(self, pad_token_id: int, generation: Mapping[str, Any] | None, why_whole: str = "") -> None:
        self.kept: tuple[int, ...] = ()
        """The tokenizer's ids by new number; empty when the vocabulary is whole."""
        self.why_whole = why_whole
        """Why no token was left out; empty when some were."""
        self.pad_token_id = pad_token_id
        """The new number of the padding token."""
        self.generation = None if generation is None else dict(generation)
        """Arguments of `generate` with the numbers of the tokens they name; None for a model that does not generate."""
        self._numbers: dict[int, int] = {}
        self._tensors: list[TokenRows] = []
        self._changed: list[tuple[Any, str, Any]] = []

    @classmethod
    def shrink(
        cls,
        model: Any,
        features: Sequence[Feature],
        always: Iterable[int],
        pad_token_id: int,
        generation: Mapping[str, Any] | None = None,
    ) -> Vocabulary:
        """Make the model know the tokens of these features, those of `always` and those its configs name, and no others.

        The first features are tried: the very first has to be such as the model trains on. `generation` holds the arguments
        of `generate` where the model generates: `labels` are token ids then, and it depends on the architecture and the
        features alone whether tokens are left out, not on what trains. Best called before the model goes to a GPU.
        """
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        vocabulary = cls(pad_token_id, generation)
        try:
            vocabulary._shrink(base, features, always)
        except StaysWhole as reason:
            return cls(pad_token_id, generation, str(reason))
        return vocabulary

    def features(self, features: Iterable[Feature]) -> list[dict[str, Any]]:
        """Give features the new numbers. Raises KeyError for a token that the vocabulary was made without."""
        keys = token_keys(self.generation)
        number = self._numbers | {IGNORED_LABEL: IGNORED_LABEL}
        if not self.kept:
            return [dict(feature) for feature in features]
        return [{k: [number[i] for i in v] if k in keys else v for k, v in f.items()} for f in features]

    def widen(self, ids: Iterable[int]) -> list[int]:
        """Turn generated ids into the tokenizer's."""
        return [self.kept[i] for i in ids] if self.kept else list(ids)

    def restore(self) -> None:
        """Give the model its whole vocabulary back: kept tokens with their weights of now, the others with those of before.

        Where the model generates, it never generates a token that was left out.
        """
        self._put_back(NEVER_BIAS if self.generation is not None else None)

    def _shrink(self, model: Any, features: Sequence[Feature], always: Iterable[int]) -> None:
        size, tensors = token_rows(model, self.generation is not None)
        if self.generation is None and not any(t.whole.requires_grad for t in tensors):
            raise StaysWhole("the embeddings do not train")
        attributes = list(token_attributes(model, size, tensors))
        named = [value for _, name, value in attributes if ID_NAMES.search(name)]
        named += [value for name, value in (self.generation or {}).items() if ID_NAMES.search(name)]
        met = {i for f in features for key in token_keys(self.generation) for i in f.get(key, ()) if i != IGNORED_LABEL}
        met.add(self.pad_token_id)
        if not features or not 0 <= min(met) <= max(met) < size:
            raise StaysWhole("there are no features, or the tokenizer has tokens that the model has not")
        met |= {i for i in chain(always, *map(ids_in, named)) if 0 <= i < size}
        if len(met) > LARGEST_KEPT_SHARE * size:
            raise StaysWhole(f"{len(met):,} of {size:,} tokens occur")
        # Where few labels are drawn, sealed features are among the first, and have no labels.
        tried = sorted((f for f in features[:TRIED_FEATURES] if f.keys() == features[0].keys()), key=length)
        few, kept = [tried[0], tried[-1]], _ordered(met)
        before = _outputs_of_these(model, tensors if self.generation is not None else [], kept, few, self.pad_token_id)
        self._number(kept)
        self._tensors, self._changed = tensors, attributes
        try:
            self._swap()
            after = _outputs(model, self.features(few), self.pad_token_id)
        except (RuntimeError, ValueError, IndexError, KeyError, AttributeError, TypeError):
            after = {}  # something else in this architecture counts on the whole vocabulary
        if not self._same(before, after):
            self._put_back(None)
            raise StaysWhole("with fewer tokens the model computes something else")

    def _number(self, kept: Sequence[int]) -> None:
        self.kept = tuple(kept)
        self._numbers = {old: new for new, old in enumerate(kept)}
        self.pad_token_id = self._numbers[self.pad_token_id]
        if self.generation is not None:
            self.generation = {k: self._renumbered(v) if ID_NAMES.search(k) else v for k, v in self.generation.items()}

    def _renumbered(self, value: Any) -> Any:
        """Give ids, or lists of them, their new numbers; numbers that are no token's stay."""
        if isinstance(value, list | tuple):
            return type(value)(map(self._renumbered, value))
        return self._numbers.get(value, value) if is_id(value) else value

    def _swap(self) -> None:
        for tensor in self._tensors:
            tensor.take(self.kept)
        for owner, name, value in self._changed:
            setattr(owner, name, self._renumbered(value) if ID_NAMES.search(name) else len(self.kept))

    def _put_back(self, bias: float | None) -> None:
        for tensor in self._tensors:
            tensor.give(self.kept, bias)
        for owner, name, value in self._changed:
            setattr(owner, name, value)
        self._tensors, self._changed = [], []

    def _same(self, before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> bool:
        """Tell whether the two outputs are the same, and the logits of the tokens left out too low to be generated."""
        if not before or before.keys() != after.keys():
            return False
        for key, whole in before.items():
            got, expected = after[key], whole
            if self.generation is not None and key == "logits":
                expected = whole[..., list(self.kept)]
                left_out = torch.ones(whole.shape[-1], dtype=torch.bool, device=whole.device)
                left_out[list(self.kept)] = False
                if float(whole[..., left_out].max()) > NEVER_BIAS / 2:
                    return False
            if got.shape != expected.shape:
                return False
            if not torch.allclose(got, expected, rtol=0.0, atol=OUTPUT_TOLERANCE * float(expected.abs().max())):
                return False
        return True


def _ordered(met: set[int]) -> list[int]:
    """Order the tokens by new number.

    Those below their count keep theirs, as positions may be counted from the padding's.
    """
    others = iter(sorted(i for i in met if i >= len(met)))
    return [i if i in met else next(others) for i in range(len(met))]


def _outputs_of_these(
    model: Any, tensors: Sequence[TokenRows], kept: Sequence[int], features: Sequence[Feature], pad_token_id: int
) -> dict[str, torch.Tensor]:
    """Return `_outputs` while the biases among the tensors keep all tokens but these from being generated."""
    biases = [tensor.whole.detach() for tensor in tensors if tensor.bias]
    values = [bias.clone() for bias in biases]
    try:
        for bias, value in zip(biases, values, strict=True):
            bias.fill_(NEVER_BIAS)[..., list(kept)] = value[..., list(kept)]
        return _outputs(model, features, pad_token_id)
    finally:
        for bias, value in zip(biases, values, strict=True):
            bias.copy_(value)


def _outputs(model: Any, features: Sequence[Feature], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Run the model on the features in evaluation mode; returns its tensors by name."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            output = model(**collate(features, pad_token_id, next(model.parameters()).device))
    finally:
        model.train(was_training)
    given = output.items() if isinstance(output, Mapping) else ()
    return {key: value.float() for key, value in given if isinstance(value, torch.Tensor)}
