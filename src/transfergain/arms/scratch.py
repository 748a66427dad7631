"""The scratch arm: the checkpoint's architecture with the library's own initialisation. The reference of every gain."""

from __future__ import annotations

from transfergain.arms.base import Arm, Blueprint, Prepared


def prepare(blueprint: Blueprint) -> Prepared:
    """Draw a model afresh; all of it trains."""
    from transfergain.arms.weights import build_scratch

    return build_scratch(blueprint)


SCRATCH = Arm(
    name="scratch",
    title="from scratch",
    description="same architecture, tokenizer and head, weights drawn afresh as the library draws them; all train",
    pretrained=False,
    default_learning_rate=1e-4,
    prepare=prepare,
    citation="He, Girshick and Dollár 2019, Rethinking ImageNet pre-training (scratch often only needs longer)",
    adapts=True,
)
