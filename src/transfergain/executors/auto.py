"""Choose how many workers of how many threads a machine gets (`--workers auto`)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

COPIES_OF_WEIGHTS = 6
"""Sizes of the weights that a training holds: weights, gradients, two moments of AdamW, the best weights, one to spare."""
PROCESS_BYTES = 700 * 2**20
"""Bytes of a worker with torch and transformers loaded, and the activations of a small model (measured: 0.7 to 1.1 GB in all
with a model of 22 million parameters)."""
KERNEL_BYTES = 900 * 2**20
"""Bytes of compiled kernels that a CPU worker comes to hold: oneDNN keeps those of the last 1,024 shapes of products
(measured: from 0.23 to 1.13 GB over 2,000 shapes of two bf16 products; workers of a study grew from 0.9 to 1.9 GB)."""
GPU_PROCESS_BYTES = 1500 * 2**20
"""Bytes on a GPU beside the weights: context, kernels, activations. An assumption, not measured."""
MOST_PER_GPU = 4
"""Most workers of one GPU: beyond that they wait for each other. An assumption, not measured."""
USABLE_MEMORY = 0.85
"""Share of the free memory that workers may use."""
WORTHWHILE_THREADS_SPEED_UP = 1.2
"""How much faster more threads must be than one before they are used."""


def need(weights: int, gpu: bool = False) -> int:
    """Reckon the bytes that a worker needs to train a model of `weights` bytes: of the GPU's memory, or of the machine's."""
    return COPIES_OF_WEIGHTS * weights + (GPU_PROCESS_BYTES if gpu else PROCESS_BYTES + KERNEL_BYTES)


def choose(cores: int, free: int, each: int, threads: int | None, speed: Callable[[int], float]) -> tuple[int, int]:
    """Choose (workers, threads of each) for a CPU.

    One-thread processes have the highest throughput, so there is one for every core as long as `free` bytes hold them at
    `each`; cores that memory leaves over become threads, if `speed` (products a second by threads) says that it pays.
    """
    holds = max(1, int(USABLE_MEMORY * free) // max(1, each))
    if threads is not None:
        return max(1, min(cores // threads, holds)), threads
    workers = max(1, min(cores, holds))
    more = cores // workers
    return workers, more if more > 1 and speed(more) >= WORTHWHILE_THREADS_SPEED_UP * speed(1) else 1


def per_gpu(free: int, each: int, cores: int) -> int:
    """Choose how many workers share a GPU with `free` bytes."""
    return max(1, min(int(USABLE_MEMORY * free) // max(1, each), cores, MOST_PER_GPU))


def likely_workers(asked: int, device: str) -> int:
    """Guess how many workers there will be, before anything is known of the checkpoint; with a GPU at least one."""
    if asked:
        return min(asked, cores())
    if device not in ("auto", "cpu") or (device == "auto" and _has_gpu()):
        return 1
    return max(1, min(cores(), int(USABLE_MEMORY * free_memory()) // PROCESS_BYTES))


def _has_gpu() -> bool:
    """Tell whether this looks like a machine with a GPU, without asking torch."""
    return sys.platform == "darwin" or any(map(os.path.exists, ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")))


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory(root: Path = Path("/")) -> int:
    """Read how many bytes new processes may use: what Linux calls available, or what is left of the container's limit."""
    found = []
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        pass
    try:
        group = root / "sys/fs/cgroup"
        found.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no limit, or no such file
        pass
    if found:
        return max(0, min(found))
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 8 * 2**30


def matmul_speed(threads: int) -> float:
    """Measure the products a second of matrices such as a small model has, with so many threads, for a fifth of a second."""
    import torch

    from transfergain.engine.threads import torch_threads

    with torch_threads(threads):
        left, right = torch.rand(512, 384), torch.rand(384, 1536)
        left @ right
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < 0.2:
            left @ right
            count += 1
        return count / (time.perf_counter() - start)


def weight_bytes(folder: str) -> int:
    """Count the bytes of a checkpoint's weights, as they are stored."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*.safetensors"))
