"""From the command to the first training step, as a user waits for it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

MARKS = {"first line": "", "plan line": "plan ", "first dev evaluation": " · step "}
"""What is waited for -> what its line holds. The first dev evaluation follows the first steps of a training at once."""
CPU = "of the processors"
"""Until then, of all processes: what the seconds depend on where the machine has other work."""


def start(options: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Seconds until `transfergain run` says something, says its plan, and has trained and evaluated for the first time."""
    single: dict[str, list[float]] = {what: [] for what in (*MARKS, CPU)}
    for _ in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            for what, seconds in _watch(Path(folder), options.budget).items():
                single[what].append(seconds)
    return [{"what": what, "seconds": median(found), "least": min(found)} for what, found in single.items()], single


def _watch(folder: Path, rows: int) -> dict[str, float]:
    """Start a small study, and end it when it has shown all that is waited for."""
    moods = (("good", "positive"), ("bad", "negative"))
    lines = [f"a {moods[i % 2][0]} film of number {i},{moods[i % 2][1]}" for i in range(rows)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *lines]), "utf-8")
    flags = {"--train-file": "rows.csv", "--arms": "scratch,full", "--seeds": "3", "--tune": "0", "--output-dir": "out"}
    command = [sys.executable, "-m", "transfergain", "run", "--verbose", *(part for flag in flags.items() for part in flag)]
    begun, used, found = time.perf_counter(), _used(), dict[str, float]()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        for what, mark in MARKS.items():
            if mark in line:
                found.setdefault(what, time.perf_counter() - begun)
        if len(found) == len(MARKS):
            break
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert len(found) == len(MARKS), "".join(said)
    return found | {CPU: _used() - used}


def _used() -> float:
    """Seconds of the processors that ended child processes and theirs have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
