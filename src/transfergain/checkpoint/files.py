"""List the files that a checkpoint is loaded from, and check each before it is opened. Safetensors only."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from transfergain.checkpoint.tensors import Tensors, read_header
from transfergain.errors import UserError
from transfergain.shell import command

CONFIG, WEIGHTS, INDEX, ADAPTER = "config.json", "model.safetensors", "model.safetensors.index.json", "adapter_config.json"
TEXT_KINDS = frozenset({".json", ".txt", ".model", ".spm", ".codes", ".bpe", ".tokenizer", ".vocab", ".tiktoken", ".jinja"})
"""Endings of what configs and tokenizers are read from: `source.spm`, `sentencepiece.bpe.model`, `merges.txt` and so on."""
BINARY_KINDS = frozenset({".model", ".spm"})
ASKED_FOR = re.compile("token|vocab|config|merges|template")
"""What is in the names of text files that transformers asks for."""
CODE = ".py"
"""Ending of code that a checkpoint brings; part of it with --trust-remote-code alone."""
TOKENIZER_NAMES = ("tokenizer.json", "vocab.txt", "vocab.json", "byte_maps.json", "prophetnet.tokenizer")
"""Files of which a tokenizer has one at least, or one that ends with `.model`, `.spm` or `.tiktoken`."""
MOST_TEXT_BYTES = 256 * 2**20
"""The largest file of a config or tokenizer: those of the largest vocabularies have some 40 MB."""
MOST_CONFIG_BYTES = 16 * 2**20
"""The largest config.json, index or list of modules."""


@dataclass(frozen=True)
class Files:
    """What a checkpoint is loaded from, all of it checked: nothing else of its folder is ever opened."""

    folder: Path
    names: tuple[str, ...]
    """Of all files, relative to the folder; sorted."""
    config: Mapping[str, Any]
    tensors: Tensors
    """What the headers of the weights say."""


def loaded_files(
    folder: Path, name: str, trust_remote_code: bool = False, needs_weights: bool = True, needs_tokenizer: bool = True
) -> Files:
    """List the files of a checkpoint.

    Raises UserError where the config is missing or broken, where weights or tokenizer are missing that it needs, and where
    weights that are there are not whole.
    """
    if (folder / ADAPTER).exists():
        raise UserError(
            f"--model {name}: {ADAPTER} says that it is an adapter of another model, or holds one; load it with peft, "
            "then merge_and_unload(), save_pretrained(folder), and give that folder"
        )
    config = _config(folder, name)
    weights = _weights(folder, name) if needs_weights or (folder / WEIGHTS).exists() or (folder / INDEX).exists() else []
    texts = [text for text in _texts(folder, name, trust_remote_code) if text != INDEX or INDEX in weights]
    tokenizers = [text for text in texts if text in TOKENIZER_NAMES or text.endswith((".model", ".spm", ".tiktoken"))]
    if needs_tokenizer and not tokenizers:
        raise UserError(f"--model {name}: holds no tokenizer; save it there with tokenizer.save_pretrained(folder)")
    tensors = Tensors.of(read_header(folder / shard, name) for shard in weights if shard != INDEX)
    return Files(folder, tuple(sorted({*texts, *weights})), config, tensors)


def _texts(folder: Path, name: str, trust_remote_code: bool) -> list[str]:
    """Name the files of config and tokenizer, and of code where it is trusted.

    Raises UserError for one that cannot be read; what is nobody's file, such as a log, is left out then.
    """
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix not in TEXT_KINDS and not (trust_remote_code and path.suffix == CODE):
            continue
        try:
            regular(path, name, MOST_TEXT_BYTES)
        except UserError:
            if path.suffix in BINARY_KINDS or ASKED_FOR.search(path.name):
                raise
        else:
            found.append(path.name)
    return found


def regular(path: Path, name: str, most: int | None = None) -> None:
    """Raise UserError unless a path is a regular file of at most so many bytes; asked before it is opened."""
    try:
        found = path.stat()
    except OSError as error:
        raise UserError(f"--model {name}: {path.name} cannot be read ({error.strerror}); fetch or save it again") from None
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"--model {name}: {path.name} is no regular file but a folder, pipe or device; remove it")
    if most is not None and found.st_size > most:
        raise UserError(
            f"--model {name}: {path.name} has {found.st_size / 2**20:,.0f} MiB, and {most // 2**20} are the most that such "
            "a file needs; save the model again"
        )


def read_json(path: Path, name: str) -> Mapping[str, Any]:
    """Read a small JSON file that holds an object. Raises UserError for anything else."""
    regular(path, name, MOST_CONFIG_BYTES)
    try:
        content = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise UserError(f"--model {name}: its {path.name} is not readable JSON; save the model again")
    return content


def _config(folder: Path, name: str) -> Mapping[str, Any]:
    if not (folder / CONFIG).exists():
        raise UserError(f"--model {name}: no config.json there; give a folder that save_pretrained wrote, or a Hub id")
    config = read_json(folder / CONFIG, name)
    if not isinstance(config.get("model_type"), str) or not config["model_type"]:
        raise UserError(f'--model {name}: its config.json names no "model_type"; save it with transformers')
    return config


def _weights(folder: Path, name: str) -> list[str]:
    """Name the files of the weights, the index of several included. Raises UserError where one is missing or outside."""
    if (folder / WEIGHTS).exists():
        regular(folder / WEIGHTS, name)
        return [WEIGHTS]
    if not (folder / INDEX).exists():
        raise UserError(f"--model {name}: holds {_found_instead(folder, name)}")
    return [INDEX, *index_entries(folder, INDEX, ".safetensors", name)]


def index_entries(folder: Path, index: str, ending: str, name: str) -> list[str]:
    """Name the files that an index of weights lists. Raises UserError where one is missing, outside or of another kind."""
    shards = read_json(folder / index, name).get("weight_map")
    if not isinstance(shards, dict) or not shards or not all(isinstance(shard, str) for shard in shards.values()):
        raise UserError(f"--model {name}: {index} has no weight_map of files; save the model again")
    for shard in sorted(set(shards.values())):
        if not _inside(shard) or not shard.endswith(ending):
            raise UserError(
                f"--model {name}: {index} names {shard!r}, which is no {ending[1:]} file within the folder; such weights "
                "are not opened: save the model again with save_pretrained of a recent transformers"
            )
        if not (folder / shard).exists():
            raise UserError(f"--model {name}: {index} names {shard}, which is not there; fetch the whole model again")
        regular(folder / shard, name)
    return sorted(set(shards.values()))


def _inside(relative: str) -> bool:
    """Tell whether a relative name leads to somewhere in its folder."""
    path = PurePosixPath(relative)
    outside = path.is_absolute() or PureWindowsPath(relative).drive or "\\" in relative or ".." in path.parts
    return bool(path.parts) and not outside and relative.isprintable()


def conversion(name: str) -> str:
    """Say the command that converts a checkpoint, and where to."""
    return command("transfergain", "convert", name, f"{Path(name).name}-safetensors")


def _found_instead(folder: Path, name: str) -> str:
    """Say what a folder holds in place of weights that can be loaded, and what to do."""
    for file, what in CONVERTED.items():
        if (folder / file).exists():
            return f"only {file}, {what}; convert it once: {conversion(name)}"
    others = {pattern: sorted(path.name for path in folder.glob(pattern)) for pattern in OTHER_WEIGHTS}
    for pattern, names in others.items():
        if names:
            return OTHER_WEIGHTS[pattern].format(names[0])
    return f"no weights; weights must be {WEIGHTS}: {SAVE_AGAIN}"


PICKLE, TENSORFLOW = "a pickle that could run code", "weights of TensorFlow"
CONVERTED = {
    "pytorch_model.bin": PICKLE,
    "pytorch_model.bin.index.json": PICKLE,
    "tf_model.h5": TENSORFLOW,
    "tf_model.h5.index.json": TENSORFLOW,
}
"""File that `transfergain convert` reads -> what it is. The first that is there is taken: a pickle has PyTorch's names."""
SAVE_AGAIN = "save it again with model.save_pretrained(folder) of a recent transformers"
PICKLED = f"only {{}}, a pickle that could run code; weights must be safetensors: {SAVE_AGAIN}"
OTHER_WEIGHTS = {
    "*.safetensors": f"{{}}, but neither {WEIGHTS} nor {INDEX}, by whose names weights are found: {SAVE_AGAIN}",
    "*.bin": PICKLED,
    "*.pt": PICKLED,
    "*.pth": PICKLED,
    "*.ckpt": PICKLED,
    "*.h5": f"only {{}}, {TENSORFLOW}; call it tf_model.h5, and convert it with transfergain convert",
    "*.msgpack": "only {}, weights of Flax; weights must be safetensors: load it with from_flax=True in transformers 4 with "
    "Flax, and save it with save_pretrained(folder)",
    "*.gguf": "only {}, quantised weights for inference; give the checkpoint that they were made from",
}
"""Pattern of files -> what is said of a folder that holds these and no weights that can be loaded."""
