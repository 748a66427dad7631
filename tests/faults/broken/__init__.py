"""Every way in which a machine can break a study."""

from collections.abc import Callable

from faults.broken import processes, storage

FAULTS: dict[str, Callable[..., str]] = {
    "kill": processes.kills,
    "kill-with-workers": processes.workers_left_alone,
    "disk": storage.disk_full,
    "read-only": storage.read_only,
    "not-ours": storage.not_ours,
    "two": processes.two_at_once,
    "clock": storage.clock,
    "worker": processes.worker_killed,
    "memory": processes.worker_out_of_memory,
    "diverging": storage.diverging,
    "nan": storage.nan_weight,
    "corrupt": storage.corrupt,
    "signals": processes.signals,
    "scheduler": processes.scheduler,
    "hangup": processes.hangup,
}
