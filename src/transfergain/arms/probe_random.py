"""The probe's twin: the same linear layer on random weights of the same architecture.

What it scores is due to the architecture, the tokenizer and the linear layer alone; what the probe adds, to pretraining.
"""

from __future__ import annotations

from transfergain.arms.base import Arm, Blueprint, Prepared
from transfergain.arms.probe import declines, frozen


def prepare(blueprint: Blueprint) -> Prepared:
    """Draw a model afresh as scratch does, and freeze it under a linear layer."""
    from transfergain.arms.weights import build_scratch

    return frozen(build_scratch(blueprint), blueprint)


PROBE_RANDOM = Arm(
    name="probe-random",
    title="probe of random weights",
    description="as probe, on random weights of the same architecture: what the probe owes to pretraining is the difference",
    pretrained=False,
    default_learning_rate=0.0,
    prepare=prepare,
    declines=declines,
    citation="Conneau et al. 2018, What you can cram into a single vector (probes of untrained encoders)",
)
