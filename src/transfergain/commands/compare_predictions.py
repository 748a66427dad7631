"""Show a comparison of two systems by their predictions: `transfergain compare-predictions`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfergain.analysis import words
from transfergain.analysis.words import in_percent
from transfergain.counts import counted
from transfergain.running.comparing import Comparison
from transfergain.running.console import say, tell, warn, wrapped


def show(found: Comparison, console: Console) -> None:
    """Print the scores, and the difference of each metric with its interval."""
    for note in found.notes:
        warn(console, note)
    say(console, "\n".join(wrapped(console, answer(found))))
    console.print()
    of = "" if found.clusters == found.examples else f" of {counted(found.clusters, 'article')}"
    tell(console, "test", f"{found.test_file}, {found.examples:,} examples{of}")
    for name, files in (("A", found.a), ("B", found.b)):
        several = f" ({counted(len(files), 'replicate')})" if len(files) > 1 else ""
        tell(console, name, f"{', '.join(files)}{several}")
    table = Table(box=None, pad_edge=False)
    for header in ("in %", "A", "B", "A - B, points (95 %)", "p"):
        table.add_column(header, justify="left" if header == "in %" else "right", no_wrap=True)
    for row in found.rows:
        ends = f" ({interval})" if (interval := words.ends(row.low, row.high)) else ""
        p = "" if row.p_value is None else words.p_value(row.p_value)
        scores = (in_percent(row.score_a), in_percent(row.score_b))
        table.add_row(*map(Text, (row.metric, *scores, f"{in_percent(row.difference, '+')}{ends}", p)))
    console.print(table)
    if found.discordant is not None:
        only = f"only A is right on {counted(found.discordant.only_a, 'example')}, only B on {found.discordant.only_b:,}"
        tell(console, "McNemar", f"{only}; exact {words.format_p(found.discordant.p_value)}")
    tell(console, "sampled", _sampled(found))


def answer(found: Comparison) -> str:
    """Say in a sentence which system is better by the first metric, or that the test set does not tell."""
    row = found.rows[0]
    amount = f"{row.metric} {in_percent(row.score_a)} against {in_percent(row.score_b)} %"
    if row.low is None or row.high is None:
        return f"Not known: {amount}, without an interval."
    interval = f"{words.points(row.difference)}, {words.interval(row.low, row.high)}"
    if row.low > 0 or row.high < 0:
        return f"{'A' if row.low > 0 else 'B'} is better: A has {amount} ({interval})."
    return f"These {found.examples:,} examples do not tell which is better: A has {amount} ({interval})."


def _sampled(found: Comparison) -> str:
    """Say what the interval allows for."""
    if len(found.a) == len(found.b) == 1:
        return "the interval is over test examples: what another test set might say of these two systems as they are"
    return "the interval is over test examples and over replicates of a system that has several files"
