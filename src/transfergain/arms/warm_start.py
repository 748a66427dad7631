"""An encoder as both sides of an encoder-decoder (Rothe, Narayan and Severyn 2020), for tasks that generate.

Encoder and decoder start from the checkpoint; the decoder's cross-attention and the output layer above it are new, and are
drawn afresh from the replicate's seed in every arm. The scratch arm has the very same shape, drawn afresh altogether.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
import transformers

from transfergain.types import Checkpoint

NEW_PARAMETERS = re.compile(r"^decoder\.(.*crossattention.*|cls\..*|lm_head\..*)$")
"""Names of the parameters that an encoder's checkpoint has nothing for: cross-attention and the output layer."""
NEW_RATE_FACTOR = 8.0
"""Factor of the learning rate of the new parameters, where the rest starts from the checkpoint (docs/decisions/0009)."""


def applies(checkpoint: Checkpoint, config: Any) -> bool:
    """Tell whether the model is an encoder-decoder and the checkpoint an encoder."""
    if config.model_type != "encoder-decoder":
        return False
    own = json.loads(Path(checkpoint.path, "config.json").read_text("utf-8"))
    return bool(own["model_type"] != "encoder-decoder")


def build(config: Any) -> Any:
    """Build the encoder-decoder with the library's own initialisation, in fp32."""
    model: Any = transformers.EncoderDecoderModel(config)
    return _mark(model.float())


def load(checkpoint: Checkpoint, config: Any) -> tuple[Any, set[str], set[str]]:
    """Load the checkpoint on both sides.

    Returns (encoder-decoder, names of missing weights, names of misshapen weights). Weights that are new by design are not
    counted as missing.
    """
    loading: dict[str, Any] = {"use_safetensors": True, "ignore_mismatched_sizes": True, "dtype": torch.float32}
    sides: dict[str, Any] = {}
    missing, mismatched = set[str](), set[str]()
    for side, auto in {"encoder": transformers.AutoModel, "decoder": transformers.AutoModelForCausalLM}.items():
        sides[side], info = auto.from_pretrained(
            checkpoint.path, config=getattr(config, side), output_loading_info=True, **loading
        )
        missing |= {f"{side}.{key}" for key in info["missing_keys"]}
        mismatched |= {f"{side}.{key[0] if isinstance(key, tuple | list) else key}" for key in info["mismatched_keys"]}
    missing = {name for name in missing if not NEW_PARAMETERS.match(name)}
    return _mark(transformers.EncoderDecoderModel(config=config, **sides)), missing, mismatched


def _mark(model: Any) -> Any:
    """Mark the object, not its config, as warm-started: a saved model is a checkpoint like any other."""
    model.warm_started = True
    return model


def new_names(model: Any) -> set[str]:
    """Name the model's parameters that are new, whatever the checkpoint."""
    return {name for name, _ in model.named_parameters() if NEW_PARAMETERS.match(name)}
