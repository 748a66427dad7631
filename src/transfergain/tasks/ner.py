"""Named entity recognition: a tag a word."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.counts import counted
from transfergain.data.formats import conll, offsets
from transfergain.data.formats.spans import parse
from transfergain.data.formats.table import ANY_ENDING, SAMPLE_ROWS, Reader, Table
from transfergain.data.read import READERS, ending, read_file
from transfergain.data.recognise import Guess, all_named, holds, named
from transfergain.errors import UserError
from transfergain.floors.frequent_tag import FREQUENT_TAG
from transfergain.options import Option, OptionKind
from transfergain.tasks.base import Encoded, Task
from transfergain.tasks.given import Given, listed, read_tags
from transfergain.tasks.texts import LABEL_COLUMN, TEXT_COLUMN
from transfergain.types import Checkpoint, Example, StudyWarning, Target, WarningKind

IGNORED_LABEL = -100
"""Label of tokens that the loss leaves out."""
MARKED_ENTITY = re.compile(r"\[[^\[\]|]+\|[^\[\]|\s]+\]")
"""`[Ada Lovelace|PER]`, an entity marked within its text."""

TOKENS = Option("tokens_column", "tokens", "column of the words", OptionKind.COLUMN, usual_names=("tokens", "words"))
TAGS = Option(
    "tags_column",
    "ner_tags",
    "column of their tags, or of spans of characters; in CoNLL its number",
    OptionKind.COLUMN,
    usual_names=("ner_tags", "tags", "ner", "labels"),
)
TEXT = replace(TEXT_COLUMN, help="column of texts with marked entities")


def recognise(table: Table) -> Guess | None:
    """Guess the columns of words and tags, or of a text with entities marked in it."""
    found = all_named(table, (TOKENS, TAGS))
    if found and all(holds(table, column, (list, tuple)) for column in found.values()):
        return found
    text, label = named(table.columns(), TEXT), named(table.columns(), LABEL_COLUMN)
    if text and (spans := offsets.column_of(table, TAGS.default)):
        return {TEXT.name: text, TAGS.name: spans}
    if not text or label:
        return None
    sample = table.rows[:SAMPLE_ROWS]
    marked = sum(bool(MARKED_ENTITY.search(str(row.get(text)))) for row in sample)
    return {TEXT.name: text} if marked > 0.1 * len(sample) else None


def _pairs_or_words(value: Any) -> Any:
    """Check that types and their new names are given as text or as a table."""
    pairs = isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair)
    if isinstance(value, str) or pairs:
        return value
    raise ValueError("must be of the form TYPE=NEW,TYPE=NEW, or a table of types and their new names")


def _overlaps(value: Any) -> Any:
    """Check what is to be done with entities that overlap."""
    if value in ("", *offsets.OVERLAPS):
        return value
    raise ValueError(f"must be {', '.join(offsets.OVERLAPS)}")


def text(example: Example) -> str:
    """Join the words with one space between."""
    return " ".join(example.inputs["tokens"])


def encode(examples: Sequence[Example], tokenizer: Any, options: Mapping[str, Any]) -> Encoded:
    """Encode a sentence as one feature, or as overlapping ones beyond `max_length` tokens, or as none without a token.

    `labels` holds the class index at the first token of each word and IGNORED_LABEL elsewhere. Every word is labelled in one
    feature only, the one that shows most of its context (the "max context" of BERT's run_squad, Devlin et al. 2019). Each
    window is (example index, [(word index, token position), ...]) of those words. Raises UserError without a fast
    tokenizer, which alone knows the characters of its tokens.
    """
    _require_fast(tokenizer)
    texts = [text(e) for e in examples]
    ids = tokenizer(texts, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False)
    offsets, special = ids.pop("offset_mapping"), ids.pop("special_tokens_mask")
    encoded = Encoded([])
    for i, e in enumerate(examples):
        blocks, firsts = _by_word(e.inputs["tokens"], texts[i], offsets[i], special[i])
        fixed = [p for p, flag in enumerate(special[i]) if flag]
        for kept, words in _windows(blocks, firsts, _room(options["max_length"], len(fixed))):
            positions = sorted([*fixed, *kept])
            shown = [(word, positions.index(first)) for word, first in words]
            labels = [IGNORED_LABEL] * len(positions)
            for word, at in shown:
                labels[at] = e.target[word]
            if shown:  # else there is nothing to learn from, and a loss over no label is no number
                feature = {key: [ids[key][i][p] for p in positions] for key in ids.keys()}  # noqa: SIM118 (BatchEncoding)
                encoded.features.append(feature | {"labels": labels})
                encoded.windows.append((i, shown))
    return encoded


def _room(max_length: int, fixed: int) -> int:
    if max_length <= fixed:
        raise UserError(
            f"--max-length {max_length} leaves no room for words beside {counted(fixed, 'special token')}; raise it"
        )
    return max_length - fixed


def _require_fast(tokenizer: Any) -> None:
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            f"the tokenizer of {tokenizer.name_or_path} does not say which characters its tokens stand for (it is no fast "
            "tokenizer), which NER needs; choose another --model"
        )


def _by_word(
    words: Sequence[str], text: str, offsets: Sequence[tuple[int, int]], special: Sequence[int]
) -> tuple[list[list[int]], list[int | None]]:
    """Assign tokens to words: (positions of each word's tokens, the space before included; its first visible one or None).

    A token belongs to the word of its first character that is no space: byte-level and SentencePiece tokenizers put the
    space before a word into its first token, or into one of its own.
    """
    ends = list(accumulate((len(word) for word in words), lambda end, size: end + 1 + size))
    blocks: list[list[int]] = [[] for _ in words]
    firsts: list[int | None] = [None] * len(words)
    word = 0
    for p, ((start, end), flag) in enumerate(zip(offsets, special, strict=True)):
        if flag:
            continue
        seen = text[start:end].lstrip()
        word = max(word, min(bisect_right(ends, end - len(seen)), len(words) - 1))
        blocks[word].append(p)
        if seen and firsts[word] is None:
            firsts[word] = p
    return blocks, firsts


def _windows(
    blocks: Sequence[Sequence[int]], firsts: Sequence[int | None], room: int
) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
    """Cut windows of at most `room` tokens: (token positions, [(word, first token)] of the words it labels) of each.

    A word of more tokens is a window of its own, cut at the end.
    """
    sizes = [len(block) for block in blocks]
    ranges = list(_ranges(sizes, room))
    before = [0, *accumulate(sizes)]

    def context(word: int, window: tuple[int, int]) -> float:
        """Count tokens between the word and the nearer end at which the window cuts the sentence."""
        start, end = window
        left = before[word] - before[start] if start else float("inf")
        right = before[end] - before[word + 1] if end < len(sizes) else float("inf")
        return min(left, right) if start <= word < end else -1

    owner = [max(ranges, key=lambda window: context(word, window)) for word in range(len(sizes))]
    for start, end in ranges:
        words = [(w, first) for w in range(start, end) if (first := firsts[w]) is not None and owner[w] == (start, end)]
        kept = [p for block in blocks[start:end] for p in block]
        skipped = next((kept.index(first) for _, first in words), 0) if len(kept) > room else 0
        yield kept[skipped : skipped + room], words


def _ranges(sizes: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Find (first word, word after the last) of windows that cover all words; neighbours share up to half a window."""
    start = end = 0
    while end < len(sizes):
        used = sum(sizes[start:end])
        while end < len(sizes) and (used + sizes[end] <= room or end == start):
            used += sizes[end]
            end += 1
        yield start, end
        if end == len(sizes):
            return
        start += 1
        while start < end and not _may_start(sizes, start, end, room):
            start += 1


def _may_start(sizes: Sequence[int], start: int, end: int, room: int) -> bool:
    """Tell whether a window that starts here repeats at most half a window, and shows a new word."""
    repeated = sum(sizes[start:end])
    return repeated <= room // 2 and repeated + sizes[end] <= room


def decode(
    outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example], setting: Any, tokenizer: Any
) -> list[list[int]]:
    """Take the class of the largest logit at the first token of each word, O (0) for a word without tokens.

    Each output has shape (tokens, classes).
    """
    predictions = [[0] * len(e.inputs["tokens"]) for e in examples]
    for logits, (i, shown) in zip(outputs, encoded.windows, strict=True):
        best = logits.argmax(axis=-1)
        for word, at in shown:
            predictions[i][word] = int(best[at])
    return predictions


def probabilities(
    outputs: Sequence[NDArray[np.float32]], encoded: Encoded, examples: Sequence[Example]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Stack the logits (words, classes) and true classes (words,) of the words that have tokens."""
    words = [(logits[at], examples[i].target[word]) for logits, (i, shown) in zip(outputs, encoded.windows, strict=True)
             for word, at in shown]  # fmt: skip
    return np.stack([logits for logits, _ in words]), np.array([target for _, target in words])


def unlabelled(texts: Mapping[str, str]) -> Example:
    """Take words that have no tags yet: a list as JSON or Python writes it, or words with spaces between."""
    words = listed(texts[TOKENS.default])
    return Example({TOKENS.default: [str(word) for word in words]}, (0,) * len(words))


def advise(
    checkpoint: Checkpoint, tokenizer: Any, options: Mapping[str, Any], examples: Sequence[Example]
) -> tuple[StudyWarning, ...]:
    """Warn of a tokenizer that lower-cases. Raises UserError without a fast tokenizer."""
    _require_fast(tokenizer)
    upper, lower = ("A", "The", "LONDON"), ("a", "the", "london")
    ids = [[tokenizer(word, add_special_tokens=False)["input_ids"] for word in words] for words in (upper, lower)]
    known = any(token != tokenizer.unk_token_id for tokens in ids[0] for token in tokens)
    if not known or ids[0] != ids[1]:
        return ()
    text = (
        f"{checkpoint.name} lower-cases its input, which hides the capitals that names are known by; "
        "a cased checkpoint may find more of them"
    )
    return (StudyWarning(WarningKind.CHECKPOINT, text),)


def readers(options: Mapping[str, Any]) -> Mapping[str, Reader]:
    """Read CoNLL files, also under .txt, and under .tsv or endings that say nothing where they look like it."""
    read = partial(conll.read, tokens_column=options["tokens_column"], tags_column=options["tags_column"])

    def read_if_conll(path: Path) -> Table:
        return read(path) if conll.recognises(path) else read_file(path)

    return dict.fromkeys((*conll.ENDINGS, ".txt"), read) | dict.fromkeys((".tsv", ANY_ENDING), read_if_conll)


def recognise_file(path: Path, given: Mapping[str, Any]) -> Guess | None:
    """Recognise CoNLL by what it holds, under any ending but those of tables and JSON."""
    if ending(path) in READERS.keys() - {".tsv", *conll.ENDINGS} or not conll.recognises(path):
        return None
    return {TOKENS.name: given.get(TOKENS.name, TOKENS.default), TAGS.name: given.get(TAGS.name, TAGS.default)}


NER = Task(
    name="ner",
    title="Named entities",
    pipeline="token-classification",
    options=(
        TOKENS,
        TAGS,
        TEXT,
        Option("label_names", "", "names of integer tags: O,B-PER,I-PER,...", OptionKind.READING),
        Option(
            "overlaps",
            "",
            "of entities that overlap keep the longest (default: refuse them)",
            OptionKind.READING,
            check=_overlaps,
            choices=offsets.OVERLAPS,
        ),
        Option(
            "label_map",
            "",
            "rename or drop types: person=PER,product=O",
            OptionKind.READING,
            type=str | dict[str, str],
            check=_pairs_or_words,
        ),
    ),
    auto_class="AutoModelForTokenClassification",
    metrics=("entity_f1", "entity_precision", "entity_recall"),
    floors=(FREQUENT_TAG,),
    target=Target.TAGS,
    parse=parse,
    text=text,
    stratum=lambda example: any(example.target),
    encode=encode,
    decode=decode,
    probabilities=probabilities,
    chance=lambda examples, labels: 0.0,
    citation="Tjong Kim Sang and De Meulder 2003, CoNLL-2003 shared task; Ramshaw and Marcus 1995, tags a word",
    readers=readers,
    unlabelled=unlabelled,
    recognise=recognise,
    recognise_file=recognise_file,
    sureness=1,
    advise=advise,
    given=Given({"tokens": TOKENS.name}, read_tags),
)
