"""Answer by word overlap: the sentence that shares most with the question, and in it the words nearest to those shared.

A sliding window with a distance weight, as the baselines of Richardson et al. 2013 (MCTest) and Rajpurkar et al. 2016
(SQuAD, F1 20). It learns only which words are common and how many words an answer has.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from transfergain import scripts
from transfergain.data.draws import Drawn
from transfergain.floors.base import Floor, Predict
from transfergain.metrics.squad import f1
from transfergain.types import Example

ANSWER_LENGTHS = (1, 2, 3, 4, 5, 6)
"""Words that an answer may have; the number with the best token F1 on train and dev is used, the smallest among equals."""
TUNING_EXAMPLES = 500
"""The most examples on which ANSWER_LENGTHS are compared."""
WORD = re.compile(scripts.WORD)
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|(?<=[。！？])|\n+")

Weight = Callable[[str], float]


class Word(NamedTuple):
    """A word of a passage, case-folded, and where it stands in it."""

    text: str
    start: int
    end: int


def fit(drawn: Drawn, text: Callable[[Example], str], seed: int) -> Predict:
    """Learn word weights and the answer length from train and dev, or to answer "" where most of them are unanswerable."""
    labelled = [*drawn.train, *drawn.dev]
    answerable = [e for e in labelled if e.target["text"]]
    if len(answerable) < len(labelled) / 2:
        return lambda examples: [""] * len(examples)
    weight = _weights({e.inputs["context"] for e in labelled})
    tuning = answerable[:TUNING_EXAMPLES]

    def quality(length: int) -> float:
        return sum(f1(_answer(e, length, weight), e.target["text"]) for e in tuning)

    best = max(ANSWER_LENGTHS, key=quality)
    return lambda examples: [_answer(e, best, weight) for e in examples]


def _weights(contexts: set[str]) -> Weight:
    """Weigh words by inverse document frequency, log((N + 1) / (n + 0.5)) of a word in n of the N sentences, above 0."""
    sentences = [{word.text for word in sentence} for context in contexts for sentence in _sentences(context)]
    found = Counter(word for sentence in sentences for word in sentence)
    return lambda word: math.log((len(sentences) + 1) / (found[word] + 0.5))


def _sentences(context: str) -> Iterator[list[Word]]:
    """Split a passage into those sentences that hold words."""
    begin = 0
    for end in [*(m.end() for m in SENTENCE_END.finditer(context)), len(context)]:
        words = [Word(m.group().casefold(), m.start(), m.end()) for m in WORD.finditer(context, begin, end)]
        begin = end
        if words:
            yield words


def _answer(example: Example, length: int, weight: Weight) -> str:
    """Find the best window of `length` words in the best sentence; the first among equals."""
    context = example.inputs["context"]
    asked = {m.group().casefold() for m in WORD.finditer(example.inputs["question"])}
    sentences = list(_sentences(context))
    if not sentences:
        return str(context).strip()
    sentence = max(sentences, key=lambda words: math.fsum(weight(word) for word in {w.text for w in words} & asked))
    start = _window([w.text for w in sentence], asked, length, weight)
    window = sentence[start : start + length]
    return str(context[window[0].start : window[-1].end])


def _window(words: Sequence[str], asked: set[str], length: int, weight: Weight) -> int:
    """Find where the window starts that weighs most: its own words, and near ones of the question, less with distance."""
    shared = [(i, weight(word)) for i, word in enumerate(words) if word in asked]
    own = [0.0 if word in asked else weight(word) for word in words]

    def value(start: int) -> float:
        end = start + length
        near = (w / (1 + (start - i if i < start else i - end + 1)) for i, w in shared if not start <= i < end)
        return math.fsum([*own[start:end], *near])

    return max(range(max(1, len(words) - length + 1)), key=value)


OVERLAP = Floor(
    "overlap",
    "word overlap",
    fit,
    "Richardson, Burges and Renshaw 2013, MCTest: sliding window and distance; Rajpurkar et al. 2016, SQuAD",
)
