"""Hold what an arm's pretraining reads and for how long, and how its trial's recipe says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from transfergain.arms.base import Start
from transfergain.counts import counted
from transfergain.types import Recipe

Corpus = tuple[str, str]
"""(data set, name of a corpus as a course has it)."""


LEARNED = 0.9
"""Share of the loss of a unigram model: a pretraining that ends above it knows little beyond how often each token occurs."""


def has_learned(loss: float, unigram_loss: float) -> bool:
    """Tell from losses on held-out text whether a pretraining has learned from the context of tokens."""
    return loss <= LEARNED * unigram_loss


class Course(NamedTuple):
    """The text that a pretraining reads, and its steps."""

    steps: int
    corpus: str = ""
    """Name of a further corpus (`--unlabelled NAME=FILE`); empty: the study's own text."""

    def __str__(self) -> str:
        return f"{counted(self.steps, 'step')} on {self.title}"

    @property
    def title(self) -> str:
        """Name the text in words."""
        return self.corpus or "the study's own text"

    @property
    def short(self) -> str:
        """Name what sets it apart from the first course of a study: its corpus, or its steps."""
        return self.corpus or counted(self.steps, "step")

    @classmethod
    def of(cls, recipe: Recipe) -> Course:
        """Read the course of a pretraining from its recipe."""
        options = dict(recipe.options)
        return cls(options["steps"], options.get("corpus", ""))

    def options(self, start: Start) -> tuple[tuple[str, str | int], ...]:
        """Write the course and what it starts from as a recipe's options; a corpus without a name is not written."""
        named = (("corpus", self.corpus),) if self.corpus else ()
        return (*named, ("start", str(start)), ("steps", self.steps))


def courses(steps: Sequence[int], corpora: Iterable[str]) -> list[Course]:
    """List the courses of a study: first what its arms are named for, the longest on its own text; then the shorter ones on
    it, and the longest on every further corpus.
    """
    *shorter, longest = sorted(steps)
    return [
        Course(longest),
        *(Course(fewer) for fewer in reversed(shorter)),
        *(Course(longest, name) for name in corpora),
    ]
