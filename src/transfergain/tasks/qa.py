"""Extractive question answering: find the span of a passage that answers a question, or say that there is none.

Long passages are read in overlapping windows (`qa_windows`). The model marks where the answer starts and ends, and marks
its first token for "no answer", after Devlin et al. 2019, section 4.2 and 4.3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.data.formats import qa_rows, squad
from transfergain.data.formats.table import Table
from transfergain.data.recognise import Guess, all_named, holds
from transfergain.floors.overlap import OVERLAP
from transfergain.metrics.squad import f1
from transfergain.options import Option, OptionKind
from transfergain.tasks.base import Encoded, Task
from transfergain.tasks.given import Given, read_answer
from transfergain.tasks.qa_windows import Span, encode, require_fast
from transfergain.types import Checkpoint, Example, StudyWarning, Target, WarningKind

MAX_ANSWER_LENGTH = 30
"""Tokens of the longest answer, as in the published scripts."""

COLUMNS = (
    Option("question_column", "question", "column of the questions", OptionKind.COLUMN, usual_names=("question", "query")),
    Option(
        "context_column",
        "context",
        "column of the passages",
        OptionKind.COLUMN,
        usual_names=("context", "passage", "paragraph", "document"),
    ),
    Option(
        "answers_column",
        "answers",
        "column of the answers",
        OptionKind.COLUMN,
        usual_names=("answers", *qa_rows.ANSWER_COLUMNS),
    ),
)


class BestSpan(NamedTuple):
    """The best span of an example."""

    text: str
    """"" only where no window shows a token of the passage."""
    margin: float
    """Score of "no answer" less the span's; infinite where there is no span."""


def recognise(table: Table) -> Guess | None:
    """Recognise SQuAD's articles, or rows with a question, a passage and a list of answers."""
    if holds(table, "paragraphs", list):
        return {}
    found = all_named(table, COLUMNS)
    if not found:
        return None
    one_a_row = holds(table, found["answers_column"], str) and qa_rows.START_COLUMN in table.columns()
    return found if one_a_row or holds(table, found["answers_column"], (dict, list)) else None


def decode(
    outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example], setting: Any, tokenizer: Any
) -> list[str]:
    """Give the best span's text, or "" where the setting's threshold says that there is no answer.

    `outputs[i]` has shape (2, tokens): logits of start and end. A span's score is their sum; all spans of at most
    MAX_ANSWER_LENGTH tokens in all windows compete. Without a setting, every question is answered.
    """
    found = _best(outputs, encoded, examples)
    if not setting or not setting["null"]:
        return [f.text for f in found]
    return ["" if f.margin > setting["threshold"] else f.text for f in found]


def calibrate(outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example]) -> dict[str, Any]:
    """Choose from which margin on "no answer" is said: {"null": whether it may be said, "threshold": the margin}.

    It may be said where any example is unanswerable. The threshold is then the one with the best token F1 on them, as
    found by SQuAD 2.0's evaluation script: questions are answered in the order of their margins as long as that pays.
    """
    if all(e.target["text"] for e in examples):
        return {"null": False, "threshold": 0.0}
    found = _best(outputs, encoded, examples)
    golds = [e.target["text"] for e in examples]
    margins = np.array([f.margin for f in found])
    gains = np.array([f1(f.text, gold) - f1("", gold) for f, gold in zip(found, golds, strict=True)])
    return {"null": True, "threshold": _threshold(margins, gains)}


def _threshold(margins: NDArray[np.float64], gains: NDArray[np.float64]) -> float:
    """Find the margin up to which answering gains most in sum; one below all margins where it gains nothing."""
    finite = np.isfinite(margins)
    if not finite.any():
        return 0.0
    levels, which = np.unique(margins[finite], return_inverse=True)
    total = np.cumsum(np.bincount(which, weights=gains[finite]))
    best = int(total.argmax())
    return float(levels[best]) if total[best] > 0 else float(levels[0]) - 1.0


def _best(outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example]) -> list[BestSpan]:
    spans: list[Span] = [(0, 0)] * len(examples)
    scores = np.full(len(examples), -math.inf)
    nulls = np.full(len(examples), math.inf)
    for output, window in zip(outputs, encoded.windows, strict=True):
        start, end = output.astype(np.float64)
        at = window.example
        nulls[at] = min(nulls[at], start[window.null] + end[window.null])
        shown = slice(window.first, window.first + len(window.spans))
        score, first, last = _best_span(start[shown], end[shown], window.solid)
        if score > scores[at]:
            scores[at] = score
            spans[at] = int(window.spans[first, 0]), int(window.spans[last, 1])
    margins = nulls - scores
    contexts = [e.inputs["context"] for e in examples]
    return [BestSpan(contexts[i][slice(*spans[i])].strip(), float(margins[i])) for i in range(len(examples))]


def _best_span(start: NDArray[np.float64], end: NDArray[np.float64], solid: NDArray[np.bool_]) -> tuple[float, int, int]:
    """Find (score, first token, last token) of the best span; its score is -inf where there is none."""
    if not solid.any():
        return -math.inf, 0, 0
    ends = np.append(np.where(solid, end, -np.inf), np.full(MAX_ANSWER_LENGTH - 1, -np.inf))
    reach = np.lib.stride_tricks.sliding_window_view(ends, MAX_ANSWER_LENGTH)
    length = reach.argmax(axis=1)
    score = np.where(solid, start, -np.inf) + reach[np.arange(len(start)), length]
    first = int(score.argmax())
    return float(score[first]), first, first + int(length[first])


def chance(examples: Sequence[Example], labels: Sequence[str]) -> float:
    """Compute the token F1 of saying throughout that there is no answer: the share of unanswerable questions."""
    return sum(not e.target["text"] for e in examples) / len(examples)


def advise(
    checkpoint: Checkpoint, tokenizer: Any, options: Mapping[str, Any], examples: Sequence[Example]
) -> tuple[StudyWarning, ...]:
    """Warn about a checkpoint that has seen SQuAD. Raises UserError for a tokenizer that cannot say where tokens stand."""
    if tokenizer is not None:
        require_fast(tokenizer)
    if "squad" not in checkpoint.trained_on.lower():
        return ()
    text = (
        f"{checkpoint.name} has seen question-passage pairs of SQuAD in pretraining: on data from SQuAD or built on it "
        "(XQuAD and others) its gain may be overstated"
    )
    return (StudyWarning(WarningKind.CONTAMINATION, text),)


QA = Task(
    name="qa",
    title="Question answering",
    pipeline="question-answering",
    options=(
        *COLUMNS,
        Option("doc_stride", 64, "tokens that windows of a long text share", OptionKind.ENCODING, type=int, ge=0),
    ),
    auto_class="AutoModelForQuestionAnswering",
    max_length=384,
    metrics=("squad_f1", "exact_match"),
    floors=(OVERLAP,),
    target=Target.SPANS,
    parse=squad.parse,
    recognise=recognise,
    sureness=2,
    # Duplicates are judged by both: many questions share a passage, and a question may be asked of several passages.
    text=lambda example: f"{example.inputs['question']} {example.inputs['context']}",
    stratum=lambda example: bool(example.target["text"]),
    encode=encode,
    decode=decode,
    chance=chance,
    citation="Rajpurkar et al. 2016, SQuAD: 100,000+ questions for machine comprehension of text; Rajpurkar, Jia and Liang "
    "2018, Know what you don't know",
    outputs=("start_logits", "end_logits"),
    cluster=lambda example: str(example.inputs["title"] or example.inputs["context"]),
    calibrate=calibrate,
    advise=advise,
    given=Given({"question": "question_column", "context": "context_column"}, read_answer),
)
