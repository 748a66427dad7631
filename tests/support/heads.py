"""Models of which the head alone trains, as head-only adaptation has them."""

from dataclasses import replace

from transfergain.arms import ARMS, weights

STEPPED = [name for name, arm in ARMS.items() if arm.takes_steps]
"""Arms that train by steps; the others are solved for."""
HEAD = "head"


def prepare(arm, blueprint):
    """What an arm prepares, or, for HEAD, the pretrained model with all but its head frozen."""
    if arm != HEAD:
        return ARMS[arm].build(blueprint)
    prepared = ARMS["full"].build(blueprint)
    weights.train_only(prepared.model, weights.head_names(prepared.model))
    return replace(prepared, rates={})
