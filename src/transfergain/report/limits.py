"""What a study cannot say, in a sentence each, the weightiest first."""

from __future__ import annotations

from collections.abc import Iterator

from transfergain.analysis import words
from transfergain.analysis.findings import Findings
from transfergain.report import reading

FEW_SEEDS = 5
"""Below this many seeds the intervals rest on four degrees of freedom or fewer for the spread between seeds."""


def limits(findings: Findings) -> list[str]:
    """Sentences for the first screen; the warnings of the study stand in full further down."""
    return [*_unfinished(findings), *_void(findings), *_doubtful(findings), *_design(findings), *_unmeasured(findings)]


def _unfinished(findings: Findings) -> Iterator[str]:
    missing = [f"{findings.trials[key]:,} {word}" for key, word in
               (("pending", "not run yet"), ("failed", "failed"), ("skipped", "skipped"))
               if findings.trials[key]]  # fmt: skip
    if missing:
        yield f"Not all trials have a score: {', '.join(missing)}. What stands here is of the finished part."


def _void(findings: Findings) -> Iterator[str]:
    voided = dict.fromkeys(row["dataset"] for row in findings.headline() if row["verdict"] == "void")
    if voided:
        yield (
            f"No fair comparison on {', '.join(voided)}: scratch was still improving when its steps ran out, so a gain "
            "there may be one of time and not of pretraining."
        )


def _doubtful(findings: Findings) -> Iterator[str]:
    rows = findings.headline()
    below = dict.fromkeys(f"{row['arm']} on {row['dataset']} ({row['below_floor']})" for row in rows if row["below_floor"])
    if below:
        yield f"No recommendation, as a cheap floor does as well or better: {', '.join(below)}."
    open_ = [f"{row['arm']} on {row['dataset']}" for row in rows if row["verdict"] == "inconclusive"]
    if open_:
        yield f"Undecided: {', '.join(open_)}. Absence of evidence is not evidence of no gain."


def _design(findings: Findings) -> Iterator[str]:
    study, seeds = findings.study, words.planned(findings.study)[0]
    if seeds < FEW_SEEDS:
        yield f"{words.planned_seeds(study)}: another draw of seeds may move these figures a lot; use {FEW_SEEDS} or more."
    elif seeds < 6:
        yield f"{words.seeds(seeds)}: the exact sign-flip test cannot fall below p = .05 with fewer than 6."
    if not study["tune"]:
        yield "Not tuned: every arm used its default learning rate, which may handicap one of them."
    overlap = [w for w in findings.warnings if "was trained on" in w or "overlap" in w or "pretrained on" in w]
    if overlap:
        yield f"Contamination: {'; '.join(overlap)}."
    if len(findings.data) == 1:
        yield f"One data set: nothing here is said of data other than {next(iter(findings.data))} and its like."


def _unmeasured(findings: Findings) -> Iterator[str]:
    found = {row["benefit"] for row in reading.benefits(findings) if row["verdict"] != "not measured"}
    missing = [name for name in reading.BENEFITS if name not in found]
    if missing and findings.headline():
        yield f"Not measured: {', '.join(missing)}."
    yield "The cost of pretraining itself is not counted, nor what the checkpoint has read that nobody wrote down."
