"""Read a `tf_model.h5` without TensorFlow: which weight of the PyTorch model each one is, and how it lies in memory."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from transfergain.errors import UserError

ENDINGS = {
    "kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
    "moving_variance": "running_var", "depthwise_kernel": "depthwise.weight", "pointwise_kernel": "pointwise.weight",
}  # fmt: skip
"""What Keras calls the last part of a name -> what PyTorch calls it."""
TURNED = {
    ("kernel", 2): (1, 0),
    ("kernel", 3): (2, 1, 0),
    ("kernel", 4): (3, 2, 0, 1),
    ("pointwise_kernel", 3): (2, 1, 0),
    ("depthwise_kernel", 3): (1, 2, 0),
}
"""Kernel of Keras and its sides -> their order in PyTorch: a dense layer, and convolutions over one and two sides."""
OUTPUT_NUMBER = re.compile(r":\d+$")
FLOATS = frozenset("f")
"""NumPy's kind of the numbers that weights are."""

Shapes = Mapping[str, tuple[int, ...]]


def torch_name(path: str, known: Collection[str], prefix: str) -> str | None:
    """Find the weight of a PyTorch model, one of `known`, that a weight of a Keras file is; None where there is none.

    Keras puts names of layers and of the model before it, and may repeat them; the longest ending that is known counts.
    `prefix` is what the model calls its encoder, which either side may lack.
    """
    parts = _parts(path)
    for start in range(len(parts)):
        ending = ".".join(parts[start:])
        for name in (ending, f"{prefix}.{ending}", ending.removeprefix(f"{prefix}.")):
            if name in known:
                return name
    return None


def _parts(path: str) -> list[str]:
    """Split a Keras name: `layer_._0` is layer 0, and `mlm___cls` stands where PyTorch has `cls`."""
    split = [part for part in OUTPUT_NUMBER.sub("", path).replace("_._", "/").split("/") if part]
    parts = [part.rpartition("___")[2] or part for part in split]
    return [*parts[:-1], ENDINGS.get(parts[-1], parts[-1])] if parts else []


def read(path: Path, name: str, shapes: Shapes, prefix: str) -> tuple[dict[str, Any], list[str]]:
    """Read the weights of a file as arrays, named and turned as PyTorch has them: (arrays, names that fit nowhere).

    Raises UserError where it is no such file, a shape is another one, or two weights are one.
    """
    import h5py

    found: dict[str, Any] = {}
    foreign: list[str] = []
    try:
        with h5py.File(path, "r", locking=False) as file:
            for place, stored in _stored(file, path, name):
                torch = torch_name(place, shapes, prefix)
                if torch is None:
                    foreign.append(place)
                    continue
                array = _array(stored, place, shapes[torch], path, name)
                if (array != found.setdefault(torch, array)).any():  # layers that share a weight each hold a copy
                    raise UserError(f"--model {name}: {path.name} has two weights that are {torch} ({place}); save it again")
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, UnicodeError) as error:  # what h5py raises on damage
        raise UserError(
            f"--model {name}: {path.name} is damaged, cut short or no HDF5 file ({_first_line(error)}); fetch or save it "
            "again"
        ) from None
    return found, foreign


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _stored(group: Any, path: Path, name: str, at: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """List (name, dataset) of everything in a group. Raises UserError for links, which may lead to other files."""
    import h5py

    if depth > 64:
        raise UserError(f"--model {name}: {path.name} is nested more than 64 deep; save it again")
    for key in group:
        place = f"{at}/{key}"
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise UserError(f"--model {name}: {path.name} has a link at {place}, which is not followed; save it again")
        held = group[key]
        if isinstance(held, h5py.Group):
            yield from _stored(held, path, name, place, depth + 1)
        elif isinstance(held, h5py.Dataset):
            yield place, held


def _array(stored: Any, place: str, wanted: tuple[int, ...], path: Path, name: str) -> Any:
    """Read one weight as PyTorch has it. Its size is compared with what the model needs before it is read."""
    if stored.is_virtual or stored.external or stored.dtype.kind not in FLOATS or stored.nbytes > path.stat().st_size:
        raise UserError(f"--model {name}: {path.name} holds {place} packed, elsewhere or not as numbers; save it again")
    order = turned(place, stored.ndim)
    shape = tuple(stored.shape[i] for i in order) if order else stored.shape
    if _sides(shape) != _sides(wanted):
        raise UserError(
            f"--model {name}: {path.name} holds {place} with the shape {shape}, and config.json asks for {wanted}; "
            "they are of different models"
        )
    array = stored[()]
    return (array.transpose(order) if order else array).reshape(wanted).copy(order="C")


def turned(place: str, sides: int) -> tuple[int, ...]:
    """Give the order of a weight's sides in PyTorch; empty where it is Keras's, as of GPT-2's own layer and embeddings."""
    last = OUTPUT_NUMBER.sub("", place).rpartition("/")[2]
    return TURNED.get((last, sides), ())


def _sides(shape: tuple[int, ...]) -> list[int]:
    """Leave out sides of one: Keras has some biases as a row."""
    return [side for side in shape if side != 1]
