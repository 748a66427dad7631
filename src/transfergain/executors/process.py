"""A worker process as its driver sees it, and the workers that are started ahead of their bench."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import IO, Any, Self, TypeVar

from transfergain.errors import UserError
from transfergain.executors.base import Ahead, Job
from transfergain.executors.worker import receive, send

SECONDS_TO_END = 5.0
"""Seconds that a worker whose pipe has closed gets to end by itself."""

WORKER_COMMAND = (sys.executable, "-P", "-c", "from transfergain.executors.worker import serve; serve()")
"""`-P`: a file of the user's called `random.py` in the current folder is never imported by a worker."""

T = TypeVar("T")
Messages = queue.Queue[tuple["Worker", Any]]
"""(worker, its message), of all workers of an executor; None in place of a message when there will be no more."""


class Worker:
    """A worker process, its pipes, and the job that it has."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.job: Job | None = None
        self.listener = threading.Thread()
        self.stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the worker)
        self.process = subprocess.Popen(
            WORKER_COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"},
            start_new_session=True,
        )

    def deliver(self, *message: Any) -> None:
        """Send a message to the process, unless it is gone: its listener says so."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            send(self.process.stdin, message)

    def receive(self) -> Any:
        """Wait for the next message of a worker without a listener. Raises EOFError when it is gone."""
        assert self.process.stdout is not None
        return receive(self.process.stdout)

    def listen(self, messages: Messages) -> Self:
        """Have a thread pass the worker's messages on, from here on."""
        self.listener = threading.Thread(target=self._listen, args=(messages,), daemon=True)
        self.listener.start()
        return self

    def _listen(self, messages: Messages) -> None:
        try:
            while True:
                messages.put((self, self.receive()))
        except Exception as error:
            if not isinstance(error, EOFError):  # what came through the pipe is no message
                self.process.kill()
            messages.put((self, None))

    def end(self) -> int:
        """End the worker: make sure that process, listener and pipes are gone; returns the exit code."""
        try:
            code = self.process.wait(SECONDS_TO_END)  # its pipe closes a little before it ends: the exit code tells why
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if self.listener.ident is not None:
            self.listener.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # what the process never read is left in the buffer
                pipe.close()
        return code

    def ending(self, advice: str) -> str:
        """End the worker, and say in one line how it ended, with advice where memory may have been short."""
        code = self.end()
        with self.stderr as file:
            file.seek(0)
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1][:300]}" if lines else ""
        hint = f" (killed from outside, perhaps for lack of memory: {advice})" if code == -9 else ""
        return f"the worker process ended with code {code}{hint}{last}"


def end_all(workers: list[Worker]) -> None:
    """Kill workers, and wait until they are gone."""
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.end()
        worker.stderr.close()


class Crew(Ahead):
    """Workers that import what trials need while the driver reads the data; the first one answers questions meanwhile."""

    def __init__(self, workers: int, threads: int) -> None:
        self._workers = [Worker(threads) for _ in range(workers)]
        for worker in self._workers:
            worker.deliver("prepare", threads)

    def ask(self, question: Callable[..., T], *arguments: Any) -> T:
        """Have the first worker answer; this process does where it has all loaded already.

        Raises UserError where the worker is gone: what ended it would end this process, too.
        """
        if self._workers and "transformers" not in sys.modules:
            self._workers[0].deliver("question", question, *arguments)
            try:
                _, answer, error = self._workers[0].receive()
            except EOFError:
                how = self._workers.pop(0).ending("give a smaller checkpoint, or free memory")
                raise UserError(
                    f"trying the checkpoint came to no end: {how}; run it again, or give another --model"
                ) from None
            if error is not None:
                raise error
            return answer  # type: ignore[no-any-return]
        return question(*arguments)

    def take(self, most: int, threads: int) -> list[Worker]:
        """Hand over at most so many of the workers, if they have so many threads, and end the others."""
        fit = [worker for worker in self._workers if worker.threads == threads][:most]
        self._workers = [worker for worker in self._workers if worker not in fit]
        self.close()
        return fit

    def close(self) -> None:
        """End the workers that were not handed over."""
        workers, self._workers = self._workers, []
        end_all(workers)
