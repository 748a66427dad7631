"""Draw dropout masks at a third of the cost: a step on a CPU would spend a tenth of its time on random numbers.

PyTorch draws one number for each element. Here one 64-bit draw serves four elements with 16 bits each, so the rate is
rounded to the nearest 1/65,536, and kept values are scaled by the reciprocal of that rounded share. Masks come from
PyTorch's own generator: `torch.manual_seed` fixes them, and gradient checkpointing repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

RATE_LEVELS = 2**16
"""How many values 16 bits have: rates are rounded to multiples of its reciprocal."""


def keep_mask(shape: torch.Size, p: float, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Draw a mask of the shape: 0 with probability `p` (rounded to 1/65,536), else the reciprocal of 1 - p."""
    dropped = min(round(p * RATE_LEVELS), RATE_LEVELS - 1)
    count = shape.numel()
    bits = torch.empty(-(-count // 4), dtype=torch.int64, device=device).random_(-(2**63), None)
    kept = bits.view(torch.int16)[:count].view(shape) >= dropped - RATE_LEVELS // 2
    return kept.to(dtype).mul_(RATE_LEVELS / (RATE_LEVELS - dropped))


@contextmanager
def cheap_dropout(device: torch.device) -> Iterator[None]:
    """Have `torch.nn.functional.dropout` draw its masks by `keep_mask` inside the block.

    That function of PyTorch is replaced because all modules call it, whatever the architecture: there is no other place
    that all of them share. Only on the CPU: GPUs fuse their own. A process must not train anything else meanwhile.
    """
    if device.type != "cpu":
        yield
        return
    own = torch.nn.functional.dropout

    def dropout(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
        if not training or p == 0.0:
            return input
        if not 0.0 < p < 1.0 or inplace or not input.is_floating_point():
            return own(input, p, training, inplace)
        return input * keep_mask(input.shape, p, input.dtype, input.device)

    torch.nn.functional.dropout = dropout
    try:
        yield
    finally:
        torch.nn.functional.dropout = own
