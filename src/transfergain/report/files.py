"""The files a study leaves in its output folder."""

from __future__ import annotations

import os
from pathlib import Path

from transfergain.analysis.findings import Findings
from transfergain.errors import writable
from transfergain.report import html, model_card


def write_files(findings: Findings) -> None:
    """Write findings.json, report.html and the kept models' cards, each whole or not at all. Raises UserError where
    the folder cannot be written.
    """
    folder = Path(findings.folder)
    with writable(folder):
        _write(folder / "findings.json", findings.to_json())
        _write(folder / "report.html", html.render(findings))
        for path, text in model_card.cards(findings).items():
            _write(path, text)


def _write(path: Path, content: str) -> None:
    for left in path.parent.glob(f"{path.name}.*.part"):  # of a run that was killed in this very moment
        if not _runs(left.suffixes[-2][1:]):
            left.unlink(missing_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    temporary.write_text(content, "utf-8")
    temporary.replace(path)


def _runs(process: str) -> bool:
    """Whether there is a process of that number; where this cannot be asked without harm, as if there were."""
    if os.name != "posix" or not process.isdigit():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
