"""Say what to do after a run: where things lie, and what the same command with one more flag would tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transfergain.analysis.findings import PENDING, Findings
from transfergain.analysis.rows import GainRow, Verdict
from transfergain.analysis.sequential import COUNTS
from transfergain.types import Status

SAME = "resume or extend with the same command"


def lines(findings: Findings) -> list[str]:
    """Say where the report, the findings and the models are, and what the next step is."""
    folder = Path(findings.folder)
    shown = [f"Report {folder / 'report.html'} · findings {folder / 'findings.json'}"]
    if kept := sorted(mark.parent for mark in (folder / "models").glob("*/trial")):
        shown.append(f"Models {folder / 'models'} · transformers.pipeline loads {kept[0]} as it is")
    return [*shown, f"Next {_advice(findings)}"]


def _advice(findings: Findings) -> str:
    if findings.trials[PENDING] or findings.trials[Status.FAILED]:
        return f"{SAME}: it runs what is missing and keeps what is done"
    if open_ := [row for row in findings.headline() if row.verdict is Verdict.INCONCLUSIVE]:
        return _more_seeds(findings, open_)
    if findings.study.tune == 0:
        return f"{SAME} and --tune 4: every arm chooses its learning rate on dev"
    seeds = "" if any(findings.is_auto(name) for name in findings.data) else "--seeds, "
    return f"{SAME} and more {seeds}--budgets or --arms: what is done is kept"


def _more_seeds(findings: Findings, rows: Sequence[GainRow]) -> str:
    """Say how to decide these gains. With `--seeds auto` a higher maximum serves the leading arm alone."""
    leading = [row for row in rows if findings.is_auto(row.dataset) and row.arm == findings.leading_arm]
    needed = max((row.seeds_needed or 0 for row in leading or rows), default=0)
    if not leading:
        seeds = needed or max(3, 2 * max(row.n_seeds for row in rows))
        return f"{SAME} and --seeds {seeds}: what is done is kept, and the interval narrows"
    most = max(findings.study.seeds)
    if most >= COUNTS[-1]:
        return "label more test examples and start in another folder: more seeds would hardly decide it"
    seeds = min(needed if needed > most else 2 * most, COUNTS[-1])
    return f"{SAME} and --max-seeds {seeds}: what is done is kept, and open questions get more seeds"
