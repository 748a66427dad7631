"""Convert a checkpoint whose weights are a pickle or TensorFlow's into one that loads: `transfergain convert`."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transfergain.checkpoint.cleaned import ELSEWHERE, cleaned_config
from transfergain.checkpoint.converter import REFUSED, Done, Order
from transfergain.checkpoint.files import (
    CONFIG,
    CONVERTED,
    MOST_TEXT_BYTES,
    TENSORFLOW,
    TEXT_KINDS,
    index_entries,
    loaded_files,
    read_json,
    regular,
)
from transfergain.checkpoint.hub import download_old
from transfergain.errors import UserError, install
from transfergain.temporary import TemporaryFolder

SECONDS = 1800
"""The longest that a conversion may take, and a second more for every MB."""
BASE_BYTES = 3 * 2**30
"""Memory of the libraries; the weights are held up to three times beside it."""
COMMAND = (sys.executable, "-P", "-m", "transfergain.checkpoint.converter")
PASSED_ON = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")
"""Variables that the process gets, and no token."""


def convert(source: str, out: str, revision: str | None = None, force: bool = False) -> Done:
    """Convert a folder or a Hub model into a folder with safetensors, config and tokenizer.

    Raises UserError naming what is missing, damaged or of another model; `out` is then as it was.
    """
    target = Path(out)
    if target.exists() and not force and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{out} is there already; name a folder that is not, or --force writes over it")
    try:
        folder = Path(source).resolve() if Path(source).exists() else download_old(source, revision)
        if not folder.is_dir():
            raise UserError(f"{source} is a file; give the folder that it is in, with config.json and the tokenizer")
        return _converted(folder, source, target)
    except UserError as error:  # what looks at checkpoints speaks of the flag that names one elsewhere
        raise UserError(str(error).removeprefix("--model ")) from None
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror or error}); free space or name another folder") from None


def _converted(folder: Path, source: str, target: Path) -> Done:
    weights = _weights(folder, source)
    if not (folder / CONFIG).exists():
        raise UserError(f"{source} has no config.json; put that of the model beside its weights")
    config = read_json(folder / CONFIG, source)
    cleaned_config(config, source)  # refuses what cannot be trained
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFolder(f".{target.name}-", target.absolute().parent) as made:
        half = Path(made) / "model"
        half.mkdir()
        _copy_texts(folder, half, config, source)
        done = _in_its_process(source, weights, half)
        loaded_files(half, source)
        if target.exists():
            shutil.rmtree(target)
        half.rename(target)
    return done


def _weights(folder: Path, source: str) -> list[Path]:
    """List the files of weights that are to be converted, each a regular file."""
    if any(folder.glob("*.safetensors")):
        raise UserError(f"{source} has safetensors already; give it as --model, or remove damaged ones")
    first = next((file for file in CONVERTED if (folder / file).exists()), None)
    if first is None:
        raise UserError(f"{source} has none of {', '.join(CONVERTED)}; other kinds of weights are not converted")
    ending = Path(first.removesuffix(".index.json")).suffix
    found = index_entries(folder, first, ending, source) if first.endswith(".json") else [first]
    for file in found:
        regular(folder / file, source)
    if ending == ".h5" and importlib.util.find_spec("h5py") is None:
        raise UserError(f"{source} has {TENSORFLOW} ({found[0]}), which h5py reads: {install('convert')}")
    return [folder / file for file in found]


def _copy_texts(folder: Path, half: Path, config: Mapping[str, Any], source: str) -> None:
    """Copy config and tokenizer; settings that lead elsewhere stay behind."""
    for path in sorted(folder.iterdir()):
        if path.suffix in TEXT_KINDS and not path.name.endswith(".index.json") and path.name != CONFIG:
            regular(path, source, MOST_TEXT_BYTES)
            shutil.copyfile(path, half / path.name)
    kept = {key: value for key, value in config.items() if key not in ELSEWHERE}
    (half / CONFIG).write_text(json.dumps(kept, ensure_ascii=True, indent=1), "utf-8")


def _in_its_process(source: str, weights: Sequence[Path], half: Path) -> Done:
    """Convert in a process of its own, with bounds. Raises UserError where it refuses, is killed or does not end."""
    size = sum(file.stat().st_size for file in weights)
    order = Order(source, tuple(map(str, weights)), str(half), BASE_BYTES + 4 * size)
    seconds = SECONDS + size // 10**6
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    kept |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
    try:
        done = subprocess.run(
            [*COMMAND, json.dumps(asdict(order))],
            env=kept, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, start_new_session=True, check=False,
        )  # fmt: skip
        answer = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    except subprocess.TimeoutExpired:
        raise UserError(
            f"--model {order.name}: not converted within {seconds:,} s, and stopped; its files are damaged"
        ) from None
    except ValueError:
        answer = {}
    if REFUSED in answer:
        raise UserError(str(answer[REFUSED]))
    if not answer:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
        cause = f"signal {-done.returncode}" if done.returncode < 0 else last[0][:160]
        raise UserError(
            f"{source}: reading its weights ended the process ({cause}); it may take {order.most_bytes / 2**30:,.1f} GiB: "
            "fetch the files again, or convert it where more memory is free"
        )
    return Done(**answer)
