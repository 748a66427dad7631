"""Hold the answer of a study as a value: what terminal, page, notebook, `report.md`, JSON and Python's repr are made of.

Scores and differences are in [0, 1]; sentences have them in per cent and points. `analysis.summarise` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transfergain.analysis.candidates import CandidateRow, Difference
from transfergain.analysis.flat import Flat
from transfergain.analysis.last_labels import LastLabelsRow
from transfergain.analysis.rows import Benefit, Verdict


@dataclass(frozen=True, kw_only=True)
class BenefitLine(Flat):
    """One benefit in one short line, without the name of the data set."""

    benefit: Benefit
    verdict: Verdict
    text: str


@dataclass(frozen=True, kw_only=True)
class NextStep(Flat):
    """What to run next, and what it would tell."""

    text: str
    key: str = ""
    """The key of a study that it takes: `seeds` is `--seeds` in a command, `seeds=` in Python. Empty: none is needed."""
    value: str = ""
    """Empty: the key is to be left out."""
    of_study: bool = True
    """Whether it is about the whole study, and not about one of its data sets alone."""


@dataclass(frozen=True, kw_only=True)
class MoreLabels(Flat):
    """What the next labels may buy: what the last ones brought, and a forecast."""

    text: str
    """What the last labels brought the arm that the answer is about."""
    row: LastLabelsRow | None = None
    """None where no two numbers of labels were measured."""
    step: NextStep | None = None
    """What would tell, where that is one number of labels."""
    forecast: Sequence[str] = ()
    """What the next labels probably buy the arm or floor to take, and beside it the arm that the answer is about; and where
    that one overtakes what to take, and predictions that files give."""
    advice: str = ""
    """What to take, and whether to buy labels for it, in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Recommendation(Flat):
    """The cheapest arm or floor that is not worse than the best by the margin."""

    name: str
    """As in `--arms`, or of a floor; empty where nothing to choose from has finished."""
    title: str
    """In words."""
    is_floor: bool
    score: float | None
    low: float | None
    high: float | None
    why: str


@dataclass(frozen=True, kw_only=True)
class ScoreTable(Flat):
    """Scores on the test set by number of labels."""

    columns: Sequence[str]
    """Floors, predictions that files give, then the reference, then the other arms, those that train least first."""
    budgets: Sequence[int]
    scores: Sequence[Sequence[float | None]]
    """A row a budget; None where no trial has finished."""


@dataclass(frozen=True, kw_only=True)
class DatasetSummary(Flat):
    """The answer for one data set."""

    dataset: str
    title: str
    """Of the task, in words."""
    metric: str
    """In words."""
    n_test: int
    arm: str
    """The arm that the answer is about; the plan decides it."""
    budget: int
    """Labels that the answer is about: the most that were measured."""
    verdict: Verdict
    """Of the gain over `reference`; of that over the best floor where scratch never learned; *not supported* where a floor
    does as well."""
    answer: str
    """A sentence or two."""
    reference: str
    """What the gain is over: scratch, or in a study without it the floor to beat."""
    reference_learned: bool
    """False where scratch was not clearly above chance in most seeds."""
    recommendation: Recommendation
    score: float | None
    """Of the arm that the answer is about."""
    over_reference: Difference | None
    over_floor: Difference | None
    benefits: Sequence[BenefitLine]
    table: ScoreTable
    more_labels: MoreLabels
    candidates: Sequence[CandidateRow]
    """All arms and floors at that number of labels."""
    next: Sequence[NextStep]
    """One to three, the most useful first."""
    caveats: Sequence[str]
    """Three at most, the weightiest first."""
    parts: str = ""
    """What the gain is made of, in a study with arms that are pretrained on text."""


@dataclass(frozen=True, kw_only=True)
class Summary(Flat):
    """The answer of a study."""

    model: str
    question: str
    """What was asked: whether starting from the checkpoint beats training from scratch, or the best floor."""
    answer: str
    """Over all data sets; of one data set, its own answer."""
    recommendation: Mapping[str, str]
    """Data set -> the arm or floor to take."""
    datasets: Sequence[DatasetSummary]
