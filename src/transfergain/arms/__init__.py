"""Arms; one file and one line each. `scratch` is the reference of gains in a study that has it."""

from __future__ import annotations

from transfergain.arms.adapted import ADAPTED
from transfergain.arms.base import Arm
from transfergain.arms.full import FULL
from transfergain.arms.lora import LORA
from transfergain.arms.probe import PROBE
from transfergain.arms.probe_random import PROBE_RANDOM
from transfergain.arms.scratch import SCRATCH
from transfergain.arms.scratch_long import SCRATCH_LONG
from transfergain.arms.self_ import SELF
from transfergain.arms.setfit import SETFIT

REFERENCE = "scratch"

ARMS: dict[str, Arm] = {
    "scratch": SCRATCH,
    "full": FULL,
    "probe": PROBE,
    "probe-random": PROBE_RANDOM,
    "lora": LORA,
    "scratch-long": SCRATCH_LONG,
    "self": SELF,
    "adapted": ADAPTED,
    "setfit": SETFIT,
}
DEFAULT_ARMS = [name for name, arm in ARMS.items() if arm.by_default]
"""Those of a study that names none."""
