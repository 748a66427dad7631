"""Show a ranking of checkpoints: `transfergain rank`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfergain.running.console import say
from transfergain.running.ranking import Ranking, RankRow

MISSING = "–"


def show(found: Ranking, console: Console) -> None:
    """Print scores and costs as tables, the order by size, and what to run next."""
    scores = ("checkpoint", found.metric, "95 %", "LogME", "all layers", "H-score", "all layers")
    _print(console, scores, [(row.model, *_scores(row)) for row in found.rows])
    costs = ("checkpoint", "parameters", "hidden", "s / 1,000", "MB", "best layer")
    _print(console, costs, [(row.model, *_costs(row)) for row in found.rows if not row.problem])
    for row in found.rows:
        if row.problem:
            say(console, f"not ranked    {row.model}: {row.problem}")
    say(console, f"score         linear probe on {found.examples:,} examples of {found.dataset}, each half by the other")
    if len(found.by_size()) > 1:
        say(console, f"by size       {', '.join(found.by_size())} (parameters alone, for comparison)")
    for i, command in enumerate(found.next):
        say(console, f"{'' if i else 'Next':<14}{command}")


def _print(console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for header in headers:
        table.add_column(header, justify="left" if header in ("checkpoint", "best layer") else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _number(value: float | None, digits: int = 3) -> str:
    return MISSING if value is None else f"{value:,.{digits}f}"


def _scores(row: RankRow) -> list[str]:
    interval = MISSING if row.low is None or row.high is None else f"{row.low:.3f} to {row.high:.3f}"
    return [_number(row.probe), interval, *map(_number, (row.log_me, row.log_me_all, row.h_score, row.h_score_all))]


def _costs(row: RankRow) -> list[str]:
    sizes = [_number(row.parameters, 0), _number(row.hidden, 0), _number(row.seconds, 1), _number(row.megabytes, 0)]
    return [*sizes, row.best or MISSING]
