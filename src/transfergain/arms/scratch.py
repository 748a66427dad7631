"""The scratch arm: the checkpoint's architecture with the library's own initialisation. The reference of every gain."""

from __future__ import annotations

from typing import Any

from transfergain.arms.base import Arm, Prepared
from transfergain.types import Checkpoint


def prepare(checkpoint: Checkpoint, auto_class: str, config: Any, replicate: int) -> Prepared:
    """A freshly initialised model; all of it trains."""
    from transfergain.arms.weights import build_scratch

    return build_scratch(checkpoint, auto_class, config, replicate)


SCRATCH = Arm(
    name="scratch",
    title="from scratch",
    description="same architecture, tokenizer and head, weights drawn afresh as the library draws them; all train",
    pretrained=False,
    default_learning_rate=3e-4,
    prepare=prepare,
    citation="He, Girshick and Dollár 2019, Rethinking ImageNet pre-training (scratch often only needs longer)",
    adapts=True,
)
