"""Run a trial on a node of a Ray cluster, and send back its outcome.

Both the driver and the nodes import this; Ray itself is imported inside functions, because it is an extra.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from transfergain.errors import UserError
from transfergain.executors import worker
from transfergain.outcome import Outcome
from transfergain.temporary import TemporaryFolder
from transfergain.trial import Bench
from transfergain.types import SCHEMA_VERSION, TrialSpec
from transfergain.version import __version__

Refs = Sequence[Any]
"""References to a bench, the checkpoint's manifest and its files; within a sequence Ray does not fetch them unasked."""
Manifest = Mapping[str, str]
"""File of a checkpoint -> its sha256."""
_OWN_COPIES: list[TemporaryFolder] = []
"""Copies of checkpoints that this process alone has, for as long as it lives."""


class Board:
    """Where tasks leave their progress and the driver reads it; an actor beside the driver."""

    def __init__(self) -> None:
        self._news: dict[str, tuple[int, int, float | None]] = {}

    def write(self, name: str, step: int, cap: int, dev_score: float | None) -> None:
        """Note where the trial called `name` is."""
        self._news[name] = (step, cap, dev_score)

    def read(self) -> dict[str, tuple[int, int, float | None]]:
        """Take the latest of each trial since the last reading."""
        news, self._news = self._news, {}
        return news


def stamp() -> str:
    """Name the version that must be the same on all nodes."""
    return f"{__version__}, schema {SCHEMA_VERSION}"


def run_task(driver: str, spec: TrialSpec, save: bool, refs: Refs, board: Any) -> tuple[Outcome, Mapping[str, bytes]]:
    """Run one trial for a driver of that stamp: its outcome, and the files of its model if it is to be saved."""
    if driver != stamp():
        raise UserError(f"--executor ray: a node has transfergain {stamp()}, the driver {driver}; install the same")
    bench = _bench(refs)
    if spec.recipe is not None:
        worker.prepare(bench.threads)
    worker.give_memory_back()

    def progress(step: int, cap: int, dev_score: float | None) -> None:
        board.write.remote(spec.id, step, cap, dev_score)

    if not save:
        return worker.attempt(spec, bench, None, progress), {}
    with TemporaryFolder() as place:
        folder = Path(place, "model")
        outcome = worker.attempt(spec, bench, folder, progress)
        saved = [path for path in folder.rglob("*") if path.is_file()]
        return outcome, {path.relative_to(folder).as_posix(): path.read_bytes() for path in saved}


@functools.lru_cache(maxsize=1)
def _bench_of(name: str, refs: tuple[Any, ...]) -> Bench:
    import ray

    bench: Bench
    bench, manifest = ray.get(list(refs[:2]))
    path = _checkpoint(bench.checkpoint.path, manifest, refs[2])
    return replace(bench, checkpoint=replace(bench.checkpoint, path=path))


def _bench(refs: Refs) -> Bench:
    """Fetch the bench, once for a worker process, with the checkpoint at a path of this node."""
    return _bench_of(refs[0].hex(), tuple(refs))


def _checkpoint(path: str, manifest: Manifest, files: Any) -> str:
    """Find the checkpoint's files on this node: at the same path if they are the same there, or in a copy."""
    import ray

    mark = hashlib.sha256(repr(sorted(manifest.items())).encode()).hexdigest()[:24]
    user = os.getuid() if hasattr(os, "getuid") else 0
    copy = Path(tempfile.gettempdir()) / f"transfergain-{user}-{mark}"
    for folder in (Path(path), copy):
        if is_own(folder) and has_files(folder, manifest):
            return str(folder)
    made = TemporaryFolder(f"{copy.name}-", copy.parent)
    partial = made.path / "checkpoint"
    partial.mkdir(0o700)
    unpack_files(ray.get(files), partial)
    try:
        partial.replace(copy)
    except OSError:  # another worker of the node was first, or something else is there
        if not (is_own(copy) and has_files(copy, manifest)):
            _OWN_COPIES.append(made)
            return str(partial)
    made.cleanup()
    return str(copy)


def is_own(folder: Path) -> bool:
    """Tell whether a folder is this user's: others can make one among the temporary files, and change it later."""
    with contextlib.suppress(OSError):
        return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
    return False


def has_files(folder: Path, manifest: Manifest) -> bool:
    """Tell whether the folder has the manifest's files, byte for byte."""
    with contextlib.suppress(OSError):
        return all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == mark for name, mark in manifest.items())
    return False


def unpack_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files by relative name into a folder. Raises UserError for a name that leads out of it."""
    for name, content in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or PureWindowsPath(name).drive or "\\" in name or ".." in path.parts or not path.parts:
            raise UserError(
                f"--executor ray: a node sent a file called {name!r}, which leads out of its folder; nothing kept"
            )
        target = folder.joinpath(*path.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
