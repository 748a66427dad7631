"""Keep the state of a long training on disk, so that one that is killed goes on from there, bit for bit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

SECONDS_APART = 300.0
"""A training that takes less leaves no state behind."""
REST = "state 2"
"""The entry of the file's metadata that holds all but the tensors. Its number counts the forms that states have had: one
of another form counts as none."""


class Saves:
    """Where a training keeps its state: nested dicts and lists of numbers, words and tensors, in a file of safetensors."""

    def __init__(self, path: Path | None, seconds_apart: float = SECONDS_APART) -> None:
        """Take the file, or None for a training that keeps nothing."""
        self._path, self._apart, self._last = path, seconds_apart, time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Read the state; None where there is none. One that cannot be read was never whole, and counts as none."""
        if self._path is None or not self._path.exists():
            return None
        try:
            with safe_open(self._path, "pt") as file:
                state: dict[str, Any] = _unpack(json.loads(file.metadata()[REST]), file.get_tensor)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError):
            return None
        return state

    def offer(self, state: Callable[[], dict[str, Any]]) -> None:
        """Save the state that `state` gathers, where the last save is long enough ago: whole or not at all."""
        if self._path is None or time.monotonic() - self._last < self._apart:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        tensors: dict[str, torch.Tensor] = {}
        rest = json.dumps(_pack(state(), tensors))
        save_file(tensors, part, {REST: rest})
        part.replace(self._path)
        self._last = time.monotonic()

    def clear(self) -> None:
        """Remove the state of a training that has ended."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


NO_SAVES = Saves(None)


def _pack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Move a value's tensors into `tensors`; returns what is left, for JSON: dicts as pairs, whose keys keep their types."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"pairs": [[key, _pack(part, tensors)] for key, part in value.items()]}
    return [_pack(part, tensors) for part in value] if isinstance(value, list | tuple) else value


def _unpack(packed: Any, tensor: Callable[[str], torch.Tensor]) -> Any:
    """Invert `_pack`; tuples come back as lists."""
    if isinstance(packed, dict):
        if "tensor" in packed:
            return tensor(packed["tensor"])
        return {key: _unpack(part, tensor) for key, part in packed["pairs"]}
    return [_unpack(part, tensor) for part in packed] if isinstance(packed, list) else packed
