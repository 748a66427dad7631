"""What a study says on the console: lines that are not wrapped, and in which nothing is markup."""

from __future__ import annotations

import contextlib
import sys
import textwrap
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from transfergain.errors import visible

LABEL = 16
"""Columns for what a line is about."""


def aside(console: Console) -> Console:
    """Choose where to say what is under way: stderr where the answer goes to stdout, so that a file holds it alone.

    A notebook's cell, stderr and files of a caller's own take both.
    """
    if console.is_jupyter or console.file is not sys.stdout:
        return console
    return Console(stderr=True, quiet=console.quiet)


def say(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(Text("\n".join(map(visible, line.split("\n")))), soft_wrap=True)


def tell(console: Console, what: str, line: str) -> None:
    """Print a line with what it is about in front; on a terminal it is wrapped between words, the rest below its start."""
    lines = wrapped(console, line, LABEL)
    say(console, "\n".join(f"{'' if i else what:<{LABEL}}{part}" for i, part in enumerate(lines)))


def wrapped(console: Console, line: str, indent: int = 0) -> list[str]:
    """Break a line between words where a terminal would break it anywhere; a number stays with its per cent sign."""
    if not console.is_terminal:
        return [line]
    room, joined = max(40, console.width - indent), line.replace(" %", "\xa0%")
    lines = textwrap.wrap(joined, room, break_long_words=False, break_on_hyphens=False)  # paths and names can be copied
    return [part.replace("\xa0%", " %") for part in lines]


@contextlib.contextmanager
def busy(console: Console, what: str) -> Iterator[None]:
    """Show on a terminal that something is under way, until the block ends; elsewhere nothing."""
    if not console.is_terminal or console.quiet:
        yield
        return
    with console.status(what):
        yield


def warn(console: Console, line: str) -> None:
    """Print a line as a warning."""
    console.print(Text("warning  ", style="yellow") + Text(visible(line)), soft_wrap=True)
