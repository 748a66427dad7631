"""A worker process of the local executor: reads jobs from standard input, writes outcomes to standard output.

Started as `python -m transfergain.executors.worker`, so that a user's script needs no `if __name__ == "__main__"`.
Messages are pickled and length-prefixed; both ends of the pipe are this program.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO


def send(pipe: BinaryIO, message: Any) -> None:
    """Write one message."""
    payload = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(struct.pack("<Q", len(payload)) + payload)
    pipe.flush()


def receive(pipe: BinaryIO) -> Any:
    """Read one message. Raises EOFError when the other end has gone."""
    head = pipe.read(8)
    if len(head) < 8:
        raise EOFError
    payload = pipe.read(struct.unpack("<Q", head)[0])
    return pickle.loads(payload)


def _explain(error: BaseException) -> str:
    """One line: the error's type and message, and the innermost line of this package that it came through."""
    import traceback

    frames = [f for f in traceback.extract_tb(error.__traceback__) if "transfergain" in f.filename]
    where = f" [{Path(frames[-1].filename).name}:{frames[-1].lineno}]" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}{where}"


def main() -> None:
    """Serve jobs until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    inbox = sys.stdin.buffer
    outbox = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # stray prints of libraries must not reach the pipe
    bench = receive(inbox)

    from transfergain.errors import UserError
    from transfergain.trial import run_trial
    from transfergain.types import Outcome

    prepared = False
    while True:
        try:
            spec, save_to = receive(inbox)
        except EOFError:
            return
        if spec.recipe is not None and not prepared:
            _prepare_torch(bench.threads)
            prepared = True

        def progress(step: int, cap: int, dev_score: float | None) -> None:
            send(outbox, ("progress", step, cap, dev_score))  # a dead driver ends the worker here

        try:
            outcome = run_trial(spec, bench, save_to, progress)
        except BrokenPipeError:
            return
        except UserError as error:
            outcome = Outcome("failed", error=str(error))
        except Exception as error:
            outcome = Outcome("failed", error=_explain(error))
        send(outbox, ("outcome", outcome))


def _prepare_torch(threads: int) -> None:
    import warnings

    import torch
    import transformers

    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore")


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(0)
