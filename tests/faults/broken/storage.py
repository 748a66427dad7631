"""Faults of what a study reads and writes: disks, clocks, stores, weights.

Each returns what happened, or raises AssertionError.
"""

import dataclasses
import os
import random
import re
import shutil
import time

from support.lab import Lab, Skipped, quote, root, tmpfs
from transfergain.analysis.findings import load
from transfergain.arms import ARMS
from transfergain.errors import UserError
from transfergain.store import STORE_FILE
from transfergain.types import WarningKind


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
    return f"exit code 2 (or 1, where a trial could not save its model); with room again, the same findings. {quote(said)}"


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
    return f"exit code 2, nothing changed. {quote(said)}"


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
    return f"exit code 2, nothing written. {quote({line.removeprefix('transfergain: ').replace(str(out), 'DIR')})}"


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


def corrupt(lab: Lab, times: int) -> str:
    """store with flipped bits, random bytes, zeros, or cut at random"""
    whole = (lab.peaceful / STORE_FILE).read_bytes()
    refused = unharmed = mended = 0
    said: set[str] = set()
    for i in range(times):
        out = lab.new()
        shutil.copytree(lab.peaceful, out)
        (out / STORE_FILE).write_bytes(_damaged(whole, lab.rng, i % 4))
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
        f"{quote(sorted(said)[:1])}"
    )


def _damaged(whole: bytes, rng: random.Random, kind: int) -> bytes:
    at = rng.randrange(len(whole))
    if kind == 0:
        return whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :]
    if kind == 1:
        return whole[:at]
    size = min(rng.randrange(1, 600), len(whole) - at)
    return whole[:at] + (bytes(size) if kind == 2 else rng.randbytes(size)) + whole[at + size :]


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
    warnings = {warning.text for warning in found.warnings if warning.kind is WarningKind.DIVERGED}
    assert len(warnings) == 1, found.warnings
    assert all(f"{arm} at 40 labels (3 of 3 seeds)" in line for line in warnings for arm in ("scratch", "full"))
    assert all(row.outcome.details.diverged for row in found.rows if row.spec.recipe)
    return f"scored with the best weights there were, counted, warned of. {quote(warnings)}"


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
    return f"refused, exit code 2. {quote({line.removeprefix('transfergain: ').replace(str(lab.folder), '')})}"
