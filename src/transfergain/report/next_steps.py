"""Say what to do after a run: where things lie, and what the same command with one more flag would tell."""

from __future__ import annotations

from pathlib import Path

from transfergain.analysis.findings import PENDING, Findings
from transfergain.analysis.rows import Verdict
from transfergain.types import Status


def lines(findings: Findings) -> list[str]:
    """Say where the report, the findings and the models are, and what the next step is."""
    folder = Path(findings.folder)
    shown = [f"Report {folder / 'report.html'} · findings {folder / 'findings.json'}"]
    if kept := sorted(mark.parent for mark in (folder / "models").glob("*/trial")):
        shown.append(f"Models {folder / 'models'} · transformers.pipeline loads {kept[0]} as it is")
    return [*shown, f"Next {_advice(findings)}"]


def _advice(findings: Findings) -> str:
    study, same = findings.study, "resume or extend with the same command"
    if findings.trials[PENDING] or findings.trials[Status.FAILED]:
        return f"{same}: it runs what is missing and keeps what is done"
    if cut_short := [row for row in findings.headline() if row.cut_short]:
        who = "scratch" if any(row.verdict is Verdict.VOID for row in cut_short) else "the pretrained arm"
        epochs, steps = (2 * max(planned) for planned in (study.epochs, study.min_steps))
        return f"the same command with --epochs {epochs} --min-steps {steps} gives {who} its steps; every trial runs again"
    if open_ := [row for row in findings.headline() if row.verdict is Verdict.INCONCLUSIVE]:
        needed = [row.seeds_needed for row in open_ if row.seeds_needed]
        seeds = max(needed, default=max(3, 2 * max(study.seeds)))
        return f"{same} and --seeds {seeds}: what is done is kept, and the interval narrows"
    if study.tune == 0:
        return f"{same} and --tune 4: every arm chooses its learning rate on dev"
    return f"{same} and more --seeds, --budgets or --arms: what is done is kept"
