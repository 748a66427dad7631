"""Folders that last as long as a process, however it ends: what a killed one leaves behind, the next removes."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

PREFIX = "transfergain-"
MARK = ".in-use"
"""File of such a folder that its process holds a lock on. Who gets the lock knows that this process has ended."""


class TemporaryFolder(tempfile.TemporaryDirectory[str]):
    """A temporary folder that is removed with this object, at the end of the process, or by a later process.

    A lock tells whether its process lives, and not a number: other machines and containers may share the place, and their
    processes have numbers of their own.
    """

    def __init__(self, prefix: str = PREFIX, place: Path | None = None) -> None:
        """Make a folder in `place`, or among the system's temporary files; those left behind there are removed first."""
        _remove_left_behind(prefix, str(place or tempfile.gettempdir()))
        super().__init__(prefix=prefix, dir=place, ignore_cleanup_errors=True)
        with contextlib.suppress(OSError, ImportError):
            # the lock comes before the name that is looked for, so that nobody finds a mark that is not locked yet
            handle = _locked(Path(self.name, f"{MARK}.new"), os.O_CREAT | os.O_EXCL)
            weakref.finalize(self, os.close, handle)
            Path(self.name, f"{MARK}.new").rename(Path(self.name, MARK))

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.name)


def _locked(file: Path, more: int = 0) -> int:
    """Open a file and lock it; the lock goes with the process. Raises OSError where another process has it."""
    import fcntl

    handle = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | more, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


@functools.cache
def _remove_left_behind(prefix: str, place: str) -> None:
    """Remove this user's folders of that prefix whose process has ended; once a process, as a place may hold thousands."""
    with contextlib.suppress(OSError):
        for folder in _own_folders(prefix, place):
            with contextlib.suppress(OSError, ImportError):  # in use, gone meanwhile, or on a system without such locks
                handle = _locked(folder / MARK)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(handle)


def _own_folders(prefix: str, place: str) -> Iterator[Path]:
    """List the folders in a place that begin with a prefix and are this user's; others can write there too."""
    user = os.geteuid() if hasattr(os, "geteuid") else None
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith(prefix):
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode) and user in (found.st_uid, None):
                    yield Path(entry.path)
