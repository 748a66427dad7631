"""Turn weights that are no safetensors into some, in a process of its own: what is read here is not trusted.

`checkpoint/convert.py` starts it with bounds on time and memory, and reads its one line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transfergain.errors import UserError

REFUSED = "refused"
"""Key of the answer that says why nothing was converted."""
POOLER = ".pooler."
OLD_NAMES = {"gamma": "weight", "beta": "bias"}
"""Names of a norm's weights in the oldest files."""
SHOWN = 3
"""Names of weights that a message shows."""


@dataclass(frozen=True)
class Order:
    """What is to be converted."""

    name: str
    """The checkpoint, as the user calls it."""
    sources: tuple[str, ...]
    """Files of weights."""
    folder: str
    """Where config and tokenizer are already, and the weights go."""
    most_bytes: int
    """Memory that this process may take."""


@dataclass(frozen=True)
class Done:
    """What became of it."""

    architecture: str
    tensors: int
    new: list[str]
    """Weights of the head that the files lack."""
    foreign: list[str]
    """Weights in the files that the architecture has no place for."""


def main() -> None:
    """Convert what the order in the first argument says, and print what became of it."""
    order = Order(**json.loads(sys.argv[1]))
    try:
        _bound(order.most_bytes)
        answer = asdict(convert(order))
    except UserError as error:
        answer = {REFUSED: str(error)}
    except MemoryError:
        answer = {
            REFUSED: f"--model {order.name}: takes more than {order.most_bytes / 2**30:,.1f} GiB to convert; it was stopped"
        }
    print(json.dumps(answer))


def _bound(most_bytes: int) -> None:
    """Let this process allocate no more than that, where the system can."""
    import contextlib

    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))


def convert(order: Order) -> Done:
    """Write the weights as safetensors, and load them as `transformers` does, which is the check."""
    from safetensors.torch import save_file

    folder, sources = Path(order.folder), [Path(source) for source in order.sources]
    model = _architecture(folder, order.name)
    foreign: list[str] = []
    index: dict[str, str] = {}
    for number, source in enumerate(sources, 1):
        tensors = _read(source, order.name, model, foreign)
        file = "model.safetensors" if len(sources) == 1 else f"model-{number:05d}-of-{len(sources):05d}.safetensors"
        save_file(tensors, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(tensors, file)
    if len(sources) > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}), "utf-8")
    missing, unexpected = _loaded(model, folder, order.name)
    return Done(type(model).__name__, len(index), missing, [*foreign, *unexpected])


def _architecture(folder: Path, name: str) -> Any:
    """Build the model that the config names, with shapes and without weights."""
    import torch
    import transformers

    from transfergain.checkpoint.files import CONFIG

    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        named = json.loads((folder / CONFIG).read_text("utf-8")).get("architectures")
        first = named[0].removeprefix("TF") if isinstance(named, list) and named and isinstance(named[0], str) else ""
        kind = getattr(transformers, first, None) if first.isidentifier() else None
        with torch.device("meta"):
            if isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel):
                return kind(config)
            return transformers.AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    except (MemoryError, UserError):
        raise
    except Exception as error:  # configs are full of ways to be wrong, and each library has its own errors
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise UserError(f"--model {name}: transformers cannot build its model ({reason}); correct its config.json") from None


def _read(source: Path, name: str, model: Any, foreign: list[str]) -> dict[str, Any]:
    """Read one file of weights as tensors of their own memory, by the names of PyTorch."""
    import torch

    if source.suffix == ".h5":
        from transfergain.checkpoint import tensorflow

        shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
        arrays, strange = tensorflow.read(source, name, shapes, model.base_model_prefix)
        foreign += strange
        return {key: torch.from_numpy(array) for key, array in arrays.items()}
    return read_pickle(source, name)


def read_pickle(source: Path, name: str) -> dict[str, Any]:
    """Read the tensors of a pickle, with PyTorch's reader that builds tensors and plain containers and nothing else."""
    import torch

    try:
        found = torch.load(source, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch raises many kinds on a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise UserError(
            f"--model {name}: {source.name} is damaged, or holds more than weights, which is not opened ({reason}); take it "
            "from a source that you trust, load it there and save it with save_pretrained(folder)"
        ) from None
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise UserError(
            f"--model {name}: {source.name} holds no weights by name; save it again with save_pretrained(folder)"
        )
    tensors = {_today(key): value for key, value in found.items() if isinstance(value, torch.Tensor) and not value.is_sparse}
    return {key: value.detach().clone().contiguous() for key, value in tensors.items()}


def _today(key: str) -> str:
    """Give a norm's weights the names of today: the oldest files have TensorFlow's."""
    stem, _, last = key.rpartition(".")
    return f"{stem}.{OLD_NAMES.get(last, last)}" if stem.endswith("LayerNorm") else key


def _loaded(model: Any, folder: Path, name: str) -> tuple[list[str], list[str]]:
    """Load what was written: (weights of the head that are not there, weights without a place).

    Raises UserError where the encoder lacks one, or a shape is another.
    """
    import transformers

    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        _, said = type(model).from_pretrained(
            folder, output_loading_info=True, local_files_only=True, use_safetensors=True, ignore_mismatched_sizes=True
        )
    except (MemoryError, UserError):
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise UserError(f"--model {name}: what was converted cannot be loaded ({reason}); correct its config.json") from None
    if wrong := sorted(entry[0] if isinstance(entry, tuple) else str(entry) for entry in said["mismatched_keys"]):
        raise UserError(
            f"--model {name}: {_few(wrong)} have other shapes than config.json says; they are of different models"
        )
    prefix = f"{model.base_model_prefix}."
    has_head = {key.startswith(prefix) for key in model.state_dict()} == {True, False}
    missing = sorted(said["missing_keys"])
    lacking = [key for key in missing if POOLER not in f".{key}" and (key.startswith(prefix) or not has_head)]
    if lacking:
        raise UserError(
            f"--model {name}: its weights lack {_few(lacking)} of {type(model).__name__}; config.json is of another model, "
            "or the files are not whole"
        )
    return missing, sorted(said["unexpected_keys"])


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:SHOWN]) + (f" and {len(listed) - SHOWN:,} more" if len(listed) > SHOWN else "")


if __name__ == "__main__":
    main()
