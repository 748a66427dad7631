"""Say where the report, the findings and the models of a run are, and what shows the rest."""

from __future__ import annotations

from pathlib import Path

from transfergain.analysis.findings import Findings
from transfergain.errors import visible
from transfergain.shell import command


def lines(findings: Findings) -> list[str]:
    """Name the page, the findings, the models and the command that shows everything."""
    folder = Path(findings.folder)
    shown = [visible(f"Report   {folder / 'report.html'} · findings {folder / 'findings.json'}")]
    if kept := sorted(mark.parent for mark in (folder / "models").glob("*/trial") if is_whole(mark.parent)):
        shown.append(visible(f"Models   {folder / 'models'} · transformers.pipeline loads {kept[0]} as it is"))
    return [*shown, f"Details  {command('transfergain', 'report', folder, '--full')}"]


def is_whole(model: Path) -> bool:
    """Tell whether a kept model can be loaded: somebody may have deleted its weights to save space."""
    return (model / "config.json").is_file() and any(model.glob("*.safetensors"))
