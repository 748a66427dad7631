"""`self`: the architecture drawn afresh, pretrained on unlabelled text alone, then fine-tuned."""

from __future__ import annotations

from transfergain.arms.base import Arm, Start
from transfergain.arms.full import prepare

SELF = Arm(
    name="self",
    title="pretraining on your own text alone",
    description="same architecture drawn afresh, pretrained on your unlabelled text, all weights train",
    pretrained=True,
    default_learning_rate=1e-4,
    prepare=prepare,
    citation="Krishna et al. 2023, Downstream datasets make surprisingly good pretraining corpora; Amos et al. 2024",
    by_default=False,
    pretrains=Start.FRESH,
)
