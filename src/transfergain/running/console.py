"""What a study says on the console: lines that are not wrapped, and in which nothing is markup."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text


def say(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(Text(line), soft_wrap=True)


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
    console.print(Text("warning  ", style="yellow") + Text(line), soft_wrap=True)
