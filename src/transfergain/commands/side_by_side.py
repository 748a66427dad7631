"""Show studies side by side: a winner in a sentence, a table, a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfergain.analysis import words
from transfergain.analysis.benefits import leading_arm
from transfergain.analysis.words import in_percent
from transfergain.arms import REFERENCE
from transfergain.commands.compare import ComparisonRow
from transfergain.report.page import ASSETS
from transfergain.report.page.figures import MISSING
from transfergain.running.console import say, wrapped

COLUMNS = (
    "study",
    "model",
    "labels",
    "arm",
    "score, %",
    "gain [95 %], points",
    "over",
    "against the first [95 %], points",
    "in words",
)


def winner(rows: Sequence[ComparisonRow]) -> str:
    """Say which study of one data set is the best with the leading arm, or that none clearly is."""
    scored = [row for row in rows if row.score is not None and row.arm]
    counts = {row.arm: sum(other.arm == row.arm for other in scored) for row in scored if row.arm}
    arm = leading_arm(name for name, count in counts.items() if count == max(counts.values()))
    if counts.get(arm, 0) < 2:
        return "None can be called the best: no arm has run with the same number of labels in two studies."
    group = [row for row in scored if row.arm == arm]
    best = max(group, key=lambda row: row.score or 0.0)
    return f"{_standing(best, [row for row in group if row is not best])}."


def _standing(best: ComparisonRow, others: Sequence[ComparisonRow]) -> str:
    """Say how far the best study is ahead of the nearest other one."""
    if apart := [row.study for row in others if row.behind is None]:
        return f"None can be called the best with {best.arm}: {words.listed(apart)} cannot be paired with {best.study}"
    nearest = min(others, key=lambda row: (row.behind_low is not None, row.behind_low, row.behind))
    if nearest.behind is None or nearest.behind_low is None or nearest.behind_high is None:
        return f"None can be called the best with {best.arm}: one seed in common gives no interval"
    bounds = f"95 % interval {in_percent(nearest.behind_low)} to {in_percent(nearest.behind_high)}"
    over = " over all studies" if len(others) > 1 else ""
    by = f"{in_percent(nearest.behind)} points ({bounds}{over}, {words.seeds(nearest.behind_seeds)})"
    if nearest.behind_low > 0:
        return f"{best.study} is the best with {best.arm}: ahead of {nearest.study} by {by}"
    return f"None is clearly the best with {best.arm}: {best.study} is ahead of {nearest.study} by {by}"


def show(rows: Sequence[ComparisonRow], console: Console) -> None:
    """Print for each data set the winner, which models were compared, and a table."""
    for (dataset, metric), mine in _by_dataset(rows).items():
        budgets = {row.budget for row in mine if row.budget is not None}
        labels = "".join(f", {budget:,} labels" for budget in budgets)
        console.print(Text(f"{dataset}, {metric} on the test set{labels}", style="bold"), soft_wrap=True)
        say(console, "\n".join([*wrapped(console, winner(mine)), ""]))
        console.print(_table(mine))
        for study, model in dict.fromkeys((row.study, row.model) for row in mine):
            console.print(Text(f"{study}: {model}", style="dim"), soft_wrap=True)
        for line in dict.fromkeys(f"{row.study}: {row.note}" for row in mine if row.low is None and row.note):
            console.print(Text(line, style="dim"), soft_wrap=True)
        console.print()


def _table(rows: Sequence[ComparisonRow]) -> Table:
    """Make a table that fits 80 columns: scores in per cent, differences in points."""
    table = Table(box=None, pad_edge=False)
    table.add_column("study", overflow="fold")
    table.add_column("arm")
    for column in ("score, %", f"over {_reference(rows)} [95 %]", f"over {rows[0].study} [95 %]"):
        table.add_column(column, justify="right", overflow="fold")
    for row in rows:
        study, _, _, arm, score, gain, _, difference, _ = cells_of(row)
        table.add_row(*map(Text, (study, arm, score, gain, difference)))
    return table


def _reference(rows: Sequence[ComparisonRow]) -> str:
    """Name what the gains are over."""
    return " or ".join(dict.fromkeys(row.reference for row in rows if row.reference)) or REFERENCE


def cells_of(row: ComparisonRow) -> list[str]:
    """Write the cells of a row, one for each of COLUMNS."""
    return [
        row.study,
        row.model,
        MISSING if row.budget is None else f"{row.budget:,}",
        row.arm or MISSING,
        MISSING if row.score is None else in_percent(row.score),
        _points(row.gain, row.gain_low, row.gain_high),
        row.reference or MISSING,
        _points(row.difference, row.low, row.high),
        row.note,
    ]


def _points(estimate: float | None, low: float | None, high: float | None) -> str:
    """Write a difference in points: `+8.1 [+6.8, +9.4]`."""
    if estimate is None:
        return MISSING
    interval = MISSING if low is None or high is None else f"[{in_percent(low, '+')}, {in_percent(high, '+')}]"
    return f"{in_percent(estimate, '+')} {interval}"


def page(rows: Sequence[ComparisonRow]) -> str:
    """Write the same as one offline HTML page."""
    style = (ASSETS / "style.css").read_text("utf-8")
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in COLUMNS)
    tables = "".join(
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(dataset)} (table)"><table>'
        f"<caption>{escape(f'{dataset}, {metric} on the test set. {winner(mine)}')}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>"
        + "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells_of(row))}</tr>" for row in mine)
        + "</tbody></table></div>"
        for (dataset, metric), mine in _by_dataset(rows).items()
    )
    explanation = (
        "Each difference is paired by seed with the first study of its table; the interval is over seeds and test examples."
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><meta name="color-scheme" content="light dark">'
        f"<title>Studies side by side</title><style>{style}</style></head><body><main><h1>Studies side by side</h1>"
        f"<p>{explanation}</p>{tables}</main></body></html>\n"
    )


def _by_dataset(rows: Sequence[ComparisonRow]) -> dict[tuple[str, str], list[ComparisonRow]]:
    found: dict[tuple[str, str], list[ComparisonRow]] = {}
    for row in rows:
        found.setdefault((row.dataset, row.metric), []).append(row)
    return found
