"""Full fine-tuning: all of the checkpoint's weights train."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from transfergain.arms.base import Arm, Prepared
from transfergain.types import Checkpoint


def prepare(checkpoint: Checkpoint, auto_class: str, config: Any, replicate: int) -> Prepared:
    """The pretrained model with a fresh head; all of it trains.

    The new parts of a warm-started encoder-decoder learn faster than those that the checkpoint brings.
    """
    from transfergain.arms import warm_start
    from transfergain.arms.weights import build_pretrained

    built = build_pretrained(checkpoint, auto_class, config, replicate)
    if not warm_start.applies(checkpoint, config):
        return built
    return replace(built, rates=dict.fromkeys(warm_start.new_names(built.model), warm_start.NEW_TIMES))


FULL = Arm(
    name="full",
    title="full fine-tuning",
    description="pretrained weights, all of them train",
    pretrained=True,
    default_learning_rate=1e-4,
    prepare=prepare,
    citation="Devlin et al. 2019, BERT; Mosbach et al. 2021, On the stability of fine-tuning BERT",
    adapts=True,
)
