"""Hold what the analysis finds as typed rows: the report reads these and nothing else.

Every row is frozen and knows its JSON. Scores lie in [0, 1], higher is better; gains are differences of scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict

from transfergain.analysis.endless import Endless
from transfergain.analysis.flat import Flat
from transfergain.split import Split


class Verdict(StrEnum):
    """What an interval says about a claim; `analysis.verdict` says when."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    NEGATIVE_TRANSFER = "negative transfer"
    INCONCLUSIVE = "inconclusive"
    PARTLY = "partly"
    """Of several claims that make up one benefit, some are supported."""
    NOT_MEASURED = "not measured"
    NONE = ""
    """The row describes; it claims nothing."""


class Benefit(StrEnum):
    """The claims, in the order of the report."""

    PERFORMANCE = "performance"
    DATA_EFFICIENCY = "data efficiency"
    CONVERGENCE = "convergence"
    ROBUSTNESS = "robustness"
    BEYOND_ACCURACY = "robustness beyond accuracy"
    """Of data sets with a shift alone."""


class Measure(StrEnum):
    """What the estimate of a row of a benefit is."""

    LABEL_EQUIVALENT = "label_equivalent"
    MULTIPLIER = "multiplier"
    LABEL_SAVING = "label_saving"
    AREA = "area"
    SPEED_UP = "speed_up"
    OOD_GAIN = "ood_gain"
    GAP = "gap"
    RETENTION = "retention"
    EFFECTIVE_ROBUSTNESS = "effective_robustness"
    PERTURBATION_GAIN = "perturbation_gain"
    PERTURBATION_DROP = "perturbation_drop"
    ADAPTED_SCORE_GAIN = "adapted_score_gain"
    TARGET_LABEL_EQUIVALENT = "target_label_equivalent"
    EFFORT = "effort"
    LADDER = "ladder"
    ECE = "ece"
    ECE_SCALED = "ece_scaled"
    BRIER = "brier"
    BRIER_SCALED = "brier_scaled"
    IQM = "iqm"
    PROBABILITY_OF_IMPROVEMENT = "probability_of_improvement"
    TASKS_SUPPORTED = "tasks_supported"
    FORECAST = "forecast"
    LABELS_NEEDED = "labels_needed"
    NEXT_POINT = "next_point"
    DIMINISHING = "diminishing"
    BREAK_EVEN = "break_even"
    PART = "part"
    COURSE = "course"


class Censored(StrEnum):
    """Whether an estimate is a bound, and on which side of it the truth lies."""

    NO = ""
    ABOVE = "above"
    BELOW = "below"


class RowPlace(TypedDict):
    """Where a figure was measured, as the arguments of a row: which arm, on which split, with how many labels."""

    task: str
    dataset: str
    arm: str
    budget: int
    split: Split
    metric: str


@dataclass(frozen=True, kw_only=True)
class Row(Flat):
    """What every row says of its `RowPlace`."""

    task: str
    dataset: str
    arm: str
    budget: int
    split: Split
    metric: str


@dataclass(frozen=True, kw_only=True)
class ScoreRow(Row):
    """The mean score of one arm or floor over its seeds."""

    mean: float
    low: float | None
    high: float | None
    per_seed: Sequence[float]
    n_seeds: int
    n_test: int
    n_clusters: int
    parts: Mapping[str, Mapping[str, float]] | None = None
    """Part (an entity type) -> figure (`precision`) -> mean over seeds; None for metrics without parts."""
    chance_normalised: float | None = None
    """(score - chance) / (1 - chance); None where chance is not known."""
    collapsed: int | None = None
    """Seeds at or below chance; None where chance is not known."""


@dataclass(frozen=True, kw_only=True)
class GainRow(Row):
    """The gain of a pretrained arm over the reference, paired by seed, tested and judged. Over scratch: Transfer Gain."""

    reference: str
    estimate: float
    low: float | None
    high: float | None
    relative_error_reduction: float | None
    p_value: float | None
    p_holm: float | None
    p_sign_flip: float | None
    """Exact, over paired seeds; None with fewer than 6."""
    prob_better: float
    """Share of seeds in which the arm beats the reference; a tie counts half."""
    n_seeds: int
    n_test: int
    n_clusters: int
    mde: float | None
    """The smallest gain that this many seeds and test examples would find."""
    error: float
    reference_error: float
    verdict: Verdict
    why: str
    seeds_needed: int | None
    endless: Endless
    """What training without an end could make of the gain; the verdict is about equal training."""
    reference_at_chance: int
    """Seeds in which scratch scored not clearly above chance on the test set; 0 of a floor, which is as it is."""
    below_floor: str | None
    """The best floor, where it does as well or better."""
    level: float = 0.95
    """Of Student's t over seeds; above .95 where a study looks several times, for 95 % over all looks."""
    sentence: str = ""

    @property
    def reference_learned(self) -> bool:
        """Tell whether the reference was clearly above chance in half of the seeds or more."""
        return 2 * self.reference_at_chance <= self.n_seeds


@dataclass(frozen=True, kw_only=True)
class MeasureRow(Row):
    """One figure of a benefit, with its interval, its verdict and its sentence."""

    measure: Measure
    reference: str
    """The arm that it is measured against; empty where it is the arm's own."""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    censored: Censored = Censored.NO
    low_open: bool = False
    """Whether the interval's end lies beyond what was measured."""
    high_open: bool = False
    n_seeds: int = 0
    verdict: Verdict = Verdict.NONE
    sentence: str = ""
    endless: Endless | None = None
    """What training without an end could make of the estimate; None where that is not asked."""
    level: float = 0.95
    """Of Student's t over seeds; above .95 where a study looks several times, for 95 % over all looks."""


@dataclass(frozen=True, kw_only=True)
class EfficiencyRow(MeasureRow):
    """Labels: how many the reference needs, how many are saved."""

    n_max: int
    """The largest budget that was measured."""


@dataclass(frozen=True, kw_only=True)
class ConvergenceRow(MeasureRow):
    """How much sooner the arm reaches the reference's own level in training."""

    unit: str
    """`steps`, `examples`, `flops`; `seconds` in timings."""
    target: float | None
    """The mean of `targets`; None where the reference sets none."""
    targets: Sequence[float]
    """The dev score to reach, by seed."""
    reached: float | None = None
    """Share of the arm's runs that reach it."""
    reached_reference: float | None = None
    times: Sequence[float | None] = ()
    times_reference: Sequence[float | None] = ()
    horizons: Sequence[float] = ()
    """How far each run was watched."""
    horizons_reference: Sequence[float] = ()
    horizon: float | None = None
    at_first: float | None = None
    """Share of the arm's runs that are there by the first evaluation."""


@dataclass(frozen=True, kw_only=True)
class RobustnessRow(MeasureRow):
    """A figure on a shift or on perturbed text."""

    points: Sequence[tuple[float, float, str]] = ()
    """(score at home, score on the shift, arm) of each trial; of effective robustness alone, as are the next three."""
    slope: float | None = None
    intercept: float | None = None
    identifiable: bool = False


@dataclass(frozen=True, kw_only=True)
class AdaptationRow(MeasureRow):
    """A figure of adapting to another domain with k of its labels, or of the ladder of arms."""

    k: int = 0
    method: str = ""
    n_max: int | None = None
    trained_parameters: float | None = None
    steps: float | None = None
    shares: Mapping[str, float] | None = None
    """Method -> share of the gain by adapting the most parameters."""
    costs: float | None = None
    """What the arm scores less than the arm that trains most."""
    costs_low: float | None = None
    costs_high: float | None = None
    unit: str = ""
    """`seconds` in timings."""


@dataclass(frozen=True, kw_only=True)
class CalibrationRow(MeasureRow):
    """How far stated confidence can be believed; lower is better."""

    bins: Sequence[Sequence[float]] = ()
    difference: float | None = None
    """Against the reference, paired; below 0 is better."""
    difference_low: float | None = None
    difference_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class AggregateRow(MeasureRow):
    """A figure over all data sets of the study."""

    n_tasks: int
    of: int | None = None
    """Of how many data sets the estimate is a count."""
    against: str = ""
    """The arm whose data sets are averaged over, on rows of the interquartile mean."""


@dataclass(frozen=True, kw_only=True)
class BenefitRow(Flat):
    """What to read first: one benefit on one data set."""

    benefit: Benefit
    dataset: str
    arm: str
    verdict: Verdict
    sentence: str


@dataclass(frozen=True, kw_only=True)
class RecipeRow(Flat):
    """The recipe that an arm used at one budget of one data set, and how tuning came to it."""

    dataset: str
    arm: str
    budget: int
    learning_rate: float
    tried: Sequence[Sequence[float]]
    """(learning rate, dev score, steps that it ran) of every rate tried; none without tuning."""
    settings: int
    """Settings of layer, tokens and L2 that each trial tries on dev, of an arm that takes no steps; 0 for others."""
    at_edge: bool
    """Whether the rate is the smallest or largest of those tried, so that a better one may lie outside."""
    problem: str
    """Why the trials cannot run; empty where they can."""
    recipe: Mapping[str, Any]
    """All settings by name, as the trials' specs have them."""
    expected_best: Sequence[float]
    """The expected best dev score of 1, 2, ... recipes drawn like those tried."""
