"""Say forecasts in words: scores in per cent, labels, and money where a label has a price."""

from __future__ import annotations

from collections.abc import Sequence

from transfergain.analysis import words
from transfergain.analysis.break_even import BreakEvenRow
from transfergain.analysis.entries import StudyRequest
from transfergain.analysis.forecast.rows import FARTHEST, FEWEST, ForecastRow, judge
from transfergain.analysis.rows import Censored, Measure, Verdict
from transfergain.metrics import METRICS

COUNTS = {FEWEST: "three", FARTHEST: "four"}
LITTLE = 0.005
"""A change of score below this is no change worth a number."""


def forecast(row: ForecastRow, currency: str) -> str:
    """Say `with 960 labels full probably has accuracy 84.0 % (90 %: 81.9 to 86.1 %), 480 more for 192 EUR`."""
    assert row.estimate is not None
    more = row.budget - row.largest
    money = "" if row.cost is None else f", {more:,} more for {words.money(row.cost, currency)}"
    score = f"{METRICS[row.metric].title} {words.score(row.estimate)}"
    if more <= 0:
        return f"with {row.budget:,} labels {row.arm} has {score} by its whole curve{_scores(row)}{_alone(row)}"
    return f"with {row.budget:,} labels {row.arm} probably has {score}{_scores(row)}{_alone(row)}{money}"


def needed(row: ForecastRow, currency: str) -> str:
    """Say how many labels a score takes."""
    assert row.estimate is not None and row.target is not None
    money, most = words.in_money(row.cost, currency), f"{FARTHEST * row.largest:,}"
    if row.measure is Measure.NEXT_POINT:
        if row.censored is Censored.ABOVE:
            return f"all labels up to {most} probably bring {row.arm} less than a point"
        return f"the next point of {row.arm} takes about {words.number(row.estimate)} labels more{money}"
    score = f"{METRICS[row.metric].title} {words.score(row.target)}"
    if row.censored is Censored.ABOVE:
        return f"{row.arm} probably does not reach {score} with up to {most} labels{_labels(row)}"
    if row.censored is Censored.BELOW:
        return f"{row.arm} has {score} with {words.number(row.estimate)} labels already{_labels(row)}"
    more = row.estimate - row.largest
    beyond = f", {words.number(more)} more{money}" if more > 0 else ""
    return f"{score} takes {row.arm} about {words.number(row.estimate)} labels{_labels(row)}{beyond}"


def diminishing(row: ForecastRow, currency: str) -> str:
    """Say `beyond about 600 labels full probably gains less than a point per 500 (200 EUR)`."""
    return f"{_slower(row, f'{row.arm} probably gains')}{words.in_money(row.cost, currency)}"


def _slower(row: ForecastRow, gains: str) -> str:
    assert row.estimate is not None and row.per is not None
    labels, per = f"{words.number(row.estimate)} labels {gains}", f"per {row.per:,}"
    if row.censored is Censored.ABOVE:
        return f"up to {labels} a point or more {per}"
    return f"beyond {'' if row.censored is Censored.BELOW else 'about '}{labels} less than a point {per}"


def too_few(row: ForecastRow) -> str:
    """Say that a forecast takes more numbers of labels."""
    return f"no forecast for {row.arm}: it takes {COUNTS[FEWEST]} numbers of labels or more"


def too_far(row: ForecastRow) -> str:
    """Say that nothing is said of a number of labels so far from those that were measured."""
    more = f"more than {COUNTS[FARTHEST]} times the {row.largest:,} that were measured"
    far = more if row.budget > row.largest else "fewer than were measured"
    return f"no forecast for {row.arm}: {row.budget:,} labels are {far}"


def careful(row: ForecastRow) -> str:
    """Add that the measured curve is no well-behaved one."""
    if not row.falls:
        return ""
    return f"; the score of {row.arm} falls from {row.falls[0]:,} to {row.falls[1]:,} labels: believe a forecast less"


def ahead(
    first: Sequence[ForecastRow], second: Sequence[ForecastRow], even: Sequence[BreakEvenRow], study: StudyRequest
) -> list[str]:
    """Say in short what the next labels buy, and whether more of them help; then where arms overtake each other.

    `first` are the rows of the arm or floor that the labels are for, `second` those of another one to see beside it.
    """
    wanted = study.forecast or [2 * row.largest for row in first[:1]]
    chosen = [row for row in first if row.measure is Measure.FORECAST and row.budget in wanted]
    beside = {row.budget: row for row in second if row.measure is Measure.FORECAST and row.estimate is not None}
    found = [
        _tail(row) if row.estimate is None else _short([row, *filter(None, [beside.get(row.budget)])], study)
        for row in chosen
    ]
    found[:1] = [text + careful(row) for text, row in zip(found[:1], chosen, strict=False)]
    found[1:1] = [_tail(row) for row in first if row.measure is Measure.LABELS_NEEDED]
    found += [_tail(row) for row in even if not (row.low_open and row.high_open)]
    return [*found, *([point] if (point := _point(first)) else [])]


def _tail(row: ForecastRow | BreakEvenRow) -> str:
    """Leave the name of the data set out of a sentence, and the caution, which is said once."""
    text = row.sentence.removeprefix(f"{row.dataset}: ").removesuffix(".")
    return text.removesuffix(careful(row)) if isinstance(row, ForecastRow) else text


def _point(rows: Sequence[ForecastRow]) -> str:
    """Say `the next point of full takes about 90 labels more, and beyond 600 labels it is less than a point per 500`."""
    points = [_tail(row) for row in rows if row.measure is Measure.NEXT_POINT]
    slower = [_slower(row, "it is") for row in rows if row.measure is Measure.DIMINISHING]
    return ", and ".join([*points, *slower])


HELP = {Verdict.SUPPORTED: "more labels help: ", Verdict.NOT_SUPPORTED: "more labels hardly help: "}


def _short(rows: Sequence[ForecastRow], study: StudyRequest) -> str:
    """Say `more labels help: the next 480 (192 EUR) probably take accuracy of full from 81.2 to 84.0 % (90 %: ...)`."""
    first = rows[0]
    more = first.budget - first.largest
    if more <= 0:
        return forecast(first, study.currency)
    money = words.in_money(first.cost, study.currency)
    bought = f"{first.budget:,} labels, {more:,} more{money}," if study.forecast else f"the next {more:,} labels{money}"
    little = all(abs(brought(row)) < LITTLE for row in rows)
    scores = [f"of {row.arm} from {_from_to(row)}{_scores(row)}" for row in rows]
    does = f"probably {'change little:' if little else 'take'} {METRICS[first.metric].title}"
    return f"{HELP.get(judge(rows, study.margin), '')}{bought} {does} {', '.join(scores)}{_alone(first)}"


def brought(row: ForecastRow) -> float:
    """Compute what the labels of a forecast bring over those there are."""
    assert row.estimate is not None
    return row.estimate - start(row)


def start(row: ForecastRow) -> float:
    """Return the score that a forecast sets out from: what was measured, unless the whole curve says something else."""
    assert row.fitted is not None
    return row.score if abs(row.fitted - row.score) < LITTLE else row.fitted


def _from_to(row: ForecastRow) -> str:
    """Write `81.2 to 84.0 %`; with the measured score where it sets out from another one."""
    assert row.estimate is not None
    if start(row) == row.score:
        return words.from_to(row.score, row.estimate)
    return f"{words.in_percent(start(row))} (measured: {words.in_percent(row.score)}) to {words.score(row.estimate)}"


def _scores(row: ForecastRow) -> str:
    if row.low is None or row.high is None:
        return ""
    return f" ({100 * row.level:.0f} %: {words.from_to(row.low, row.high)})"


def _alone(row: ForecastRow) -> str:
    return ", without an interval from one seed" if row.low is None else ""


def _labels(row: ForecastRow) -> str:
    if row.low is None or row.high is None:
        return _alone(row)
    level = f"{100 * row.level:.0f} % interval"
    return f" ({words.measured_interval(row.low, row.high, row.low_open, row.high_open, words.number, level)})"
