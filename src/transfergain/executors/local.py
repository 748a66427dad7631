"""Worker processes on this machine."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from transfergain.executors.base import Executor, Job, Watch
from transfergain.executors.worker import receive, send
from transfergain.trial import Bench
from transfergain.types import Outcome, Status, TrialSpec

TRIES_PER_JOB = 2
"""A job whose worker dies (killed for memory, say) is tried once more on a fresh worker, then recorded as failed."""

SECONDS_TO_END = 5.0
"""Seconds that a worker whose pipe has closed gets to end by itself."""

WORKER_COMMAND = (sys.executable, "-P", "-c", "from transfergain.executors.worker import serve; serve()")
"""`-P`: a file of the user's called `random.py` in the current folder is never imported by a worker."""


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    job: Job | None = None
    listener: threading.Thread = field(default_factory=threading.Thread)

    def deliver(self, message: Any) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # the process is gone: its listener says so
            send(self.process.stdin, message)

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


class LocalExecutor(Executor):
    """Run trials in `workers` processes, each with its own copy of the bench; a worker that dies is replaced."""

    def __init__(self, bench: Bench, workers: int) -> None:
        self._bench = bench
        self.workers = workers
        self._workers: list[_Worker] = []
        self._messages: queue.Queue[tuple[_Worker, Any]] = queue.Queue()

    def submit(self, jobs: Sequence[Job], watch: Watch) -> Iterator[tuple[TrialSpec, Outcome]]:
        """See `Executor.submit`. Jobs start in the order given."""
        waiting, tries = deque(jobs), dict[str, int]()
        self._drop_unfit()
        while len(self._workers) < min(self.workers, len(jobs)):
            self._start()
        for worker in self._workers:
            self._next(worker, waiting)
        while any(worker.job for worker in self._workers):
            worker, message = self._messages.get()
            if worker not in self._workers:
                continue
            job = worker.job
            if message is None:
                obituary = self._bury(worker)
                if job is None:  # it died idle
                    continue
                tries[job.spec.id] = tries.get(job.spec.id, 0) + 1
                if again := tries[job.spec.id] < TRIES_PER_JOB:
                    waiting.appendleft(job)
                if waiting:
                    self._next(self._start(), waiting)
                if not again:
                    yield job.spec, Outcome(Status.FAILED, error=obituary)
            elif job is not None and message[0] == "progress":
                watch(job.spec, *message[1:])
            elif job is not None:
                self._next(worker, waiting)
                yield job.spec, message[1]

    def peak_memory(self) -> int | None:
        """Read how many bytes the largest living worker has held at most; None on systems that do not say."""
        found = []
        for worker in self._workers:
            with contextlib.suppress(OSError, ValueError, IndexError):
                lines = Path(f"/proc/{worker.process.pid}/status").read_text().splitlines()
                found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
        return max(found, default=None)

    def close(self) -> None:
        """Kill the workers; trials in flight are lost, as on any interruption."""
        workers, self._workers = self._workers, []  # none is replaced from here on
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.end()
            worker.stderr.close()

    def _start(self) -> _Worker:
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the worker)
        process = subprocess.Popen(
            WORKER_COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=os.environ | {"OMP_NUM_THREADS": str(self._bench.threads), "TOKENIZERS_PARALLELISM": "false"},
            start_new_session=True,
        )
        worker = _Worker(process, stderr)
        self._workers.append(worker)
        worker.listener = threading.Thread(target=self._listen, args=(worker,), daemon=True)
        worker.listener.start()
        worker.deliver(self._bench)
        return worker

    def _listen(self, worker: _Worker) -> None:
        """Pass the worker's messages on; None when there will be no more, for whatever reason."""
        assert worker.process.stdout is not None
        try:
            while True:
                self._messages.put((worker, receive(worker.process.stdout)))
        except Exception as error:
            if not isinstance(error, EOFError):  # what came through the pipe is no message
                worker.process.kill()
            self._messages.put((worker, None))

    @staticmethod
    def _next(worker: _Worker, waiting: deque[Job]) -> None:
        worker.job = waiting.popleft() if waiting else None
        if worker.job:
            worker.deliver((worker.job.spec, worker.job.save_to))

    def _drop_unfit(self) -> None:
        """Bury workers that died since the last submission, or still run a trial of one that was broken off."""
        for worker in list(self._workers):
            if worker.job or worker.process.poll() is not None or not worker.listener.is_alive():
                worker.process.kill()
                self._bury(worker)

    def _bury(self, worker: _Worker) -> str:
        """Remove a worker, and say in one line how it ended."""
        self._workers.remove(worker)
        code = worker.end()
        with worker.stderr as file:
            file.seek(0)
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1][:300]}" if lines else ""
        hint = " (killed from outside, perhaps for lack of memory: try fewer --workers)" if code == -9 else ""
        return f"the worker process ended with code {code}{hint}{last}"
