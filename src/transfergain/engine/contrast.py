"""Tune an encoder on pairs of labelled texts, so that texts of one class come together (Tunstall et al. 2022).

The loss is that of sentence-transformers, whose trainer picks devices, seeds and processes by itself and so has no place in
a worker: the squared distance of the cosine of two texts from 1 for a pair of one class, and from 0 for others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from transfergain.arms.probe_model import hidden_states, pooled
from transfergain.engine.batching import Feature, collate
from transfergain.engine.features import MODEL_INPUTS
from transfergain.engine.flops import StepFlops
from transfergain.engine.precision import autocast
from transfergain.seeds import generator, seed
from transfergain.types import Recipe

PAIRS = 20
"""Pairs of one class, and as many of two, that each text begins: the paper's setting."""
MOST_PAIRS = 16_000
"""With more labels than 400 each text begins fewer: the method is for few labels, and its cost would grow without end."""
BATCH_PAIRS = 16
RATE = 2e-5
FORWARD_AND_BACKWARD = 3.0
"""Operations of a training step, in forward passes: each product has two in the backward pass."""
WARMUP_SHARE = 0.1
"""Share of the steps with linear warm-up; from there the rate falls to 0 linearly."""


class Pair(NamedTuple):
    """Two texts by their places, and whether they are of one class."""

    first: int
    second: int
    alike: bool


class Contrasted(NamedTuple):
    """What tuning took."""

    steps: int
    flops: float
    seconds: float


def draw_pairs(labels: Sequence[int], replicate: int) -> list[Pair]:
    """Draw pairs in random order: each text begins as many of its own class as of others.

    A text that is alone in its class is paired with itself, which says nothing and keeps the balance.
    """
    rng, classes = generator("pairs", replicate=replicate), np.array(labels)
    each = max(1, min(PAIRS, MOST_PAIRS // (2 * len(classes))))
    pairs = list[Pair]()
    for i, label in enumerate(classes):
        same, other = np.flatnonzero(classes == label), np.flatnonzero(classes != label)
        same = same[same != i] if len(same) > 1 else same
        for places, alike in ((same, True), (other, False)):
            if len(places):
                pairs += [Pair(i, int(j), alike) for j in rng.choice(places, each)]
    return [pairs[i] for i in rng.permutation(len(pairs))]


def tune(model: Any, features: Sequence[Feature], pad_token_id: int, recipe: Recipe, replicate: int) -> Contrasted:
    """Tune all weights of a probe's encoder, in place; leaves it in evaluation mode."""
    since, encoder = time.perf_counter(), model.encoder
    device = next(encoder.parameters()).device
    texts = [{name: feature[name] for name in MODEL_INPUTS if name in feature} for feature in features]
    pairs = draw_pairs([int(feature["labels"]) for feature in features], replicate)
    batches = [pairs[i : i + BATCH_PAIRS] for i in range(0, len(pairs), BATCH_PAIRS)]
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=RATE, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, len(batches)))
    count, passes = StepFlops(model, texts, pad_token_id, backward=False), 0.0
    torch.manual_seed(seed("dropout", replicate=replicate))
    encoder.train()
    for batch in batches:
        rows = [texts[i] for pair in batch for i in (pair.first, pair.second)]
        loss = pair_loss(encoder, rows, [pair.alike for pair in batch], pad_token_id, recipe.precision)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), recipe.clip)
        optimizer.step()
        schedule.step()
        passes += count(rows)
    encoder.eval()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return Contrasted(len(batches), FORWARD_AND_BACKWARD * passes, time.perf_counter() - since)


def pair_loss(encoder: Any, rows: Sequence[Feature], alike: Sequence[bool], pad_token_id: int, precision: str) -> Any:
    """Compute the mean squared distance of cosines from 1 or 0; `rows` has the texts of a pair one after the other."""
    device = next(encoder.parameters()).device
    inputs = collate(rows, pad_token_id, device)
    with autocast(precision, device):
        tokens = hidden_states(encoder, inputs)[-1]
    vectors = pooled(tokens.float(), inputs["attention_mask"], "mean")
    cosines = torch.nn.functional.cosine_similarity(vectors[0::2], vectors[1::2])
    return torch.nn.functional.mse_loss(cosines, torch.tensor(alike, dtype=torch.float32, device=device))


def _share(step: int, steps: int) -> float:
    """Give the share of the full rate at a step."""
    warmup = max(1, round(WARMUP_SHARE * steps))
    return (step + 1) / warmup if step < warmup else max(0.0, (steps - step) / max(1, steps - warmup))
