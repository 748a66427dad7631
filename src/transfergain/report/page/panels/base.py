"""What a panel is given and what it returns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transfergain.analysis.findings import Findings
from transfergain.report import reading
from transfergain.report.page.figures import Column, Figure, Group, Row, Style, Table, styles
from transfergain.store import Row as Trial
from transfergain.types import Phase, Status


@dataclass(frozen=True)
class View:
    """One data set of a study, as the panels look at it."""

    findings: Findings
    dataset: str

    @cached_property
    def entry(self) -> Row:
        """The data set's description."""
        entry: Row = self.findings.data[self.dataset]
        return entry

    @cached_property
    def metric(self) -> str:
        """The primary metric."""
        return str(self.entry["metric"])

    @cached_property
    def top(self) -> int | None:
        """The largest budget with a result."""
        return reading.top_budget(self.findings, self.dataset)

    @cached_property
    def arm(self) -> str | None:
        """The pretrained arm that leads."""
        return reading.leading_arm(self.findings, self.dataset)

    @cached_property
    def styles(self) -> dict[str, Style]:
        """How arms and floors are drawn."""
        return styles(self.findings)

    @cached_property
    def trials(self) -> list[Trial]:
        """Finished reported trials at the largest budget that trained a model."""
        return [
            row for row in self.findings.rows
            if (row.spec.dataset, row.spec.budget, row.spec.phase) == (self.dataset, self.top, Phase.REPORT)
            and row.outcome.status == Status.DONE and row.spec.recipe is not None
        ]  # fmt: skip

    def scores(self, split: str, budget: int | None = None) -> list[Row]:
        """Rows of scores on the primary metric."""
        return reading.scores(self.findings, self.dataset, split, budget)

    def of(self, rows: Iterable[Row], **wanted: Any) -> list[Row]:
        """The data set's rows whose keys have the wanted values."""
        return reading.of(rows, self.dataset, **wanted)

    def name(self, what: str) -> str:
        """A figure's file name: the data set's letters and digits, and what it shows."""
        kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in f"{self.dataset}-{what}")
        return kept.strip("-").lower()


@dataclass(frozen=True)
class Panel:
    """A benefit on one data set."""

    sentences: Sequence[Row] = ()
    """Rows with `verdict` and `sentence`, the ones that matter first."""
    figures: Sequence[Figure] = ()
    more: Sequence[Figure] = ()
    """Figures for the reader who wants all of them."""
    tables: Sequence[Table] = ()
    missing: str = ""
    """In words, why there is nothing, or what of it is not there."""


@dataclass(frozen=True)
class Kind:
    """An entry of PANELS."""

    title: str
    question: str
    build: Any
    """View -> Panel."""


COLUMNS = (
    *(Column("measure"), Column("arm"), Column("labels", True), Column("split"), Column("estimate", True)),
    *(Column("95 % interval", True), Column("seeds", True), Column("verdict"), Column("in words")),
)


def rows_table(caption: str, rows: Sequence[Row]) -> list[Table]:
    """Rows of a table of findings, whatever they measure; none for no rows."""
    body = [
        [
            _with_method(row),
            str(row.get("arm") or ""),
            f"{row['budget']:,}" if isinstance(row.get("budget"), int) else "–",
            str(row.get("split") or ""),
            reading.value(row),
            reading.bounds(row),
            str(row.get("n_seeds", "–")),
            str(row.get("verdict") or "–"),
            str(row.get("sentence") or ""),
        ]
        for row in rows
    ]
    return [Table(caption, COLUMNS, [Group("", body)])] if body else []


def _with_method(row: Row) -> str:
    """The measure with what else tells rows apart."""
    extra = [f"{row['k']:,} target labels" if row.get("k") is not None else "", str(row.get("method") or "")]
    return ", ".join([reading.measure(row), *filter(None, extra)])


def leading(rows: Sequence[Row], view: View, most: int = 6) -> list[Row]:
    """The rows to read first: those with a verdict, the leading arm's and the largest budget's before others; of rows that
    say the same, one.
    """
    judged = [row for row in rows if row.get("sentence") and (row.get("verdict") or row.get("estimate") is None)]
    judged.sort(key=lambda row: (row.get("arm") != view.arm, -(row.get("budget") or 0)))
    return list({row["sentence"]: row for row in judged}.values())[:most]
