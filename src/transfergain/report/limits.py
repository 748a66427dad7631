"""Say what a study cannot say, one sentence each, the weightiest first."""

from __future__ import annotations

from collections.abc import Iterator

from transfergain.analysis import words
from transfergain.analysis.endless import Reading
from transfergain.analysis.findings import PENDING, Findings
from transfergain.analysis.rows import Benefit, Verdict
from transfergain.types import Status, WarningKind

FEW_SEEDS = 5
"""Below this many seeds the intervals rest on four degrees of freedom or fewer for the spread between seeds."""
FEWEST_SEEDS_FOR_SIGN_FLIP = 6
"""With fewer the exact sign-flip test cannot fall below p = .05."""


def limits(findings: Findings) -> list[str]:
    """Give the sentences of the first screen; the warnings of the study stand in full further down."""
    return [*_unfinished(findings), *_cut_short(findings), *_doubtful(findings), *_design(findings), *_unmeasured(findings)]


def _unfinished(findings: Findings) -> Iterator[str]:
    missing = [f"{findings.trials[key]:,} {word}" for key, word in
               ((PENDING, "not run yet"), (Status.FAILED, "failed"), (Status.SKIPPED, "skipped"))
               if findings.trials[key]]  # fmt: skip
    if missing:
        yield f"Not all trials have a score: {', '.join(missing)}. What stands here is of the finished part."


def _cut_short(findings: Findings) -> Iterator[str]:
    known: dict[Reading, dict[str, None]] = {}
    for row in findings.headline():
        known.setdefault(row.endless.reading, {})[row.dataset] = None
    if late := known.get(Reading.UPPER_BOUND, {}) | known.get(Reading.OPEN, {}):
        yield (
            f"Scratch had not ended by itself on {', '.join(late)} when its steps ran out: the gains there are those of "
            "equal training, and with endless training they may be smaller."
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
    yield from _seeds(findings)
    if not findings.study.tune:
        yield "Not tuned: every arm used its default learning rate, which may handicap one of them."
    known = [warning.text for warning in findings.warnings if warning.kind is WarningKind.CONTAMINATION]
    if known:
        yield f"Contamination: {'; '.join(known)}."
    if len(findings.data) == 1:
        yield f"One data set: nothing here is said of data other than {next(iter(findings.data))} and its like."


def _seeds(findings: Findings) -> Iterator[str]:
    auto = [name for name in findings.data if findings.is_auto(name)]
    if auto:
        yield (
            "Seeds as needed: what few seeds decided is decided, but its size may still move a lot, and an estimate at "
            "which a study stopped early is too large on average."
        )
    fixed = [n for name, entry in findings.data.items() if name not in auto for n in entry.looks or findings.study.seeds]
    if fixed and min(fixed) < FEW_SEEDS:
        yield f"{words.planned_seeds(fixed)}: another draw of seeds may move these figures a lot; use {FEW_SEEDS} or more."
    elif fixed and min(fixed) < FEWEST_SEEDS_FOR_SIGN_FLIP:
        yield f"{words.seeds(min(fixed))}: the exact sign-flip test cannot fall below p = .05 with fewer than 6."


def _unmeasured(findings: Findings) -> Iterator[str]:
    found = {row.benefit for row in findings.benefits() if row.verdict is not Verdict.NOT_MEASURED}
    missing = [benefit for benefit in Benefit if benefit not in found]
    if missing and findings.headline():
        yield f"Not measured: {', '.join(missing)}."
    yield "The cost of pretraining itself is not counted, nor what the checkpoint has read that nobody wrote down."
