"""The whole of one pretraining: from texts and a checkpoint to a folder that is a checkpoint itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from transfergain.arms.base import Blueprint, Start
from transfergain.checkpoint import check_length, check_vocabulary, embedded_tokens, explained, load_config, load_tokenizer
from transfergain.data.unlabelled import Unlabelled
from transfergain.engine.fit import Progress, silent
from transfergain.engine.precision import pick_device, pick_precision
from transfergain.engine.pretraining import loop
from transfergain.engine.pretraining.model import Built, build, save
from transfergain.engine.pretraining.objectives import Alphabet, Objective, objective_of
from transfergain.engine.pretraining.packing import Packed, pack
from transfergain.engine.pretraining.tokenizers import fit_config, has_tokenizer, train_tokenizer
from transfergain.engine.saves import NO_SAVES, Saves
from transfergain.errors import UserError
from transfergain.outcome import CurvePoint
from transfergain.types import Checkpoint, Recipe

VERSION = 3
"""Enters every key: raise it whenever a change of code changes the numbers of a pretraining."""
MOST_WARMUP = 200
MOST_UNKNOWN = 0.5
"""Where more tokens than this share are unknown, the tokenizer is not one for these texts."""


@dataclass(frozen=True)
class Asked:
    """What a user asks of a pretraining."""

    from_scratch: bool = False
    steps: int | None = None
    epochs: float | None = None
    seconds: float | None = None
    """Of training."""
    learning_rate: float | None = None
    batch_size: int = 16
    max_length: int = 128
    seed: int = 0
    precision: str = "auto"
    device: str = "auto"
    train_tokenizer: int | None = None


@dataclass(frozen=True)
class Pretrained:
    """What became of a pretraining."""

    objective: str
    steps: int
    loss: float
    """On held-out text."""
    unigram_loss: float
    """On the same text, of a model that copies what the input gives away and knows how often each other token occurs."""
    unknown: float
    """Share of the tokens that the tokenizer does not know."""
    tokens: int
    """Of the texts, those held out included."""
    epochs: float
    """How many times the text was read."""
    learning_rate: float
    curve: tuple[CurvePoint, ...]
    """Of held-out losses."""
    training_losses: tuple[float, ...]
    """The mean of the steps before each point of the curve."""
    flops: float
    seconds: float
    """Of training."""


@dataclass(frozen=True)
class _Ready:
    """All that is made before the first step."""

    tokenizer: Any
    objective: Objective
    alphabet: Alphabet
    packed: Packed
    built: Built
    recipe: Recipe


def key(checkpoint: Checkpoint, texts: Unlabelled, asked: Asked) -> str:
    """Name a pretraining by all that its numbers depend on."""
    what = asdict(replace(asked, precision=pick_precision(asked.precision, pick_device(asked.device)), device=""))
    plain = json.dumps([VERSION, checkpoint.revision, texts.fingerprint, what], sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()[:32]


def pretrain(
    checkpoint: Checkpoint,
    texts: Unlabelled,
    asked: Asked,
    save_to: Path,
    progress: Progress = silent,
    saves: Saves = NO_SAVES,
    tokenizer_at: Path | None = None,
) -> Pretrained:
    """Pretrain, and save model and tokenizer as a standard folder. Raises UserError for what the user can mend.

    A tokenizer that is trained is kept in `tokenizer_at`, so that a run that goes on has the same one.
    """
    ready = _get_ready(checkpoint, texts, asked, tokenizer_at)
    steps = _steps(asked, ready.packed)
    recipe = replace(ready.recipe, warmup_steps=min(MOST_WARMUP, max(1, (steps or 10 * MOST_WARMUP) // 10)))
    ready.built.model.to(pick_device(asked.device))
    what = loop.Pretraining(
        ready.packed, ready.objective, ready.alphabet, recipe, asked.seed,
        int(ready.tokenizer.pad_token_id), steps, asked.seconds, ready.built.new,
    )  # fmt: skip
    unigram_loss = ready.objective.told * ready.packed.unigram_loss()
    run = loop.pretrain(ready.built.model, what, progress, saves=saves)
    save(ready.built, ready.tokenizer, save_to)
    saves.clear()  # not before: until then it is all that there is of hours of work
    tokens = len(ready.packed.train.ids) + len(ready.packed.held_out.ids)
    return Pretrained(
        objective=ready.objective.name,
        steps=run.steps,
        loss=run.curve[-1].loss,
        unigram_loss=unigram_loss,
        unknown=ready.packed.unknown,
        tokens=tokens,
        epochs=run.steps / ready.packed.steps_an_epoch,
        learning_rate=recipe.learning_rate,
        curve=tuple(run.curve),
        training_losses=tuple(run.training_losses),
        flops=run.flops,
        seconds=run.seconds,
    )


def _steps(asked: Asked, packed: Packed) -> int | None:
    """Find the step at which the run ends; None where time alone ends it."""
    ends = [] if asked.steps is None else [asked.steps]
    if asked.epochs is not None:
        ends.append(max(1, round(asked.epochs * packed.steps_an_epoch)))
    return min(ends, default=None)


def _get_ready(checkpoint: Checkpoint, texts: Unlabelled, asked: Asked, tokenizer_at: Path | None) -> _Ready:
    """Load or train the tokenizer, pack the texts and build the model."""
    has_one = asked.train_tokenizer is None or has_tokenizer(Path(checkpoint.path))
    own = load_tokenizer(checkpoint) if has_one else None
    tokenizer: Any = own
    if asked.train_tokenizer is None:
        config = load_config(checkpoint, tokenizer, ())
        check_vocabulary(checkpoint, tokenizer, config)
        objective = objective_of(config, checkpoint.name)
    else:
        from transformers import AutoConfig

        with explained(checkpoint, "reading its config"):
            config = AutoConfig.from_pretrained(checkpoint.path)
        objective = objective_of(config, checkpoint.name)
        tokenizer = _trained_tokenizer(texts.files, asked, own, objective, tokenizer_at)
        config = fit_config(config, tokenizer, own)
    check_length(checkpoint, tokenizer, config, asked.max_length)
    alphabet = Alphabet.of(tokenizer, embedded_tokens(config) or len(tokenizer))
    if objective.needs_mask and alphabet.mask is None:
        raise UserError(f"--model {checkpoint.name}: its tokenizer has no mask token and no unknown token to stand for one")
    packed = pack(texts, tokenizer, asked.max_length, asked.batch_size)
    if packed.unknown > MOST_UNKNOWN:
        raise UserError(
            f"{texts.given_by}: {100 * packed.unknown:.0f} % of the tokens are unknown to the tokenizer of "
            f"{checkpoint.name}, as of another script; choose a checkpoint of the texts' language, or --from-scratch with "
            "--train-tokenizer 8000"
        )
    blueprint = Blueprint(checkpoint, objective.auto_class, config, asked.seed)
    with explained(checkpoint, "building its language model"):
        built = build(blueprint, objective, asked.from_scratch)
    rate = asked.learning_rate or (objective.fresh_rate if asked.from_scratch else Start.CHECKPOINT.learning_rate)
    precision = pick_precision(asked.precision, pick_device(asked.device))
    recipe = Recipe(rate, batch_size=asked.batch_size, max_length=asked.max_length, precision=precision)
    return _Ready(tokenizer, objective, alphabet, packed, built, recipe)


def _trained_tokenizer(
    files: Sequence[Sequence[str]], asked: Asked, own: Any, objective: Objective, kept: Path | None
) -> Any:
    from transformers import AutoTokenizer

    if kept is not None and has_tokenizer(kept):
        return AutoTokenizer.from_pretrained(kept)
    assert asked.train_tokenizer is not None
    tokenizer = train_tokenizer(files, asked.train_tokenizer, own, objective.needs_mask, asked.max_length)
    if kept is not None:
        tokenizer.save_pretrained(kept)
    return tokenizer
