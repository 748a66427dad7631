"""Show tuning: what each learning rate scored on dev, and what a smaller search would have found."""

from __future__ import annotations

from collections.abc import Sequence

from transfergain.analysis.rows import RecipeRow
from transfergain.analysis.words import in_percent
from transfergain.report.page.figures import (
    MISSING,
    Column,
    Figure,
    RowGroup,
    TextTable,
    Trace,
    axis,
    layout,
    line,
    marker,
    quiet,
)
from transfergain.report.page.panels.base import DatasetView, Panel
from transfergain.report.page.tables import recipes


def build(view: DatasetView) -> Panel:
    """Draw the tuning curves at the largest budget that was tuned, and what was chosen everywhere."""
    tuned = [row for row in view.of(view.findings.recipes) if row.tried]
    largest = max((row.budget for row in tuned), default=None)
    rows = [row for row in tuned if row.budget == largest and row.arm in view.styles]
    table = recipes(view.findings, view.dataset)
    missing = "" if rows else "Tuning: none; every arm used its default learning rate."
    figures = [rates(view, rows, largest), best_of(view, rows, largest)] if rows and largest else []
    return Panel((), figures, (), [table] if table.groups else [], missing)


def rates(view: DatasetView, rows: Sequence[RecipeRow], budget: int) -> Figure:
    """Draw dev score against learning rate; the chosen rate is ringed."""
    traces, cells = list[Trace](), dict[tuple[float, str], str]()
    for row in rows:
        style, tried = view.styles[row.arm], sorted((rate, score) for rate, score, *_ in row.tried)
        hover = [f"{row.arm}, learning rate {rate:.2g}: dev {in_percent(score)} %" for rate, score in tried]
        traces.append(line(row.arm, style, [rate for rate, _ in tried], [100 * score for _, score in tried], hover))
        chosen = [(rate, score) for rate, score in tried if rate == row.learning_rate]
        ring = line(row.arm, style, [r for r, _ in chosen], [100 * s for _, s in chosen], mode="markers")
        ring["marker"] = marker(style._replace(symbol="circle-open"), 18)
        traces.append(quiet(ring))
        cells |= {(rate, row.arm): in_percent(score) for rate, score in tried}
    title = f"{view.dataset}: {view.score} in % on dev against learning rate, with {budget:,} labels"
    words = "Every arm tries the same rates, on a log axis, on a seed that is not reported; the ring marks the chosen one."
    drawn = layout(f"{view.score} on dev, %", axis("learning rate, log scale", log=True))
    return Figure(view.name("tuning"), title, words, traces, drawn, _table(title, "learning rate", rows, cells, "{:.3g}"))


def best_of(view: DatasetView, rows: Sequence[RecipeRow], budget: int) -> Figure:
    """Draw the expected best dev score of k of the tried configurations."""
    traces, cells = list[Trace](), dict[tuple[float, str], str]()
    for row in rows:
        values = row.expected_best
        ks = list(range(1, len(values) + 1))
        hover = [f"{row.arm}, best of {k}: {in_percent(value)} %" for k, value in zip(ks, values, strict=True)]
        traces.append(line(row.arm, view.styles[row.arm], ks, [100 * value for value in values], hover))
        cells |= {(k, row.arm): in_percent(value) for k, value in zip(ks, values, strict=True)}
    title = f"{view.dataset}: expected best {view.score} in % on dev of k learning rates, with {budget:,} labels"
    words = (
        "What k draws with replacement from the rates tried would find on average (Dodge et al. 2019). The rates are spread "
        "evenly rather than drawn, so a study that tries k spreads them better than this."
    )
    ks = sorted({int(k) for k, _ in cells})
    drawn = layout(f"expected best {view.score} on dev, %", axis("k", tickvals=ks, ticktext=[str(k) for k in ks]))
    return Figure(view.name("best-of-k"), title, words, traces, drawn, _table(title, "k", rows, cells, "{:.0f}"))


def _table(title: str, first: str, rows: Sequence[RecipeRow], cells: dict[tuple[float, str], str], form: str) -> TextTable:
    arms = list(dict.fromkeys(row.arm for row in rows))
    body = [[form.format(x), *(cells.get((x, arm), MISSING) for arm in arms)] for x in sorted({x for x, _ in cells})]
    return TextTable(title, [Column(first, True), *(Column(arm, True) for arm in arms)], [RowGroup("", body)])
