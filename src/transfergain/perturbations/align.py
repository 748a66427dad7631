"""Perturb examples of every task kind without moving a label, a tag or an answer off its text.

The columns of `inputs` say what kind an example is:

- `text`, `source`: the text is edited, the target stays. Of a pair of texts, `text` and `text_pair`, both are.
- `tokens`: the words are edited as one sentence, joined by spaces. Edits within a word change it, unless they would empty
  or split it; edits between words insert words tagged O, never between two words of an entity or of adjacent ones; edits
  that reach over the edge of a word are left out.
- `context`: passage and question are edited. Where the target is no list of answers, that is all. Else edits in the passage
  that overlap or touch a gold answer are left out, and the answers' offsets move with the rest. Only edits of letter case
  pass, since scoring does not see case, and capitals would otherwise give the answer of a lower-cased passage away.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from transfergain.perturbations.base import Edit, rewritten
from transfergain.types import Example

Editor = Callable[[str], list[Edit]]
"""text -> edits."""
OUTSIDE_CLASS = 0
"""Class index of O."""


def align(example: Example, editor: Editor) -> Example:
    """Edit the texts of an example and keep its target true. Raises ValueError for inputs of no known kind."""
    for column, aligner in ALIGNERS.items():
        if column in example.inputs:
            return aligner(example, editor)
    raise ValueError(f"an example needs one of the inputs {', '.join(ALIGNERS)}; it has {', '.join(example.inputs)}")


def _text(*columns: str) -> Callable[[Example, Editor], Example]:
    def aligner(example: Example, editor: Editor) -> Example:
        texts = {name: str(example.inputs[name]) for name in columns if name in example.inputs}
        return _with(example, **{name: rewritten(text, editor(text)) for name, text in texts.items()})

    return aligner


def _with(example: Example, **inputs: object) -> Example:
    return replace(example, inputs={**example.inputs, **inputs})


# Tagged words.


def _words(example: Example, editor: Editor) -> Example:
    words: Sequence[str] = example.inputs["tokens"]
    inside, inserted = _placed(words, editor(" ".join(words)))
    tokens, tags = [], []
    for i in range(len(words) + 1):
        if i in inserted and _between_entities(example.target, i):
            tokens += inserted[i]
            tags += [OUTSIDE_CLASS] * len(inserted[i])
        if i < len(words):
            tokens.append(_word(words[i], inside[i]) if i in inside else words[i])
            tags.append(example.target[i])
    return replace(_with(example, tokens=tokens), target=tags)


def _between_entities(tags: Sequence[int], place: int) -> bool:
    return place in (0, len(tags)) or OUTSIDE_CLASS in tags[place - 1 : place + 1]


def _placed(words: Sequence[str], edits: Sequence[Edit]) -> tuple[Mapping[int, list[Edit]], Mapping[int, list[str]]]:
    """Sort edits by word: (word -> edits inside it, in its own characters; word -> words inserted before it).

    Words inserted after the last of n words stand under n.
    """
    starts = list(accumulate((len(word) + 1 for word in words), initial=0))[:-1]
    inside: dict[int, list[Edit]] = defaultdict(list)
    inserted: dict[int, list[str]] = defaultdict(list)
    for start, end, new in edits:
        place = max(bisect_right(starts, start) - 1, 0)
        low = starts[place]
        high = low + len(words[place])
        if start == end and start in (low, high):
            inserted[place + (start == high)] += new.split()
        elif low <= start and end <= high:
            inside[place].append(Edit(start - low, end - low, new))
    return inside, inserted


def _word(word: str, edits: Sequence[Edit]) -> str:
    new = rewritten(word, edits)
    return new if len(new.split()) == len(word.split()) else word


# Passages with answers.


def _passage(example: Example, editor: Editor) -> Example:
    context, question = str(example.inputs["context"]), str(example.inputs["question"])
    if not isinstance(example.target, Mapping):
        return _with(example, context=rewritten(context, editor(context)), question=rewritten(question, editor(question)))
    golds = list(zip(example.target["answer_start"], example.target["text"], strict=True))
    spans = {(start, start + len(text)) for start, text in golds}
    first, last = min((start for start, _ in spans), default=math.inf), max((end for _, end in spans), default=-1)
    edits = [
        edit
        for edit in editor(context)
        if edit.end < first or edit.start > last or _spares(edit, spans) or _cases(edit, context)
    ]
    edited = rewritten(context, edits)
    offsets = {start: _moved(start, edits) for start, _ in golds}
    texts = [edited[offsets[start] : offsets[start] + len(text)] for start, text in golds]
    for (_, text), found in zip(golds, texts, strict=True):
        if found.casefold() != text.casefold():
            raise ValueError(f'the answer "{text}" does not stand at its offset, there is "{found}"')
    target = {**example.target, "text": texts, "answer_start": [offsets[start] for start, _ in golds]}
    # Examples of one article are one cluster; where it has no title, they know each other by the passage as it was.
    title = example.inputs.get("title") or context
    edited_question = rewritten(question, editor(question))
    return replace(_with(example, title=title, context=edited, question=edited_question), target=target)


def _spares(edit: Edit, spans: set[tuple[int, int]]) -> bool:
    return all(edit.end < start or edit.start > end for start, end in spans)


def _cases(edit: Edit, text: str) -> bool:
    """Tell whether an edit changes the case of letters, one by one, and nothing else."""
    old = text[edit.start : edit.end]
    return len(old) == len(edit.new) and all(a.casefold() == b.casefold() for a, b in zip(old, edit.new, strict=True))


def _moved(position: int, edits: Sequence[Edit]) -> int:
    return position + sum(len(edit.new) - (edit.end - edit.start) for edit in edits if edit.end <= position)


ALIGNERS: dict[str, Callable[[Example, Editor], Example]] = {
    "text": _text("text", "text_pair"),
    "tokens": _words,
    "context": _passage,
    "source": _text("source"),
}
