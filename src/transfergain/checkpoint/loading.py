"""Load the tokenizer and the config of a verified checkpoint, as a task needs them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from transfergain.checkpoint.folder import check_unchanged
from transfergain.errors import Declined, UserError
from transfergain.types import Checkpoint


@contextlib.contextmanager
def explained(checkpoint: Checkpoint, what: str) -> Iterator[None]:
    """Turn whatever a library raises about a checkpoint's files into one line for the user (UserError)."""
    try:
        yield
    except (UserError, Declined):
        raise
    except MemoryError:
        raise UserError(f"--model {checkpoint.name}: {what} needs more memory than is free; give a smaller model") from None
    except ImportError as error:
        raise UserError(
            f"--model {checkpoint.name}: {what} needs a package that is not installed ({_reason(error, checkpoint)}); "
            "install that, or choose another checkpoint"
        ) from None
    except Exception as error:  # configs and tokenizers are full of ways to be wrong, and each library has its own errors
        raise UserError(
            f"--model {checkpoint.name}: {what} failed in the library ({type(error).__name__}: "
            f"{_reason(error, checkpoint)}); correct its config.json, or save model and tokenizer again with save_pretrained"
        ) from None


def _reason(error: BaseException, checkpoint: Checkpoint) -> str:
    """Shorten a library's message to a line, with the checkpoint's name for the folder it was loaded from."""
    return " ".join(str(error).replace(checkpoint.path, checkpoint.name).split())[:160]


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load the checkpoint's tokenizer, with a pad token (GPT-2 style tokenizers get their end-of-text token).

    Raises UserError when its files cannot be read, or it has neither a pad nor an end token.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            checkpoint.path,
            trust_remote_code=checkpoint.trust_remote_code,
            local_files_only=not checkpoint.trust_remote_code,
        )
        tokenizer.name_or_path = checkpoint.name
        tokenizer("a", "b")
    except (Exception, MemoryError) as error:  # the tokenizers library raises bare Exception on a damaged file
        raise UserError(
            f"--model {checkpoint.name}: its tokenizer cannot be read ({_reason(error, checkpoint)}); save it again with "
            "tokenizer.save_pretrained(folder)"
        ) from None
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise UserError(f"--model {checkpoint.name}: its tokenizer has neither a pad nor an end token; add one")
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(
    checkpoint: Checkpoint,
    tokenizer: Any,
    labels: tuple[str, ...],
    *,
    generates: bool = False,
    head: Mapping[str, Any] | None = None,
) -> Any:
    """Load the checkpoint's config with the task's labels, if it has any, its `head`'s settings, and the pad token.

    For a task whose models generate text, an encoder's config becomes that of an encoder-decoder of its kind on both sides.
    """
    from transformers import AutoConfig

    check_unchanged(checkpoint)
    classes: dict[str, Any] = {}
    if labels:
        classes = {"num_labels": len(labels), "id2label": dict(enumerate(labels))}
        classes["label2id"] = {label: i for i, label in enumerate(labels)}
    try:
        config = AutoConfig.from_pretrained(
            checkpoint.path,
            **classes,
            **(head or {}),
            pad_token_id=tokenizer.pad_token_id,
            trust_remote_code=checkpoint.trust_remote_code,
            local_files_only=not checkpoint.trust_remote_code,
        )
    except Exception as error:
        reason = _reason(error, checkpoint) or type(error).__name__
        raise UserError(
            f"--model {checkpoint.name}: transformers cannot read its config ({reason}); correct config.json or choose "
            "another checkpoint; a model with its own code needs --trust-remote-code"
        ) from None
    if generates and not config.is_encoder_decoder:
        return _encoder_decoder(checkpoint, tokenizer, config)
    return config


def _encoder_decoder(checkpoint: Checkpoint, tokenizer: Any, config: Any) -> Any:
    """Make the config of an `EncoderDecoderModel` with `config` on both sides, as Rothe et al. 2020 warm-start it."""
    import copy

    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING, EncoderDecoderConfig

    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING or type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UserError(
            f"--model {checkpoint.name}: {config.model_type} models are neither sequence-to-sequence nor encoders that "
            "transformers can make a decoder of; choose a T5, BART or Marian kind, or an encoder such as BERT or RoBERTa"
        )
    if start is None or end is None:
        raise UserError(f"--model {checkpoint.name}: its tokenizer has no token that begins or ends a text; choose another")
    decoder = copy.deepcopy(config)
    decoder.is_decoder, decoder.add_cross_attention = True, True
    both = EncoderDecoderConfig.from_encoder_decoder_configs(config, decoder)
    both.decoder_start_token_id, both.eos_token_id, both.pad_token_id = start, end, tokenizer.pad_token_id
    both.vocab_size = decoder.vocab_size
    return both


def check_length(checkpoint: Checkpoint, tokenizer: Any, config: Any, max_length: int, flag: str = "--max-length") -> None:
    """Raise UserError when texts of `max_length` tokens are longer than the model has positions for."""
    shape = getattr(config, "encoder", config)
    limits = (tokenizer.model_max_length, getattr(shape, "max_position_embeddings", None) or max_length)
    if max_length > min(limits):
        raise UserError(
            f"{flag} {max_length}: {checkpoint.name} takes at most {min(limits)} tokens; give {flag} {min(limits)} or less"
        )


def embedded_tokens(config: Any) -> int | None:
    """Read how many tokens a model has embeddings for; None where its config does not say."""
    embedded = getattr(getattr(config, "encoder", config), "vocab_size", None)
    return embedded if isinstance(embedded, int) else None


def check_vocabulary(checkpoint: Checkpoint, tokenizer: Any, config: Any) -> None:
    """Raise UserError when the tokenizer has tokens that the model has no embeddings for.

    But for the mask, which no text holds: published summarisation models of the BART kind lack it.
    """
    embedded = embedded_tokens(config)
    tokens = max((number for number in tokenizer.get_vocab().values() if number != tokenizer.mask_token_id), default=-1) + 1
    if embedded is not None and tokens > embedded:
        raise UserError(
            f"--model {checkpoint.name}: its tokenizer has {tokens:,} tokens and the model embeddings for {embedded:,}; "
            "load both, call model.resize_token_embeddings(len(tokenizer)), and save them again"
        )
