"""Full fine-tuning: all of the checkpoint's weights train."""

from __future__ import annotations

from dataclasses import replace

from transfergain.arms.base import Arm, Blueprint, Prepared


def prepare(blueprint: Blueprint) -> Prepared:
    """Load the checkpoint with a fresh head; all of it trains.

    The new parts of a warm-started encoder-decoder learn faster than those that the checkpoint brings.
    """
    from transfergain.arms import warm_start
    from transfergain.arms.weights import build_pretrained

    built = build_pretrained(blueprint)
    if not warm_start.applies(blueprint.checkpoint, blueprint.config):
        return built
    return replace(built, rates=dict.fromkeys(warm_start.new_names(built.model), warm_start.NEW_RATE_FACTOR))


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
