"""Say forecasts in words: scores in per cent, labels, and money where a label has a price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from transfergain.analysis import words
from transfergain.analysis.break_even import BreakEvenRow
from transfergain.analysis.entries import StudyRequest
from transfergain.analysis.forecast.rows import ForecastRow
from transfergain.analysis.rows import Censored, Measure
from transfergain.metrics import METRICS

COUNTS = {3: "three", 4: "four"}
LITTLE = 0.005
"""A change of score below this is no change worth a number."""


def quantiles(level: float) -> tuple[float, float, float]:
    """Give the quantiles of an error whose scores are the lower end, the median and the upper end of an interval."""
    return (1 + level) / 2, 0.5, (1 - level) / 2


def forecast(row: ForecastRow, currency: str) -> str:
    """Say `with 960 labels full probably has accuracy 84.0 % (90 %: 81.9 to 86.1 %), 480 more for 192 EUR`."""
    assert row.estimate is not None
    more = row.budget - row.largest
    money = "" if row.cost is None else f", {more:,} more for {words.money(row.cost, currency)}"
    has = f"{METRICS[row.metric].title} {words.score(row.estimate)}{_scores(row)}"
    if more <= 0:
        return f"by its whole curve {row.arm} has {has} with {row.budget:,} labels"
    return f"with {row.budget:,} labels {row.arm} probably has {has}{money}"


def needed(row: ForecastRow, currency: str) -> str:
    """Say how many labels a score takes."""
    assert row.estimate is not None and row.target is not None
    money, most = words.in_money(row.cost, currency), f"{4 * row.largest:,}"
    if row.measure is Measure.NEXT_POINT:
        if row.censored is Censored.ABOVE:
            return f"with up to {most} labels {row.arm} probably gains less than a point"
        return f"the next point of {row.arm} takes about {words.number(row.estimate)} labels more{money}"
    score = f"{METRICS[row.metric].title} {words.score(row.target)}"
    if row.censored is Censored.ABOVE:
        return f"{row.arm} probably does not reach {score} with up to {most} labels{_labels(row)}"
    if row.censored is Censored.BELOW:
        return f"{row.arm} has {score} with {words.number(row.estimate)} labels already{_labels(row)}"
    more = row.estimate - row.largest
    beyond = f", {words.number(more)} more{money}" if more > 0 else ""
    return f"{score} takes {row.arm} about {words.number(row.estimate)} labels{_labels(row)}{beyond}"


def careful(row: ForecastRow) -> str:
    """Add that the measured curve is no well-behaved one."""
    if not row.falls:
        return ""
    return f"; the score of {row.arm} falls from {row.falls[0]:,} to {row.falls[1]:,} labels: believe a forecast less"


def ahead(rows: Sequence[ForecastRow], even: BreakEvenRow | None, study: StudyRequest) -> list[str]:
    """Say in short what the next labels buy the arm that the answer is about, and whether more of them help."""
    return list(_ahead(rows, even, study))


def _ahead(rows: Sequence[ForecastRow], even: BreakEvenRow | None, study: StudyRequest) -> Iterator[str]:
    chosen = [row for row in rows if row.measure is Measure.FORECAST and row.budget in (study.forecast or [_twice(row)])]
    yield from (_tail(row) if row.estimate is None else _short(row, study) for row in chosen)
    yield from (_tail(row) for row in rows if row.measure is Measure.LABELS_NEEDED)
    yield from ([_tail(even)] if even and not (even.low_open and even.high_open) else [])
    yield from (careful(row)[2:] for row in chosen[:1] if row.falls)


def _twice(row: ForecastRow) -> int:
    return 2 * row.largest


def _tail(row: ForecastRow | BreakEvenRow) -> str:
    return row.sentence.removeprefix(f"{row.dataset}: ").removesuffix(".")


def _short(row: ForecastRow, study: StudyRequest) -> str:
    """Say `more labels help: the next 480 (192 EUR) probably take accuracy from 81.2 to 84.0 % (90 %: 82.3 to 86.1 %)`.

    They help where the interval lies above the score that there is by the margin, and hardly help where it lies below that.
    """
    assert row.estimate is not None
    more, metric = row.budget - row.largest, METRICS[row.metric].title
    if more <= 0:
        return forecast(row, study.currency)
    verdict = ""
    if row.low is not None and row.low >= row.score + study.margin:
        verdict = "more labels help: "
    elif row.high is not None and row.high < row.score + study.margin:
        verdict = "more labels hardly help: "
    bought = f"{verdict}the next {more:,} labels{words.in_money(row.cost, study.currency)} probably"
    if row.estimate - row.score < LITTLE:
        return f"{bought} change little: {metric} {words.score(row.estimate)}{_scores(row)}, now {words.score(row.score)}"
    return f"{bought} take {metric} from {words.from_to(row.score, row.estimate)}{_scores(row)}"


def _scores(row: ForecastRow) -> str:
    if row.low is None or row.high is None:
        return ", without an interval from one seed"
    return f" ({100 * row.level:.0f} %: {words.from_to(row.low, row.high)})"


def _labels(row: ForecastRow) -> str:
    if row.low is None or row.high is None:
        return ", without an interval from one seed"
    ends = words.measured_interval(row.low, row.high, row.low_open, row.high_open, words.number)
    return f" ({ends.replace(words.LEVEL, f'{100 * row.level:.0f} %:').replace('::', ':')})"
