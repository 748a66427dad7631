"""Gather everything a study found, from its store alone."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from transfergain.analysis import (
    adaptation,
    aggregate,
    benefits,
    break_even,
    calibration,
    candidates,
    convergence,
    courses,
    data_efficiency,
    gain,
    last_labels,
    parts,
    performance,
    robustness,
    warnings,
)
from transfergain.analysis.advice import PENDING as PENDING
from transfergain.analysis.break_even import BreakEvenRow
from transfergain.analysis.candidates import CandidateRow
from transfergain.analysis.courses import ByCourse, CourseRow
from transfergain.analysis.entries import DatasetEntry, StudyRequest
from transfergain.analysis.forecast import table as forecasting
from transfergain.analysis.forecast.rows import ForecastRow
from transfergain.analysis.last_labels import LastLabelsRow
from transfergain.analysis.parts import PartRow
from transfergain.analysis.rows import (
    AdaptationRow,
    AggregateRow,
    BenefitRow,
    CalibrationRow,
    ConvergenceRow,
    EfficiencyRow,
    GainRow,
    RecipeRow,
    RobustnessRow,
    Row,
    ScoreRow,
)
from transfergain.analysis.summarise import summarise
from transfergain.analysis.summary import Summary
from transfergain.analysis.trial_rows import TrialRow
from transfergain.analysis.trials import by_dataset
from transfergain.data.sample import SampledText
from transfergain.errors import UserError
from transfergain.split import TEST
from transfergain.store import Store, StoredTrial
from transfergain.types import Status, StudyWarning

if TYPE_CHECKING:
    import pandas as pd

FINDINGS_SCHEMA_VERSION = 4
"""Of findings.json, whose schema `analysis.schema` writes: raise it when a field changes or goes."""
BENEFITS = ("data_efficiency", "convergence", "robustness", "adaptation", "calibration", "aggregate", "parts", "forecast",
            "break_even", "courses")  # fmt: skip
"""Tables of findings beside `scores` and `gains`, and the next."""
PREDICTIONS = "predictions"
"""The table of predictions that files give."""

AnyRow = TypeVar("AnyRow", bound=Row)


@dataclass(frozen=True)
class Findings:
    """What a study found: tables of typed rows (`analysis.rows`); `to_frame` makes them pandas frames."""

    study: StudyRequest
    environment: Mapping[str, Any]
    warnings: Sequence[StudyWarning]
    trials: Mapping[str, int]
    """Number of trials by status: done, failed, skipped, pending."""
    scores: Sequence[ScoreRow]
    gains: Sequence[GainRow]
    data_efficiency: Sequence[EfficiencyRow] = ()
    convergence: Sequence[ConvergenceRow] = ()
    robustness: Sequence[RobustnessRow] = ()
    adaptation: Sequence[AdaptationRow] = ()
    calibration: Sequence[CalibrationRow] = ()
    aggregate: Sequence[AggregateRow] = ()
    forecast: Sequence[ForecastRow] = ()
    """What more labels buy every arm, and every floor that learns."""
    break_even: Sequence[BreakEvenRow] = ()
    """With how many labels the leading arm overtakes the others, or they it."""
    parts: Sequence[PartRow] = ()
    """What the gain is made of, in a study with arms that are pretrained on text."""
    courses: Sequence[CourseRow] = ()
    """What other text and other lengths of pretraining bring, where `--unlabelled` or `--pretrain-steps` asks for some."""
    candidates: Sequence[CandidateRow] = ()
    """All arms and floors at the largest budget; findings.json has them in `summary`, as it has of `last_labels`
    that of the leading arm."""
    predictions: Sequence[GainRow] = ()
    """Predictions that files give: every pretrained arm over them, and them over the reference."""
    last_labels: Sequence[LastLabelsRow] = ()
    """What the last labels brought each arm."""
    recipes: Sequence[RecipeRow] = ()
    data: Mapping[str, DatasetEntry] = field(default_factory=dict)
    timings: Sequence[ConvergenceRow | AdaptationRow] = ()
    """Rows like those of `convergence` and `adaptation`, in seconds: measured, so no part of findings.json."""
    rows: Sequence[StoredTrial] = field(default=(), repr=False)
    """The trials behind the figures, the failed and skipped ones included; without those of other courses."""
    other_rows: Sequence[StoredTrial] = field(default=(), repr=False)
    """Those: see `analysis.courses.apart`."""
    examples: Sequence[SampledText] = field(default=(), repr=False)
    """A sample of the sealed texts."""
    folder: str = ""

    @property
    def leading_arm(self) -> str:
        """Name the arm that the first answer is about: see `benefits.leading_arm`. Empty without a pretrained arm."""
        return benefits.leading_arm(self.study.arms)

    @functools.cached_property
    def summary(self) -> Summary:
        """Answer what was asked, in words: what every view of the findings begins with."""
        return summarise(self)

    @property
    def all_rows(self) -> Sequence[StoredTrial]:
        """Return all trials of the plan that have ended."""
        return [*self.rows, *self.other_rows]

    def is_auto(self, dataset: str) -> bool:
        """Tell whether the study looks at a data set's results after each few seeds (`--seeds auto`)."""
        return len(self.data[dataset].looks) > 1

    def headline(self) -> list[GainRow]:
        """Pick the gains that answer the question first: the test set, the primary metric, the largest budget."""
        top: dict[str, int] = {}
        for row in self.gains:
            top[row.dataset] = max(top.get(row.dataset, 0), row.budget)
        return [row for row in self.primary(self.gains) if row.split == TEST and row.budget == top[row.dataset]]

    def beside(self) -> list[GainRow]:
        """Pick the comparisons with predictions that files give: the test set, the primary metric, the largest budget."""
        top: dict[str, int] = {}
        for row in self.predictions:
            top[row.dataset] = max(top.get(row.dataset, 0), row.budget)
        return [row for row in self.primary(self.predictions) if row.split == TEST and row.budget == top[row.dataset]]

    def pair_name(self, row: GainRow) -> str:
        """Name what a gain is of, and what it is over where that is not the reference of all gains."""
        over = "" if row.reference == self.data[row.dataset].reference else f" over {row.reference}"
        return f"{row.dataset}, {row.arm}{over}"

    def benefits(self) -> list[BenefitRow]:
        """Answer each claim for each data set, about the leading arm; see `analysis.benefits`."""
        return benefits.lead(self.leading_arm, self.data, self)

    def primary(self, rows: Sequence[AnyRow]) -> list[AnyRow]:
        """Pick the rows on each data set's primary metric."""
        return [row for row in rows if row.metric == self.data[row.dataset].metric]

    def to_frame(self, table: str = "gains") -> pd.DataFrame:
        """Return a table as a pandas frame: `gains`, `scores`, `trials`, `timings`, `predictions` or one of BENEFITS.

        Raises ValueError for another name.
        """
        import pandas as pd

        return pd.DataFrame(self.table(table))

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return a table as flat rows: `gains`, `scores`, `trials`, `timings`, `predictions` or one of BENEFITS.

        Raises ValueError for another name.
        """
        if name == "trials":
            return [TrialRow.of(trial).to_dict() for trial in self.all_rows]
        if name not in ("gains", "scores", "timings", PREDICTIONS, *BENEFITS):
            raise ValueError(
                f'unknown table "{name}": gains, scores, trials, timings, {", ".join((PREDICTIONS, *BENEFITS))}'
            )
        return [row.to_dict() for row in getattr(self, name)]

    def to_json(self) -> str:
        """Write the content of findings.json: no times and no paths, so that equal findings are equal files."""
        content = {
            "schema_version": FINDINGS_SCHEMA_VERSION,
            "summary": self.summary.to_dict(),
            "study": self.study.request,
            "environment": self.environment,
            "warnings": [{"kind": str(warning.kind), "text": warning.text} for warning in self.warnings],
            "trials": dict(self.trials),
            "data": {name: entry.to_dict() for name, entry in self.data.items()},
            "recipes": [row.to_dict() for row in self.recipes],
            "benefits": [row.to_dict() for row in self.benefits()],
            **{name: self.table(name) for name in ("scores", "gains", *BENEFITS, PREDICTIONS)},
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def analyse(store: Store, asked: Mapping[str, Any] | None = None) -> Findings:
    """Find what a store's current plan says. `asked`: keys of the study that change no trial, instead of the stored ones."""
    wanted = set(store.get_meta("plan") or [])
    rows = [row for row in store.rows() if row.spec.id in wanted]
    study = StudyRequest.of({**store.get_meta("study"), **(asked or {})})
    data = {name: DatasetEntry(**entry) for name, entry in store.get_meta("data").items()}
    pretrained: dict[str, bool] = dict(store.get_meta("arms"))
    by_course = courses.apart(rows, study.courses)
    found = gain.cells(by_course.first, pretrained, {name: entry.labels for name, entry in data.items()})
    scores = performance.against_chance(gain.scores(found), data)
    gains = gain.gains(found, scores, study.margin, data)
    recipes = performance.recipe_rows(store.get_meta("recipes") or [], by_course.first)
    status = Counter(row.outcome.status for row in rows)
    trials = {name.value: status[name] for name in Status} | {PENDING: len(wanted) - len(rows)}
    said = [
        *warnings.stored(store.get_meta("warnings") or []),
        *warnings.of_raised_seeds(data),
        *warnings.of_trials(rows, trials[PENDING]),
        *warnings.of_pretrainings(rows),
        *warnings.of_cells(found, data, scores, recipes),
    ]
    return Findings(
        study=study,
        environment=store.get_meta("environment"),
        warnings=said,
        trials=trials,
        scores=scores,
        gains=gains,
        **tables(found, data, gains, study.margin, by_course),
        candidates=candidates.rows(found, data, study.margin),
        predictions=gain.given(found, scores, study.margin, data),
        last_labels=last_labels.rows(found, data, study.margin),
        **ahead(found, data, study),
        recipes=recipes,
        data=data,
        rows=by_course.first,
        other_rows=[row for rows in by_course.others.values() for row in rows],
        examples=[SampledText.from_dict(text) for text in store.get_meta("examples") or ()],
        folder=str(store.path.parent),
    )


class FindingsTables(TypedDict):
    """The tables of BENEFITS, and the timings, as arguments of `Findings`."""

    data_efficiency: list[EfficiencyRow]
    convergence: list[ConvergenceRow]
    robustness: list[RobustnessRow]
    adaptation: list[AdaptationRow]
    calibration: list[CalibrationRow]
    aggregate: list[AggregateRow]
    parts: list[PartRow]
    courses: list[CourseRow]
    timings: list[ConvergenceRow | AdaptationRow]


def tables(
    found: Sequence[gain.Cell],
    data: Mapping[str, DatasetEntry],
    gains: Sequence[GainRow],
    margin: float = 0.01,
    by_course: ByCourse | None = None,
) -> FindingsTables:
    """Measure the benefits of all data sets, and other courses of pretraining where there are some."""
    known = by_dataset(found, data)
    with_scratch = [trials for trials in known if trials.has_scratch]
    curves = [convergence.rows(trials) for trials in with_scratch]
    adapting = [adaptation.rows(trials, gains) for trials in known]
    return {
        "data_efficiency": [row for trials in with_scratch for row in data_efficiency.rows(trials)],
        "convergence": [row for rows, _ in curves for row in rows],
        "robustness": [row for trials in known for row in robustness.rows(trials, gains)],
        "adaptation": [row for rows, _ in adapting for row in rows],
        "calibration": [row for trials in known for row in calibration.rows(trials, gains)],
        "aggregate": aggregate.rows(known, gains),
        "parts": parts.of_all(known, margin),
        "courses": courses.rows(known, by_course, margin) if by_course else [],
        "timings": [
            *(row for _, timed in curves for row in timed),
            *(row for _, timed in adapting for row in timed),
        ],
    }


class AheadTables(TypedDict):
    """What is said of labels not bought yet, as arguments of `Findings`."""

    forecast: list[ForecastRow]
    break_even: list[BreakEvenRow]


def ahead(found: Sequence[gain.Cell], data: Mapping[str, DatasetEntry], study: StudyRequest) -> AheadTables:
    """Forecast learning curves, and find where they cross."""
    return {
        "forecast": forecasting.rows(found, data, study),
        "break_even": break_even.rows(found, data, benefits.leading_arm(study.arms), study.label_cost, study.currency),
    }


def load(folder: str | Path, asked: Mapping[str, Any] | None = None) -> Findings:
    """Find what the study in an output folder says; see `analyse`. Raises UserError when it holds no study."""
    with Store(folder) as store:
        if store.get_meta("study") is None:
            raise UserError(f"{folder}: its run ended before the study was set up; run it again")
        return analyse(store, asked)
