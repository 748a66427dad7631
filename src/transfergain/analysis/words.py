"""Write figures in words, as sentences of findings have them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from transfergain.analysis.endless import Reading
from transfergain.analysis.rows import Censored, MeasureRow
from transfergain.counts import counted
from transfergain.split import Split

LEVEL = "95 % interval"


def times(ratio: float) -> str:
    """Write a ratio: `10x`, `6.8x`, `0.45x`."""
    return f"{ratio:,.0f}x" if ratio >= 9.95 else f"{ratio:.1f}x" if ratio >= 0.995 else f"{ratio:.2f}x"


def percent(share: float) -> str:
    """Write a share: `75 %`."""
    return f"{100 * share:.0f} %"


def number(value: float) -> str:
    """Write a count of labels, steps or operations: `640`, `1,400`, `3.2e+12`."""
    if value >= 1e6:
        return f"{value:.1e}"
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}".removesuffix(".0")


def of_unit(amount: str, unit: str) -> str:
    """Write an amount as `number` does, with its unit: `1 step`, `1,400 steps`."""
    return f"{amount} {unit.removesuffix('s') if amount == '1' else unit}"


def duration(seconds: float, tenths: bool = False) -> str:
    """Write a duration: `40 s`, `14 min`, `3.2 h`; below ten seconds `4 s`, or `4.2 s` with `tenths`."""
    if seconds < 90:
        return f"{seconds:.1f} s" if tenths and seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def measured_interval(
    low: float | None,
    high: float | None,
    low_open: bool,
    high_open: bool,
    say: Callable[[float], str] = times,
    level: str = LEVEL,
) -> str:
    """Write an interval: `6.0x to more than 16x`.

    An open end is `less than` or `more than` the last figure measured.
    """
    if low is None or high is None:
        return "no interval from one seed"
    if low_open and high_open:
        return f"{level} from less than {say(low)} to more than {say(high)}"
    if high_open and low == high:
        return f"{level}: more than {say(low)}"
    if low_open and low == high:
        return f"{level}: less than {say(high)}"
    left = f"less than {say(low)}" if low_open else say(low)
    right = f"more than {say(high)}" if high_open else say(high)
    return f"{level} {left} to {right}"


def bounded_ratio(row: MeasureRow) -> str:
    """Write a ratio: `6.8x, 95 % interval 5.1x to 9.0x`.

    Where times are bounds: `at least 6.8x, 95 % interval from 5.1x up`.
    """
    assert row.estimate is not None
    kind = {Censored.ABOVE: "at least ", Censored.BELOW: "at most ", Censored.NO: ""}[row.censored]
    text = f"{kind}{times(row.estimate)}, "
    if row.low is not None and row.low == row.high:
        return f"{text}the same in all seeds"
    if row.censored is Censored.ABOVE and row.low is not None:
        return f"{text}{LEVEL} from {times(row.low)} up"
    if row.censored is Censored.BELOW and row.high is not None:
        return f"{text}{LEVEL} up to {times(row.high)}"
    return text + measured_interval(row.low, row.high, False, False)


def with_endless(row: MeasureRow) -> str:
    """Write the clause on endless training: `; with endless training ...`; empty where it changes nothing."""
    if row.endless is None or row.endless.reading is Reading.SAME:
        return ""
    return f"; {row.endless.clause(row.arm)}"


def gained(estimate: float, low: float | None, high: float | None) -> str:
    """Write a difference of scores with its interval: `+9.3 points (95 %: +7.1 to +11.5)`."""
    ends = interval(low, high)
    return points(estimate) + (f" ({ends})" if ends else "")


def p_value(p: float) -> str:
    """Write a p-value: `< .001`, `.034`, `1.000`."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def format_p(p: float | None) -> str:
    """Write `p < .001` or `p = .034`; `p unknown` for None."""
    if p is None:
        return "p unknown"
    return f"p {'' if p < 0.001 else '= '}{p_value(p)}"


def scored(estimate: float, low: float | None, high: float | None) -> str:
    """Write a score with its interval: `88.1 % (95 %: 85.2 to 90.9 %)`."""
    return score(estimate) + ("" if low is None or high is None else f" (95 %: {from_to(low, high)})")


def seeds(n: int) -> str:
    """Write a number of seeds: `1 seed`, `5 seeds`."""
    return counted(n, "seed")


def planned_seeds(planned: Sequence[int]) -> str:
    """Write the seeds planned: `5 seeds`, or `2 to 3 seeds` where data sets ask for different numbers."""
    fewest, most = min(planned), max(planned)
    return f"{fewest} to {seeds(most)}" if most > fewest else seeds(fewest)


def perturbations(some: Iterable[Split], of: Iterable[Split]) -> str:
    """Name perturbed splits: `lowercase and accents at severity 1`.

    Severities are named only where `some` are not all that `of` has of a perturbation.
    """
    chosen, known = _severities(some), _severities(of)
    return listed([name if s == known[name] else f"{name} at severity {listed(s)}" for name, s in chosen.items()])


def _severities(splits: Iterable[Split]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for split in sorted(splits, key=str):
        found.setdefault(split.name, []).append(str(split.severity))
    return found


def listed(items: Sequence[str]) -> str:
    """Join words: `a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else "nothing"


def in_percent(value: float, sign: str = "") -> str:
    """Write a score in per cent, or with the sign `+` a difference of scores in points: `91.2`, `+8.1`.

    Halves are rounded away from zero, whatever the last digits of the float: a score and one less its error print alike.
    """
    return f"{100 * value + math.copysign(1e-9, value):{sign}z.1f}"


def score(value: float) -> str:
    """Write a score: `91.9 %`."""
    return f"{in_percent(value)} %"


def from_to(before: float, after: float) -> str:
    """Write two scores: `83.8 to 91.9 %`."""
    return f"{in_percent(before)} to {in_percent(after)} %"


def points(difference: float) -> str:
    """Write a difference of scores: `+8.1 points`."""
    return f"{in_percent(difference, '+')} points"


def ends(low: float | None, high: float | None) -> str:
    """Write the ends of an interval of a difference of scores, in points: `+6.8 to +9.4`; empty without one."""
    return "" if low is None or high is None else f"{in_percent(low, '+')} to {in_percent(high, '+')}"


def interval(low: float | None, high: float | None) -> str:
    """Write an interval of a difference of scores, in points: `95 %: +6.8 to +9.4`; empty without one."""
    return f"95 %: {found}" if (found := ends(low, high)) else ""


def margin(value: float) -> str:
    """Write a margin: `1 point`, `2 points`."""
    return "1 point" if value == 0.01 else f"{100 * value:g} points"


def money(amount: float, currency: str) -> str:
    """Write an amount of money: `80 EUR`, `2.40 EUR`."""
    text = f"{amount:,.0f}" if amount >= 9.995 else f"{amount:,.2f}"
    return f"{text} {currency}".strip()


def in_money(amount: float | None, currency: str) -> str:
    """Write an amount in brackets after a number of labels; empty without one."""
    return "" if amount is None else f" ({money(amount, currency)})"
