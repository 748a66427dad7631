"""Cases of bad input: what a user may give wrongly, and what the one line of the answer must contain."""

from bad_inputs import (  # noqa: F401 (each registers its cases)
    checkpoints,
    files,
    hostile_checkpoints,
    ner,
    output,
    predictions,
    qa,
    settings,
    translation,
)
from bad_inputs.world import CASES, World, train

__all__ = ["CASES", "World", "train"]
