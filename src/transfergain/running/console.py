"""What a study says on the console: lines that are not wrapped, and in which nothing is markup."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def say(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(Text(line), soft_wrap=True)


def warn(console: Console, line: str) -> None:
    """Print a line as a warning."""
    console.print(Text("warning  ", style="yellow") + Text(line), soft_wrap=True)
