"""Make the summary of a study from its tables: what was asked, answered in a sentence or two a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from transfergain.analysis import advice, courses, parts, short, words
from transfergain.analysis.break_even import BreakEvenRow
from transfergain.analysis.candidates import CandidateRow, Difference
from transfergain.analysis.courses import CourseRow
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.forecast import said
from transfergain.analysis.forecast.advised import advice as advised_by
from transfergain.analysis.forecast.rows import ForecastRow
from transfergain.analysis.last_labels import LastLabelsRow
from transfergain.analysis.leading import BenefitTables, Leading
from transfergain.analysis.recommend import recommend, title, upper
from transfergain.analysis.rows import BenefitRow, GainRow, Verdict
from transfergain.analysis.short import hidden
from transfergain.analysis.summary import DatasetSummary, MoreLabels, NextStep, Recommendation, ScoreTable, Summary
from transfergain.arms import REFERENCE
from transfergain.arms.full import FULL
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
        question=f"Does starting from {tables.study.model} beat {_rival(tables)}?",
        answer=found[0].answer if len(found) == 1 else _over_all(tables.study.model, found),
        recommendation={each.dataset: each.recommendation.name for each in found},
        datasets=found,
    )


def _rival(tables: SummaryTables) -> str:
    return title(REFERENCE) if REFERENCE in tables.study.arms else "the best floor"


LEARNED = 0.1
"""Of the way from chance to a perfect score: below it, a reference that is not clearly above chance *never learned*."""
TURNED = {
    Verdict.SUPPORTED: Verdict.NEGATIVE_TRANSFER,
    Verdict.NEGATIVE_TRANSFER: Verdict.SUPPORTED,
    Verdict.NOT_SUPPORTED: Verdict.SUPPORTED,
    Verdict.INCONCLUSIVE: Verdict.SUPPORTED,
}
"""Verdict with the most labels -> one with fewer labels that must be told beside it."""


class Facts(NamedTuple):
    """What the answer for one data set is made of."""

    model: str
    arm: str
    metric: str
    entry: DatasetEntry
    margin: float
    gain: GainRow | None
    """Of the arm over the reference on the test set, with the most labels."""
    turns: Sequence[GainRow]
    """The same with fewer labels, where the answer is another one."""
    own: CandidateRow | None
    """The arm among the candidates."""
    beside: Sequence[GainRow]
    """The arm over predictions that files give, the best of these first."""
    recommendation: Recommendation

    @property
    def learned(self) -> bool:
        """Tell whether scratch was above chance in half of the seeds or more; a floor is as it is."""
        return self.gain is None or self.gain.reference_learned


def _dataset(tables: SummaryTables, name: str, answers: Sequence[BenefitRow]) -> DatasetSummary:
    entry = tables.data[name]
    facts = _facts(tables, name, entry)
    verdict, answer = _answer(facts)
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
        answer=" ".join([answer, *map(short.beside, facts.beside[:1])]),
        reference=entry.reference,
        reference_learned=facts.learned,
        recommendation=facts.recommendation,
        score=own.score if own else None,
        over_reference=_over_reference(facts.gain),
        over_floor=own.over_floor if own else None,
        benefits=short.lines(answers, tables, entry, facts.learned, own.over_floor if own else None),
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
    missing = next((",".join(map(str, row.missing)) for row in rows if row.missing), "")
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


def _answer(facts: Facts) -> tuple[Verdict, str]:
    """Answer with a verdict and a sentence or two; the first sentence is the one that must not be missed."""
    row = facts.gain
    if not facts.arm:
        return Verdict.NOT_MEASURED, f"No answer: the study has no arm beside {REFERENCE}."
    if row is None:
        return Verdict.NOT_MEASURED, (
            f"No answer yet: no seed of {facts.arm} and {facts.entry.reference} has finished with the same labels."
        )
    if not facts.learned:
        return _unlearned(facts, row)
    if facts.recommendation.is_floor and facts.own and row.low is not None and not hidden(row):
        return Verdict.NOT_SUPPORTED, _floor_does_it(facts, row, facts.own)
    verdict, start = _start(facts, row)
    return verdict, " ".join([f"{start} {_moves(facts, row)}.", *_turns(facts)])


def _start(facts: Facts, row: GainRow) -> tuple[Verdict, str]:
    if row.low is None:
        return row.verdict, "One seed, so no verdict yet."
    if hidden(row):
        return row.verdict, f"{row.n_seeds} seeds are too few for a verdict."
    over_floor = row.reference != REFERENCE
    if row.verdict is Verdict.SUPPORTED and row.below_floor:
        return Verdict.NOT_SUPPORTED, f"Better than {row.reference}, but no better than {title(row.below_floor)}."
    if row.verdict is Verdict.SUPPORTED:
        kind = "a little" if row.low < facts.margin and row.estimate < 2 * facts.margin else ""
        against = ["it beats the best floor"] if over_floor else []
        said = ", ".join(["Yes", *against, *([kind] if kind else []), *advice.equal_training(row)])
        return row.verdict, f"{said}."
    if row.verdict is Verdict.NEGATIVE_TRANSFER:
        return row.verdict, "No, it is below the best floor." if over_floor else "No, it hurts."
    if row.verdict is Verdict.NOT_SUPPORTED:
        return row.verdict, f"No: a gain of {words.margin(facts.margin)} is ruled out."
    return row.verdict, f"Undecided{advice.price(row)}."


def _moves(facts: Facts, row: GainRow) -> str:
    """Say `Starting from M moves accuracy from 83.8 to 91.9 % with 1,498 labels (+8.1 points, 95 %: ...; 5 seeds)`."""
    how = "" if facts.arm == FULL.name else f" with {title(facts.arm)}"
    figures = ", ".join(filter(None, (words.points(row.estimate), "" if hidden(row) else words.interval(row.low, row.high))))
    figures = f"({figures}; {words.seeds(row.n_seeds)})"
    before, after = f"{100 * (1 - row.reference_error):.1f}", f"{100 * (1 - row.error):.1f}"
    if row.reference != REFERENCE:
        has = f"{upper(title(facts.arm))} from {facts.model} has {facts.metric} {after} % with {row.budget:,} labels"
        return f"{has}, {title(row.reference)} {before} % {figures}"
    verb = "lifts" if row.estimate > 0 else "lowers"
    moved = f"{verb} {facts.metric} from {before} to {after} %"
    if before == after:
        moved = f"leaves {facts.metric} at {after} %"
    return f"Starting from {facts.model}{how} {moved} with {row.budget:,} labels {figures}"


def _turns(facts: Facts) -> Iterator[str]:
    """Say where the answer is another one with fewer labels."""
    if facts.turns:
        row = facts.turns[0]
        does = "helps" if row.estimate > 0 else "hurts"
        yield f"With {row.budget:,} labels it {does}: {short.gain(row)}."


def _unlearned(facts: Facts, row: GainRow) -> tuple[Verdict, str]:
    chance, scores = facts.entry.chance, words.score(1 - row.reference_error)
    who = (
        "Scratch never learned"
        if 1 - row.reference_error < chance + LEARNED * (1 - chance)
        else "Scratch may not have learned"
    )
    both = row.verdict is not Verdict.SUPPORTED and facts.own is not None and (facts.own.low or 0.0) <= chance
    if both:
        who, scores = (
            f"Neither {REFERENCE} nor {facts.arm} has clearly learned",
            f"{scores} and {words.score(1 - row.error)}",
        )
    of = f"in {row.reference_at_chance} of {words.seeds(row.n_seeds)}"
    first = f"{who}: {facts.metric} of {scores} is not clearly above chance ({words.score(chance)}) {of}."
    if both:
        return Verdict.INCONCLUSIVE, f"{first} This study says nothing about a gain."
    over = facts.own.over_floor if facts.own else None
    if over is None:
        return row.verdict, f"{first} {upper(title(facts.arm))} scores {words.score(1 - row.error)}."
    return over.verdict, f"{first} {_against_floor(facts, over)}."


def _against_floor(facts: Facts, over: Difference) -> str:
    does = {
        Verdict.SUPPORTED: "beats the best floor",
        Verdict.NEGATIVE_TRANSFER: "is below the best floor",
        Verdict.NOT_SUPPORTED: "is no better than the best floor",
    }.get(over.verdict, "may or may not beat the best floor")
    mine = f"{upper(title(facts.arm))} at {words.score(over.score)}"
    return f"{mine} {does}, {title(over.against)}: {words.gained(over.estimate, over.low, over.high)}"


def _floor_does_it(facts: Facts, row: GainRow, own: CandidateRow) -> str:
    floor = facts.recommendation
    assert floor.score is not None
    mine = f"{title(facts.arm)} from {facts.model} has {words.score(own.score)}"
    if (over := own.over_floor) and over.against == floor.name:
        mine += f", {words.gained(over.estimate, over.low, over.high)}"
    reaches = f"{floor.title} reaches {facts.metric} {words.score(floor.score)} without a transformer"
    also = f" Over {REFERENCE}: {short.gain(row)}." if row.reference == REFERENCE else ""
    return f"No need for it: {reaches}; {mine}.{also}"


def _over_all(model: str, found: Sequence[DatasetSummary]) -> str:
    """Count the answers: `Starting from M pays on 3 of 5 data sets; a floor does as well on 1, undecided on 1.`"""
    yes = sum(each.verdict is Verdict.SUPPORTED for each in found)
    rest = Counter(_in_short(each) for each in found if each.verdict is not Verdict.SUPPORTED)
    over = "pays" if found[0].reference == REFERENCE else "beats the best floor"
    text = f"Starting from {model} {over} on {yes} of {len(found)} data sets"
    text += "; " * bool(rest) + ", ".join(f"{said} on {n}" for said, n in rest.items())
    unlearned = [each.dataset for each in found if not each.reference_learned]
    return f"{text}.{f' Scratch is not clearly above chance on {words.listed(unlearned)}.' if unlearned else ''}"


def _in_short(summary: DatasetSummary) -> str:
    """Say an answer that is no plain yes."""
    if summary.verdict is Verdict.NOT_SUPPORTED:
        return "a floor does as well" if summary.recommendation.is_floor else "no gain that matters"
    worse = "it hurts" if summary.reference == REFERENCE else "it is below the floor"
    return {Verdict.NEGATIVE_TRANSFER: worse, Verdict.INCONCLUSIVE: "undecided"}.get(summary.verdict, "not measured")
