"""Write counts of things: one thing stands in the singular."""

from __future__ import annotations

from typing import NamedTuple


class Noun(NamedTuple):
    """What is counted, in the singular and the plural; words that go with it may follow: `row is`, `rows are`."""

    one: str
    many: str


def counted(number: int, one: str, many: str = "") -> str:
    """Write a count: `1 trial`, `1,204 trials`; `many` is given where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def share(part: int, whole: int) -> str:
    """Write a share of a whole: `49%`; `<1%` where there is some that would round to none."""
    text = f"{part / whole:.0%}"
    return "<1%" if part and text == "0%" else text
