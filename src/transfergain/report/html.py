"""The page: one self-contained offline HTML file."""

from __future__ import annotations

from transfergain.analysis.findings import Findings


def render(findings: Findings) -> str:
    """The report as HTML."""
    return "<html></html>"
