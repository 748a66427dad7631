"""The files a study leaves in its output folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from transfergain.analysis.findings import Findings
from transfergain.report import html, model_card


def write_files(findings: Findings) -> None:
    """Write findings.json, timings.json, report.html and the kept models' cards, each whole or not at all."""
    folder = Path(findings.folder)
    _write(folder / "findings.json", findings.to_json())
    _write(
        folder / "timings.json", json.dumps(findings.table("timings"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    )
    _write(folder / "report.html", html.render(findings))
    for path, text in model_card.cards(findings).items():
        _write(path, text)


def _write(path: Path, content: str) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    temporary.write_text(content, "utf-8")
    temporary.replace(path)
