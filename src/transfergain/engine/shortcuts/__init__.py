"""What makes training fast without changing what it computes. `Shortcuts` is the one way in; `fit` is right without them.

Two of them change something global while a model trains, because PyTorch and `transformers` offer no other place: dropout
replaces `torch.nn.functional.dropout`, which all modules call, and attention registers a function of its own under a new
name. Both are put back when the training ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from transfergain.engine.batching import Feature
from transfergain.engine.shortcuts import frozen
from transfergain.engine.shortcuts.attention import attention_by_parts
from transfergain.engine.shortcuts.bf16 import Bf16Weights
from transfergain.engine.shortcuts.dropout import cheap_dropout
from transfergain.engine.shortcuts.frozen import FrozenBase
from transfergain.engine.shortcuts.vocabulary import Vocabulary
from transfergain.engine.training import Training
from transfergain.engine.weights import Weights

__all__ = ["ALL_SHORTCUTS", "NO_SHORTCUTS", "FrozenBase", "Shortcuts", "Vocabulary"]


@dataclass(frozen=True)
class Shortcuts:
    """Which shortcuts are taken."""

    few_tokens: bool = True
    """Train with a vocabulary of the tokens that occur. Where a model generates this changes its softmax, so there it is
    part of the recipe, in every arm alike."""
    stored_features: bool = True
    """Run a frozen base model once, where only the head trains."""
    attention: bool = True
    """Attend by two products and a softmax, on CPUs."""
    dropout: bool = True
    """Draw dropout masks from fewer random numbers, on CPUs."""
    bf16_weights: bool = True
    """Cast weights once a step and not at each use, where the precision is bf16."""

    def vocabulary(
        self,
        model: Any,
        features: Sequence[Feature],
        always: Iterable[int],
        pad_token_id: int,
        generation: Mapping[str, Any] | None,
    ) -> Vocabulary:
        """Leave the tokens out of the model that neither occur in the features nor are among `always`."""
        if not self.few_tokens:
            return Vocabulary(pad_token_id, generation)
        return Vocabulary.shrink(model, features, always, pad_token_id, generation)

    def frozen_base(self, model: Any, training: Training) -> FrozenBase | None:
        """Find the frozen part of the model, where only a head trains that can read its stored output; else None."""
        if not self.stored_features or not frozen.only_head_trains(model):
            return None
        found = frozen.head_only(model, training.train, training.pad_token_id, training.fields)
        return found and FrozenBase(*found, training.pad_token_id, training.recipe.precision)

    @contextmanager
    def applied(self, model: Any, training: Training) -> Iterator[Weights]:
        """Take the shortcuts inside this block, while the model trains; yields its weights, and ends by undoing all."""
        with ExitStack() as stack:
            if self.attention:
                stack.enter_context(attention_by_parts(model, training.train, training.pad_token_id))
            if self.dropout:
                stack.enter_context(cheap_dropout(next(model.parameters()).device))
            bf16 = self.bf16_weights and training.recipe.precision == "bf16"
            weights = (Bf16Weights if bf16 else Weights)(model, training.recipe, training.rates)
            stack.callback(weights.close)
            yield weights


ALL_SHORTCUTS = Shortcuts()
NO_SHORTCUTS = Shortcuts(False, False, False, False, False)
