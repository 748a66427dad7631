"""Write figures of findings as the report shows them, and ask findings what all panels ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol, TypeVar

from transfergain.analysis.findings import Findings
from transfergain.analysis.rows import AdaptationRow, Censored, ConvergenceRow, Measure, MeasureRow, ScoreRow
from transfergain.report.page.figures import MISSING
from transfergain.split import Split


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


class Wording(NamedTuple):
    """A measure in words, and how its figures are written."""

    words: str
    write: Callable[[float], str]


def _points(value: float) -> str:
    return f"{100 * value:+z.1f} points"


def _per_cent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _times(value: float) -> str:
    return f"{value:.3g}×"


def _count(value: float) -> str:
    return f"{value:,.0f}"


MEASURES: dict[Measure, Wording] = {
    Measure.LABEL_EQUIVALENT: Wording("labels that scratch needs for the same score", _count),
    Measure.MULTIPLIER: Wording("labels from scratch that one label is worth", _times),
    Measure.LABEL_SAVING: Wording("labels saved at scratch's best score", _share),
    Measure.AREA: Wording("mean gain over the learning curve", _points),
    Measure.SPEED_UP: Wording("speed-up", _times),
    Measure.OOD_GAIN: Wording("gain on other text", _points),
    Measure.GAP: Wording("score lost on other text", _points),
    Measure.RETENTION: Wording("share of the score kept on other text", _per_cent),
    Measure.EFFECTIVE_ROBUSTNESS: Wording("robustness beyond what the test score implies, in logits", "{:+z.3f}".format),
    Measure.PERTURBATION_GAIN: Wording("gain on perturbed text", _points),
    Measure.PERTURBATION_DROP: Wording("score lost to the perturbation", _points),
    Measure.ADAPTED_SCORE_GAIN: Wording("gain after adaptation", _points),
    Measure.TARGET_LABEL_EQUIVALENT: Wording("target labels that scratch needs for the same score", _count),
    Measure.EFFORT: Wording("trained parameters for 95 % of full adaptation", _count),
    Measure.LADDER: Wording("score", _per_cent),
    Measure.ECE: Wording("expected calibration error, raw", _per_cent),
    Measure.ECE_SCALED: Wording("expected calibration error, temperature-scaled", _per_cent),
    Measure.BRIER: Wording("Brier score, raw", _per_cent),
    Measure.BRIER_SCALED: Wording("Brier score, temperature-scaled", _per_cent),
    Measure.IQM: Wording("interquartile mean, chance as 0", _per_cent),
    Measure.PROBABILITY_OF_IMPROVEMENT: Wording("probability of improvement", _per_cent),
    Measure.TASKS_SUPPORTED: Wording("data sets with a gain", _count),
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
    return BOUNDS[row.censored] + MEASURES[row.measure].write(row.estimate)


def bounds_text(row: MeasureRow) -> str:
    """Write `[low, high]` as the measure is written; a dash where there is none."""
    if row.low is None and row.high is None:
        return MISSING
    write = MEASURES[row.measure].write
    low, high = ("unknown" if end is None else write(end) for end in (row.low, row.high))
    return f"[{low}, {high}]"
