"""Worker processes on this machine."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from transfergain.executors.base import Ahead, Executor, Job, Watch
from transfergain.executors.process import Crew, Messages, Worker, end_all
from transfergain.outcome import Outcome
from transfergain.trial import Bench
from transfergain.types import Status, TrialSpec

TRIES_PER_JOB = 2
"""A job whose worker dies (killed for memory, say) is tried once more on a fresh worker, then recorded as failed."""


class LocalExecutor(Executor):
    """Run trials in `workers` processes, each with its own copy of the bench; a worker that dies is replaced."""

    def __init__(self, bench: Bench, workers: int) -> None:
        self._bench = bench
        self.workers = workers
        self._workers: list[Worker] = []
        self._messages: Messages = queue.Queue()

    @classmethod
    def ahead(cls, workers: int, threads: int) -> Ahead:
        """Start so many workers, which import what trials need while the study is set up."""
        return Crew(workers, threads)

    def adopt(self, ahead: Ahead) -> None:
        """Take over workers started ahead, as many as fit; the others end."""
        if isinstance(ahead, Crew):
            for worker in ahead.take(self.workers, self._bench.threads):
                self._employ(worker)

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
            elif job is not None and message[0] == "outcome":
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
        end_all(workers)

    def _start(self) -> Worker:
        return self._employ(Worker(self._bench.threads))

    def _employ(self, worker: Worker) -> Worker:
        self._workers.append(worker)
        worker.listen(self._messages).deliver("bench", self._bench)
        return worker

    @staticmethod
    def _next(worker: Worker, waiting: deque[Job]) -> None:
        worker.job = waiting.popleft() if waiting else None
        if worker.job:
            worker.deliver("job", worker.job.spec, worker.job.save_to, worker.job.state)

    def _drop_unfit(self) -> None:
        """Bury workers that died since the last submission, or still run a trial of one that was broken off."""
        for worker in list(self._workers):
            if worker.job or worker.process.poll() is not None or not worker.listener.is_alive():
                worker.process.kill()
                self._bury(worker)

    def _bury(self, worker: Worker) -> str:
        """Remove a worker, and say in one line how it ended."""
        self._workers.remove(worker)
        return worker.ending("try fewer --workers")
