"""Reckon how large a model is from its config, before any of it is allocated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from transfergain.arms.base import Blueprint
from transfergain.counts import counted
from transfergain.errors import UserError

BYTES = 4
"""Of a weight in fp32."""
MODELS_AT_ONCE = 2
"""Models that stand in memory when arms are compared: the one from scratch, and the pretrained one."""
MOST_LAYERS = 1000
"""Layers that a config may ask for whatever its weights hold: some kinds share the weights of all layers."""
NO_SIDES = ("_id", "_ids", "theta", "seed", "_index", "version")
"""Endings of whole numbers in a config that are no side of a matrix."""


def check_size(blueprint: Blueprint, free: int) -> None:
    """Raise UserError when a model of the blueprint cannot be held in so many free bytes, or has absurdly many layers."""
    config, name = blueprint.config.to_dict(), blueprint.checkpoint.name
    tensors = max(MOST_LAYERS, blueprint.checkpoint.tensors)
    for key, number in _numbers(config):
        if "layer" in key and number > tensors:
            raise UserError(
                f"--model {name}: its config.json asks for {number:,} layers ({key}), and its weights hold "
                f"{counted(blueprint.checkpoint.tensors, 'tensor')} in all; correct config.json"
            )
    least = BYTES * _largest_matrix(blueprint.config, config)
    _refuse_beyond(free, least, name)
    _refuse_beyond(free, BYTES * _count(blueprint), name)


def _refuse_beyond(free: int, size: int, name: str) -> None:
    if MODELS_AT_ONCE * size > free:
        raise UserError(
            f"--model {name}: by its config.json the model has {size / 1e9:,.1f} GB of weights or more; {MODELS_AT_ONCE} of "
            f"them, from scratch and pretrained, do not fit into the {free / 1e9:,.1f} GB of memory that are free: give a "
            "smaller checkpoint, or correct config.json"
        )


def _numbers(config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """List the whole numbers of a config and of those within, with their names."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _numbers({f"{inner}": v for inner, v in value.items()})
        else:
            values = value if isinstance(value, list | tuple) else [value]
            yield from ((key, number) for number in values if type(number) is int)


def _largest_matrix(config: Any, numbers: Mapping[str, Any]) -> int:
    """Reckon the values of the largest matrix: each size in a config is a side of one, whose other is the hidden size."""
    hidden = getattr(getattr(config, "encoder", config), "hidden_size", 1)
    sides = [number for key, number in _numbers(numbers) if not key.endswith(NO_SIDES)]
    return max(sides, default=0) * (hidden if type(hidden) is int and hidden > 0 else 1)


def _count(blueprint: Blueprint) -> int:
    """Count a model's weights without allocating them; 0 where the architecture's code cannot be run so."""
    import torch

    from transfergain.arms.weights import fresh_model

    try:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in fresh_model(blueprint, "initialisation").parameters())
    except UserError:
        raise
    except Exception:  # what is really wrong is said where the model is built
        return 0
