"""Cut question-passage pairs into the windows that a model reads, after Devlin et al. 2019, section 4.2."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.errors import UserError
from transfergain.tasks.base import Encoded
from transfergain.types import Example

MAX_QUERY_LENGTH = 64
"""Tokens of a question that are read, and no more than a third of `max_length`: the passage needs room."""

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


class Room(NamedTuple):
    """How many tokens of a feature go to what."""

    question: int
    """The most a question may have."""
    stride: int
    """Passage tokens that a window repeats of the one before."""


def encode(examples: Sequence[Example], tokenizer: Any, options: Mapping[str, Any]) -> Encoded:
    """Encode each window as a feature: question and passage of at most `max_length` tokens, and answer positions.

    The model's inputs `start_positions` and `end_positions` hold the answer's first and last token.

    Neighbouring windows share `doc_stride` tokens of the passage, at most half of what fits. The positions are those of the
    first gold answer where the window shows all of it, else of "no answer". Raises UserError for a tokenizer that cannot say
    where tokens stand, or when `max_length` leaves no room.
    """
    require_fast(tokenizer)
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


def require_fast(tokenizer: Any) -> None:
    """Raise UserError for a tokenizer that cannot say where in the text its tokens stand."""
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
    """Cut long questions before the first token that is too many."""
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
    """Find the first and last token of the training answer in each window."""
    begins, ends = [math.inf] * len(examples), [-math.inf] * len(examples)
    for window in windows:
        if len(window.spans):
            begins[window.example] = min(begins[window.example], window.spans[0, 0])
            ends[window.example] = max(ends[window.example], window.spans[-1, 1])
    answers = [_answer(example) for example in examples]
    return [_position(w, answers[w.example], begins[w.example], ends[w.example]) for w in windows]


def _answer(example: Example) -> Span | None:
    """Find the first gold answer, without white space around it; None where there is none."""
    if not example.target["text"]:
        return None
    text, start = example.target["text"][0], example.target["answer_start"][0]
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())


def _position(window: Window, answer: Span | None, begin: float, end: float) -> Span:
    """Find the answer's first and last token in a window, or twice the position of "no answer" if it is cut off.

    `begin` and `end` bound what the windows of the example show together; an answer is not cut off where these end.
    """
    if answer is None or not len(window.spans):
        return window.null, window.null
    starts, stops = window.spans.T
    touched = np.flatnonzero((starts < answer[1]) & (stops > answer[0]))
    cut_left = starts[0] > max(answer[0], begin)
    cut_right = stops[-1] < min(answer[1], end)
    if not touched.size or cut_left or cut_right:
        return window.null, window.null
    return int(window.first + touched[0]), int(window.first + touched[-1])
