"""Show the parts of the gain: the error of each arm as a staircase, from scratch down to the checkpoint."""

from __future__ import annotations

from transfergain.analysis import words
from transfergain.analysis.parts import PartRow, staircase
from transfergain.analysis.words import in_percent
from transfergain.report.page import figures
from transfergain.report.page.figures import (
    Column,
    Figure,
    RowGroup,
    TextTable,
    Trace,
    bars,
    layout,
    line,
    note,
    rule,
)
from transfergain.report.page.panels.base import DatasetView, Panel
from transfergain.report.reading import bounds_text, value_text
from transfergain.split import TEST

COLUMNS = (
    *(Column("part"), Column("from"), Column("to"), Column("labels", True), Column("difference [95 % interval]", True)),
    *(Column("p, not corrected", True), Column("seeds", True), Column("verdict")),
)


def applies(view: DatasetView) -> bool:
    """Tell whether the study has arms that are pretrained on text."""
    return bool(view.of(view.findings.parts))


def build(view: DatasetView) -> Panel:
    """Draw the staircase at the largest budget that all of its arms have."""
    rows = view.of(view.findings.parts)
    if not rows:
        return Panel(missing="Parts of the gain: not measured (no arm that is pretrained on text has finished).")
    top = max(row.budget for row in rows)
    shown = [row for row in rows if row.budget == top]
    return Panel(shown, [_figure(view, shown, top)], [], [_table(view, rows)])


def _figure(view: DatasetView, rows: list[PartRow], budget: int) -> Figure:
    """Draw scores on the seeds that the steps are of, as these add up; an arm that has more has its interval elsewhere."""
    found, seeds = staircase(rows), rows[0].n_seeds
    scores = {row.arm: row for row in view.scores(TEST, budget) if row.n_seeds == seeds}
    stairs = [arm for arm in found if arm in view.styles]
    errors = [100 * (1 - found[arm]) for arm in stairs]
    traces: list[Trace] = [figures.quiet(rule("steps", stairs, errors, "from one arm to the next", "dot"))]
    for arm, error in zip(stairs, errors, strict=True):
        row, style = scores.get(arm), view.styles[arm]
        point = line(arm, style, [arm], [error], [f"{arm}: error {error:.1f} %"], "markers")
        if row and row.low is not None and row.high is not None:
            flipped = _Flipped(1 - row.high, 1 - row.low)
            point["error_y"] = bars([error], [flipped], style.colour)
        traces += [point, note(f"   {error:.1f}", arm, error, "middle right", group=arm)]
    title = f"{view.dataset}: error in % on the test set by what the model has read, with {budget:,} labels"
    said = (
        f"An arm a point, over {words.seeds(seeds)}, with its 95 % interval unless it has more of them; lower is better. "
        "Steps between arms are in the table, paired by seed."
    )
    body = [[arm, in_percent(1 - found[arm])] for arm in stairs]
    table = TextTable(title, (Column("arm"), Column("error, %", True)), [RowGroup("", body)])
    drawn = layout(f"error, % ({view.score})", {"type": "category"})
    return Figure(view.name("parts"), title, said, traces, drawn, table)


class _Flipped:
    """An interval of an error."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high


def _table(view: DatasetView, rows: list[PartRow]) -> TextTable:
    body = [
        [row.part, row.reference, row.arm, f"{row.budget:,}", f"{value_text(row)} {bounds_text(row)}",
         figures.MISSING if row.p_value is None else words.p_value(row.p_value), str(row.n_seeds), row.verdict]
        for row in rows
    ]  # fmt: skip
    return TextTable(f"The parts of the gain on {view.dataset}", COLUMNS, [RowGroup("", body)])
