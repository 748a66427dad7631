"""A frozen encoder under a linear layer, as a `transformers` model. Its own code is kept with it, so this file stands alone.

No class of `transformers` averages over tokens, or over layers, in front of its classifier, so such a model cannot be
one of those. Loaded with `trust_remote_code=True` it works in a pipeline like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import (
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)

ALL_LAYERS = -1
"""In place of a layer's number: the mean over all layers, the embeddings among them."""


class ProbeConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """What the probe reads of its encoder."""

    model_type = "linear-probe"

    def __init__(self, encoder: dict[str, Any] | None = None, pooling: str = "mean", layer: int = ALL_LAYERS, **rest: Any):
        """Take the encoder's config as a dict, which of its tokens (`first`, `last`, `mean`, `each`) and which layer."""
        self.encoder, self.pooling, self.layer = encoder or {}, pooling, layer
        super().__init__(**rest)


def without_pooler(base: Any) -> Any:
    """Leave out a pooler behind the last layer: nothing here reads it."""
    if getattr(base, "pooler", None) is not None:
        base.pooler = None
    return base


def hidden_states(base: Any, inputs: Mapping[str, Any]) -> tuple[Any, ...]:
    """Run the encoder; returns what each layer makes of each token, the embeddings first."""
    encoder = base.get_encoder() if base.config.is_encoder_decoder else base
    states: tuple[Any, ...] = encoder(**inputs, output_hidden_states=True).hidden_states
    return states


def at_layer(states: tuple[Any, ...], layer: int) -> Any:
    """Take a layer by its number, or the mean over all of them."""
    return torch.stack(states).mean(dim=0) if layer == ALL_LAYERS else states[layer]


def pooled(tokens: Any, attention_mask: Any, pooling: str) -> Any:
    """Make one vector of a text of its tokens' (B, T, H): the first, the last or the mean of those attended to."""
    mask = attention_mask.to(tokens.dtype)
    if pooling == "mean":
        return (tokens * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
    positions = torch.arange(mask.shape[1], device=mask.device) * mask
    at = attention_mask.argmax(dim=1) if pooling == "first" else positions.argmax(dim=1)
    return tokens[torch.arange(len(tokens), device=mask.device), at]


class Probe(PreTrainedModel):  # type: ignore[no-untyped-call]
    """A linear layer on what a frozen encoder makes of a text or of each of its tokens."""

    config_class = ProbeConfig
    base_model_prefix = "encoder"
    outputs = 0
    """How many numbers the linear layer gives; 0: as many as there are labels."""

    def __init__(self, config: ProbeConfig, encoder: Any = None) -> None:
        super().__init__(config)
        if encoder is None:
            settings = dict(config.encoder)
            own = AutoConfig.for_model(settings.pop("model_type"), **settings)
            encoder = AutoModel.from_config(own)  # type: ignore[no-untyped-call]
        self.encoder = without_pooler(encoder)
        self.head = torch.nn.Linear(self.encoder.config.hidden_size, int(self.outputs or config.num_labels or 0))
        self.post_init()  # type: ignore[no-untyped-call]

    def scores(self, input_ids: Any, attention_mask: Any = None, **inputs: Any) -> Any:
        """Give the linear layer's output for each text, or for each token."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        given = {key: value for key, value in inputs.items() if key == "token_type_ids" and value is not None}
        tokens = at_layer(hidden_states(self.encoder, {"input_ids": input_ids, "attention_mask": mask, **given}),
                          self.config.layer)  # fmt: skip
        return self.head(tokens if self.config.pooling == "each" else pooled(tokens, mask, self.config.pooling))


class ProbeForSequenceClassification(Probe):  # type: ignore[no-untyped-call]
    """One class a text."""

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None, **_: Any) -> Any:
        """Give logits (B, classes)."""
        return SequenceClassifierOutput(logits=self.scores(input_ids, attention_mask, token_type_ids=token_type_ids))


class ProbeForTokenClassification(Probe):  # type: ignore[no-untyped-call]
    """One class a token."""

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None, **_: Any) -> Any:
        """Give logits (B, T, classes)."""
        return TokenClassifierOutput(logits=self.scores(input_ids, attention_mask, token_type_ids=token_type_ids))


class ProbeForQuestionAnswering(Probe):  # type: ignore[no-untyped-call]
    """Two scores a token: the answer starts here, and ends here."""

    outputs = 2

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None, **_: Any) -> Any:
        """Give logits of start and end, (B, T) each."""
        start, end = self.scores(input_ids, attention_mask, token_type_ids=token_type_ids).unbind(dim=-1)
        return QuestionAnsweringModelOutput(start_logits=start, end_logits=end)


MODELS: dict[str, type[Probe]] = {
    "AutoModelForSequenceClassification": ProbeForSequenceClassification,
    "AutoModelForTokenClassification": ProbeForTokenClassification,
    "AutoModelForQuestionAnswering": ProbeForQuestionAnswering,
}
ProbeConfig.register_for_auto_class()  # type: ignore[no-untyped-call]
for auto_class, kind in MODELS.items():
    kind.register_for_auto_class(auto_class)  # type: ignore[no-untyped-call]


def on(model: Any, auto_class: str) -> Probe:
    """Put an untrained linear layer on the base of a model, which is frozen; the labels are the model's."""
    base, config = model.base_model, model.config
    kept = {name: getattr(config, name) for name in ("id2label", "label2id", "pad_token_id", "problem_type")}
    probe = MODELS[auto_class](ProbeConfig(encoder=base.config.to_dict(), **kept), base)
    probe.encoder.requires_grad_(False)
    for parameter in probe.head.parameters():
        torch.nn.init.zeros_(parameter)
    probe.train(False)
    return probe
