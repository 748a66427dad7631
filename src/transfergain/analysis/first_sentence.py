"""Say the answer for one data set in a sentence or two, and give it a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from transfergain.analysis import advice, short, words
from transfergain.analysis.benefits import nothing
from transfergain.analysis.candidates import CandidateRow, Difference
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.recommend import start, title, upper
from transfergain.analysis.rows import Benefit, GainRow, Verdict
from transfergain.analysis.short import hidden
from transfergain.analysis.summary import Recommendation
from transfergain.arms import REFERENCE
from transfergain.arms.full import FULL

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

    @property
    def hardly(self) -> bool:
        """Tell whether scratch, not clearly above chance, scores next to it as well."""
        chance = self.entry.chance
        return self.gain is not None and 1 - self.gain.reference_error < chance + LEARNED * (1 - chance)

    @property
    def doubt(self) -> str:
        """Say where a scratch stands that has not clearly learned; empty where it has."""
        if self.learned:
            return ""
        return f"{REFERENCE} is {'near' if self.hardly else 'not clearly above'} chance"


def answer(facts: Facts) -> tuple[Verdict, str]:
    """Answer with a verdict and a sentence or two; the first sentence is the one that must not be missed."""
    row = facts.gain
    if not facts.arm:
        return Verdict.NOT_MEASURED, f"No answer: the study has no arm beside {REFERENCE}."
    if row is None:
        return (
            Verdict.NOT_MEASURED,
            f"No answer yet: {nothing(Benefit.PERFORMANCE, facts.arm, facts.entry.reference, False)}.",
        )
    if not facts.learned:
        return _unlearned(facts, row)
    if facts.recommendation.is_floor and facts.own and row.low is not None and not hidden(row):
        return _floor_does_it(facts, row, facts.own)
    verdict, start = _start(facts, row)
    return verdict, " ".join([f"{start} {_moves(facts, row)}.", *_turns(facts)])


def _start(facts: Facts, row: GainRow) -> tuple[Verdict, str]:
    if row.low is None:
        return row.verdict, "One seed, so no verdict yet."
    if hidden(row):
        return row.verdict, f"{row.n_seeds} seeds are too few for a verdict."
    over_floor = row.reference != REFERENCE
    if row.verdict is Verdict.SUPPORTED and row.below_floor:
        over = facts.own.over_floor if facts.own else None
        no_better = "not shown to be" if over is not None and over.verdict is Verdict.INCONCLUSIVE else "no"
        return Verdict.NOT_SUPPORTED, f"Better than {row.reference}, but {no_better} better than {title(row.below_floor)}."
    if row.verdict is Verdict.SUPPORTED:
        kind = "a little" if row.low < facts.margin and row.estimate < 2 * facts.margin else ""
        against = ["it beats the best floor"] if over_floor else []
        said = ", ".join(["Yes", *against, *([kind] if kind else []), *advice.equal_training(row)])
        return row.verdict, f"{said}."
    if row.verdict is Verdict.NEGATIVE_TRANSFER:
        worse = "it is below the best floor" if over_floor else "it hurts"
        return row.verdict, f"{', '.join(['No', worse, *advice.equal_training(row)])}."
    if row.verdict is Verdict.NOT_SUPPORTED:
        ruled_out = f"a gain of {words.margin(facts.margin)} is ruled out"
        return row.verdict, f"No: {', '.join([ruled_out, *advice.equal_training(row)])}."
    return row.verdict, f"Undecided{advice.price(row)}."


def _moves(facts: Facts, row: GainRow) -> str:
    """Say `Starting from M moves accuracy from 83.8 to 91.9 % with 1,498 labels (+8.1 points, 95 %: ...; 5 seeds)`."""
    what = start(facts.arm, facts.model)
    how = "" if facts.arm == FULL.name or what == title(facts.arm) else f" with {title(facts.arm)}"
    figures = ", ".join(filter(None, (words.points(row.estimate), "" if hidden(row) else words.interval(row.low, row.high))))
    figures = f"({figures}; {words.seeds(row.n_seeds)})"
    before, after = words.in_percent(1 - row.reference_error), words.in_percent(1 - row.error)
    if row.reference != REFERENCE:
        has = f"{upper(title(facts.arm))} from {facts.model} has {facts.metric} {after} % with {row.budget:,} labels"
        return f"{has}, {title(row.reference)} {before} % {figures}"
    verb = "lifts" if row.estimate > 0 else "lowers"
    moved = f"{verb} {facts.metric} from {before} to {after} %"
    if before == after:
        moved = f"leaves {facts.metric} at {after} %"
    return f"{upper(what)}{how} {moved} with {row.budget:,} labels {figures}"


def _turns(facts: Facts) -> Iterator[str]:
    """Say where the answer is another one with fewer labels."""
    if facts.turns:
        row = facts.turns[0]
        does = "helps" if row.estimate > 0 else "hurts"
        yield f"With {row.budget:,} labels it {does}: {short.gain(row)}."


def _unlearned(facts: Facts, row: GainRow) -> tuple[Verdict, str]:
    scores, often = words.score(1 - row.reference_error), f"{row.reference_at_chance}"
    who = "Scratch never learned" if facts.hardly else "Scratch may not have learned"
    both = row.verdict is not Verdict.SUPPORTED and facts.own is not None and 2 * facts.own.at_chance > facts.own.n_seeds
    if both:
        assert facts.own is not None
        who = f"Neither {REFERENCE} nor {facts.arm} has clearly learned"
        scores, often = f"{scores} and {words.score(1 - row.error)}", f"{often} and {facts.own.at_chance}"
    of = f"in {often} of {words.seeds(row.n_seeds)}"
    first = f"{who}: {facts.metric} of {scores} is not clearly above chance ({words.score(facts.entry.chance)}) {of}."
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
    return f"{mine} {does}, {title(over.against)}: {words.points(over.estimate)}{short.in_brackets(over)}"


def _floor_does_it(facts: Facts, row: GainRow, own: CandidateRow) -> tuple[Verdict, str]:
    """Say that a floor is within the margin of the best; undecided where the arm may be better by more."""
    floor = facts.recommendation
    assert floor.score is not None
    mine = f"{title(facts.arm)} from {facts.model} has {words.score(own.score)}"
    verdict, need = Verdict.NOT_SUPPORTED, "No need for it"
    if (over := own.over_floor) and over.against == floor.name:
        if over.high is None or over.high >= facts.margin:
            verdict, need = Verdict.INCONCLUSIVE, "There may be no need for it"
        mine += f", {words.gained(over.estimate, over.low, over.high)}"
    reaches = f"{floor.title} reaches {facts.metric} {words.score(floor.score)} without a transformer"
    also = f" Over {REFERENCE}: {short.gain(row)}." if row.reference == REFERENCE else ""
    return verdict, f"{need}: {reaches}; {mine}.{also}"
