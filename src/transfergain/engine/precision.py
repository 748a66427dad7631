"""Devices and numeric precision."""

from __future__ import annotations

import functools
import math
import platform
import time
from contextlib import AbstractContextManager, nullcontext

import torch

from transfergain.engine.threads import torch_threads
from transfergain.errors import UserError


def pick_device(name: str) -> torch.device:
    """Find a device: `auto` is the first GPU (CUDA, then Apple's) or the CPU. Raises UserError where it is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f"--device {name}: not available here; use cpu, cuda, cuda:0 or auto") from None
    return device


WORTHWHILE_BF16_SPEED_UP = 1.3
"""bf16 products must be so many times as fast as fp32's before they are used."""
MOST_TIMED_ROUNDS = 8
"""Alternating rounds of both precisions, of which the fastest counts."""
EMULATED_BF16_SPEED_UP = 0.5
"""Below this after two rounds bf16 is emulated, and nothing more is timed: a round of it takes a third of a second."""
TIMED_PRODUCT = (256, 384, 1536)
"""Rows, inputs and outputs of the product that is timed: a small model's feed-forward layer on a batch."""


def pick_precision(name: str, device: torch.device) -> str:
    """Choose a precision: `auto` is bf16 where it is native (GPUs) or measured to be faster (CPUs), else fp32.

    An x86 processor that emulates it is not timed: emulated products take long.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type != "cpu":
        return "fp32"
    return "bf16" if native_bf16() is not False and bf16_speed_up() >= WORTHWHILE_BF16_SPEED_UP else "fp32"


def native_bf16() -> bool | None:
    """Ask an x86 processor whether it multiplies bf16 itself; None where neither it nor this version of torch says."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    asked = [getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile")]
    return None if None in asked else any(ask() for ask in asked if ask)


@functools.cache
@torch_threads(1)
def bf16_speed_up() -> float:
    """Measure how many times as fast the CPU multiplies bf16 matrices as fp32 ones, forward and backward; once a process.

    Where bf16 is native it is twice as fast or more, where it is emulated several times as slow, so the least of a few
    alternating times, of the processor and not of a clock, tells them apart on a busy machine too: the choice enters the
    ids of trials, and must not waver. It is timed with one thread: the time of a processor holds that of all threads, those
    that wait for the others among them.
    """
    rows, inputs, outputs = TIMED_PRODUCT
    shapes = [(rows, inputs), (inputs, outputs), (rows, outputs)]
    operands = {
        dtype: [torch.full(shape, 0.5, dtype=dtype) for shape in shapes] for dtype in (torch.float32, torch.bfloat16)
    }
    least = dict.fromkeys(operands, math.inf)
    for count in range(MOST_TIMED_ROUNDS):
        for dtype, (x, weight, gradient) in operands.items():
            start = time.process_time()
            x @ weight
            gradient @ weight.T
            x.T @ gradient
            least[dtype] = min(least[dtype], time.process_time() - start)
        if count and least[torch.float32] < EMULATED_BF16_SPEED_UP * least[torch.bfloat16]:
            break
    return least[torch.float32] / least[torch.bfloat16]


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Multiply matrices in bf16 inside the block, with fp32 weights and reductions; nothing for fp32."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
