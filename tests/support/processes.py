"""Other processes, as /proc shows them."""

import os
import time
from pathlib import Path

import pytest
import torch


def fork() -> int:
    """Fork this process: 0 in the child, whose torch keeps to one thread whatever it is told.

    OpenMP waits for ever for the threads that it had before a fork, and which did not come along.
    """
    if not (pid := os.fork()):
        torch.set_num_threads(1)
        torch.set_num_threads = lambda nthreads: None
    return pid


def children(pid):
    """Ids of the living processes that `pid` has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has just ended
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(path.parent.name))
    return found


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def poll(condition, driver=None):
    """Wait until the condition holds; fails when it does not within two minutes, or when the driver ends before."""
    for _ in range(12_000):
        if found := condition():
            return found
        if driver is not None and driver.poll() is not None:
            pytest.fail(f"the driver ended with code {driver.returncode}: {driver.stderr.read()}")
        time.sleep(0.01)
    return pytest.fail("nothing happens")
