"""Trials as tasks of a Ray cluster, or of a Ray of this machine's own.

The driver alone writes the store and decides what is tried again; a node only computes. The data sets and the checkpoint
go through the object store, which ships each object once to a node; a node that has the same checkpoint files at the same
path reads those, another one writes them to its temporary folder. Ray is imported when an executor is made, not before.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transfergain.errors import UserError, install
from transfergain.executors.base import Executor, Job, Watch
from transfergain.executors.local import TRIES_PER_JOB
from transfergain.executors.ray_node import Board, Refs, run_task, stamp, unpack_files
from transfergain.outcome import Outcome
from transfergain.trial import Bench
from transfergain.types import Status, TrialSpec

POLL_SECONDS = 1.0
"""Seconds between two looks at what running trials report."""
TRIES_ON_LOST_NODES = 20
"""A trial whose node is lost (preempted, say) is not to blame: it is tried so many times before it is recorded as failed."""


class RayExecutor(Executor):
    """Run up to `workers` tasks at once; 0: as many as the cluster has room for."""

    own_machine = False

    def __init__(self, bench: Bench, workers: int) -> None:
        self._ray = _import_ray()
        self._threads = bench.threads
        self._device = _device(bench.device)
        self._limit = workers
        self._asked: Any = None  # of the board, and not yet answered
        self._ask_from = 0.0
        self._started = _connect(self._ray, workers * bench.threads or None)
        try:
            self.workers = self._slots()
            self._check_resources()
            self._refs = self._ship(replace(bench, device=self._device))
            here = self._ray.get_runtime_context().get_node_id()
            strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=True)
            options = {"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": strategy}
            self._board = self._ray.remote(**options)(Board).remote()
            gpus = 1 / bench.per_gpu if self._device == "cuda" else 0
            resources = {"num_cpus": bench.threads, "num_gpus": gpus, "max_retries": 0}
            self._task = self._ray.remote(**resources)(run_task)
        except BaseException:
            self.close()
            raise

    def _slots(self) -> int:
        """Count the trials that run at once, as the cluster is now."""
        found = self._ray.cluster_resources()
        room = int(found.get("CPU", 0)) // self._threads
        return max(1, min(room, self._limit or room))

    def submit(self, jobs: Sequence[Job], watch: Watch) -> Iterator[tuple[TrialSpec, Outcome]]:
        """See `Executor.submit`. Jobs start about in the order given."""
        waiting, running = deque(jobs), dict[Any, Job]()
        died, lost = Counter[str](), Counter[str]()
        try:
            while waiting or running:
                self.workers = self._slots()
                room = self._limit or 2 * self.workers + 2  # a few wait on the nodes, so that none is idle
                while waiting and len(running) < room:
                    job = waiting.popleft()
                    running[self._task.remote(stamp(), job.spec, job.save_to is not None, self._refs, self._board)] = job
                ready, _ = self._ray.wait(list(running), timeout=POLL_SECONDS)
                self._report(running.values(), watch)
                for ref in ready:
                    job = running.pop(ref)
                    outcome = self._fetch(ref, job, died, lost)
                    if outcome is None:
                        waiting.appendleft(job)
                    else:
                        yield job.spec, outcome
        finally:
            for ref in running:
                with contextlib.suppress(Exception):
                    self._ray.cancel(ref, force=True)

    def close(self) -> None:
        """Leave the cluster; a Ray of this executor's own ends. Trials in flight are lost, as on any interruption."""
        if self._started:
            self._ray.shutdown()
        self._started = False

    def _fetch(self, ref: Any, job: Job, died: Counter[str], lost: Counter[str]) -> Outcome | None:
        """Take a task's outcome and write its model to its place; None when it is to be tried again."""
        errors, name = self._ray.exceptions, job.spec.id
        try:
            outcome, files = self._ray.get(ref)
            if job.save_to is not None and outcome.status == Status.DONE:
                unpack_files(files, job.save_to)
        except UserError:
            raise
        except ModuleNotFoundError as error:
            raise UserError(
                f"--executor ray: a node lacks the module {error.name}; install transfergain there too"
            ) from None
        except (errors.NodeDiedError, errors.ObjectLostError) as error:
            lost[name] += 1
            return None if lost[name] < TRIES_ON_LOST_NODES else _failed("its node was lost", error)
        except errors.RayTaskError as error:  # not the trial's own: those come back as outcomes
            return _failed("the task failed", error)
        except (errors.RayError, OSError) as error:
            died[name] += 1
            return None if died[name] < TRIES_PER_JOB else _failed("the worker process ended", error)
        return outcome  # type: ignore[no-any-return]

    def _report(self, jobs: Iterable[Job], watch: Watch) -> None:
        """Pass on what running trials have reported; a board that is away, with its node, costs a look and no trial."""
        if self._asked is None and time.monotonic() > self._ask_from:
            self._asked, self._ask_from = self._board.read.remote(), time.monotonic() + POLL_SECONDS
        if self._asked is None or not self._ray.wait([self._asked], timeout=0)[0]:
            return
        asked, self._asked = self._asked, None
        with contextlib.suppress(self._ray.exceptions.RayError):
            specs = {job.spec.id: job.spec for job in jobs}
            for name, report in self._ray.get(asked).items():
                if name in specs:
                    watch(specs[name], *report)

    def _check_resources(self) -> None:
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if not any(node.get("CPU", 0) >= self._threads for node in nodes):
            raise UserError(f"--threads {self._threads}: no node of the Ray cluster has so many CPUs; give fewer")
        if self._device == "cuda" and not any(node.get("GPU", 0) for node in nodes):
            raise UserError("--device cuda: no node of the Ray cluster has a GPU; give --device cpu or add one")

    def _ship(self, bench: Bench) -> Refs:
        folder = Path(bench.checkpoint.path)
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _shipped(folder)}
        manifest = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        return [self._ray.put(part) for part in (bench, manifest, files)]


def _shipped(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _device(name: str) -> str:
    """Tell the kind of device; Ray chooses which one of that kind."""
    from transfergain.engine.precision import pick_device

    return pick_device(name).type


def _failed(what: str, error: BaseException) -> Outcome:
    return Outcome(Status.FAILED, error=f"{what}: {' '.join(str(error).split())[:300]}")


def _import_ray() -> Any:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    os.environ.setdefault("RAY_worker_niceness", "0")  # of a Ray started here: as the local executor's workers
    if _address().startswith(("local", "127.")):  # else Ray listens on all that the machine has, wherever it is used
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError:
        raise UserError(f"--executor ray needs Ray; {install('ray')}") from None
    return ray


def _address() -> str:
    return os.environ.get("RAY_ADDRESS") or "local"


def _connect(ray: Any, cpus: int | None) -> bool:
    """Join the cluster of RAY_ADDRESS, or start a Ray of this machine that listens on the loopback device alone.

    False when this process had joined one before.
    """
    if ray.is_initialized():
        return False
    address = _address()
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address.startswith("ray://"):
        raise UserError(f"RAY_ADDRESS={address}: start the driver on a node of the cluster, with RAY_ADDRESS=auto")
    if address == "local":
        options |= {"num_cpus": cpus, "include_dashboard": False}
    started = time.monotonic()
    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        waited = f"after {time.monotonic() - started:.0f} s"
        raise UserError(f"RAY_ADDRESS={address}: no Ray cluster answers {waited} ({reason})") from None
    return True
