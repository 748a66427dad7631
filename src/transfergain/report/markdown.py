"""Write `report.md`: the findings for a pull request, on one screen."""

from __future__ import annotations

from collections.abc import Iterator

from transfergain.analysis import words
from transfergain.analysis.findings import Findings
from transfergain.counts import counted
from transfergain.report.limits import limits
from transfergain.report.steps import flags, labels_brought, recommended
from transfergain.report.typeset import GAINS_LAYOUT, markdown, markdown_text
from transfergain.types import Status

MOST_WARNINGS = 10


def render(findings: Findings) -> str:
    """Write GitHub-flavoured markdown: the answer, a line a benefit, the gains on the test sets, limits and warnings."""
    return "\n".join([*_head(findings), *_answers(findings), *_gains(findings), *_limits(findings)]).rstrip() + "\n"


def _head(findings: Findings) -> Iterator[str]:
    counts = ", ".join(f"{count:,} {word}" for word, count in findings.trials.items() if count or word == Status.DONE)
    yield f"## {markdown_text(findings.summary.question)}"
    yield ""
    version = markdown_text(findings.environment.get("transfergain", ""))
    trials = "trial" if sum(findings.trials.values()) == 1 else "trials"
    yield f"{counts} {trials}, {words.planned_seeds(findings.study.seeds)}, transfergain {version}."
    yield ""


def _answers(findings: Findings) -> Iterator[str]:
    summary = findings.summary
    if len(summary.datasets) > 1:
        yield from (f"**{markdown_text(summary.answer)}**", "")
    for of in summary.datasets:
        named = f"{markdown_text(of.dataset)}: " if len(summary.datasets) > 1 else ""
        yield from (f"{named}**{markdown_text(of.answer)}** Take {markdown_text(recommended(of))}.", "")
        for line in of.benefits:
            yield f"- **{line.verdict}** ({line.benefit}) {markdown_text(line.text)}"
        if of.parts:
            yield f"- parts of the gain: {markdown_text(of.parts)}"
        yield f"- labels: {markdown_text('; '.join(labels_brought(of.more_labels, flags)))}"
        yield ""


def _gains(findings: Findings) -> Iterator[str]:
    rows = [*findings.headline(), *findings.beside()]
    yield markdown(GAINS_LAYOUT, rows) if rows else "No gain to report yet.\n"


def _limits(findings: Findings) -> Iterator[str]:
    yield "**What this study cannot say**"
    yield ""
    for sentence in limits(findings):
        yield f"- {markdown_text(sentence)}"
    if findings.warnings:
        yield ""
        yield f"<details><summary>{counted(len(findings.warnings), 'warning')}</summary>"
        yield ""
        for warning in findings.warnings[:MOST_WARNINGS]:
            yield f"- {markdown_text(warning)}"
        if len(findings.warnings) > MOST_WARNINGS:
            yield f"- and {len(findings.warnings) - MOST_WARNINGS} more, on the page"
        yield ""
        yield "</details>"
