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
from typing import Any

from transfergain.executors.base import Executor, Job, Watch
from transfergain.executors.worker import receive, send
from transfergain.trial import Bench
from transfergain.types import Outcome, TrialSpec

TRIES = 2
"""A job whose worker dies (killed for memory, say) is tried once more on a fresh worker, then recorded as failed."""


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    stderr: Any
    job: Job | None = None
    tries: dict[str, int] = field(default_factory=dict)


class LocalExecutor(Executor):
    """`workers` processes, each with its own copy of the bench; a worker that dies is replaced."""

    def __init__(self, bench: Bench, workers: int) -> None:
        self._bench = bench
        self._count = workers
        self._workers: list[_Worker] = []
        self._messages: queue.Queue[tuple[_Worker, Any]] = queue.Queue()

    def submit(self, jobs: Sequence[Job], watch: Watch) -> Iterator[tuple[TrialSpec, Outcome]]:
        """See `Executor.submit`. Jobs start in the order given."""
        waiting, tries = deque(jobs), dict[str, int]()
        while len(self._workers) < min(self._count, len(jobs)):
            self._workers.append(self._start())
        for worker in self._workers:
            self._next(worker, waiting)
        while any(worker.job for worker in self._workers):
            worker, message = self._messages.get()
            job = worker.job
            if worker not in self._workers or job is None:
                continue
            if message is None:  # the pipe closed: the process is gone
                self._workers.remove(worker)
                tries[job.spec.id] = tries.get(job.spec.id, 0) + 1
                if tries[job.spec.id] < TRIES:
                    waiting.appendleft(job)
                else:
                    yield job.spec, Outcome("failed", error=self._obituary(worker))
                replacement = self._start()
                self._workers.append(replacement)
                self._next(replacement, waiting)
            elif message[0] == "progress":
                watch(job.spec, *message[1:])
            else:
                self._next(worker, waiting)
                yield job.spec, message[1]

    def close(self) -> None:
        """Kill the workers; trials in flight are lost, as on any interruption."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
            worker.stderr.close()
        self._workers.clear()

    def _start(self) -> _Worker:
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the worker)
        process = subprocess.Popen(
            [sys.executable, "-m", "transfergain.executors.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=os.environ | {"OMP_NUM_THREADS": str(self._bench.threads), "TOKENIZERS_PARALLELISM": "false"},
            start_new_session=True,
        )
        worker = _Worker(process, stderr)
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        assert process.stdin is not None
        _deliver(worker, self._bench)
        return worker

    def _listen(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        try:
            while True:
                self._messages.put((worker, receive(worker.process.stdout)))  # type: ignore[arg-type]
        except (EOFError, OSError, ValueError):
            self._messages.put((worker, None))

    def _next(self, worker: _Worker, waiting: deque[Job]) -> None:
        worker.job = waiting.popleft() if waiting else None
        if worker.job:
            _deliver(worker, (worker.job.spec, worker.job.save_to))

    @staticmethod
    def _obituary(worker: _Worker) -> str:
        code = worker.process.wait()
        worker.stderr.seek(0)
        lines = worker.stderr.read().decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1][:300]}" if lines else ""
        hint = " (killed from outside, perhaps for lack of memory: try fewer --workers)" if code == -9 else ""
        return f"the worker process ended with code {code}{hint}{last}"


def _deliver(worker: _Worker, message: Any) -> None:
    assert worker.process.stdin is not None
    with contextlib.suppress(OSError):  # the process is gone: its listener says so
        send(worker.process.stdin, message)  # type: ignore[arg-type]
