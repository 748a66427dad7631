"""Say what a panel is given and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.findings import Findings
from transfergain.analysis.recommend import title
from transfergain.analysis.rows import AdaptationRow, Benefit, MeasureRow, ScoreRow, Verdict
from transfergain.metrics import METRICS
from transfergain.report import reading
from transfergain.report.page.figures import MISSING, Column, Figure, RowGroup, Style, TextTable, styles
from transfergain.report.reading import OfDataset
from transfergain.split import TEST, Split
from transfergain.store import StoredTrial
from transfergain.tasks import floors
from transfergain.types import Phase, Status

R = TypeVar("R", bound=OfDataset)
M = TypeVar("M", bound=MeasureRow)
MOST_OF_A_NAME = 60
"""Characters of each half of a file's name: file systems take 255 bytes in all."""


@dataclass(frozen=True)
class DatasetView:
    """One data set of a study, as the panels look at it."""

    findings: Findings
    dataset: str

    @cached_property
    def entry(self) -> DatasetEntry:
        """Return the data set's description."""
        return self.findings.data[self.dataset]

    @cached_property
    def metric(self) -> str:
        """Return the primary metric's key."""
        return self.entry.metric

    @cached_property
    def score(self) -> str:
        """Return the primary metric in words, as people say it."""
        return METRICS[self.entry.metric].title

    @cached_property
    def top(self) -> int | None:
        """Return the largest budget with a result."""
        return reading.top_budget(self.findings, self.dataset)

    @cached_property
    def styles(self) -> dict[str, Style]:
        """Return how arms and floors are drawn, by name."""
        return styles(self.findings)

    @cached_property
    def trials(self) -> list[StoredTrial]:
        """List the finished reported trials at the largest budget that trained a model."""
        return [
            trial for trial in self.findings.rows
            if (trial.spec.dataset, trial.spec.budget, trial.spec.phase) == (self.dataset, self.top, Phase.REPORT)
            and trial.outcome.status == Status.DONE and trial.spec.recipe is not None
        ]  # fmt: skip

    def scores(self, split: Split, budget: int | None = None) -> list[ScoreRow]:
        """Keep the data set's scores of one split on the primary metric."""
        return reading.scores_on(self.findings, self.dataset, split, budget)

    def of(self, rows: Iterable[R]) -> list[R]:
        """Keep the data set's rows."""
        return reading.of(rows, self.dataset)

    def name(self, what: str) -> str:
        """Name a figure's file: letters and digits of the data set and of what it shows, not too many."""
        kept = (
            "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in text) for text in (self.dataset, what)
        )
        return "-".join(text[:MOST_OF_A_NAME] for text in kept).strip("-").lower()


def floor_label(name: str) -> str:
    """Name what is no arm in a figure, in words: a floor, or predictions that files give."""
    return f"{title(name)} ({'floor' if name in floors() else 'given'})"


class Sentence(Protocol):
    """A row that says something in words."""

    @property
    def verdict(self) -> Verdict: ...
    @property
    def sentence(self) -> str: ...


@dataclass(frozen=True)
class Panel:
    """A benefit on one data set."""

    sentences: Sequence[Sentence] = ()
    """The ones that matter first."""
    figures: Sequence[Figure] = ()
    more: Sequence[Figure] = ()
    """Figures for the reader who wants all of them."""
    tables: Sequence[TextTable] = ()
    missing: str = ""
    """In words, why there is nothing, or what of it is not there."""


@dataclass(frozen=True)
class PanelKind:
    """An entry of PANELS."""

    title: str
    question: str
    build: Callable[[DatasetView], Panel]
    benefit: Benefit | None = None
    """The benefit whose verdict stands beside its title."""
    applies: Callable[[DatasetView], bool] = lambda view: True
    """Whether a study is asked this: else there is no panel, where others say what is missing."""


MEASURE_COLUMNS = (
    *(Column("measure"), Column("arm"), Column("labels", True), Column("split"), Column("estimate", True)),
    *(Column("95 % interval", True), Column("seeds", True), Column("verdict"), Column("in words")),
)


OVERALL_COLUMNS = tuple(column for column in MEASURE_COLUMNS if column.title not in ("labels", "split"))


def rows_table(caption: str, rows: Sequence[MeasureRow]) -> list[TextTable]:
    """Lay out rows of a table of findings, whatever they measure; no table for no rows."""
    body = [
        [
            _with_method(row),
            row.arm,
            f"{row.budget:,}",
            row.split.title,
            reading.value_text(row),
            reading.bounds_text(row),
            str(row.n_seeds),
            row.verdict or MISSING,
            row.sentence,
        ]
        for row in rows
    ]
    return [TextTable(caption, MEASURE_COLUMNS, [RowGroup("", body)])] if body else []


def overall_table(rows: Sequence[MeasureRow]) -> list[TextTable]:
    """Lay out rows over all data sets, which have no labels and no test set of their own; no table for no rows."""
    body = [
        [reading.measure_text(row), row.arm, reading.value_text(row), reading.bounds_text(row), str(row.n_seeds),
         row.verdict or MISSING, row.sentence]
        for row in rows
    ]  # fmt: skip
    return [TextTable("Over all data sets", OVERALL_COLUMNS, [RowGroup("", body)])] if body else []


def _with_method(row: MeasureRow) -> str:
    """Say what a row measures, with what else tells rows apart."""
    extra = []
    if isinstance(row, AdaptationRow):
        extra = ["" if row.split == TEST else f"{row.k:,} target labels", row.method]
    return ", ".join([reading.measure_text(row), *filter(None, extra)])


def leading(rows: Sequence[M], view: DatasetView, most: int = 6) -> list[M]:
    """Choose the rows to read first: those with a verdict, the leading arm's and the largest budget's before others; of
    rows that say the same, one.
    """
    judged = [row for row in rows if row.sentence and (row.verdict or row.estimate is None)]
    judged.sort(key=lambda row: (row.arm != view.findings.leading_arm, -row.budget))
    return list({row.sentence: row for row in judged}.values())[:most]
