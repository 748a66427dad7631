"""Break a small study in every way a machine can: nothing finished may be lost, doubled or changed, and one line says why.

`python benchmarks/faults.py [--kills 100] [--only kill,disk] [--write]` prints a table; --write puts it into
docs/reliability.md. It takes some minutes. Faults that need root (a full disk, a read-only mount, a memory limit) are marked
as skipped without it.

The study is real: tiny random checkpoints, real training, real store. Its driver is a fork of this process, which has the
libraries loaded, and runs trials itself, so that a kill strikes training and writing rather than imports; where workers are
the point, they are the worker processes of every study.
"""

import argparse
import contextlib
import dataclasses
import os
import pty
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from faults_lab import ROOT, Lab, Skipped, die_at, root, tmpfs, until
from test_interruptions import alive, children

from support.tiny import count
from transfergain.analysis.findings import load
from transfergain.arms import ARMS
from transfergain.errors import UserError
from transfergain.store import FILE, Store

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: written by benchmarks/faults.py -->\n", "<!-- end of faults -->"


# The faults. Each returns what happened, or raises AssertionError.


def kills(lab: Lab, times: int) -> str:
    """kill -9 of the driver: half at random moments, half at random touches of a file"""
    struck = studies = 0
    while struck < times:
        out, before = lab.new(), {}
        while struck < times:
            if struck % 2:
                pid = lab.start(out)
                lab.kill_at(pid, lab.rng.uniform(0, 0.7 * lab.seconds))
            else:
                at = lab.rng.randrange(1, lab.events)
                pid = lab.start(out, lambda at=at: die_at(at))
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
        until(lambda out=out, rows=rows: count(out) >= rows, pid)
        workers = children(pid)
        os.kill(pid, signal.SIGKILL)
        lab.wait(pid, out)
        until(lambda workers=workers: not any(map(alive, workers)))
        assert workers
        lab.check(out, {})
        lab.finish(out)
    return "its workers end by themselves; same findings after the same command"


def disk_full(lab: Lab) -> str:
    """disk full (a tmpfs of 9 sizes)"""
    said, whole = set(), sum(f.stat().st_size for f in lab.peaceful.rglob("*") if f.is_file())
    for part in range(1, 10):
        with tmpfs(lab, whole * part // 9 // 1024) as out:
            code, line = lab.wait(lab.start(out), out)
            assert code in (0, 1, 2), line
            before = lab.check(out, {})
            if code == 2:
                said.add(re.sub(r".*?: ", "", line.removeprefix("transfergain: "), count=1))
            root("mount", "-o", "remount,size=64m", out.parent)
            lab.check(out, before)
            lab.finish(out)
    return f"exit code 2 (or 1, where a trial could not save its model); with room again, the same findings. {_quote(said)}"


def read_only(lab: Lab) -> str:
    """output folder on a read-only mount"""
    with tmpfs(lab, 65536) as out:
        pid = lab.start(out)
        lab.kill_at(pid, lab.seconds / 2)
        lab.wait(pid, out)
        before, said = lab.check(out, {}), set()
        root("mount", "-o", "remount,ro", out.parent)
        try:
            code, line = lab.wait(lab.start(out), out)
            assert code == 2, line
            said.add(line.removeprefix("transfergain: ").replace(str(out), "DIR"))
        finally:
            root("mount", "-o", "remount,rw", out.parent)
        assert lab.check(out, before) == before
        lab.finish(out)
    return f"exit code 2, nothing changed. {_quote(said)}"


def not_ours(lab: Lab) -> str:
    """output folder of another user (as nobody)"""
    if os.getuid():
        raise Skipped("needs root")
    out = lab.new()
    out.mkdir()

    def become_nobody() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    code, line = lab.wait(lab.start(out, become_nobody), out)
    assert code == 2, line
    assert not list(out.iterdir())
    return f"exit code 2, nothing written. {_quote({line.removeprefix('transfergain: ').replace(str(out), 'DIR')})}"


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


def clock(lab: Lab) -> str:
    """clock that jumps by decades at every look"""
    jumps = random.Random(1)

    def jump() -> None:
        time.time = lambda: jumps.uniform(0, 4e9)
        time.time_ns = lambda: jumps.randrange(4 * 10**18)

    out = lab.new()
    pid = lab.start(out, jump)
    lab.kill_at(pid, lab.seconds / 2)
    lab.wait(pid, out)
    before = lab.check(out, {})
    code, line = lab.wait(lab.start(out, jump), out)
    assert code == 0, line
    lab.check(out, before)
    lab.same(out)
    return "killed and continued in between; same findings: no number depends on the time of day"


def worker_killed(lab: Lab) -> str:
    """kill -9 of a worker"""
    out = lab.new()
    pid = lab.start(out, workers=True)
    until(lambda: count(out) >= 7, pid)
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
        f"each trial is tried twice, then a failed row, exit code 1; with memory again, the same findings. {_quote(errors)}"
    )


def diverging(lab: Lab) -> str:
    """NaN loss: a learning rate of 1e30"""
    out, usual = lab.new(), dict(ARMS)
    for name in ("scratch", "full"):
        ARMS[name] = dataclasses.replace(ARMS[name], default_learning_rate=1e30)
    try:
        code, line = lab.wait(lab.start(out, lambda: lab.keys.update(tune=0)), out)
    finally:
        ARMS.update(usual)
    assert code == 0, line
    found = load(out)
    warnings = {line for line in found.warnings if "diverged" in line}
    assert len(warnings) == 2, found.warnings
    assert all(row.outcome.details["diverged"] for row in found.rows if row.spec.recipe)
    return f"scored with the best weights there were, counted, warned of. {_quote(warnings)}"


def nan_weight(lab: Lab) -> str:
    """checkpoint with a NaN among its weights"""
    from safetensors.torch import load_file, save_file

    shutil.copytree(lab.folder / "tiny", lab.folder / "nan")
    weights = load_file(lab.folder / "nan" / "model.safetensors")
    weights["encoder.layer.0.output.dense.weight"][3, 3] = float("nan")
    save_file(weights, lab.folder / "nan" / "model.safetensors", {"format": "pt"})
    out = lab.new()
    code, line = lab.wait(lab.start(out, lambda: lab.keys.update(model=str(lab.folder / "nan"))), out)
    assert code == 2, line
    assert not out.exists()
    return f"refused, exit code 2. {_quote({line.removeprefix('transfergain: ').replace(str(lab.folder), '')})}"


def corrupt(lab: Lab, times: int) -> str:
    """store with flipped bits, random bytes, zeros, or cut at random"""
    whole = (lab.peaceful / FILE).read_bytes()
    refused = unharmed = mended = 0
    said: set[str] = set()
    for i in range(times):
        out = lab.new()
        shutil.copytree(lab.peaceful, out)
        (out / FILE).write_bytes(_damaged(whole, lab.rng, i % 4))
        try:
            assert load(out).to_json().encode() == lab.findings, "other findings, unnoticed"
            unharmed += 1
        except UserError as error:
            said.add(re.sub(r"\(.*\)", "(…)", str(error).partition(": ")[2]))
            refused += 1
        if i % 10 == 0:
            code, line = lab.wait(lab.start(out), out)
            assert code in (0, 2), line
            if code == 0:
                lab.same(out)
                mended += 1
        shutil.rmtree(out)
    assert refused
    assert mended
    runs = -(-times // 10)
    return (
        f"of {times} damaged stores {refused} were refused in one line, {unharmed} were damaged where nothing is stored and "
        f"gave the same findings, none gave others. The command of the run mended {mended} of {runs} and refused the rest. "
        f"{_quote(sorted(said)[:1])}"
    )


def _damaged(whole: bytes, rng: random.Random, kind: int) -> bytes:
    at = rng.randrange(len(whole))
    if kind == 0:
        return whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :]
    if kind == 1:
        return whole[:at]
    size = min(rng.randrange(1, 600), len(whole) - at)
    return whole[:at] + (bytes(size) if kind == 2 else rng.randbytes(size)) + whole[at + size :]


def signals(lab: Lab) -> str:
    """SIGTERM, SIGHUP and SIGINT, three times each, at random moments of training"""
    said = set()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT) * 3:
        out = lab.new()
        pid = lab.start(out)
        until(lambda out=out: count(out) >= 1, pid)
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
    until(lambda: count(out) >= 7, pid)
    workers = children(pid)
    for process in (*workers, pid):
        os.kill(process, signal.SIGTERM)
    code, line = lab.wait(pid, out)
    assert code == 143, line
    until(lambda: not any(map(alive, workers)))
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
        return count(out) >= 7

    until(seen, pid)
    os.close(master)
    code, _ = lab.wait(pid, out)
    assert code == 129, code
    before = lab.check(out, {})
    assert load(out).trials["done"] == len(before)
    assert (out / "findings.json").exists()
    lab.finish(out)
    return "findings of what is done are written, exit code 129; same findings after the same command"


def _quote(lines) -> str:
    shown = sorted(lines)[:1]
    return f"“{shown[0][:300]}”" if shown else ""


FAULTS = {
    "kill": kills,
    "kill-with-workers": workers_left_alone,
    "disk": disk_full,
    "read-only": read_only,
    "not-ours": not_ours,
    "two": two_at_once,
    "clock": clock,
    "worker": worker_killed,
    "memory": worker_out_of_memory,
    "diverging": diverging,
    "nan": nan_weight,
    "corrupt": corrupt,
    "signals": signals,
    "scheduler": scheduler,
    "hangup": hangup,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="(default: 100)")
    parser.add_argument("--damages", type=int, default=200, help="damaged stores (default: 200)")
    parser.add_argument("--only", default=",".join(FAULTS), help="faults, with commas between (default: all)")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    rows, failed = [], False
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        lab = Lab(Path(folder))
        print(f"14 trials, {lab.seconds:.1f} s of processor, {lab.events} touches of files", flush=True)
        for name in given.only.split(","):
            fault, begin = FAULTS[name], time.perf_counter()
            times = {"kill": [given.kills], "corrupt": [given.damages]}.get(name, [])
            try:
                outcome, verdict = fault(lab, *times), "held"
            except Skipped as reason:
                outcome, verdict = str(reason), "skipped"
            except AssertionError as error:
                outcome, verdict, failed = str(error)[:600], "BROKEN", True
            what = " ".join((fault.__doc__ or name).split())
            rows.append(f"| {what} | {verdict} | {' '.join(outcome.replace('|', '/').split())} |")
            print(f"{rows[-1]} {time.perf_counter() - begin:.0f} s", flush=True)
    if given.write:
        text = PAGE.read_text("utf-8")
        table = "\n".join(["| fault | | what happened |", "|---|---|---|", *rows])
        head, tail = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
        PAGE.write_text(f"{head}{table}\n{tail}", "utf-8")
    sys.exit(failed)


if __name__ == "__main__":
    main()
