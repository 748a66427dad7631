"""Say what a study cannot say, one sentence each, the weightiest first."""

from __future__ import annotations

from collections.abc import Iterator

from transfergain.analysis import words
from transfergain.analysis.findings import PENDING, Findings
from transfergain.analysis.recommend import upper
from transfergain.analysis.rows import Benefit, Verdict
from transfergain.arms import REFERENCE
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
    known: dict[tuple[str, str], dict[str, None]] = {}
    for row in findings.headline():
        may_be = "gains there may be smaller" if row.endless.may_shrink(row.estimate) else "answers there may be others"
        if row.endless.cut_short:
            known.setdefault((REFERENCE.capitalize(), may_be), {})[row.dataset] = None
        elif row.endless.arm_cut_short and row.verdict is not Verdict.SUPPORTED:
            known.setdefault((upper(row.arm), may_be), {})[row.dataset] = None
    for (who, may_be), late in known.items():
        names = ", ".join(late)
        yield f"{who} had not finished training on {names} when its steps ran out: with more training the {may_be}."


def _doubtful(findings: Findings) -> Iterator[str]:
    rows = findings.headline()
    below = dict.fromkeys(f"{row.below_floor} as {row.arm} on {row.dataset}" for row in rows if row.below_floor)
    if below:
        yield f"A floor, which costs next to nothing, does as well or better: {', '.join(below)}."
    open_ = [f"{row.arm} on {row.dataset}" for row in rows if row.verdict is Verdict.INCONCLUSIVE]
    if open_:
        yield f"Undecided: {', '.join(open_)}. There may be a gain or none."


def _design(findings: Findings) -> Iterator[str]:
    if REFERENCE not in findings.study.arms:
        yield f"The {REFERENCE} arm was not asked for: nothing here says what the pretrained weights bring."
    yield from _seeds(findings)
    if not findings.study.tune:
        yield "Not tuned: every arm used its default learning rate, which may handicap one of them."
    known = [warning.text for warning in findings.warnings if warning.kind is WarningKind.CONTAMINATION]
    if known:
        yield f"The test set may not be new to the checkpoint: {'; '.join(known)}."
    if len(findings.data) == 1:
        yield "One data set: on other data the answer may be another one."


def _seeds(findings: Findings) -> Iterator[str]:
    auto = [name for name in findings.data if findings.is_auto(name)]
    if auto:
        yield (
            "Seeds were added until it was clear: the verdicts hold, but a gain that ended the study early is, on average, "
            "estimated too large."
        )
    fixed = [n for name, entry in findings.data.items() if name not in auto for n in entry.looks or findings.study.seeds]
    if fixed and min(fixed) < FEW_SEEDS:
        yield f"{words.planned_seeds(fixed)}: another draw of seeds may move these figures a lot; use {FEW_SEEDS} or more."
    elif fixed and min(fixed) < FEWEST_SEEDS_FOR_SIGN_FLIP:
        yield f"{words.seeds(min(fixed))}: too few for the exact sign-flip test, which takes {FEWEST_SEEDS_FOR_SIGN_FLIP}."


def _unmeasured(findings: Findings) -> Iterator[str]:
    found = {row.benefit for row in findings.benefits() if row.verdict is not Verdict.NOT_MEASURED}
    missing = [benefit for benefit in Benefit if benefit not in found]
    if missing and findings.headline():
        yield f"Not measured: {', '.join(missing)}."
    yield "What pretraining cost is not counted; what the checkpoint has read is known only as far as it is written down."
