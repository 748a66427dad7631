"""Vocabulary trimming: a trial trains a standard model whose vocabulary holds only the tokens that it meets.

Most parameters of a small model are word embeddings, and a study meets few of them. A row whose token never occurs has a
zero gradient, and AdamW without weight decay never moves it: gradients, clipping and updates that leave such rows out give
the same training. Where a model generates, its output layer has a row a token too; leaving rows out there takes the tokens
out of the softmax, in every arm alike, and the restored model has an output bias that keeps it from generating them.

Where this cannot be had the vocabulary stays whole, and `why_whole` says why. No architecture is known by name: token
embeddings and output layers are found as `transformers` declares them, and that the smaller model computes what the whole
one does is found by trying.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel

from transfergain.engine.batching import Feature, collate, length

MOST = 0.5
"""The largest share of a vocabulary that is worth the leaving out of the others."""
NEVER = -1e4
"""Output bias of the tokens that a model is not to generate: far below any logit, and within half precision."""
TRIED = 64
"""The shortest and the longest of so many features are tried."""
TOLERANCE = 1e-3
"""How far the smaller model's outputs may be off when it is tried, as a share of the largest."""
IDS = re.compile(r"_token_ids?$|_words_ids$|suppress_tokens$|^sequence_bias$|^padding_idx$")
"""Names of attributes and arguments that hold token ids."""
SIZES = re.compile(r"^(?!type_)(\w+_)?vocab_size$|^num_embeddings$|^out_features$")
"""Names of attributes that may hold the size of the vocabulary."""


class Vocabulary:
    """The tokens a trial meets, numbered anew, and the model that for the time being knows no others.

    A whole vocabulary has the same methods, which then change nothing.
    """

    def __init__(self, pad_token_id: int, generation: Mapping[str, Any] | None, why_whole: str = "") -> None:
        self.kept: tuple[int, ...] = ()
        """The tokenizer's ids by new number; empty when the vocabulary is whole."""
        self.why_whole = why_whole
        """Why no token was left out; empty when some were."""
        self.pad_token_id = pad_token_id
        """The padding's number."""
        self.generation = None if generation is None else dict(generation)
        """Arguments of `generate` with the numbers of the tokens they name; None for a model that does not generate."""
        self._numbers: dict[int, int] = {}
        self._tensors: list[_ByToken] = []
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

        The first features are tried, so they have to be such as the model trains on. `generation` holds the arguments of
        `generate` where the model generates: `labels` are token ids then, and it depends on the architecture and the
        features alone whether tokens are left out, not on what trains. Best called before the model goes to a GPU.
        """
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        vocabulary = cls(pad_token_id, generation)
        try:
            vocabulary._shrink(base, features, always)
        except _Whole as reason:
            return cls(pad_token_id, generation, str(reason))
        return vocabulary

    def features(self, features: Iterable[Feature]) -> list[dict[str, Any]]:
        """Features with the new numbers. Raises KeyError for a token that the vocabulary was made without."""
        keys = _token_keys(self.generation)
        number = self._numbers | {-100: -100}
        if not self.kept:
            return [dict(feature) for feature in features]
        return [{k: [number[i] for i in v] if k in keys else v for k, v in f.items()} for f in features]

    def widen(self, ids: Iterable[int]) -> list[int]:
        """Generated ids as the tokenizer's."""
        return [self.kept[i] for i in ids] if self.kept else list(ids)

    def restore(self) -> None:
        """Give the model its whole vocabulary back: kept tokens with their weights of now, the others with those of before.

        Where the model generates, it never generates a token that was left out.
        """
        self._put_back(NEVER if self.generation is not None else None)

    def _shrink(self, model: Any, features: Sequence[Feature], always: Iterable[int]) -> None:
        size, tensors = _by_token(model, self.generation is not None)
        if self.generation is None and not any(t.whole.requires_grad for t in tensors):
            raise _Whole("the embeddings do not train")
        attributes = list(_attributes(model, size, tensors))
        named = [value for _, name, value in attributes if IDS.search(name)]
        named += [value for name, value in (self.generation or {}).items() if IDS.search(name)]
        met = {i for f in features for key in _token_keys(self.generation) for i in f.get(key, ()) if i != -100}
        met.add(self.pad_token_id)
        if not features or not 0 <= min(met) <= max(met) < size:
            raise _Whole("there are no features, or the tokenizer has tokens that the model has not")
        met |= {i for i in chain(always, *map(_ids, named)) if 0 <= i < size}
        if len(met) > MOST * size:
            raise _Whole(f"{len(met):,} of {size:,} tokens occur")
        tried = sorted(features[:TRIED], key=length)
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
            raise _Whole("with fewer tokens the model computes something else")

    def _number(self, kept: Sequence[int]) -> None:
        self.kept = tuple(kept)
        self._numbers = {old: new for new, old in enumerate(kept)}
        self.pad_token_id = self._numbers[self.pad_token_id]
        if self.generation is not None:
            self.generation = {k: self._renumbered(v) if IDS.search(k) else v for k, v in self.generation.items()}

    def _renumbered(self, value: Any) -> Any:
        """Ids, or lists of them, by their new numbers; numbers that are no token's stay."""
        if isinstance(value, list | tuple):
            return type(value)(map(self._renumbered, value))
        return self._numbers.get(value, value) if _is_id(value) else value

    def _swap(self) -> None:
        for tensor in self._tensors:
            tensor.take(self.kept)
        for owner, name, value in self._changed:
            setattr(owner, name, self._renumbered(value) if IDS.search(name) else len(self.kept))

    def _put_back(self, bias: float | None) -> None:
        for tensor in self._tensors:
            tensor.give(self.kept, bias)
        for owner, name, value in self._changed:
            setattr(owner, name, value)
        self._tensors, self._changed = [], []

    def _same(self, before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> bool:
        """Whether the two outputs are the same, and the logits of the tokens left out too low to be generated."""
        if not before or before.keys() != after.keys():
            return False
        for key, whole in before.items():
            got, expected = after[key], whole
            if self.generation is not None and key == "logits":
                expected = whole[..., list(self.kept)]
                left_out = torch.ones(whole.shape[-1], dtype=torch.bool, device=whole.device)
                left_out[list(self.kept)] = False
                if float(whole[..., left_out].max()) > NEVER / 2:
                    return False
            if got.shape != expected.shape:
                return False
            if not torch.allclose(got, expected, rtol=0.0, atol=TOLERANCE * float(expected.abs().max())):
                return False
        return True


class _Whole(Exception):
    """The vocabulary stays whole; the message says why."""


@dataclass
class _ByToken:
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


def _by_token(model: Any, generates: bool) -> tuple[int, list[_ByToken]]:
    """(tokens, all that has a row a token). Raises _Whole where it is not all of the standard kinds and of one size."""
    parts: list[Any] = [m for m in model.modules() if isinstance(m, PreTrainedModel)]
    embeddings = list(filter(None, dict.fromkeys(map(_input_embeddings, parts))))
    outputs = list(filter(None, dict.fromkeys(part.get_output_embeddings() for part in parts)))
    sizes = {getattr(m, "num_embeddings", None) for m in embeddings} | {getattr(m, "out_features", None) for m in outputs}
    standard = all(isinstance(m, nn.Embedding) for m in embeddings) and all(isinstance(m, nn.Linear) for m in outputs)
    if not embeddings or not standard or len(sizes) != 1:
        raise _Whole("the model has no token embeddings of the standard kind, or several vocabularies")
    if generates != bool(outputs):
        raise _Whole("the model has an output layer and the task does not generate, or the reverse")
    size = int(embeddings[0].num_embeddings)
    biases = [tensor for output in outputs for tensor in _biases(model, output, size)]
    if any(not _biases(model, output, size) for output in outputs):
        raise _Whole("the model's output layer has no bias that could keep it from generating other tokens")
    found = {id(m.weight): _ByToken(m.weight, [], False) for m in (*embeddings, *outputs)}
    found |= {id(tensor): _ByToken(tensor, [], True) for tensor in biases}
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
    """What is added to the output layer's logits: its own bias (BERT's kind), or the model's (BART's kind)."""
    owners = [m for m in model.modules() if output in m.children()]
    found = [output.bias, *(getattr(m, "final_logits_bias", None) for m in owners)]
    return [b for b in found if isinstance(b, torch.Tensor) and b.shape[-1:] == (size,) and b.numel() == size]


def _attributes(model: Any, size: int, tensors: Sequence[_ByToken]) -> Iterator[tuple[Any, str, Any]]:
    """(owner, name, value) of what names tokens or counts them, in the model's modules and configs.

    Other embeddings have numbers of their own: RoBERTa's `padding_idx` of positions is a position.
    """
    by_token = {id(module) for tensor in tensors for module, _ in tensor.places}
    modules = [m for m in model.modules() if id(m) in by_token or not isinstance(m, nn.Embedding)]
    settings = (PreTrainedConfig, GenerationConfig)
    configs = {id(value): value for m in modules for value in vars(m).values() if isinstance(value, settings)}
    for owner in chain(modules, configs.values()):
        for name in {*vars(owner), *(("vocab_size",) if isinstance(owner, PreTrainedConfig) else ())}:
            value = getattr(owner, name, None)
            counts = SIZES.search(name) and value == size and (id(owner) in by_token or "vocab" in name)
            if counts or (IDS.search(name) and any(True for _ in _ids(value))):
                yield owner, name, value


def _ids(value: Any) -> Iterator[int]:
    """The integers of a number, a list, or lists of lists."""
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _ids(inner)
    elif _is_id(value):
        yield value


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _token_keys(generation: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Keys of a feature that hold token ids; a classifier's labels are none."""
    return ("input_ids",) if generation is None else ("input_ids", "decoder_input_ids", "labels")


def _ordered(met: set[int]) -> list[int]:
    """The tokens by new number. Those below their count keep theirs, as positions may be counted from the padding's."""
    others = iter(sorted(i for i in met if i >= len(met)))
    return [i if i in met else next(others) for i in range(len(met))]


def _outputs_of_these(
    model: Any, tensors: Sequence[_ByToken], kept: Sequence[int], features: Sequence[Feature], pad_token_id: int
) -> dict[str, torch.Tensor]:
    """`_outputs` while the biases among the tensors keep all tokens but these from being generated."""
    biases = [tensor.whole.detach() for tensor in tensors if tensor.bias]
    values = [bias.clone() for bias in biases]
    try:
        for bias, value in zip(biases, values, strict=True):
            bias.fill_(NEVER)[..., list(kept)] = value[..., list(kept)]
        return _outputs(model, features, pad_token_id)
    finally:
        for bias, value in zip(biases, values, strict=True):
            bias.copy_(value)


def _outputs(model: Any, features: Sequence[Feature], pad_token_id: int) -> dict[str, torch.Tensor]:
    """The tensors that the model returns for the features, in evaluation mode."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            output = model(**collate(features, pad_token_id, next(model.parameters()).device))
    finally:
        model.train(was_training)
    given = output.items() if isinstance(output, Mapping) else ()
    return {key: value.float() for key, value in given if isinstance(value, torch.Tensor)}
