"""Show a ranking of checkpoints: `transfergain rank`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfergain.analysis import words
from transfergain.analysis.words import in_percent
from transfergain.engine.rank_row import RankRow
from transfergain.metrics import METRICS
from transfergain.report.page.figures import MISSING
from transfergain.running.console import LABEL, say, tell, wrapped
from transfergain.running.ranking import Ranking

TEXT_COLUMNS = ("checkpoint", "best layer")
COST_HEADS = ("parameters", "s / 1,000", "MB")
BEHIND_HEAD = "behind, points (95 %)"
EVIDENCE_HEADS = ("checkpoint", "LogME", "all layers", "H-score", "all layers", "best layer")


def show(found: Ranking, console: Console) -> None:
    """Print the answer, the scores as tables, the order by size, and what to run next."""
    say(console, "\n".join(wrapped(console, answer(found))))
    console.print()
    named = names(found)
    _print(console, heads(found), [(named[row.model], *promised(row)) for row in found.rows])
    console.print()
    # Without the last column, which is long: it stands on the page and in the JSON.
    _print(console, EVIDENCE_HEADS[:-1], [(named[row.model], *evidence(row)[:-1]) for row in found.ranked])
    console.print()
    for row in found.rows:
        if row.problem:
            tell(console, "not ranked", why_not(row))
    tell(console, "score", what_scores(found))
    if len(found.ranked) > 1:
        tell(console, "by size", f"{', '.join(named[model] for model in found.by_size())} (for comparison)")
    for i, command in enumerate(found.next):
        say(console, f"{'' if i else 'Next':<{LABEL}}{command}")  # in one line each, however long: they are copied


def why_not(row: RankRow) -> str:
    """Say which checkpoint is not ranked, and why: most reasons name it."""
    return row.problem if row.model in row.problem else f"{row.model}: {row.problem}"


def names(found: Ranking) -> dict[str, str]:
    """Shorten the paths of folders to their last part, where that names one checkpoint alone."""
    short = {row.model: PurePath(row.model).name if Path(row.model).is_absolute() else row.model for row in found.rows}
    return {model: name if list(short.values()).count(name) == 1 else model for model, name in short.items()}


def answer(found: Ranking) -> str:
    """Say in a sentence or two which checkpoint promises most, and whether the next one is told apart from it."""
    named, (best, *others) = names(found), found.ranked
    score = f"{in_percent(best.probe or 0.0)} % {METRICS[found.metric].title}"
    said = f"{named[best.model]} promises most on {found.dataset}: a linear probe of it has {score}."
    if not others:
        return said
    other = others[0]
    interval = words.interval(other.behind_low, other.behind_high)
    next_one = (
        f"{named[other.model]} is {in_percent(other.behind or 0.0)} points behind{f' ({interval})' if interval else ''}"
    )
    if other.behind_low is not None and other.behind_low > 0:
        return f"{said} {next_one}."
    return f"{said} {next_one}: too near to tell them apart by this, train both."


def what_scores(found: Ranking) -> str:
    """Say what the scores are and on what they were computed."""
    return f"linear probe on {found.examples:,} examples of {found.dataset}, each half by the other"


def heads(found: Ranking) -> Sequence[str]:
    """Name the columns of the first table: the checkpoint, and what `promised` writes."""
    return ("checkpoint", f"{METRICS[found.metric].title}, %", "95 %", *COST_HEADS)


def promised(row: RankRow) -> list[str]:
    """Write what a checkpoint promises and what it costs, by column."""
    interval = MISSING if row.low is None or row.high is None else f"{in_percent(row.low)} to {in_percent(row.high)}"
    probe = MISSING if row.probe is None else in_percent(row.probe)
    return [probe, interval, _millions(row.parameters), _number(row.seconds, 1), _number(row.megabytes, 0)]


def behind(row: RankRow) -> str:
    """Write how many points a checkpoint is behind the first, for the page: the terminal has no room for the column."""
    if row.behind is None:
        return MISSING
    ends = words.ends(row.behind_low, row.behind_high)
    return f"{in_percent(row.behind)}{f' ({ends})' if ends else ''}"


def evidence(row: RankRow) -> list[str]:
    """Write the scores that need no probe, by column."""
    return [*map(_number, (row.log_me, row.log_me_all, row.h_score, row.h_score_all)), row.best or MISSING]


def _number(value: float | None, digits: int = 3) -> str:
    return MISSING if value is None else f"{value:,.{digits}f}"


def _millions(value: int | None) -> str:
    return MISSING if value is None else f"{value / 1e6:,.1f} M"


def _print(console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for header in headers:
        table.add_column(header, justify="left" if header in TEXT_COLUMNS else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
