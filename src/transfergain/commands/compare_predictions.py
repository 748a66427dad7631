"""Show a comparison of two systems by their predictions: `transfergain compare-predictions`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transfergain.analysis import words
from transfergain.running.comparing import Comparison
from transfergain.running.console import tell, warn


def show(found: Comparison, console: Console) -> None:
    """Print the scores, and the difference of each metric with its interval."""
    for note in found.notes:
        warn(console, note)
    of = "" if found.clusters == found.examples else f" of {found.clusters:,} articles"
    tell(console, "test", f"{found.test_file}, {found.examples:,} examples{of}")
    for name, files in (("A", found.a), ("B", found.b)):
        tell(console, name, f"{', '.join(files)}{f' ({len(files)} replicates)' if len(files) > 1 else ''}")
    table = Table(box=None, pad_edge=False)
    for header in ("in %", "A", "B", "A - B, points (95 %)", "p"):
        table.add_column(header, justify="left" if header == "in %" else "right", no_wrap=True)
    for row in found.rows:
        ends = "" if row.low is None or row.high is None else f" ({words.in_points(row.low)} to {words.in_points(row.high)})"
        p = "" if row.p_value is None else words.p_value(row.p_value)
        scores = (f"{100 * row.score_a:.1f}", f"{100 * row.score_b:.1f}")
        table.add_row(*map(Text, (row.metric, *scores, f"{words.in_points(row.difference)}{ends}", p)))
    console.print(table)
    if found.discordant is not None:
        only = f"only A is right on {found.discordant.only_a:,} examples, only B on {found.discordant.only_b:,}"
        tell(console, "McNemar", f"{only}; exact {words.format_p(found.discordant.p_value)}")
    tell(console, "sampled", _sampled(found))


def _sampled(found: Comparison) -> str:
    """Say what the interval allows for."""
    if len(found.a) == len(found.b) == 1:
        return "the interval is over test examples: what another test set might say of these two systems as they are"
    return "the interval is over test examples and over replicates of a system that has several files"
