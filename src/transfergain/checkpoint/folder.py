"""Find a checkpoint's folder, and make the private one that holds what was verified and nothing else."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from transfergain.checkpoint.cleaned import cleaned_config, cleaned_tokenizer_config
from transfergain.checkpoint.files import CONFIG, Files, read_json, regular
from transfergain.errors import UserError
from transfergain.temporary import TemporaryFolder
from transfergain.types import Checkpoint

MODULES = "modules.json"
"""File of sentence-transformers that lists the parts of a model, each with its folder."""
MOST_MODULES_BYTES = 2**20
DEEPEST = 3
"""Levels at which a model is looked for below a folder: a cache of the Hub has `models--NAME/snapshots/COMMIT`."""
STATES = "weights.json"
"""File beside the private folder: size and time of every weight file that it links to."""
CLEANED = {CONFIG: cleaned_config, "tokenizer_config.json": cleaned_tokenizer_config}
_MADE: dict[tuple[str, str], Path] = {}
"""Private folders of this process by (folder, mark); they go with it."""


class Found(NamedTuple):
    """The folder of a model, and where it was within the folder that was given (empty: that one itself)."""

    folder: Path
    within: str = ""


def find(folder: Path, name: str) -> Found:
    """Find the model in a folder: there, where sentence-transformers has it, or the only one below.

    Raises UserError naming the folders where several are below.
    """
    if (folder / CONFIG).exists():
        return Found(folder)
    below = _listed(folder, name) or _below(folder)
    if len(below) > 1:
        first = ", ".join(below[:4]) + (", ..." if len(below) > 4 else "")
        raise UserError(f"--model {name}: no config.json there, but models in {first}: give one of these folders")
    return Found(folder / below[0], below[0]) if below else Found(folder)


def _listed(folder: Path, name: str) -> list[str]:
    """Name the folder that sentence-transformers keeps its transformer in; none where it lists no such folder."""
    if not (folder / MODULES).exists():
        return []
    regular(folder / MODULES, name, MOST_MODULES_BYTES)
    try:
        modules = json.loads((folder / MODULES).read_bytes().decode("utf-8"))
        paths = [module["path"] for module in modules if str(module["type"]).endswith(".Transformer")]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    known = {path.name for path in folder.iterdir()}
    return [path for path in paths if path in known and (folder / path / CONFIG).exists()][:1]


def _below(folder: Path) -> list[str]:
    """Name the folders below that hold a config and weights, as trainers and caches leave them; none below those."""
    found: list[str] = []
    level = [folder]
    for _ in range(DEEPEST):
        inner = [path for parent in level for path in _folders(parent)]
        models = [path for path in inner if (path / CONFIG).exists() and any(path.glob("*.safetensors"))]
        found += [path.relative_to(folder).as_posix() for path in models]
        level = [path for path in inner if path not in models][:1000]
    return found


def _folders(folder: Path) -> list[Path]:
    """List the folders in a folder; none in one that may not be read."""
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[:1] != "."]
    except OSError:
        return []


def content_mark(files: Files) -> str:
    """Hash what defines a model, config, tokenizer and weights, by name and content."""
    digest = hashlib.sha256()
    for file in files.names:
        digest.update(file.encode() + bytes.fromhex(sha256(files.folder / file)))
    return digest.hexdigest()[:32]


def sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def private(files: Files, mark: str, name: str) -> Path:
    """Make a folder for this process that holds the listed files alone, so that no library finds a second way in.

    Weights are links. Small files are copies, without what transformers must not follow. The folder goes with the process.
    """
    key = (str(files.folder), mark)
    if key not in _MADE:
        made = Path(tempfile.mkdtemp(dir=_place().path))
        # its own name is of the model: transformers caches code that comes with a model by it
        folder = made / f"checkpoint-{mark[:16]}"
        _fill(folder, files, name)
        _write(folder.parent / STATES, _states(folder))
        _MADE[key] = folder
    return _MADE[key]


@functools.cache
def _place() -> TemporaryFolder:
    """Make the folder that all private ones of this process are in; one, as it takes an open file."""
    return TemporaryFolder()


def _fill(folder: Path, files: Files, name: str) -> None:
    folder.mkdir()
    for file in files.names:
        source, target = files.folder / file, folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if file in CLEANED:
            _write(target, CLEANED[file](read_json(source, name), name))
        elif source.suffix == ".safetensors":
            _link(source.resolve(), target)
        else:
            shutil.copyfile(source, target)


def _states(folder: Path) -> dict[str, list[int]]:
    """Note size and time of the files that are links; copies are nobody else's."""
    links = [path for path in sorted(folder.rglob("*")) if path.is_symlink()]
    return {path.relative_to(folder).as_posix(): [path.stat().st_size, path.stat().st_mtime_ns] for path in links}


def check_unchanged(checkpoint: Checkpoint) -> None:
    """Raise UserError when weights were written to since they were verified: their trials would be of another model."""
    folder = Path(checkpoint.path)
    try:
        found = _states(folder)
        same = not found or found == json.loads((folder.parent / STATES).read_text("utf-8"))
    except (OSError, ValueError):
        same = False
    if not same:
        raise UserError(
            f"--model {checkpoint.name}: its weights were changed or removed since the study began; give the command again "
            "once they are whole, with another --output-dir if they are another model's"
        )


def _write(target: Path, content: Mapping[str, Any]) -> None:
    target.write_text(json.dumps(content, ensure_ascii=True, indent=1), "utf-8")


def _link(source: Path, target: Path) -> None:
    """Link a file, or copy it where the system has no links."""
    try:
        target.symlink_to(source)
    except (OSError, NotImplementedError):
        shutil.copyfile(source, target)
