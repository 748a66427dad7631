"""Draw a model afresh or load it, the two ways of every arm, and check that the comparison between them is sound."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median_high
from typing import Any

import torch

from transfergain.arms import warm_start
from transfergain.arms.base import Blueprint, Prepared
from transfergain.counts import counted
from transfergain.errors import UserError
from transfergain.seeds import seed
from transfergain.types import Checkpoint

POOLER = re.compile(r"\bpooler\b")

UNIT_NORMAL_STD = 0.5
"""Weight matrices of trained models, and of every initialisation in `transformers`, are far below this; N(0, 1) is above."""


@dataclass(frozen=True)
class FreshDraw:
    """The head of a freshly initialised model, and the values that other models are compared with."""

    head: Mapping[str, torch.Tensor]
    """Its head and poolers, by name."""
    samples: Mapping[str, torch.Tensor]
    """Values of each matrix, as `_sample` takes them."""
    spread: Mapping[str, float]
    """Standard deviations of its weight matrices, as `_matrices` has them."""


def fresh_model(blueprint: Blueprint, stream: str) -> Any:
    """Draw a model by the library's own initialisation under the stream's seed, in fp32 whatever the config says."""
    import transformers

    checkpoint, config = blueprint.checkpoint, blueprint.config
    torch.manual_seed(seed(stream, replicate=blueprint.replicate))
    if warm_start.applies(checkpoint, config):
        return warm_start.build(config)
    auto = getattr(transformers, blueprint.auto_class)
    try:
        return auto.from_config(config, dtype=torch.float32, trust_remote_code=checkpoint.trust_remote_code)
    except ValueError as error:
        if "Unrecognized configuration class" in str(error):
            head = blueprint.auto_class.removeprefix("AutoModelFor")
            raise UserError(
                f"--model {checkpoint.name}: transformers has no {head} head for {config.model_type} models; "
                "choose another checkpoint for this task"
            ) from None
        raise


def fresh_draw(blueprint: Blueprint, stream: str) -> FreshDraw:
    """Draw a model as `fresh_model` does, and keep what others are compared with; once for trials that share a memo."""

    def make() -> FreshDraw:
        model = fresh_model(blueprint, stream)
        head, parameters = head_names(model), [(name, p.detach()) for name, p in model.named_parameters()]
        return FreshDraw(
            {name: p for name, p in parameters if name in head or POOLER.search(name)},
            {name: _sample(p).clone() for name, p in parameters if p.ndim == 2},
            _matrices(model),
        )

    revision, config = blueprint.checkpoint.revision, blueprint.config.to_json_string()
    return blueprint.memo.get(("draw", revision, blueprint.auto_class, config, stream, blueprint.replicate), make)


def build_scratch(blueprint: Blueprint) -> Prepared:
    """Draw a model afresh with the replicate's head. Raises UserError unless initialised as the library does."""
    model, other = fresh_model(blueprint, "initialisation"), fresh_draw(blueprint, "head")
    checks = _check_scratch(model, other, blueprint.checkpoint)
    _copy(other, model, head_names(model) | _poolers_not_in_file(model, blueprint.checkpoint))
    return Prepared(model, checks)


def build_pretrained(blueprint: Blueprint) -> Prepared:
    """Load the checkpoint's weights and give them the replicate's head, the same as the scratch arm's.

    Raises UserError when an encoder weight is missing or misshapen in the file, or when the weights are N(0, 1) noise.
    """
    checkpoint, config, fresh = blueprint.checkpoint, blueprint.config, fresh_draw(blueprint, "head")
    load = (
        warm_start.load if warm_start.applies(checkpoint, config) else functools.partial(load_weights, blueprint.auto_class)
    )
    model, missing, mismatched = load(checkpoint, config)
    head = head_names(model)
    # A pooler that a checkpoint was saved without is part of the new head, in every arm alike.
    new_pooler = {key for key in missing if POOLER.search(key)}
    absent = sorted((missing | mismatched) - head - new_pooler)
    if absent:
        raise UserError(
            f"--model {checkpoint.name}: {counted(len(absent), 'weight')} of its encoder missing or of another shape in the "
            f"file (first: {absent[0]}), to be trained from scratch unnoticed: save the whole model again"
        )
    redraw = functools.partial(fresh_draw, blueprint, "initialisation")
    checks = _check_pretrained(model, fresh, redraw, head | new_pooler, checkpoint)
    _copy(fresh, model, head | new_pooler)
    return Prepared(model, checks | {"newly_initialised": sorted(head | new_pooler)})


def load_weights(auto_class: str, checkpoint: Checkpoint, config: Any) -> tuple[Any, set[str], set[str]]:
    """Load (model, names of missing weights, names of misshapen weights), in fp32."""
    import transformers

    model, info = getattr(transformers, auto_class).from_pretrained(
        checkpoint.path,
        config=config,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        dtype=torch.float32,
        trust_remote_code=checkpoint.trust_remote_code,
    )
    mismatched = {str(key[0] if isinstance(key, tuple | list) else key) for key in info["mismatched_keys"]}
    return model, {str(key) for key in info["missing_keys"]}, mismatched


def _poolers_not_in_file(model: Any, checkpoint: Checkpoint) -> set[str]:
    """Name the model's pooler weights where the checkpoint was saved without one; none where it has one."""
    from safetensors import safe_open

    poolers = {name for name, _ in model.named_parameters() if POOLER.search(name)}
    for path in Path(checkpoint.path).rglob("*.safetensors") if poolers else ():
        with safe_open(path, framework="pt") as file:
            if any(POOLER.search(key) for key in file.keys()):  # noqa: SIM118 (not a mapping)
                return set()
    return poolers


def head_names(model: Any) -> set[str]:
    """Name the parameters that the task adds to the checkpoint: those outside the base model.

    A model that generates has none, as its output layer is the checkpoint's, but for a warm-started encoder-decoder.
    """
    if getattr(model, "warm_started", False):
        return warm_start.new_names(model)
    if model.can_generate():
        return set()
    prefix = model.base_model_prefix + "."
    return {name for name, _ in model.named_parameters() if not name.startswith(prefix)}


def train_only(model: Any, names: set[str]) -> None:
    """Freeze all parameters but the named ones."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)


def _copy(source: FreshDraw, target: Any, names: set[str]) -> None:
    """Give `target` the named parameters of `source`, so that a replicate's head is the same in every arm."""
    with torch.no_grad():
        for name, parameter in target.named_parameters():
            if name in names:
                parameter.copy_(source.head[name])


def _matrices(model: Any) -> dict[str, float]:
    """Measure the standard deviation of each weight matrix of the base model, by name.

    Embeddings are left out: T5's are N(0, 1) by design.
    """
    head = head_names(model)
    return {
        name: float(p.detach().float().std())
        for name, p in model.named_parameters()
        if p.ndim == 2 and p.numel() >= 256 and name not in head and not re.search("emb|wte|wpe|shared|relative", name)
    }


def median_std(model: Any) -> float:
    """Measure the median standard deviation of the base model's weight matrices; 0 when it has none."""
    return _median(_matrices(model).values())


def _median(stds: Collection[float]) -> float:
    return median_high(stds) if stds else 0.0


def _sample(matrix: torch.Tensor) -> torch.Tensor:
    """Take some thousand values from all over a matrix: where they are equal, so is the rest."""
    return matrix.detach().flatten()[:: max(1, matrix.numel() // 1009)]


def _check_scratch(model: Any, other: FreshDraw, checkpoint: Checkpoint) -> dict[str, Any]:
    """Check that a model is drawn, not loaded: two seeds differ, with the library's spread, which is not that of N(0, 1)."""
    spread, reference = _matrices(model), other.spread
    median = _median(spread.values())
    if median > UNIT_NORMAL_STD:
        raise UserError(
            f"--model {checkpoint.name}: its config initialises weights with standard deviation {median:.2f}, "
            "as N(0, 1); such a scratch arm cannot learn and no gain over it means anything: correct initializer_range"
        )
    off = [n for n in spread if abs(spread[n] - reference[n]) > 0.2 * max(reference[n], 1e-8)]
    same = [n for n, p in model.named_parameters() if n in spread and torch.equal(_sample(p), other.samples[n])]
    if off or same:
        raise UserError(
            f"--model {checkpoint.name}: the scratch model is not freshly initialised (weight {(off + same)[0]} does not "
            "vary with the seed as the library draws it); this architecture's code loads weights of its own"
        )
    return {"initialisation": "library", "median_std": round(median, 5)}


def _check_pretrained(
    model: Any, fresh: FreshDraw, redraw: Callable[[], FreshDraw], new: set[str], checkpoint: Checkpoint
) -> dict[str, Any]:
    """Check that a model is loaded: no weight equals the fresh draw, and the weights are no unit-normal noise.

    Weights that no seed changes, such as sinusoidal positions, may be equal; `redraw` tells them apart.
    """
    broken = [n for n, p in model.named_parameters() if n not in new and not torch.isfinite(p).all()]
    if broken:
        raise UserError(
            f"--model {checkpoint.name}: weight {broken[0]} holds values that are no numbers (NaN or infinite); save the "
            "model again from a run that did not diverge"
        )
    spread = median_std(model)
    if spread > UNIT_NORMAL_STD:
        raise UserError(
            f"--model {checkpoint.name}: its weights look like N(0, 1) noise (median standard deviation {spread:.2f}; "
            "trained weights are below 0.2); this is no pretrained checkpoint"
        )
    loaded = [n for n, p in model.named_parameters() if n not in new and p.ndim == 2]
    same = [n for n in loaded if torch.equal(_sample(model.get_parameter(n)), fresh.samples[n])]
    if same:
        again = redraw().samples
        same = [n for n in same if not torch.equal(fresh.samples[n], again[n])]
    if same:
        raise UserError(f"--model {checkpoint.name}: weight {same[0]} equals the fresh initialisation; it was not loaded")
    return {"loaded_matrices": len(loaded), "median_std": round(spread, 5)}
