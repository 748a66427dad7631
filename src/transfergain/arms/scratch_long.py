"""`scratch-long`: scratch, trained longer by the operations that `self` spends on pretraining: was it only more compute?"""

from __future__ import annotations

from transfergain.arms.base import Arm
from transfergain.arms.scratch import SCRATCH, prepare
from transfergain.arms.self_ import SELF

SCRATCH_LONG = Arm(
    name="scratch-long",
    title="from scratch, as much compute as self",
    description=f"as {SCRATCH.name}, with the floating-point operations of pretraining in {SELF.name} as further steps",
    pretrained=False,
    default_learning_rate=SCRATCH.default_learning_rate,
    prepare=prepare,
    citation=SCRATCH.citation,
    by_default=False,
    as_costly_as=SELF.name,
)
