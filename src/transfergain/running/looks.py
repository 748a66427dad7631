"""Decide after each few seeds which questions of a data set are answered, and which trials get more seeds.

A pure function of the stored trials: a study that was interrupted decides what an uninterrupted one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from transfergain.analysis import words
from transfergain.analysis.answers import Answer
from transfergain.analysis.benefits import OVER_SCRATCH
from transfergain.analysis.rows import Benefit, Verdict
from transfergain.analysis.sequential import Looks
from transfergain.arms import REFERENCE

Cell = tuple[str, int]
"""(arm, budget) of a data set."""
Seeds = Mapping[Cell, int]
"""How many seeds cells have."""
Ask = Callable[[Seeds, int], Mapping[Benefit, Answer] | None]
"""(seeds of the cells that are read, seeds of the look) -> how the questions stand; None while one of the trials runs."""


@dataclass(frozen=True)
class Look:
    """How the questions of one data set stand after a number of seeds."""

    seeds: int
    decided: tuple[Benefit, ...]
    given_up: tuple[Benefit, ...]
    """Open, and more seeds would hardly decide them."""
    open: tuple[Benefit, ...]
    following: int | None
    """Seeds of the next look; None where there is none."""

    def sentence(self, dataset: str) -> str:
        """Say what the look decided: `sst2: performance decided with 3 seeds; data efficiency open: on to 4 seeds`."""
        more = (
            f"on to {words.seeds(self.following)}" if self.following else f"no more than {words.seeds(self.seeds)} allowed"
        )
        parts = {
            f"decided with {words.seeds(self.seeds)}": self.decided,
            "open, and more seeds would hardly decide": self.given_up,
            f"open: {more}": self.open,
        }
        said = "; ".join(f"{', '.join(questions)} {what}" for what, questions in parts.items() if questions)
        return f"{dataset}: {said or 'nothing to decide'}"


def replay(
    cells: Iterable[Cell], leading: str, design: Looks, ask: Ask, reference: str = REFERENCE
) -> tuple[dict[Cell, int], list[Look]]:
    """Look as often as the stored trials allow; returns the seeds that each cell needs, and the looks.

    Only what an open question reads gets more seeds; all else stays at the first look. What is decided stays decided.
    """
    seeds = design.counts[0]
    needed = dict.fromkeys(cells, seeds)
    looks, questions = list[Look](), tuple(Benefit)
    while len(design.counts) > 1 and leading:
        answers = ask({cell: n for cell, n in needed.items() if cell in read_by(Benefit, needed, leading, reference)}, seeds)
        if answers is None:
            break
        mine = {question: answers[question] for question in questions if question in answers}
        looks.append(_look(mine, seeds, design.following(seeds)))
        if not looks[-1].open or looks[-1].following is None:
            break
        questions, seeds = looks[-1].open, looks[-1].following
        needed |= dict.fromkeys(read_by(questions, needed, leading, reference), seeds)
    return needed, looks


def _look(answers: Mapping[Benefit, Answer], seeds: int, following: int | None) -> Look:
    """Sort questions by how they stand; one that the study does not ask is none of them."""
    undecided = {question for question, answer in answers.items() if answer.verdict is Verdict.INCONCLUSIVE}
    asked = [question for question, answer in answers.items() if answer.verdict is not Verdict.NOT_MEASURED]
    return Look(
        seeds,
        tuple(question for question in asked if question not in undecided),
        tuple(question for question in asked if question in undecided and not answers[question].open),
        tuple(question for question in asked if answers[question].open),
        following,
    )


def read_by(questions: Iterable[Benefit], cells: Iterable[Cell], leading: str, reference: str = REFERENCE) -> set[Cell]:
    """Name the cells from which questions are answered: see `analysis.leading`. Two of them take scratch."""
    known = set(cells)
    mine = sorted(budget for arm, budget in known if arm == leading)
    theirs = sorted(budget for arm, budget in known if arm == reference)
    found = set[Cell]()
    for question in questions:
        if question in OVER_SCRATCH and reference != REFERENCE:
            continue
        if question is Benefit.DATA_EFFICIENCY:
            found |= {(reference, theirs[-1])} | {(leading, budget) for budget in mine}
        else:
            found |= {(reference, theirs[-1]), (leading, theirs[-1])}
    return found & known
