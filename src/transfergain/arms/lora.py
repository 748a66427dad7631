"""LoRA: the checkpoint stays frozen; low-rank updates of every linear layer, and the head, train (peft)."""

from __future__ import annotations

from typing import Any

from transfergain.arms.base import Arm, Blueprint, Prepared
from transfergain.errors import Declined
from transfergain.seeds import seed

LORA_RANK = 8


def prepare(blueprint: Blueprint) -> Prepared:
    """Load the checkpoint and wrap it by peft; merged back into a standard model when it is saved."""
    from transfergain.arms.weights import build_pretrained

    built = build_pretrained(blueprint)
    wrapped = wrap(built.model, set(built.checks["newly_initialised"]), blueprint.replicate)
    return Prepared(wrapped, dict(built.checks) | {"rank": LORA_RANK}, lambda model: model.merge_and_unload())


def wrap(model: Any, new: set[str], replicate: int) -> Any:
    """Wrap the model by peft: low-rank updates and the `new` parameters train.

    Raises Declined when the model has no linear layers but new ones.
    """
    import warnings

    import torch
    from peft import LoraConfig, get_peft_model

    targets = _linear_layers(model, new)
    if not targets:
        raise Declined(f"{model.config.model_type} models have no linear layers that LoRA could adapt")
    torch.manual_seed(seed("lora", replicate=replicate))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fan_in_fan_out.*")  # peft sets it itself for GPT-2's Conv1D
        lora = LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, lora_dropout=0.0, target_modules=targets)
        wrapped = get_peft_model(model, lora)
    for name, parameter in model.named_parameters():  # peft has put its layers into this very model
        if name in new:
            parameter.requires_grad_(True)
    return wrapped


def _linear_layers(model: Any, new: set[str]) -> list[str]:
    """Name in full the linear layers that the checkpoint brings, GPT-2's Conv1D included, but for the output layer."""
    import torch
    from transformers.pytorch_utils import Conv1D

    fresh = {name.rsplit(".", 1)[0] for name in new}
    output = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and name not in fresh and module is not output
    ]


LORA = Arm(
    name="lora",
    title="LoRA",
    description=f"pretrained weights frozen, rank-{LORA_RANK} updates of all linear layers and the head train",
    pretrained=True,
    default_learning_rate=1e-3,
    prepare=prepare,
    citation="Hu et al. 2022, LoRA: Low-rank adaptation of large language models",
)
