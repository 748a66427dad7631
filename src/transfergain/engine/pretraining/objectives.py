"""What a model learns from text alone: masked tokens for encoders, the next token for decoders, and for encoder-decoders to
write texts whole of which stretches are masked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.arms.base import Start
from transfergain.engine.batching import IGNORED_LABEL, Feature
from transfergain.engine.pretraining.packing import Tokens
from transfergain.errors import UserError

MASKED_SHARE = 0.15
KEPT_SHARE, RANDOM_SHARE = 0.1, 0.1
"""Of the tokens that are to be told: left as they are, and replaced by any token; the others are masked (Devlin et al.)."""
INFILLED_SHARE, SPAN_LENGTH = 0.3, 3.0
"""Share of the tokens that are taken out, and the mean of the Poisson distribution of a stretch's length (Lewis et al.)."""
FASTER_RATE = 2 * Start.FRESH.learning_rate
"""Of decoders and encoder-decoders drawn afresh, which bear what encoders do not (docs/decisions/0057-pretraining.md)."""
SENTINEL = "<extra_id_0>"
"""T5's stand-in for a mask token."""


@dataclass(frozen=True)
class Alphabet:
    """The numbers of tokens that an objective must know."""

    size: int
    """Tokens below this number may stand in for another."""
    mask: int | None
    special: frozenset[int]

    @classmethod
    def of(cls, tokenizer: Any, embedded: int) -> Alphabet:
        """Read them off a tokenizer whose model has so many tokens embedded.

        Where there is no mask token, or none that is embedded, T5's sentinel or the unknown token stands for one.
        """
        candidates = (tokenizer.mask_token_id, tokenizer.get_vocab().get(SENTINEL), tokenizer.unk_token_id)
        mask = next((i for i in candidates if i is not None and i < embedded), None)
        return cls(min(len(tokenizer), embedded), mask, frozenset(tokenizer.all_special_ids))

    def is_special(self, ids: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Tell which tokens are no text's."""
        return np.isin(ids, list(self.special))


Corrupt = Callable[[Tokens, Alphabet, np.random.Generator], list[Feature]]


@dataclass(frozen=True)
class Objective:
    """An objective: what is changed in a text, and what is to be told of it."""

    name: str
    title: str
    auto_class: str
    """Name of the `transformers` auto class of its models."""
    mapping: str
    """Name of the `transformers` mapping of configs that have such models."""
    corrupt: Corrupt
    """Makes a batch of packed sequences into features, by the random generator of its step."""
    needs_mask: bool
    some_positions: bool
    """Whether the loss is of few positions of a sequence, so that the output layer need not run on the others."""
    citation: str
    told: float = 1.0
    """Share of the labels that the input does not give away: the rest a model has but to copy."""
    fresh_rate: float = Start.FRESH.learning_rate
    """Learning rate of weights drawn afresh where none is given."""


def _masked(tokens: Tokens, alphabet: Alphabet, rng: np.random.Generator) -> list[Feature]:
    """Choose whole words, on average 15 % of all tokens; the rest of the labels is ignored."""
    ids, starts = tokens
    assert alphabet.mask is not None
    words = np.cumsum(starts, axis=1)
    text = ~alphabet.is_special(ids)
    draws = np.where(text, np.take_along_axis(rng.random(words.shape), words - 1, axis=1), 1.0)
    # the lowest too, as a sequence in which nothing is chosen would have no loss
    chosen = text & ((draws < MASKED_SHARE) | (draws == draws.min(axis=1, keepdims=True)))
    drawn, any_token = rng.random(ids.shape), rng.integers(alphabet.size, size=ids.shape, dtype=np.int32)
    inputs = np.where(chosen & (drawn < 1 - KEPT_SHARE - RANDOM_SHARE), alphabet.mask, ids)
    inputs = np.where(chosen & (drawn >= 1 - RANDOM_SHARE), any_token, inputs)
    labels = np.where(chosen, ids, IGNORED_LABEL)
    return [{"input_ids": i, "labels": t} for i, t in zip(inputs.tolist(), labels.tolist(), strict=True)]


def _next(tokens: Tokens, alphabet: Alphabet, rng: np.random.Generator) -> list[Feature]:
    """Leave the text as it is: the model's own loss is of the token after each."""
    return [{"input_ids": row, "labels": row} for row in tokens.ids.tolist()]


def _infill(tokens: Tokens, alphabet: Alphabet, rng: np.random.Generator) -> list[Feature]:
    """Put one mask in the place of each of some stretches of whole words; the labels are the sequence as it was."""
    assert alphabet.mask is not None
    features = list[Feature]()
    for ids, starts in zip(*tokens, strict=True):
        special = alphabet.is_special(ids)
        words = np.cumsum(starts) - 1
        count, wanted = int(words[-1]) + 1, INFILLED_SHARE * float((~special).sum())
        gone = np.zeros(count, np.bool_)
        heads = np.zeros(count, np.bool_)
        for begin, length in zip(rng.permutation(count).tolist(), rng.poisson(SPAN_LENGTH, count).tolist(), strict=True):
            if (gone[words] & ~special).sum() >= wanted:
                break
            if length and not gone[begin : begin + length].any():
                gone[begin : begin + length], heads[begin] = True, True
        taken = gone[words] & ~special
        first = taken & ~np.append(False, taken[:-1])
        first |= taken & starts & heads[words]
        inputs = np.where(first, alphabet.mask, ids)[~taken | first].tolist()
        features.append({"input_ids": inputs, "attention_mask": [1] * len(inputs), "labels": ids.tolist()})
    return features


OBJECTIVES: dict[str, Objective] = {
    "infilling": Objective(
        "infilling", "text infilling", "AutoModelForSeq2SeqLM", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING", _infill, True,
        False, "Lewis et al. 2020, BART", INFILLED_SHARE, FASTER_RATE,
    ),
    "masked": Objective(
        "masked", "masked tokens", "AutoModelForMaskedLM", "MODEL_FOR_MASKED_LM_MAPPING", _masked, True, True,
        "Devlin et al. 2019, BERT; whole words and new masks each time as in their later release and Liu et al. 2019",
    ),
    "next": Objective(
        "next", "the next token", "AutoModelForCausalLM", "MODEL_FOR_CAUSAL_LM_MAPPING", _next, False, False,
        "Radford et al. 2018, GPT", fresh_rate=FASTER_RATE,
    ),
}  # fmt: skip
"""In the order in which an architecture is asked whether it has such models: encoders may serve as decoders, too."""


def objective_of(config: Any, name: str) -> Objective:
    """Choose the objective of an architecture. Raises UserError where there is none for it."""
    import transformers

    for objective in OBJECTIVES.values():
        if type(config) in getattr(transformers, objective.mapping):
            return objective
    raise UserError(
        f"--model {name}: transformers has no language model of {config.model_type} models; choose an encoder such as BERT, "
        "a decoder such as GPT-2, or an encoder-decoder such as BART"
    )
