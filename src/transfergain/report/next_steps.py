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
        first, how = next(
            ((model, "as it is") for model in kept if not brings_code(model)), (kept[0], "with trust_remote_code=True")
        )
        shown.append(visible(f"Models   {folder / 'models'} · transformers.pipeline loads {first} {how}"))
    return [*shown, f"Details  {command('transfergain', 'report', folder, '--full')}"]


def brings_code(model: Path) -> bool:
    """Tell whether a kept model is of a class of its own, whose code lies beside its weights."""
    return any(model.glob("*.py"))


def is_whole(model: Path) -> bool:
    """Tell whether a kept model can be loaded: somebody may have deleted its weights to save space."""
    return (model / "config.json").is_file() and any(model.glob("*.safetensors"))
