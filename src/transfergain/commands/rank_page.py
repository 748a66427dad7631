"""Draw a ranking of checkpoints as one offline HTML file: `transfergain rank --page FILE`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transfergain.analysis.rows import Verdict
from transfergain.analysis.words import in_percent
from transfergain.commands.rank import (
    BEHIND_HEAD,
    EVIDENCE_HEADS,
    TEXT_COLUMNS,
    answer,
    behind,
    evidence,
    heads,
    names,
    promised,
    what_scores,
    why_not,
)
from transfergain.errors import UserError
from transfergain.metrics import METRICS
from transfergain.report.page.dots import Dot, DotPlot, scale
from transfergain.report.page.figures import ARM_COLOURS, SYMBOLS, Column, RowGroup, Style, TextTable
from transfergain.report.page.html import template
from transfergain.running.ranking import Ranking


def write(found: Ranking, file: Path) -> None:
    """Write the page. Raises UserError where the file cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(render(found), encoding="utf-8")
    except OSError as error:
        raise UserError(f"--page {file}: cannot be written ({error.strerror or error})") from None


def render(found: Ranking) -> str:
    """Render the ranking as HTML: the answer, the probes as dots, both tables, and what to run next."""
    named = names(found)
    return template("rank.html.j2").render(
        found=found,
        title=f"Which checkpoint for {found.task}?",
        answer=answer(found),
        dots=_dots(found),
        promised=_table(
            f"What they promise ({what_scores(found)}) and what they cost here",
            (*heads(found), BEHIND_HEAD),
            [[row.model, *promised(row), behind(row)] for row in found.ranked],
        ),
        evidence=_table(
            "Scores that need no probe", EVIDENCE_HEADS, [[named[row.model], *evidence(row)] for row in found.ranked]
        ),
        problems=[why_not(row) for row in found.rows if row.problem],
        by_size=[named[model] for model in found.by_size()],
    )


def _dots(found: Ranking) -> DotPlot:
    """Place the probes of all checkpoints on one axis, the best first."""
    named = names(found)
    place, ticks = scale([v for row in found.ranked for v in (row.low, row.probe, row.high) if v is not None])
    dots = [
        Dot(
            name=named[row.model],
            note="",
            style=Style(ARM_COLOURS[i % len(ARM_COLOURS)], SYMBOLS[i % len(SYMBOLS)], "solid"),
            figure=in_percent(row.probe or 0.0),
            interval="" if row.low is None or row.high is None else f"{in_percent(row.low)} to {in_percent(row.high)}",
            verdict=Verdict.NONE,
            low=None if row.low is None else place(row.low),
            middle=place(row.probe or 0.0),
            high=None if row.high is None else place(row.high),
        )
        for i, row in enumerate(found.ranked)
    ]
    caption = f"{METRICS[found.metric].title} of a linear probe, in %"
    return DotPlot(caption, ("checkpoint", "higher is better", "95 % interval"), dots, ticks)


def _table(caption: str, heads: Sequence[str], rows: list[list[str]]) -> TextTable:
    columns = [Column(head, head not in TEXT_COLUMNS) for head in heads]
    return TextTable(caption, columns, [RowGroup("", rows)])
