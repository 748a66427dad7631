"""A small real study to break, ways to run it, and what must hold of it afterwards; for tests/faults/broken."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from support.checkpoints import build_checkpoint
from support.processes import alive, fork
from support.tiny import KEYS, InProcess, files, flags, models, outcomes
from transfergain import cli
from transfergain.executors import EXECUTORS
from transfergain.store import STORE_FILE, Store

LOCAL = EXECUTORS["local"]


class Skipped(Exception):
    """What this machine cannot be made to do."""


class Lab:
    """A study of 14 trials, what it finds when left in peace, and ways to run it."""

    def __init__(self, folder: Path, **keys: object) -> None:
        """`keys` of the study that differ."""
        self.folder, self.rng, self.made = folder, random.Random(0), 0
        folder.chmod(0o755)
        train, _ = files(folder)
        self.keys = KEYS | {"arms": ["scratch", "full"], "budgets": [40], "seeds": 3, "keep_models": "all"} | keys
        self.keys |= {"train_file": train, "model": build_checkpoint("bert", folder / "tiny")}
        for file in (folder / "tiny").iterdir():
            file.chmod(0o644)
        self.peaceful = self.new()
        self.run(self.peaceful)  # in this process, which loads all libraries
        self.outcomes, self.models = outcomes(self.peaceful), models(self.peaceful)
        self.findings = (self.peaceful / "findings.json").read_bytes()
        events, begin = self.folder / "events", os.times()
        out = self.new()
        code, said = self.wait(self.start(out, lambda: count_events(events)), out)
        assert code == 0, said
        self.events = int(events.read_text())
        end = os.times()
        self.seconds = end.children_user + end.children_system - begin.children_user - begin.children_system

    def new(self) -> Path:
        """An output folder that is not there yet."""
        self.made += 1
        return self.folder / f"out{self.made}"

    def run(self, out: Path, *more: str, workers: bool = False) -> int:
        """`transfergain run` in this process; the exit code."""
        EXECUTORS["local"] = LOCAL if workers else InProcess
        sys.argv = ["transfergain", "run", *flags(self.keys | {"output_dir": out}), *more]
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    def start(
        self,
        out: Path,
        prepare: Callable[[], object] = lambda: None,
        *more: str,
        workers=False,
        terminal=None,
        said: Path | None = None,
    ) -> int:
        """`transfergain run` in a fork of this process; its id. What it says goes to a terminal or into a file."""
        if pid := fork():
            return pid
        code = 70
        try:
            os.setsid()
            sink = terminal or os.open(said or self.said(out), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(sink, stream)
            sys.stdout, sys.stderr = (os.fdopen(stream, "w", closefd=False) for stream in (1, 2))  # pytest has its own
            prepare()
            code = self.run(out, *more, workers=workers)
        except BaseException:
            with (self.folder / "broken").open("a") as file:
                traceback.print_exc(file=file)
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def said(self, out: Path) -> Path:
        """Where a run into `out` says what it says: outside of it."""
        return self.folder / f"{out.relative_to(self.folder).parts[0]}.said"

    def wait(self, pid: int, out: Path, said: Path | None = None) -> tuple[int, str]:
        """(exit code, last line of the output)."""
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said = said or self.said(out)
        lines = said.read_text("utf-8", "replace").strip().splitlines() if said.exists() else []
        broken = self.folder / "broken"
        assert not broken.exists(), broken.rename(self.folder / "seen").read_text()[-1500:]
        return code, lines[-1] if lines else ""

    def kill_at(self, pid: int, seconds: float, number: int = signal.SIGKILL) -> None:
        """Send a signal when the process has used so much processor time, or has ended."""
        ticks, path = seconds * os.sysconf("SC_CLK_TCK"), Path(f"/proc/{pid}/stat")
        while True:
            fields = path.read_text().rpartition(")")[2].split()
            if fields[0] == "Z" or sum(map(int, fields[11:13])) >= ticks:
                break
            time.sleep(0.002)
        os.kill(pid, number)

    def check(self, out: Path, before: dict) -> dict:
        """The store opens; what was finished still is, and equals what the peaceful study measured. Returns it."""
        if not (out / STORE_FILE).exists() or not (out / STORE_FILE).stat().st_size:
            assert not before, "the store is gone"
            return {}
        with Store(out, create=True):  # as the next run opens it
            pass
        found = {k: v for k, v in outcomes(out).items() if v["status"] == "done"}
        assert before.keys() <= found.keys(), "a finished trial is lost"
        assert found.items() <= self.outcomes.items(), "a finished trial has other numbers"
        with sqlite3.connect(out / STORE_FILE) as db:
            specs = [spec for (spec,) in db.execute("SELECT spec FROM trials").fetchall()]
        db.close()
        assert len(specs) == len(set(specs)), "a trial is there twice"
        return found

    def finish(self, out: Path) -> None:
        """The same command once more, in peace, ends with the same findings and models."""
        code, said = self.wait(self.start(out), out)
        assert code == 0, said
        self.same(out)

    def same(self, out: Path) -> None:
        done = {k: v for k, v in outcomes(out).items() if v["status"] == "done"}
        assert done == self.outcomes, "other numbers"
        assert (out / "findings.json").read_bytes() == self.findings, "other findings"
        kept = models(out)
        differ = sorted(name for name in kept.keys() | self.models.keys() if kept.get(name) != self.models.get(name))
        assert not differ, f"other models: {differ[:5]}"
        litter = [str(path) for path in out.rglob("*.part")]
        assert not litter, f"left over: {litter[:5]}"


def count_events(file: Path) -> None:
    """Write down how many times the run touches its files."""
    seen = [0]

    def event() -> None:
        seen[0] += 1
        os.write(handle, f"{seen[0]:9}".encode())
        os.lseek(handle, 0, os.SEEK_SET)

    handle = os.open(file, os.O_CREAT | os.O_WRONLY)
    _on_events(event)


def die_at(number: int) -> None:
    """kill -9 oneself at the n-th statement to the store, or file that is opened, moved or removed."""
    left = [number]

    def event() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    _on_events(event)


def _on_events(event: Callable[[], object]) -> None:
    connect = sqlite3.connect

    def traced(*arguments, **options):
        database = connect(*arguments, **options)
        database.set_trace_callback(lambda statement: event())
        return database

    sqlite3.connect = traced
    touching = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree")

    def hook(name: str, arguments: tuple) -> None:
        if name in touching or (name == "open" and "/out" in str(arguments[0])):
            event()

    sys.addaudithook(hook)


def until(condition: Callable[[], Any], pid: int | None = None):
    for _ in range(60_000):
        if found := condition():
            return found
        assert pid is None or alive(pid), "the driver has ended"
        time.sleep(0.01)
    raise AssertionError("nothing happens")


@contextlib.contextmanager
def tmpfs(lab: Lab, kilobytes: int) -> Iterator[Path]:
    """An output folder on a disk of its own."""
    place = lab.new()
    place.mkdir()
    root("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place)
    try:
        yield place / "out"
    finally:
        root("umount", "-l", place)


def root(*command: object) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if os.getuid() or done.returncode:
        raise Skipped(f"needs root and {command[0]}: {done.stderr.strip()[:80]}")


def quote(lines: Iterable[str]) -> str:
    """The first of the lines, in quotation marks."""
    shown = sorted(lines)[:1]
    return f"“{shown[0][:300]}”" if shown else ""
