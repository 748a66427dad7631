"""`adapted`: the checkpoint, pretrained further on unlabelled text, then fine-tuned."""

from __future__ import annotations

from transfergain.arms.base import Arm, Start
from transfergain.arms.full import prepare

ADAPTED = Arm(
    name="adapted",
    title="pretraining further on your text",
    description="pretrained weights, pretrained further on your unlabelled text, all weights train",
    pretrained=True,
    default_learning_rate=1e-4,
    prepare=prepare,
    citation="Gururangan et al. 2020, Don't stop pretraining",
    by_default=False,
    pretrains=Start.CHECKPOINT,
)
