"""Protect a running study: it alone uses its folder, signals end it in good order, and a closed terminal breaks nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from transfergain.errors import UserError
from transfergain.store import make_private


class Stopped(KeyboardInterrupt):
    """A scheduler's signal ended the study; handled in the same way as Ctrl-C."""

    def __init__(self, signal: int) -> None:
        self.signal = signal


class Terminal:
    """The terminal that a study began on. Once it is closed, writing to it fails; the findings are still to be written."""

    def __init__(self) -> None:
        self._streams = [stream for stream in (0, 1, 2) if os.isatty(stream)]

    def is_gone(self, error: OSError) -> bool:
        """Tell whether an error is that of writing to a closed terminal."""
        return error.errno == errno.EIO and any(not os.isatty(stream) for stream in self._streams)

    def leave(self) -> None:
        """Discard all further output."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in self._streams:
            os.dup2(nothing, stream)
        os.close(nothing)


@contextlib.contextmanager
def stoppable() -> Iterator[Terminal]:
    """Let SIGTERM, as schedulers send it, and SIGHUP end a study as Ctrl-C does: once, so that a second one does not
    disturb the writing of the findings. Ignored signals (nohup) stay ignored; outside the main thread no handler is set.
    """
    terminal, heard = Terminal(), list[int]()

    def stop(number: int, _: object) -> None:
        if number == getattr(signal, "SIGHUP", None):
            terminal.leave()
        if not heard:
            heard.append(number)
            raise Stopped(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
        before = {n: signal.signal(n, stop) for n in numbers if signal.getsignal(n) == signal.SIG_DFL}
    try:
        yield terminal
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Allow one running study an output folder; the lock goes with the process, however it ends."""
    try:
        make_private(folder)
        # no link is followed, and nothing that is there is emptied
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        lock = os.fdopen(os.open(folder / ".lock", flags, 0o600), "w")
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"--output-dir {folder}: its .lock is a link, which is not followed; remove it") from None
        raise UserError(f"--output-dir {folder}: cannot write there ({error.strerror}); choose another folder") from None
    with lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows: SQLite's own locking still keeps rows whole
            pass
        except BlockingIOError:
            raise UserError(
                f"--output-dir {folder}: another transfergain is running there; wait or choose another"
            ) from None
        except OSError as error:
            raise UserError(
                f"--output-dir {folder}: its file system cannot lock files ({error.strerror}), so that two runs could not "
                "be kept apart; choose a folder on another one"
            ) from None
        yield
