"""Make random streams, each named by what it is for.

A seed is a hash of its stream's name and of named axes, so that streams never collide, adding one never moves another,
and everyone can read off the call which axes a random choice depends on. The arm is never one of them: that is what
pairs the arms of a study.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np


def seed(stream: str, **axes: int | str) -> int:
    """Compute a 63-bit seed for the random stream `stream`, a pure function of its name and its named axes.

    >>> seed("order", replicate=0, epoch=1) == seed("order", epoch=1, replicate=0)
    True
    """
    text = json.dumps([stream, sorted(axes.items())], separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(stream: str, **axes: int | str) -> np.random.Generator:
    """Make a numpy generator for the stream; see `seed`."""
    return np.random.default_rng(seed(stream, **axes))
