"""Turn texts into sequences of one length without padding: texts one after another, cut wherever a sequence is full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transfergain.counts import counted
from transfergain.data.unlabelled import Unlabelled
from transfergain.errors import UserError
from transfergain.seeds import generator

Ids = NDArray[np.int32]
Flags = NDArray[np.bool_]

TEXTS_AT_ONCE = 1000
HELD_OUT = 0.05
"""Share of each file, its end, that is never trained on."""
MOST_HELD_OUT = 64
"""Sequences of it that are read, spread over all of them."""


class Tokens(NamedTuple):
    """Tokens of texts one after another, each text ended by a separator."""

    ids: Ids
    starts: Flags
    """Whether a token begins a word."""


@dataclass(frozen=True)
class Frame:
    """What a tokenizer puts around a text, and the token that stands between texts."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    separator: int
    unknown: int | None

    @classmethod
    def of(cls, tokenizer: Any) -> Frame:
        """Read the frame off a text, as the tokenizer writes it."""
        bare = tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = tokenizer("a")["input_ids"]
        at = next((i for i in range(len(whole) - len(bare) + 1) if whole[i : i + len(bare)] == bare), 0)
        known = (tokenizer.sep_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id)
        separator = next(i for i in known if i is not None)
        return cls(tuple(whole[:at]), tuple(whole[at + len(bare) :]), separator, tokenizer.unk_token_id)

    @property
    def size(self) -> int:
        """How many tokens of a sequence are the frame's."""
        return len(self.prefix) + len(self.suffix)


def tokenise(texts: Sequence[str], tokenizer: Any, separator: int) -> Tokens:
    """Tokenise texts, a thousand at a time; only numbers are kept."""
    ids: list[Ids] = []
    starts: list[Flags] = []
    for begin in range(0, len(texts), TEXTS_AT_ONCE):
        some = list(texts[begin : begin + TEXTS_AT_ONCE])
        batch = tokenizer(some, add_special_tokens=False, return_attention_mask=False, verbose=False)
        for i, found in enumerate(batch["input_ids"]):
            words = batch.word_ids(i) if tokenizer.is_fast else range(len(found))
            numbers = np.array([-1 if word is None else word for word in words], np.int64)
            ids.append(np.array([*found, separator], np.int32))
            starts.append(np.append(np.diff(numbers, prepend=-2) != 0, True))
    empty = Tokens(np.zeros(0, np.int32), np.zeros(0, np.bool_))
    return Tokens(np.concatenate(ids), np.concatenate(starts)) if ids else empty


def _held_out_from(ids: Ids, separator: int) -> int:
    """Find where the end of a file begins that is held out: after a text, if one ends near there."""
    wanted = int(len(ids) * (1 - HELD_OUT))
    ends = np.flatnonzero(ids[:wanted] == separator)
    return int(ends[-1]) + 1 if ends.size and ends[-1] > wanted * (1 - HELD_OUT) else wanted


@dataclass(frozen=True)
class Packed:
    """A corpus as sequences of one length."""

    train: Tokens
    held_out: Tokens
    frame: Frame
    length: int
    """Of a sequence, the frame's tokens among them."""
    batch: int

    @property
    def content(self) -> int:
        """How many of a sequence's tokens are the texts'."""
        return self.length - self.frame.size

    @property
    def sequences(self) -> int:
        """How many sequences an epoch has, wherever its first one begins."""
        return (len(self.train.ids) - self.content + 1) // self.content

    @property
    def steps_an_epoch(self) -> int:
        """How many batches an epoch has."""
        return self.sequences // self.batch

    @property
    def unknown(self) -> float:
        """The share of the texts' tokens that the tokenizer does not know."""
        ids = np.concatenate([self.train.ids, self.held_out.ids])
        ids = ids[ids != self.frame.separator]
        return float((ids == self.frame.unknown).mean()) if ids.size and self.frame.unknown is not None else 0.0

    def batch_of(self, step: int, replicate: int) -> Tokens:
        """Cut the batch of a step, both (batch, length): each epoch begins elsewhere and has an order of its own."""
        epoch, index = divmod(step, self.steps_an_epoch)
        rng = generator("packing", replicate=replicate, epoch=epoch)
        first = int(rng.integers(self.content))
        order = rng.permutation(self.sequences)[index * self.batch : (index + 1) * self.batch]
        return self._cut(self.train, first + order * self.content)

    def held_out_batches(self) -> list[Tokens]:
        """Cut what is held out into batches."""
        count = len(self.held_out.ids) // self.content
        chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_HELD_OUT)).astype(int)) * self.content
        return [self._cut(self.held_out, chosen[i : i + self.batch]) for i in range(0, len(chosen), self.batch)]

    def unigram_loss(self) -> float:
        """Compute the loss on the held-out tokens of a model that knows how often each token occurs, and nothing else.

        Add-one smoothing over the tokens that occur; separators are left out.
        """
        train = self.train.ids[self.train.ids != self.frame.separator]
        held_out = self.held_out.ids[self.held_out.ids != self.frame.separator]
        counts = np.bincount(np.concatenate([train, held_out])) > 0
        seen = np.bincount(train, minlength=len(counts)) + counts
        return float(-np.log(seen[held_out] / seen.sum()).mean())

    def _cut(self, tokens: Tokens, begins: NDArray[np.int64]) -> Tokens:
        at = begins[:, None] + np.arange(self.content)
        pre, post = self.frame.prefix, self.frame.suffix
        ids = np.pad(tokens.ids[at], ((0, 0), (len(pre), len(post))))
        starts = np.pad(tokens.starts[at], ((0, 0), (len(pre), len(post))), constant_values=True)
        ids[:, : len(pre)], ids[:, len(ids[0]) - len(post) :] = pre, post
        return Tokens(ids, starts)


def pack(corpus: Unlabelled, tokenizer: Any, length: int, batch: int) -> Packed:
    """Tokenise the texts of a corpus, the end of each file held out. Raises UserError where they are less than a batch."""
    frame = Frame.of(tokenizer)
    parts: tuple[list[Tokens], list[Tokens]] = ([], [])
    for texts in corpus.files:
        ids, starts = tokenise(texts, tokenizer, frame.separator)
        cut = _held_out_from(ids, frame.separator)
        for part, place in zip(parts, (slice(0, cut), slice(cut, None)), strict=True):
            part.append(Tokens(ids[place], starts[place]))
    train, held_out = (Tokens(*map(np.concatenate, zip(*part, strict=True))) for part in parts)
    packed = Packed(train, held_out, frame, length, batch)
    tokens = len(train.ids) + len(held_out.ids)
    if packed.steps_an_epoch < 1 or len(held_out.ids) < packed.content:
        least = int((batch + 1) * packed.content / (1 - HELD_OUT)) + packed.content
        raise UserError(
            f"{corpus.given_by}: {tokens:,} tokens are fewer than a batch of {counted(batch, 'sequence')} of {length} and "
            f"one that is held out (about {least:,}); give more text, or a smaller --batch-size or --max-length"
        )
    return packed
