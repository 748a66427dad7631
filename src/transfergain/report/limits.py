"""Say what a study cannot say, one sentence each, the weightiest first."""

from __future__ import annotations

from collections.abc import Iterator

from transfergain.analysis import words
from transfergain.analysis.findings import PENDING, Findings
from transfergain.analysis.rows import Benefit, Verdict
from transfergain.types import Status, WarningKind

FEW_SEEDS = 5
"""Below this many seeds the intervals rest on four degrees of freedom or fewer for the spread between seeds."""
FEWEST_SEEDS_FOR_SIGN_FLIP = 6
"""With fewer the exact sign-flip test cannot fall below p = .05."""


def limits(findings: Findings) -> list[str]:
    """Give the sentences of the first screen; the warnings of the study stand in full further down."""
    return [*_unfinished(findings), *_void(findings), *_doubtful(findings), *_design(findings), *_unmeasured(findings)]


def _unfinished(findings: Findings) -> Iterator[str]:
    missing = [f"{findings.trials[key]:,} {word}" for key, word in
               ((PENDING, "not run yet"), (Status.FAILED, "failed"), (Status.SKIPPED, "skipped"))
               if findings.trials[key]]  # fmt: skip
    if missing:
        yield f"Not all trials have a score: {', '.join(missing)}. What stands here is of the finished part."


def _void(findings: Findings) -> Iterator[str]:
    voided = dict.fromkeys(row.dataset for row in findings.headline() if row.verdict is Verdict.VOID)
    if voided:
        yield (
            f"No fair comparison on {', '.join(voided)}: scratch was still improving when its steps ran out, so a gain "
            "there may be one of time and not of pretraining."
        )


def _doubtful(findings: Findings) -> Iterator[str]:
    rows = findings.headline()
    below = dict.fromkeys(f"{row.arm} on {row.dataset} ({row.below_floor})" for row in rows if row.below_floor)
    if below:
        yield f"No recommendation, as a cheap floor does as well or better: {', '.join(below)}."
    open_ = [f"{row.arm} on {row.dataset}" for row in rows if row.verdict is Verdict.INCONCLUSIVE]
    if open_:
        yield f"Undecided: {', '.join(open_)}. Absence of evidence is not evidence of no gain."


def _design(findings: Findings) -> Iterator[str]:
    planned = findings.study.seeds
    if min(planned) < FEW_SEEDS:
        yield f"{words.planned_seeds(planned)}: another draw of seeds may move these figures a lot; use {FEW_SEEDS} or more."
    elif min(planned) < FEWEST_SEEDS_FOR_SIGN_FLIP:
        yield f"{words.seeds(min(planned))}: the exact sign-flip test cannot fall below p = .05 with fewer than 6."
    if not findings.study.tune:
        yield "Not tuned: every arm used its default learning rate, which may handicap one of them."
    known = [warning.text for warning in findings.warnings if warning.kind is WarningKind.CONTAMINATION]
    if known:
        yield f"Contamination: {'; '.join(known)}."
    if len(findings.data) == 1:
        yield f"One data set: nothing here is said of data other than {next(iter(findings.data))} and its like."


def _unmeasured(findings: Findings) -> Iterator[str]:
    found = {row.benefit for row in findings.benefits() if row.verdict is not Verdict.NOT_MEASURED}
    missing = [benefit for benefit in Benefit if benefit not in found]
    if missing and findings.headline():
        yield f"Not measured: {', '.join(missing)}."
    yield "The cost of pretraining itself is not counted, nor what the checkpoint has read that nobody wrote down."
