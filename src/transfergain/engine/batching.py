"""Make padded batches of features. Texts of similar length share a batch, so that little of it is padding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from transfergain.seeds import generator

Feature = Mapping[str, Any]
"""One example for the model: id lists, integers or lists as labels, or tensors: vectors, or (tokens, H)."""

IGNORED_LABEL = -100
"""The label of tokens that are not learned from: what PyTorch's cross entropy leaves out."""
POOL_BATCHES = 16
"""Batches are cut from shuffled pools of this many batches, sorted by length inside the pool."""


def length(feature: Feature) -> int:
    """Count the tokens of a feature's text: its ids, or as `tokens` says where the ids are no longer there; else 1."""
    ids = feature["input_ids"]
    return len(ids) if isinstance(ids, list) else int(feature.get("tokens", 1))


def training_batches(features: Sequence[Feature], size: int, replicate: int) -> Iterator[list[int]]:
    """Yield batches of indices without end: each epoch a fresh permutation, the same for every arm of the replicate.

    Every example occurs once an epoch; the last batch of an epoch may be smaller.
    """
    epoch = 0
    while True:
        rng = generator("order", replicate=replicate, epoch=epoch)
        order = rng.permutation(len(features)).tolist()
        batches: list[list[int]] = []
        for start in range(0, len(order), size * POOL_BATCHES):
            pool = sorted(order[start : start + size * POOL_BATCHES], key=lambda i: length(features[i]))
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        for b in rng.permutation(len(batches)):
            yield batches[b]
        epoch += 1


def evaluation_batches(features: Sequence[Feature], tokens: int = 4096) -> list[list[int]]:
    """Divide all indices into batches of similar length, each of at most `tokens` padded tokens, or of one example."""
    batches: list[list[int]] = []
    for index in sorted(range(len(features)), key=lambda i: length(features[i])):
        if not batches or (len(batches[-1]) + 1) * length(features[index]) > tokens:
            batches.append([])
        batches[-1].append(index)
    return batches


def collate(features: Sequence[Feature], pad_token_id: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Stack features into tensors on the device.

    Lists, and tensors with a row a token, are padded on the right; integers and vectors are stacked.
    """
    batch: dict[str, torch.Tensor] = {}
    for key, first in features[0].items():
        values = [f[key] for f in features]
        if isinstance(first, torch.Tensor):
            batch[key] = torch.nn.utils.rnn.pad_sequence(values, batch_first=True) if first.ndim > 1 else torch.stack(values)
        elif isinstance(first, list):
            fill = {"input_ids": pad_token_id, "labels": IGNORED_LABEL}.get(key, 0)
            longest = max(map(len, values))
            batch[key] = torch.tensor([v + [fill] * (longest - len(v)) for v in values])
        else:
            batch[key] = torch.tensor(values)
    if device.type == "cuda":  # from pinned memory the copy runs while the GPU works on the step before
        return {key: value.pin_memory().to(device, non_blocking=True) for key, value in batch.items()}
    return {key: value.to(device) for key, value in batch.items()}
