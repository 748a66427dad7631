"""Token ids and counts of tokens in a model's modules, configs and features."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from torch import nn
from transformers import GenerationConfig, PreTrainedConfig

from transfergain.engine.shortcuts.token_rows import TokenRows

ID_NAMES = re.compile(r"_token_ids?$|_words_ids$|suppress_tokens$|^sequence_bias$|^padding_idx$")
"""Names of attributes and arguments that hold token ids."""
SIZE_NAMES = re.compile(r"^(?!type_)(\w+_)?vocab_size$|^num_embeddings$|^out_features$")
"""Names of attributes that may hold the size of the vocabulary."""


def token_attributes(model: Any, size: int, tensors: Sequence[TokenRows]) -> Iterator[tuple[Any, str, Any]]:
    """Yield (owner, name, value) of what names tokens or counts them, in the model's modules and configs.

    Other embeddings have numbers of their own: RoBERTa's `padding_idx` of positions is a position.
    """
    by_token = {id(module) for tensor in tensors for module, _ in tensor.places}
    modules = [m for m in model.modules() if id(m) in by_token or not isinstance(m, nn.Embedding)]
    settings = (PreTrainedConfig, GenerationConfig)
    configs = {id(value): value for m in modules for value in vars(m).values() if isinstance(value, settings)}
    for owner in chain(modules, configs.values()):
        for name in {*vars(owner), *(("vocab_size",) if isinstance(owner, PreTrainedConfig) else ())}:
            value = getattr(owner, name, None)
            counts = SIZE_NAMES.search(name) and value == size and (id(owner) in by_token or "vocab" in name)
            if counts or (ID_NAMES.search(name) and any(True for _ in ids_in(value))):
                yield owner, name, value


def ids_in(value: Any) -> Iterator[int]:
    """Yield the integers of a number, a list, or lists of lists."""
    if isinstance(value, list | tuple):
        for inner in value:
            yield from ids_in(inner)
    elif is_id(value):
        yield value


def is_id(value: Any) -> bool:
    """Tell whether a value may be a token's id."""
    return isinstance(value, int) and not isinstance(value, bool)


def token_keys(generation: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Name the keys of a feature that hold token ids; a classifier's labels are none."""
    return ("input_ids",) if generation is None else ("input_ids", "decoder_input_ids", "labels")
