"""The probe: the checkpoint stays frozen and only the task's head trains, on features computed once."""

from __future__ import annotations

from transfergain.arms.base import Arm, Blueprint, Prepared
from transfergain.errors import Declined


def prepare(blueprint: Blueprint) -> Prepared:
    """Load the checkpoint; only new parameters (the head, and a pooler that the file lacks) train."""
    from transfergain.arms.weights import build_pretrained, train_only

    built = build_pretrained(blueprint)
    new = set(built.checks["newly_initialised"])
    if not new:
        raise Declined(
            f"{blueprint.checkpoint.name} brings all the weights of this task, so there is no head to train alone"
        )
    train_only(built.model, new)
    return built


PROBE = Arm(
    name="probe",
    title="probe",
    description="pretrained weights frozen, only the head trains",
    pretrained=True,
    default_learning_rate=3e-3,
    prepare=prepare,
    citation="Alain and Bengio 2016, Understanding intermediate layers using linear classifier probes",
)
