"""Measure what starting from a pretrained checkpoint buys on your task, compared with training from scratch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transfergain.api import compare_predictions as compare_predictions
    from transfergain.api import pretrain as pretrain
    from transfergain.api import rank as rank
    from transfergain.api import run as run
    from transfergain.errors import UserError as UserError
    from transfergain.report.notebook import StudyFindings as Findings
    from transfergain.report.notebook import load as load
    from transfergain.version import __version__ as __version__

_NO_TELEMETRY = {"HF_HUB_DISABLE_TELEMETRY": "1", "RAY_USAGE_STATS_ENABLED": "0", "MLFLOW_DISABLE_TELEMETRY": "true"}
for _name, _value in _NO_TELEMETRY.items():  # read when these packages are imported, here and in workers
    os.environ.setdefault(_name, _value)  # the user's own values stand

__all__ = ["Findings", "UserError", "__version__", "compare_predictions", "load", "pretrain", "rank", "run"]

_HOMES = {
    "Findings": "transfergain.report.notebook:StudyFindings",
    "UserError": "transfergain.errors:UserError",
    "__version__": "transfergain.version:__version__",
    "compare_predictions": "transfergain.api:compare_predictions",
    "load": "transfergain.report.notebook:load",
    "pretrain": "transfergain.api:pretrain",
    "rank": "transfergain.api:rank",
    "run": "transfergain.api:run",
}
"""Public name -> its module and its name there."""


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import transfergain` and the command line start at once."""
    if name in _HOMES:
        import importlib

        module, _, attribute = _HOMES[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module 'transfergain' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
