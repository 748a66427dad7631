"""Faults of processes: kills, signals, lost workers, closed terminals.

Each returns what happened, or raises AssertionError.
"""

import contextlib
import os
import pty
import shutil
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

from support.lab import Lab, Skipped, die_at, quote, until
from support.processes import alive, children
from support.tiny import count
from transfergain.analysis.findings import load
from transfergain.store import Store


def reached(out: Path, rows: int) -> bool:
    """Whether the store in `out` holds so many rows."""
    return bool(count(out) >= rows)


def all_ended(processes: list[int]) -> bool:
    return not any(map(alive, processes))


def kills(lab: Lab, times: int) -> str:
    """kill -9 of the driver: half at random moments, half at random touches of a file"""
    struck = studies = 0
    while struck < times:
        out = lab.new()
        before: dict[str, Any] = {}
        while struck < times:
            if struck % 2:
                pid = lab.start(out)
                lab.kill_at(pid, lab.rng.uniform(0, 0.7 * lab.seconds))
            else:
                at = lab.rng.randrange(1, lab.events)
                pid = lab.start(out, partial(die_at, at))
            code, said = lab.wait(pid, out)
            assert code in (0, -9), said
            struck += code == -9
            before = lab.check(out, before)
            if code == 0:
                break
        lab.finish(out)
        studies += 1
        shutil.rmtree(out)
    return f"{struck} kills in {studies} studies; each ended with the same findings.json, byte for byte"


def workers_left_alone(lab: Lab) -> str:
    """kill -9 of a driver with worker processes"""
    for rows in (1, 7):
        out = lab.new()
        pid = lab.start(out, workers=True)
        until(partial(reached, out, rows), pid)
        workers = children(pid)
        os.kill(pid, signal.SIGKILL)
        lab.wait(pid, out)
        until(partial(all_ended, workers))
        assert workers
        lab.check(out, {})
        lab.finish(out)
    return "its workers end by themselves; same findings after the same command"


def two_at_once(lab: Lab) -> str:
    """two, and six, processes on one output folder"""
    refused = 0
    for number in (2, 2, 6):
        out = lab.new()
        said = [lab.folder / f"{out.name}-{i}.said" for i in range(number)]
        pids = [lab.start(out, said=path) for path in said]
        ended = [lab.wait(pid, out, path) for pid, path in zip(pids, said, strict=True)]
        codes = [code for code, _ in ended]
        assert set(codes) <= {0, 2}, codes
        assert 0 in codes
        lines = [line for code, line in ended if code]
        assert all("another transfergain is running there" in line for line in lines), lines
        refused += len(lines)
        lab.same(out)
    return f"one works, {refused} were refused: “another transfergain is running there”; same findings"


def worker_killed(lab: Lab) -> str:
    """kill -9 of a worker"""
    out = lab.new()
    pid = lab.start(out, workers=True)
    until(partial(reached, out, 7), pid)
    os.kill(children(pid)[0], signal.SIGKILL)
    code, line = lab.wait(pid, out)
    assert code == 0, line
    lab.same(out)
    return "its trial runs again on a new worker; same findings, exit code 0"


def worker_out_of_memory(lab: Lab) -> str:
    """workers killed by the kernel for lack of memory (a control group of 120 MB)"""
    group = Path("/sys/fs/cgroup/memory/transfergain-faults")
    if os.getuid() or not group.parent.is_dir():
        raise Skipped("needs root and the memory controller of control groups, version 1")
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(120 * 2**20))
        out = lab.new()
        pid = lab.start(out, workers=True)
        while alive(pid):
            for worker in children(pid):
                with contextlib.suppress(OSError):
                    (group / "cgroup.procs").write_text(str(worker))
            time.sleep(0.01)
        code, line = lab.wait(pid, out)
        assert code == 1, line
        with Store(out) as store:
            errors = {row.outcome.error for row in store.rows() if row.outcome.status == "failed"}
        assert errors
        assert all("lack of memory" in error for error in errors), errors
        lab.check(out, {})
        lab.finish(out)
    finally:
        until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
    return (
        f"each trial is tried twice, then a failed row, exit code 1; with memory again, the same findings. {quote(errors)}"
    )


def signals(lab: Lab) -> str:
    """SIGTERM, SIGHUP and SIGINT, three times each, at random moments of training"""
    said = set()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT) * 3:
        out = lab.new()
        pid = lab.start(out)
        until(partial(reached, out, 1), pid)
        time.sleep(lab.rng.uniform(0, 0.3 * lab.seconds))
        os.kill(pid, number)
        code, line = lab.wait(pid, out)
        assert code in (128 + number, 0), (code, line)
        before = lab.check(out, {})
        if code:
            assert load(out).trials["done"] == len(before), "the findings are not those of what is done"
            assert f"interrupted with {len(before)} trials done; the same command continues" in line, line
            said.add(f"{128 + number}")
        lab.finish(out)
    return (
        f"findings of what is done are written, exit codes {', '.join(sorted(said))}; same findings after the same command"
    )


def scheduler(lab: Lab) -> str:
    """SIGTERM to driver and workers alike, as schedulers send it"""
    out = lab.new()
    pid = lab.start(out, workers=True)
    until(partial(reached, out, 7), pid)
    workers = children(pid)
    for process in (*workers, pid):
        os.kill(process, signal.SIGTERM)
    code, line = lab.wait(pid, out)
    assert code == 143, line
    until(partial(all_ended, workers))
    with Store(out) as store:
        assert set(store.status().values()) == {"done"}, "a trial failed"
    lab.check(out, {})
    lab.finish(out)
    return "no trial counts as failed, workers end, exit code 143; same findings after the same command"


def hangup(lab: Lab) -> str:
    """terminal closed (SIGHUP, and every write to it fails)"""
    import fcntl
    import termios

    out = lab.new()
    master, slave = pty.openpty()

    def take_terminal() -> None:
        os.close(master)
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    pid = lab.start(out, take_terminal, terminal=slave)
    os.close(slave)
    os.set_blocking(master, False)

    def seen() -> bool:
        with contextlib.suppress(BlockingIOError):
            os.read(master, 65536)
        return reached(out, 7)

    until(seen, pid)
    os.close(master)
    code, _ = lab.wait(pid, out)
    assert code == 129, code
    before = lab.check(out, {})
    assert load(out).trials["done"] == len(before)
    assert (out / "findings.json").exists()
    lab.finish(out)
    return "findings of what is done are written, exit code 129; same findings after the same command"
