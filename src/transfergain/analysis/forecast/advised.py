"""Advise in one sentence what to take, and whether to buy labels for it."""

from __future__ import annotations

from collections.abc import Sequence

from transfergain.analysis import words
from transfergain.analysis.entries import StudyRequest
from transfergain.analysis.forecast.rows import ForecastRow
from transfergain.analysis.forecast.said import LITTLE, brought
from transfergain.analysis.rows import Measure, Verdict
from transfergain.analysis.summary import Recommendation


def advice(best: Recommendation, own: Sequence[ForecastRow], leading: Sequence[ForecastRow], study: StudyRequest) -> str:
    """Say `Take LoRA and buy labels: the next 512 (205 EUR) probably bring 5.1 points.`

    `own` are the rows of what is taken, `leading` those of the arm that the answer is about, where it is another one: more
    labels may put it ahead.
    """
    if best.score is None:
        return ""
    mine, other = _bought(own, study), _bought(leading, study)
    ahead = _ahead(other, mine.estimate if mine and mine.estimate is not None else best.score) if other else 0.0
    if other and ahead >= study.margin:
        return (
            f"Take {best.title} with the labels there are; with {_more(other, study)} more {other.arm} is probably "
            f"{_points(ahead)} ahead of it."
        )
    if other and not mine:
        still = f"still {_points(-ahead)} behind it" if ahead < -study.margin else "as good"
        return f"Take {best.title}; with {_more(other, study)} more labels {other.arm} is probably {still}."
    return f"Take {best.title}{_labels(mine, study) if mine else _unknown(own)}."


def _ahead(row: ForecastRow, score: float) -> float:
    assert row.estimate is not None
    return row.estimate - score


def _bought(rows: Sequence[ForecastRow], study: StudyRequest) -> ForecastRow | None:
    """Pick the forecast to advise by: for the fewest labels beyond those there are that were asked for, else for twice."""
    known = [
        row for row in rows if row.measure is Measure.FORECAST and row.estimate is not None and row.budget > row.largest
    ]
    asked = [row for row in known if row.budget in study.forecast]
    return min(asked or known, key=lambda row: row.budget, default=None)


def _labels(row: ForecastRow, study: StudyRequest) -> str:
    """Say whether to buy, by the verdict on so many labels."""
    bought, brings = f"the next {_more(row, study)}", f"probably bring {_points(brought(row))}"
    if row.low is None or row.high is None or row.fitted is None:
        return f" for now; more seeds would tell whether to buy labels: {bought} {brings}"
    if row.verdict is Verdict.SUPPORTED:
        return f" and buy labels: {bought} {brings}"
    if row.verdict is Verdict.NOT_SUPPORTED:
        return f" and buy no more labels: {bought} probably bring less than {words.margin(study.margin)}"
    least = "nothing" if row.low - row.fitted < LITTLE else words.in_percent(row.low - row.fitted)
    return f"; whether to buy labels is open: {bought} may bring between {least} and {_points(row.high - row.fitted)}"


def _unknown(rows: Sequence[ForecastRow]) -> str:
    missing = any(row.missing for row in rows)
    return ". Results with three numbers of labels would tell whether to buy more" if missing else ""


def _more(row: ForecastRow, study: StudyRequest) -> str:
    return f"{row.budget - row.largest:,}{words.in_money(row.cost, study.currency)}"


def _points(difference: float) -> str:
    return f"{words.in_percent(difference)} points"
