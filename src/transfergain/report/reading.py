"""Write figures of findings as the report shows them, and ask findings what all panels ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeVar

from transfergain.analysis.findings import Findings
from transfergain.analysis.rows import AdaptationRow, Censored, ConvergenceRow, Measure, MeasureRow, ScoreRow
from transfergain.report.page.figures import MISSING
from transfergain.split import Split


def rivals(references: Iterable[str]) -> str:
    """Name what gains are over: the one reference of all rows, else that of each data set in general words."""
    known = set(references)
    return known.pop() if len(known) == 1 else "the floor to beat"


class OfDataset(Protocol):
    """A row that says which data set it is about."""

    @property
    def dataset(self) -> str: ...


R = TypeVar("R", bound=OfDataset)


def of(rows: Iterable[R], dataset: str) -> list[R]:
    """Keep the rows of one data set."""
    return [row for row in rows if row.dataset == dataset]


def top_budget(findings: Findings, dataset: str) -> int | None:
    """Find the largest budget with a gain, else with a score; None while nothing has finished."""
    for budgets in ([row.budget for row in of(rows, dataset)] for rows in (findings.gains, findings.scores)):
        if budgets:
            return max(budgets)
    return None


def scores_on(findings: Findings, dataset: str, split: Split, budget: int | None = None) -> list[ScoreRow]:
    """Keep the scores of one split on the primary metric, of one budget or of all."""
    return [
        row for row in findings.primary(findings.scores)
        if row.dataset == dataset and row.split == split and budget in (None, row.budget)
    ]  # fmt: skip


class Form(NamedTuple):
    """How a figure is written: a format, what it is multiplied with before, and its unit."""

    digits: str
    times: int = 1
    unit: str = ""


class Wording(NamedTuple):
    """A measure in words, and how its figures are written."""

    words: str
    form: Form


TIMES, COUNT, SHARE = Form("{:.3g}×"), Form("{:,.0f}"), Form("{:.0f}", 100, " %")
SCORE, POINTS, DISTANCE = Form("{:.1f}", 100, " %"), Form("{:+z.1f}", 100, " points"), Form("{:.1f}", 100, " points")
LOGITS, PLAIN = Form("{:+z.3f}", 1, " logits"), Form("{:.3f}")
MEASURES: dict[Measure, Wording] = {
    Measure.LABEL_EQUIVALENT: Wording("labels that scratch needs for the same score", COUNT),
    Measure.MULTIPLIER: Wording("labels from scratch that one label is worth", TIMES),
    Measure.LABEL_SAVING: Wording("labels saved at scratch's best score", SHARE),
    Measure.AREA: Wording("mean gain over the learning curve", POINTS),
    Measure.SPEED_UP: Wording("speed-up", TIMES),
    Measure.OOD_GAIN: Wording("gain on other text", POINTS),
    Measure.GAP: Wording("score lost on other text", POINTS),
    Measure.RETENTION: Wording("share of the score kept on other text", SCORE),
    Measure.EFFECTIVE_ROBUSTNESS: Wording("robustness beyond what the test score implies", LOGITS),
    Measure.PERTURBATION_GAIN: Wording("gain on perturbed text", POINTS),
    Measure.PERTURBATION_DROP: Wording("score lost to the perturbation", POINTS),
    Measure.ADAPTED_SCORE_GAIN: Wording("gain after adaptation", POINTS),
    Measure.TARGET_LABEL_EQUIVALENT: Wording("target labels that scratch needs for the same score", COUNT),
    Measure.EFFORT: Wording("trained parameters for 95 % of full adaptation", COUNT),
    Measure.LADDER: Wording("score", SCORE),
    Measure.ECE: Wording("expected calibration error, raw", DISTANCE),
    Measure.ECE_SCALED: Wording("expected calibration error, temperature-scaled", DISTANCE),
    Measure.BRIER: Wording("Brier score, raw", PLAIN),
    Measure.BRIER_SCALED: Wording("Brier score, temperature-scaled", PLAIN),
    Measure.IQM: Wording("interquartile mean, chance as 0", SCORE),
    Measure.PROBABILITY_OF_IMPROVEMENT: Wording("probability that a run is better", SHARE),
    Measure.TASKS_SUPPORTED: Wording("data sets with a gain", COUNT),
    Measure.FORECAST: Wording("score with so many labels, forecast", SCORE),
    Measure.LABELS_NEEDED: Wording("labels for the score wanted", COUNT),
    Measure.NEXT_POINT: Wording("more labels for one point", COUNT),
    Measure.DIMINISHING: Wording("labels beyond which so many more bring less than a point", COUNT),
    Measure.BREAK_EVEN: Wording("labels where one overtakes the other", COUNT),
    Measure.PART: Wording("part of the gain", POINTS),
    Measure.COURSE: Wording("gain after a course of pretraining", POINTS),
}
BOUNDS = {Censored.NO: "", Censored.ABOVE: "> ", Censored.BELOW: "< "}


def measure_text(row: MeasureRow) -> str:
    """Say what a row measures."""
    unit = row.unit if isinstance(row, ConvergenceRow | AdaptationRow) else ""
    words = MEASURES[row.measure].words
    return f"{words}, {unit}" if unit else words


def value_text(row: MeasureRow) -> str:
    """Write a row's estimate as its measure is written, `> ` before a bound; a dash for None."""
    if row.estimate is None:
        return MISSING
    form = MEASURES[row.measure].form
    return BOUNDS[row.censored] + _number(row.estimate, form) + form.unit


def _number(value: float, form: Form) -> str:
    return form.digits.format(form.times * value)


def bounds_text(row: MeasureRow) -> str:
    """Write `[low, high]` as the measure is written; `< ` and `> ` before ends beyond what was measured; a dash for none."""
    if row.low is None and row.high is None:
        return MISSING
    form = MEASURES[row.measure].form
    low, high = ("unknown" if end is None else _number(end, form) for end in (row.low, row.high))
    return f"[{'< ' * row.low_open}{low}, {'> ' * row.high_open}{high}]"
