"""Take out of a checkpoint's settings what would lead elsewhere, or is left over from an old head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergain.errors import UserError

OLD_HEAD = frozenset(
    {"problem_type", "id2label", "label2id", "num_labels", "_num_labels", "classifier_dropout", "finetuning_task",
     "task_specific_params", "num_choices", "loss_type", "label_smoothing", "return_dict", "use_return_dict", "torchscript",
     "output_attentions", "output_hidden_states"}
)  # fmt: skip
"""Settings of the task that a checkpoint was fine-tuned for: the new head has the library's own."""
ELSEWHERE = frozenset(
    {"transformers_weights", "gguf_file", "kernel_config", "use_kernels", "fusion_config", "distributed_config",
     "_commit_hash", "_name_or_path", "name_or_path", "_experts_implementation", "experts_implementation"}
)  # fmt: skip
"""Settings that name other files, programs or machines than the checkpoint's own."""
ATTENTION = frozenset({"attn_implementation", "_attn_implementation", "_attn_implementation_internal"})
PLAIN_ATTENTION = frozenset({"eager", "sdpa"})
"""Ways to compute attention that come with transformers; another is left to the library's choice, as it changes no model."""
QUANTISED = ("quantization_config", "compression_config")
FILE_ENDINGS = ("_file", "_files", "_spm")
"""Endings of the tokenizer's settings that name a file."""
DEEPEST = 16
"""Configs within configs: those of transformers are three deep."""


def cleaned_config(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Take an old head's settings and those that lead elsewhere out of a config and the configs within.

    Raises UserError for a quantised checkpoint.
    """
    for key in QUANTISED:
        if isinstance(found := config.get(key), Mapping) and found:
            method = found.get("quant_method")
            by = f": {method}" if isinstance(method, str) else ""
            raise UserError(
                f"--model {name}: its weights are quantised ({key}{by}), and cannot be trained; give the checkpoint that it "
                "was made from"
            )
    return _without_old_head(config, name)


def _without_old_head(config: Mapping[str, Any], name: str, depth: int = 0) -> dict[str, Any]:
    """Clean a config and all configs within. Raises UserError where they are nested too deep for the library."""
    if depth > DEEPEST:
        raise UserError(f"--model {name}: its config.json is nested more than {DEEPEST} deep; save the model again")
    kept = {}
    for key, value in config.items():
        foreign = key in ATTENTION and not (isinstance(value, str) and value in PLAIN_ATTENTION)
        if not foreign and key not in OLD_HEAD | ELSEWHERE and key not in QUANTISED:
            kept[key] = _without_old_head(value, name, depth + 1) if isinstance(value, Mapping) else value
    return kept


def cleaned_tokenizer_config(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Take names of files out of a tokenizer's settings: it is read from the files beside it, by their usual names."""
    kept = {key: value for key, value in config.items() if not key.endswith(FILE_ENDINGS) and key not in ELSEWHERE}
    return {key: value for key, value in kept.items() if not (key in {"vocab", "merges"} and isinstance(value, str))}
