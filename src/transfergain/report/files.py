"""Write the files that a study leaves in its output folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from transfergain.analysis.findings import Findings
from transfergain.errors import writable
from transfergain.report import markdown, model_card
from transfergain.report.page import html


def write_files(findings: Findings, live: bool = False) -> None:
    """Write findings.json, timings.json, report.html, report.md and the kept models' cards, each whole or not at all.

    `live`: the study still runs. The page says so and loads itself again; the files that only a finished study needs are
    left out. Raises UserError where the folder cannot be written.
    """
    folder = Path(findings.folder)
    with writable(folder):
        _write(folder / "findings.json", findings.to_json())
        _write(folder / "report.html", html.render(findings, live))
        if live:
            return
        seconds = json.dumps(findings.table("timings"), indent=1, ensure_ascii=False, allow_nan=False)
        _write(folder / "timings.json", seconds + "\n")
        _write(folder / "report.md", markdown.render(findings))
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
    """Tell whether there is a process of that number; where this cannot be asked without harm, as if there were."""
    if os.name != "posix" or not process.isdigit():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
