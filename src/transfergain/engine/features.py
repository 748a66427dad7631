"""Features of a frozen encoder: computed once for each text, kept on disk, and read by whoever needs them again.

The same text has the same features bit for bit, whoever computes them in whichever company: batches have few shapes, and
which of them a text is computed in follows from its own length.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray

from transfergain.arms.probe_model import ALL_LAYERS, at_layer, hidden_states, pooled
from transfergain.engine.batching import IGNORED_LABEL, Feature, collate
from transfergain.engine.feature_store import FeatureStore, Place
from transfergain.engine.precision import autocast

BATCH_TOKENS = {"cpu": 512, "cuda": 16384}
"""Padded tokens of a batch, by device: on CPUs more of them make nothing faster, and fill up with copies."""
LENGTH_STEP = 8
"""Texts are padded to the next multiple of so many tokens."""
CHUNK_BYTES = 2**25
"""So much is computed before it is written: what is held in memory."""
LARGEST_HALF = 65504.0
"""The largest number of float16, in which features of tokens are stored: there are many, and they differ by much. Those of
texts, whose means over random weights differ by little, are stored in float32."""
MODEL_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class View(NamedTuple):
    """One way to read an encoder: which of its tokens, and which of its layers."""

    pooling: str
    """`first`, `last` or `mean` for one vector a text; `each` for one a token."""
    layer: int
    """Its number, 0 for the embeddings; ALL_LAYERS for the mean over all of them."""

    def describe(self, layers: int) -> str:
        """Name the view in words."""
        which = "all layers" if self.layer == ALL_LAYERS else f"layer {self.layer} of {layers}"
        return f"{self.pooling} token, {which}" if self.pooling in ("first", "last", "each") else f"mean of tokens, {which}"


def text_views(layers: int, begins: bool) -> tuple[View, ...]:
    """List the views of whole texts: the mean of tokens in all layers together and in each, and the token for the text.

    That is the first where the tokenizer `begins` a text with one for the purpose, else the last.
    """
    means = [View("mean", layer) for layer in (ALL_LAYERS, *range(1, layers + 1))]
    return (*means, View("first" if begins else "last", layers))


def token_views(layers: int) -> tuple[View, ...]:
    """List the views of single tokens: all layers together, the last, and the one in the middle."""
    return tuple(View("each", layer) for layer in dict.fromkeys((ALL_LAYERS, layers, (layers + 1) // 2)))


def of_tokens(views: Sequence[View]) -> bool:
    """Tell whether the views are of single tokens."""
    return views[0].pooling == "each"


def tokens_read(feature: Feature) -> list[int]:
    """List the tokens whose features are kept: those with a label where tokens are labelled, else all."""
    labels, tokens = feature.get("labels"), range(len(feature["input_ids"]))
    return [i for i in tokens if labels[i] != IGNORED_LABEL] if isinstance(labels, list) else list(tokens)


@dataclass
class Features:
    """The features of a frozen encoder in some views: those in its store are found, the others computed."""

    encoder: Any
    views: Sequence[View]
    pad_token_id: int
    max_length: int
    precision: str
    store: FeatureStore
    computed: int = field(default=0, init=False)
    """Texts that have been computed, and not found."""

    def read(self, features: Sequence[Feature]) -> list[Place]:
        """Find where each feature's array (views, rows, hidden size) is; computes those not known."""
        keys = [self._key(feature) for feature in features]
        known = self.store.known(keys)
        missing = {key: i for i, key in enumerate(keys) if key not in known}
        if missing:
            self._compute([features[i] for i in missing.values()], list(missing))
            known = self.store.known(keys)
        return [known[key] for key in keys]

    def _compute(self, features: Sequence[Feature], keys: Sequence[bytes]) -> None:
        made, held = list[tuple[bytes, NDArray[Any]]](), 0
        for index, array in compute(self.encoder, features, self.views, self.pad_token_id, self.max_length, self.precision):
            made.append((keys[index], array))
            held += array.nbytes
            if held >= CHUNK_BYTES:
                self.store.add(made)
                made, held = [], 0
        self.store.add(made)
        self.computed += len(keys)

    def _key(self, feature: Feature) -> bytes:
        """Hash all that a text's features depend on beside the encoder."""
        inputs = [list(feature[name]) for name in MODEL_INPUTS if name in feature]
        tokens = tokens_read(feature) if of_tokens(self.views) else []
        return hashlib.sha256(json.dumps([inputs, tokens]).encode()).digest()[:16]


def mark(model: Any, views: Sequence[View], precision: str, device: Any) -> str:
    """Name what features of an encoder are stored under: a hash of its shape, its weights and how it is read."""
    digest = hashlib.sha256(json.dumps([model.config.to_json_string(), views, precision, str(device)]).encode())
    for name, parameter in model.named_parameters():
        values = parameter.detach().flatten()
        digest.update(name.encode() + values[:: max(1, values.numel() // 1009)].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:32]


@torch.inference_mode()
def compute(
    encoder: Any, features: Sequence[Feature], views: Sequence[View], pad_token_id: int, max_length: int, precision: str
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Run the encoder on all features; yields (index, (rows, views, hidden size)) in the order of their lengths."""
    encoder.eval()
    device = next(encoder.parameters()).device
    for size, batch, real in _batches(features, max_length, BATCH_TOKENS.get(device.type, 512)):
        inputs = collate([_padded(features[i], size, pad_token_id) for i in batch], pad_token_id, device)
        with autocast(precision, device):
            states = tuple(state.float() for state in hidden_states(encoder, inputs))
        mask = inputs["attention_mask"]
        layers = {layer: at_layer(states, layer) for layer in {view.layer for view in views}}
        if of_tokens(views):
            tokens = torch.stack([layers[view.layer] for view in views], dim=2)  # (B, T, views, H)
            found = [tokens[row, tokens_read(features[i])] for row, i in enumerate(batch[:real])]
        else:
            texts = torch.stack([pooled(layers[view.layer], mask, view.pooling) for view in views], dim=1)
            found = list(texts[:, None][:real])
        for i, array in zip(batch[:real], found, strict=True):
            yield i, (array.clamp(-LARGEST_HALF, LARGEST_HALF).half() if of_tokens(views) else array).cpu().numpy()


def _batches(features: Sequence[Feature], max_length: int, tokens: int) -> Iterator[tuple[int, list[int], int]]:
    """Yield (padded length, indices, how many of them are real): every batch of a length has the same number of texts."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, feature in enumerate(features):
        own = len(feature["input_ids"])
        by_length[max(own, min(-(-own // LENGTH_STEP) * LENGTH_STEP, max_length))].append(i)
    for size, members in sorted(by_length.items()):
        count = max(1, tokens // size)
        for start in range(0, len(members), count):
            batch = members[start : start + count]
            yield size, batch + batch[-1:] * (count - len(batch)), len(batch)


def _padded(feature: Feature, size: int, pad_token_id: int) -> dict[str, list[int]]:
    """Give the encoder's inputs at a length of their own: padding is not attended to."""
    ids = list(feature["input_ids"])
    given = {"attention_mask": [1] * len(ids)} | {name: list(feature[name]) for name in MODEL_INPUTS if name in feature}
    fill = {"input_ids": pad_token_id}
    return {name: values + [fill.get(name, 0)] * (size - len(values)) for name, values in given.items()}
