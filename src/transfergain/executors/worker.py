"""A worker process of the local executor: reads jobs from standard input, writes outcomes to standard output.

A process of its own with this module as its only program, so that a user's script needs no `if __name__ == "__main__"`.
Messages are pickled and length-prefixed; both ends of the pipe are this program. A thread watches standard input: when
the driver is gone, however it ended, its end of the pipe is closed and the worker leaves, in the midst of a trial too.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import pickle
import queue
import signal
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transfergain.outcome import Outcome
    from transfergain.trial import Bench, Progress
    from transfergain.types import TrialSpec

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`, from glibc's malloc.h."""


def send(pipe: IO[bytes], message: Any) -> None:
    """Write one message."""
    payload = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(struct.pack("<Q", len(payload)) + payload)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """Read one message. Raises EOFError when the other end has gone, in the midst of a message too."""
    return pickle.loads(_read(pipe))


def _read(pipe: IO[bytes]) -> bytes:
    """Read one message as it was sent."""
    head = pipe.read(8)
    if len(head) < 8:
        raise EOFError
    size = struct.unpack("<Q", head)[0]
    payload = pipe.read(size)
    if len(payload) < size:
        raise EOFError
    return payload


def _explain(error: BaseException) -> str:
    """Describe an error in one line: its type and message, and the innermost line of this package that it came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "transfergain" in f.filename]
    where = f" [{Path(frames[-1].filename).name}:{frames[-1].lineno}]" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}{where}"


def _inbox(pipe: IO[bytes]) -> queue.SimpleQueue[bytes]:
    """Queue the messages of a pipe, read by a thread that ends the process when the other end has gone.

    They are unpickled in the main thread: that imports, and two threads must not import what imports each other.
    """
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                messages.put(_read(pipe))
        except EOFError:
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    return messages


def serve() -> None:
    """Serve jobs until standard input closes."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the driver's to handle, also where a scheduler signals every process
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # Pipes of our own: libraries may print, and ask; and closing a standard stream that a thread reads aborts Python.
    pipe, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    inbox = _inbox(pipe)
    bench: Bench | None = None

    def progress(step: int, cap: int, dev_score: float | None) -> None:
        send(outbox, ("progress", step, cap, dev_score))

    while True:
        kind, *content = pickle.loads(inbox.get())
        if kind == "prepare":
            prepare(*content)
        elif kind == "question":
            send(outbox, ("answer", *answer(*content)))
        elif kind == "bench":
            (bench,) = content
        else:
            assert bench is not None
            spec, save_to, state = content
            if spec.recipe is not None:
                prepare(bench.threads)
            send(outbox, ("outcome", attempt(spec, bench, save_to, progress, state)))
            give_memory_back()


def answer(question: Callable[..., Any], *arguments: Any) -> tuple[Any, Exception | None]:
    """Answer a question of the driver: (answer, None), or (None, what was raised in place of one)."""
    from transfergain.errors import UserError

    try:
        return question(*arguments), None
    except UserError as error:
        return None, error
    except Exception:  # not every exception can be sent
        return None, RuntimeError(traceback.format_exc())


def attempt(spec: TrialSpec, bench: Bench, save_to: Path | None, progress: Progress, state: Path | None = None) -> Outcome:
    """Run one trial; what it raises becomes a `failed` outcome."""
    from transfergain.errors import UserError
    from transfergain.outcome import Outcome
    from transfergain.trial import run_trial
    from transfergain.types import Status

    try:
        return run_trial(spec, bench, save_to, progress, state)
    except UserError as error:
        return Outcome(Status.FAILED, error=str(error))
    except Exception as error:
        return Outcome(Status.FAILED, error=_explain(error))


@functools.cache
def prepare(threads: int) -> None:
    """Set this process up for trials: what they import, threads, and libraries that keep to themselves."""
    import warnings

    with no_collections():
        import torch
        import transformers

        from transfergain.arms import weights as weights
        from transfergain.engine import learner as learner

        for name in ("AutoTokenizer", "PreTrainedTokenizerFast", "PreTrainedModel"):  # loads what is behind all models
            getattr(transformers, name)

    keep_memory()
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore")


@contextlib.contextmanager
def no_collections() -> Iterator[None]:
    """Leave cyclic garbage alone in the block: imports make a million objects and no garbage, and looking through them
    again and again is a fifth of their time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.enable()


def keep_memory() -> None:
    """Have glibc reuse what a trial frees, in place of returning it and asking again: evaluating large batches of short
    texts spends a tenth of its time on fresh pages. Nothing on other systems, or where the user has set it.
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return
    _glibc("mallopt", M_MMAP_THRESHOLD, 1 << 30)
    _glibc("mallopt", M_TRIM_THRESHOLD, (1 << 31) - 1)


def give_memory_back() -> None:
    """Return what freed models leave in glibc's arenas, which else grow with every trial; nothing on other systems."""
    _glibc("malloc_trim", 0)


def _glibc(function: str, *numbers: int) -> None:
    """Call a function of glibc; on other systems nothing happens."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        getattr(ctypes.CDLL(None), function)(*numbers)
