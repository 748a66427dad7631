"""Make the summary of a study from its tables: what was asked, answered in a sentence or two a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from transfergain.analysis import advice, courses, parts, short, words
from transfergain.analysis.break_even import BreakEvenRow
from transfergain.analysis.candidates import CandidateRow, Difference
from transfergain.analysis.courses import CourseRow
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.first_sentence import TURNED, Facts, answer
from transfergain.analysis.forecast import said
from transfergain.analysis.forecast.advised import advice as advised_by
from transfergain.analysis.forecast.rows import ForecastRow
from transfergain.analysis.last_labels import LastLabelsRow
from transfergain.analysis.leading import BenefitTables, Leading
from transfergain.analysis.recommend import recommend, start, title, upper
from transfergain.analysis.rows import BenefitRow, GainRow, Verdict
from transfergain.analysis.summary import DatasetSummary, MoreLabels, NextStep, ScoreTable, Summary
from transfergain.arms import REFERENCE
from transfergain.metrics import METRICS
from transfergain.split import TEST


class SummaryTables(BenefitTables, advice.AdviceTables, Protocol):
    """What of `Findings` is read here."""

    @property
    def candidates(self) -> Sequence[CandidateRow]: ...
    @property
    def last_labels(self) -> Sequence[LastLabelsRow]: ...
    @property
    def forecast(self) -> Sequence[ForecastRow]: ...
    @property
    def break_even(self) -> Sequence[BreakEvenRow]: ...
    @property
    def parts(self) -> Sequence[parts.PartRow]: ...
    @property
    def courses(self) -> Sequence[CourseRow]: ...
    @property
    def leading_arm(self) -> str: ...
    def benefits(self) -> list[BenefitRow]: ...
    def beside(self) -> list[GainRow]: ...


def summarise(tables: SummaryTables) -> Summary:
    """Answer for every data set, and over all of them."""
    answers = tables.benefits()
    found = [_dataset(tables, name, [row for row in answers if row.dataset == name]) for name in tables.data]
    return Summary(
        model=tables.study.model,
        question=f"Does {start(tables.leading_arm, tables.study.model)} beat {_rival(tables)}?",
        answer=found[0].answer if len(found) == 1 else _over_all(start(tables.leading_arm, tables.study.model), found),
        recommendation={each.dataset: each.recommendation.name for each in found},
        datasets=found,
    )


def _rival(tables: SummaryTables) -> str:
    return title(REFERENCE) if REFERENCE in tables.study.arms else "the best floor"


def _dataset(tables: SummaryTables, name: str, answers: Sequence[BenefitRow]) -> DatasetSummary:
    entry = tables.data[name]
    facts = _facts(tables, name, entry)
    verdict, said_first = answer(facts)
    candidates = [row for row in tables.candidates if row.dataset == name]
    own = facts.own
    return DatasetSummary(
        dataset=name,
        title=entry.title,
        metric=facts.metric,
        n_test=entry.n_test,
        arm=facts.arm,
        budget=own.budget if own else max((row.budget for row in candidates), default=0),
        verdict=verdict,
        answer=" ".join([said_first, *map(short.beside, facts.beside[:1])]),
        reference=entry.reference,
        reference_learned=facts.learned,
        recommendation=facts.recommendation,
        score=own.score if own else None,
        over_reference=_over_reference(facts.gain),
        over_floor=own.over_floor if own else None,
        benefits=short.lines(answers, tables, entry, facts.doubt, own.over_floor if own else None),
        table=_table(tables, name, candidates),
        more_labels=_more_labels(tables, facts, name),
        candidates=candidates,
        next=advice.steps(tables, name, facts.gain),
        caveats=advice.caveats(tables, name, facts.gain),
        parts=" ".join(filter(None, (parts.said(tables.parts, name), courses.said(tables.courses, name)))),
    )


def _more_labels(tables: SummaryTables, facts: Facts, name: str) -> MoreLabels:
    """Tell of the arm or floor to take, and of the arm that the answer is about where that is another one."""
    taken = facts.recommendation.name
    own, leading = ([row for row in tables.forecast if (row.dataset, row.arm) == (name, arm)] for arm in (taken, facts.arm))
    leading = leading if facts.arm != taken else []
    even = [row for row in tables.break_even if (row.dataset, row.arm) == (name, facts.arm)]
    given = {row.reference for row in facts.beside}
    even = [row for row in even if row.reference == taken or row.reference in given]
    rows = own or leading
    waiting = bool(tables.trials.get(advice.PENDING))  # what is missing may be among what has not run yet
    even = [row for row in even if row.estimate is not None or not waiting]
    missing = "" if waiting else next((",".join(map(str, row.missing)) for row in rows if row.missing), "")
    step = NextStep(text="a forecast takes three numbers of labels", key="budgets", value=missing)
    more = advice.more_labels(tables, name, facts.arm)
    ahead = said.ahead(rows, leading if own else [], even, tables.study)
    advised = advised_by(facts.recommendation, own, leading, tables.study)
    return replace(more, forecast=ahead, step=step if missing else more.step, advice=advised)


def _facts(tables: SummaryTables, name: str, entry: DatasetEntry) -> Facts:
    arm = tables.leading_arm
    gains = Leading.of(tables, name, arm, entry.metric).on_test
    top = gains[-1] if gains else None
    turned = TURNED.get(top.verdict) if top else None
    candidates = [row for row in tables.candidates if row.dataset == name]
    return Facts(
        model=tables.study.model,
        arm=arm,
        metric=METRICS[entry.metric].title,
        entry=entry,
        margin=tables.study.margin,
        gain=top,
        turns=[row for row in gains[:-1] if row.verdict is turned],
        own=next((row for row in candidates if row.arm == arm), None),
        beside=sorted(
            (row for row in tables.beside() if (row.dataset, row.arm) == (name, arm)), key=lambda row: row.reference_error
        ),
        recommendation=recommend(candidates, tables.study.margin),
    )


def _over_reference(row: GainRow | None) -> Difference | None:
    if row is None:
        return None
    return Difference(
        against=row.reference,
        score=1 - row.error,
        score_against=1 - row.reference_error,
        estimate=row.estimate,
        low=row.low,
        high=row.high,
        p_value=row.p_value,
        p_holm=row.p_holm,
        n_seeds=row.n_seeds,
        verdict=row.verdict,
    )


def _table(tables: SummaryTables, name: str, candidates: Sequence[CandidateRow]) -> ScoreTable:
    entry = tables.data[name]
    scores = {
        (row.budget, row.arm): row.mean
        for row in tables.scores
        if (row.dataset, row.split, row.metric) == (name, TEST, entry.metric)
    }
    trains = {row.arm: row.trained_parameters or 0.0 for row in candidates}
    floors = {row.arm for row in candidates if row.is_floor}
    given = {row.arm for row in candidates if row.is_given}
    columns = sorted(
        dict.fromkeys(arm for _, arm in scores),
        key=lambda arm: (arm not in floors, arm not in given, arm != REFERENCE, trains.get(arm, 0.0)),
    )
    budgets = sorted({budget for budget, _ in scores})
    return ScoreTable(columns=columns, budgets=budgets, scores=[[scores.get((b, arm)) for arm in columns] for b in budgets])


def _over_all(what: str, found: Sequence[DatasetSummary]) -> str:
    """Count the answers: `Starting from M pays on 3 of 5 data sets; a floor does as well on 1, undecided on 1.`"""
    yes = sum(each.verdict is Verdict.SUPPORTED for each in found)
    rest = Counter(_in_short(each) for each in found if each.verdict is not Verdict.SUPPORTED)
    over = "pays" if found[0].reference == REFERENCE else "beats the best floor"
    text = f"{upper(what)} {over} on {yes} of {len(found)} data sets"
    text += "; " * bool(rest) + ", ".join(f"{said} on {n}" for said, n in rest.items())
    unlearned = [each.dataset for each in found if not each.reference_learned]
    return f"{text}.{f' Scratch is not clearly above chance on {words.listed(unlearned)}.' if unlearned else ''}"


def _in_short(summary: DatasetSummary) -> str:
    """Say an answer that is no plain yes."""
    over = summary.over_reference
    if summary.verdict is Verdict.NOT_SUPPORTED:
        above = over is not None and over.verdict is Verdict.SUPPORTED
        floor = "a floor does as well" if summary.recommendation.is_floor else "it is no better than a floor"
        return floor if above or summary.recommendation.is_floor else "no gain that matters"
    worse = (
        "it hurts" if over is not None and over.estimate < 0 and summary.reference == REFERENCE else "it is below the floor"
    )
    return {Verdict.NEGATIVE_TRANSFER: worse, Verdict.INCONCLUSIVE: "undecided"}.get(summary.verdict, "not measured")
