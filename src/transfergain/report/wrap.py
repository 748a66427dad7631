"""Break lines between words, for the width of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

NARROWEST, WIDEST = 40, 110
"""Columns that a text takes at least and at most: longer lines are hard to read."""
GLUE = "\N{NO-BREAK SPACE}"


def columns(console: Console) -> int:
    """Return how many columns a text may take."""
    return max(NARROWEST, min(WIDEST, console.width))


def wrapped(text: str, width: int, hang: int = 0, style: str = "") -> list[Text]:
    """Break a text into lines; those after the first are indented by `hang`. A figure keeps its per cent sign."""
    lines = textwrap.wrap(
        text.replace(" %", f"{GLUE}%"),
        width,
        subsequent_indent=" " * hang,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=True,
    )
    return [Text(line.replace(GLUE, " "), style=style) for line in lines] or [Text("")]


def labelled(label: Text, text: str, width: int, hang: int, style: str = "") -> list[Text]:
    """Put a text, broken into lines, behind a label on its first line."""
    first, *others = wrapped(" " * len(label) + text, width, hang, style)
    return [Text.assemble(label, Text(first.plain[len(label) :], style=style)), *others]


def put(console: Console, lines: Iterable[Text]) -> None:
    """Print lines as they are."""
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
