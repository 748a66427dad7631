"""Measure what starting from a pretrained checkpoint buys on your task, compared with training from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transfergain.analysis.findings import Findings
    from transfergain.analysis.findings import load as load
    from transfergain.api import run as run
    from transfergain.errors import UserError as UserError
    from transfergain.version import __version__ as __version__

__all__ = ["Findings", "UserError", "__version__", "load", "run"]

_HOMES = {
    "Findings": "transfergain.analysis.findings",
    "UserError": "transfergain.errors",
    "__version__": "transfergain.version",
    "load": "transfergain.analysis.findings",
    "run": "transfergain.api",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import transfergain` and the command line start at once."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'transfergain' has no attribute {name!r}")
