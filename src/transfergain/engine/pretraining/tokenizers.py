"""Train a tokenizer on the texts, where the checkpoint's does not suit them or there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transfergain.errors import UserError

TEXTS_AT_ONCE = 1000
LEAST_SIZE = 300
"""A byte-level alphabet has 256 signs, beside the special tokens."""
TEXT_SPECIALS = {
    "bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>",
    "cls_token": "<s>", "sep_token": "</s>",
}  # fmt: skip
DECODER_SPECIALS = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
"""As GPT-2 has them."""


def train_tokenizer(texts: Sequence[Sequence[str]], size: int, kind: Any, framed: bool, most: int) -> Any:
    """Train a tokenizer of `kind`'s kind; without one, byte-level BPE, which knows every script.

    `framed`: whether a text begins and ends with a token of its own; `most`: the tokens of the longest input.
    """
    if size < LEAST_SIZE:
        raise UserError(f"--train-tokenizer {size}: give {LEAST_SIZE} tokens or more")
    if kind is not None:
        if not kind.is_fast:
            raise UserError("--train-tokenizer: the checkpoint's tokenizer has no fast version that could be trained anew")
        return kind.train_new_from_iterator(_some(texts), size)
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    specials = TEXT_SPECIALS if framed else DECODER_SPECIALS
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=framed)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(dict.fromkeys(specials.values())),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_some(texts), trainer)
    if framed:
        ends = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ends
        )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, model_max_length=most, **specials
    )


def _some(texts: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
    for own in texts:
        for begin in range(0, len(own), TEXTS_AT_ONCE):
            yield own[begin : begin + TEXTS_AT_ONCE]


def fit_config(config: Any, tokenizer: Any, before: Any) -> Any:
    """Give a config the size and the special tokens of a new tokenizer; its numbers are those of `before`, if any."""
    for name, value in list(config.to_dict().items()):
        if name.endswith("_token_id") and isinstance(value, int):
            word = before.convert_ids_to_tokens(value) if before is not None else None
            own = getattr(tokenizer, name, None)
            setattr(config, name, own if own is not None else tokenizer.get_vocab().get(word, tokenizer.pad_token_id))
    config.vocab_size = len(tokenizer)
    config.pad_token_id = tokenizer.pad_token_id
    if config.is_encoder_decoder and before is None:
        config.decoder_start_token_id = tokenizer.eos_token_id
        config.forced_eos_token_id = config.forced_bos_token_id = None
    return config


def has_tokenizer(folder: Path) -> bool:
    """Tell whether a folder holds a tokenizer."""
    return any((folder / name).exists() for name in ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model"))
