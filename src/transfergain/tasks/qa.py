"""Extractive question answering: the span of a passage that answers a question, or that it holds none.

Long passages are read in overlapping windows; the model marks where the answer starts and ends, and "no answer" by its
first token, after Devlin et al. 2019, section 4.2 and 4.3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.data.formats import squad
from transfergain.data.formats.table import Table
from transfergain.data.recognise import Guess, all_named, holds
from transfergain.errors import UserError
from transfergain.floors.overlap import OVERLAP
from transfergain.metrics.squad import f1
from transfergain.options import Option, OptionKind
from transfergain.tasks.base import Encoded, Task
from transfergain.types import Checkpoint, Example, StudyWarning, Target, WarningKind

MAX_QUERY_LENGTH = 64
"""Tokens of a question that are read, and no more than a third of `max_length`: the passage needs room."""
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
    Option("answers_column", "answers", "column of the answers", OptionKind.COLUMN, usual_names=("answers", "answer")),
)

Span = tuple[int, int]
"""[start, end) in characters of the passage."""


class Window(NamedTuple):
    """The stretch of a passage that one feature shows."""

    example: int
    first: int
    """Position of the first passage token in `input_ids`."""
    spans: NDArray[np.int32]
    """(tokens, 2) start and end of each passage token in the passage's characters."""
    solid: NDArray[np.bool_]
    """(tokens,) whether a token is more than white space, so that an answer may start or end with it."""
    null: int
    """Position that stands for "no answer here": the classification token's, or 0 for tokenizers without one."""


class Found(NamedTuple):
    """The best span of an example."""

    text: str
    """"" only where no window shows a token of the passage."""
    margin: float
    """Score of "no answer" less the span's; infinite where there is no span."""


class Room(NamedTuple):
    """How many tokens of a feature go to what."""

    question: int
    """The most a question may have."""
    stride: int
    """Passage tokens that a window repeats of the one before."""


def recognise(table: Table) -> Guess | None:
    """SQuAD's articles, or rows with a question, a passage and a list of answers."""
    if holds(table, "paragraphs", list):
        return {}
    found = all_named(table, COLUMNS)
    return found if found and holds(table, found["answers_column"], (dict, list)) else None


def encode(examples: Sequence[Example], tokenizer: Any, options: Mapping[str, Any]) -> Encoded:
    """One feature a window: question and passage of at most `max_length` tokens, and `start_positions`, `end_positions`.

    Neighbouring windows share `doc_stride` tokens of the passage, at most half of what fits. The positions are those of the
    first gold answer where the window shows all of it, else of "no answer". Raises UserError for a tokenizer that cannot say
    where tokens stand, or when `max_length` leaves no room.
    """
    _check_tokenizer(tokenizer)
    room = _room(tokenizer, options)
    ids = tokenizer(
        _cut([e.inputs["question"] for e in examples], tokenizer, room.question),
        [e.inputs["context"] for e in examples],
        truncation="only_second",
        max_length=options["max_length"],
        stride=room.stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    windows = _windows(ids, examples, tokenizer.cls_token_id)
    inputs = [key for key in ids.keys() if key not in ("offset_mapping", "overflow_to_sample_mapping")]  # noqa: SIM118
    features = [{key: ids[key][i] for key in inputs} for i in range(len(windows))]
    for feature, (start, end) in zip(features, _positions(windows, examples), strict=True):
        feature |= {"start_positions": start, "end_positions": end}
    return Encoded(features, windows)


def _check_tokenizer(tokenizer: Any) -> None:
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            f"--model {tokenizer.name_or_path}: its tokenizer ({type(tokenizer).__name__}) cannot say where in the text its "
            "tokens stand, which question answering needs; use a model with a fast tokenizer (tokenizer.json)"
        )


def _room(tokenizer: Any, options: Mapping[str, Any]) -> Room:
    length, overlap = options["max_length"], options["doc_stride"]
    if overlap < 0:
        raise UserError(f"doc_stride = {overlap}: windows share a number of tokens that is not negative, such as 64")
    question = max(1, min(MAX_QUERY_LENGTH, length // 3))
    passage = length - question - tokenizer.num_special_tokens_to_add(pair=True)
    if passage < 1:
        raise UserError(f"--max-length {length} leaves no room for a passage beside the question; 128 or more is usual")
    return Room(question, min(overlap, passage // 2))


def _cut(questions: Sequence[str], tokenizer: Any, most: int) -> list[str]:
    """The questions, long ones cut before the token that is too many."""
    ids = tokenizer(list(questions), add_special_tokens=False, return_offsets_mapping=True)
    offsets = ids["offset_mapping"]
    return [q if len(o) <= most else _shorten(q, o, tokenizer, most) for q, o in zip(questions, offsets, strict=True)]


def _shorten(question: str, offsets: Sequence[Span], tokenizer: Any, most: int) -> str:
    for keep in range(most, 0, -1):
        part = question[: offsets[keep][0]].rstrip()
        if len(tokenizer(part, add_special_tokens=False)["input_ids"]) <= most:  # a cut word may fall into more pieces
            return part
    return ""


def _windows(ids: Any, examples: Sequence[Example], cls_token_id: int | None) -> list[Window]:
    solid: dict[str, NDArray[np.int64]] = {}
    windows = []
    for i, example in enumerate(ids["overflow_to_sample_mapping"]):
        sides = ids.sequence_ids(i)
        count = sides.count(1)
        first = sides.index(1) if count else 0
        spans = np.array(ids["offset_mapping"][i][first : first + count], dtype=np.int32).reshape(-1, 2)
        null = (p for p, side in enumerate(sides) if side is None and ids["input_ids"][i][p] == cls_token_id)
        context = examples[example].inputs["context"]
        if context not in solid:
            solid[context] = np.cumsum([0, *(not c.isspace() for c in context)])
        before = solid[context]
        windows.append(Window(example, first, spans, before[spans[:, 1]] > before[spans[:, 0]], next(null, 0)))
    return windows


def _positions(windows: Sequence[Window], examples: Sequence[Example]) -> list[Span]:
    """Positions of the first and last token of the training answer in each window."""
    begins, ends = [math.inf] * len(examples), [-math.inf] * len(examples)
    for window in windows:
        if len(window.spans):
            begins[window.example] = min(begins[window.example], window.spans[0, 0])
            ends[window.example] = max(ends[window.example], window.spans[-1, 1])
    answers = [_answer(example) for example in examples]
    return [_position(w, answers[w.example], begins[w.example], ends[w.example]) for w in windows]


def _answer(example: Example) -> Span | None:
    """The first gold answer without white space around it; None where there is none."""
    if not example.target["text"]:
        return None
    text, start = example.target["text"][0], example.target["answer_start"][0]
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())


def _position(window: Window, answer: Span | None, begin: float, end: float) -> Span:
    """`begin` and `end` are what all windows of the example show: the outermost lack nothing beyond them."""
    if answer is None or not len(window.spans):
        return window.null, window.null
    starts, stops = window.spans.T
    touched = np.flatnonzero((starts < answer[1]) & (stops > answer[0]))
    cut_left = starts[0] > max(answer[0], begin)
    cut_right = stops[-1] < min(answer[1], end)
    if not touched.size or cut_left or cut_right:
        return window.null, window.null
    return int(window.first + touched[0]), int(window.first + touched[-1])


def decode(
    outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example], setting: Any, tokenizer: Any
) -> list[str]:
    """The best span's text, or "" where the setting's threshold says that there is no answer.

    `outputs[i]` has shape (2, tokens): logits of start and end. A span's score is their sum; all spans of at most
    MAX_ANSWER_LENGTH tokens in all windows compete. Without a setting, every question is answered.
    """
    found = _best(outputs, encoded, examples)
    if not setting or not setting["null"]:
        return [f.text for f in found]
    return ["" if f.margin > setting["threshold"] else f.text for f in found]


def calibrate(outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example]) -> dict[str, Any]:
    """{"null": whether "no answer" may be said, "threshold": from which margin on it is}.

    It may where any of the examples is unanswerable; the threshold is then the one with the best token F1 on them, as
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
    """The margin up to which answering gains most in sum; one below all margins where it gains nothing."""
    finite = np.isfinite(margins)
    if not finite.any():
        return 0.0
    levels, which = np.unique(margins[finite], return_inverse=True)
    total = np.cumsum(np.bincount(which, weights=gains[finite]))
    best = int(total.argmax())
    return float(levels[best]) if total[best] > 0 else float(levels[0]) - 1.0


def _best(outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example]) -> list[Found]:
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
    return [Found(contexts[i][slice(*spans[i])].strip(), float(margins[i])) for i in range(len(examples))]


def _best_span(start: NDArray[np.float64], end: NDArray[np.float64], solid: NDArray[np.bool_]) -> tuple[float, int, int]:
    """(score, first token, last token) of the best span; its score is -inf where there is none."""
    if not solid.any():
        return -math.inf, 0, 0
    ends = np.append(np.where(solid, end, -np.inf), np.full(MAX_ANSWER_LENGTH - 1, -np.inf))
    reach = np.lib.stride_tricks.sliding_window_view(ends, MAX_ANSWER_LENGTH)
    length = reach.argmax(axis=1)
    score = np.where(solid, start, -np.inf) + reach[np.arange(len(start)), length]
    first = int(score.argmax())
    return float(score[first]), first, first + int(length[first])


def chance(examples: Sequence[Example], labels: Sequence[str]) -> float:
    """Token F1 of saying throughout that there is no answer: the share of unanswerable questions."""
    return sum(not e.target["text"] for e in examples) / len(examples)


def advise(checkpoint: Checkpoint, tokenizer: Any, options: Mapping[str, Any]) -> tuple[StudyWarning, ...]:
    """Warns about a checkpoint that has seen SQuAD. Raises UserError for a tokenizer that cannot say where tokens stand."""
    if tokenizer is not None:
        _check_tokenizer(tokenizer)
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
)
