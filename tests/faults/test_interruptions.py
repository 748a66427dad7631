"""Studies that are killed, interrupted or lose a worker end with the findings of one that was left in peace."""

import dataclasses
import errno
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import transfergain as tg
from support.processes import alive, children, poll
from support.tiny import KEYS, InProcess, command, count, files, findings, flags, models, outcomes
from transfergain.analysis.findings import load
from transfergain.arms import ARMS
from transfergain.errors import UserError
from transfergain.executors import EXECUTORS
from transfergain.executors.local import LocalExecutor
from transfergain.running import signals
from transfergain.store import STORE_FILE
from transfergain.types import WarningKind

TRIALS = 4 + 8 + 8
"""Tuning, reported trials, floors."""

SCRIPT = """
import json, sys
import transfergain as tg
tg.run(**json.loads(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory, checkpoints):
    """The study of these tests. It learns something, so that equal findings mean equal training."""
    folder = tmp_path_factory.mktemp("data")
    train, _ = files(folder)
    return KEYS | {"arms": ["scratch", "full"], "tune": 2, "model": checkpoints(), "train_file": train}


@pytest.fixture(scope="module")
def peaceful(tmp_path_factory, keys):
    """The output folder of an uninterrupted run, all of it in this process."""
    folder = tmp_path_factory.mktemp("peaceful")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXECUTORS, "local", InProcess)
        patch.setattr(InProcess, "ran", [])
        done = tg.run(**keys, output_dir=folder, quiet=True)
    assert done.trials == {"done": TRIALS, "failed": 0, "skipped": 0, "pending": 0}
    return folder


class Driver:
    """A study in a process of its own, from the moment when the store holds `rows` rows."""

    def __init__(self, arguments, folder, rows, cwd=None):
        self.process = subprocess.Popen(
            [sys.executable, *arguments], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        poll(lambda: count(folder) >= rows, self.process)
        self.workers = poll(lambda: children(self.process.pid), self.process)

    def end(self, number=None):
        """Send a signal, if any; the exit code, when driver and workers have ended."""
        if number is not None:
            self.process.send_signal(number)
        _, self.said = self.process.communicate()
        poll(lambda: not any(map(alive, self.workers)))
        return self.process.returncode


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for worker processes in /proc")
def test_a_study_survives_kills_an_interruption_and_the_loss_of_a_worker(keys, peaceful, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    run = ["-m", "transfergain", "run", *flags(keys | {"output_dir": out})]

    driver = Driver([*run, "--workers", "2"], out, rows=1)
    assert len(driver.workers) == 2
    driver.process.send_signal(signal.SIGSTOP)  # so that it does not end meanwhile
    assert command(monkeypatch, "run", *flags(keys | {"output_dir": out})) == 2
    assert "another transfergain is running there" in capsys.readouterr().err
    assert driver.end(signal.SIGKILL) == -signal.SIGKILL
    before = outcomes(out)
    assert 1 <= len(before) < TRIALS

    driver = Driver(run, out, rows=max(13, len(before) + 1))  # floors and tuning are done
    for worker in driver.workers:  # a scheduler signals every process of a job
        os.kill(worker, signal.SIGTERM)
    assert driver.end(signal.SIGTERM) == 143
    found = findings(out)
    assert len(before) < found["trials"]["done"] == len(outcomes(out)) < TRIALS
    assert before.items() <= outcomes(out).items()
    assert found["trials"]["pending"] == TRIALS - found["trials"]["done"]
    assert f"interrupted with {found['trials']['done']} trials done" in driver.said
    assert (out / "report.html").exists()
    assert not (out / "models" / ".unfinished").exists()

    driver = Driver(script(keys, out, tmp_path), out, rows=found["trials"]["done"] + 1, cwd=tmp_path / "here")
    os.kill(driver.workers[0], signal.SIGKILL)
    assert driver.end() == 0, driver.said
    assert findings(out)["trials"] == {"done": TRIALS, "failed": 0, "skipped": 0, "pending": 0}
    assert outcomes(out) == outcomes(peaceful)
    assert (out / "findings.json").read_bytes() == (peaceful / "findings.json").read_bytes()
    assert models(out) == models(peaceful)


def script(keys, out, folder):
    """Arguments of Python for a study by a script without main guard; for a folder with a file that is no module of ours."""
    (folder / "script.py").write_text(SCRIPT)
    (folder / "here").mkdir()
    (folder / "here" / "datasets.py").write_text("raise RuntimeError('a file of the user')")
    return [str(folder / "script.py"), json.dumps(keys | {"output_dir": str(out), "quiet": True})]


def test_the_peaceful_study_learns_something(peaceful):
    """Else the comparison above would compare constants."""
    losses = {point.loss for outcome in outcomes(peaceful).values() for point in outcome["curve"]}
    assert len(losses) > 100
    predictions = {o["evaluated"]["test"][0] for o in outcomes(peaceful).values() if "test" in o["evaluated"]}
    assert len(predictions) >= 6


class Interrupted(LocalExecutor):
    """Sends a signal to this process when the second trial begins, and again while it is being heeded."""

    number = signal.SIGINT

    def submit(self, jobs, watch):
        for i, result in enumerate(super().submit(jobs, watch)):
            if i == 1:
                signal.raise_signal(self.number)
            yield result

    def close(self):
        if self.number != signal.SIGINT:
            signal.raise_signal(self.number)
        super().close()


@pytest.fixture
def heeded():
    """Signals as a terminal's process has them, though these tests may run under nohup, which ignores some."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_python_raises_interrupted_with_the_findings(number, keys, tmp_path, monkeypatch):
    from transfergain.api import Interrupted as Raised

    monkeypatch.setitem(EXECUTORS, "local", Interrupted)
    monkeypatch.setattr(Interrupted, "number", number)
    threads, processes, handler = threading.enumerate(), children(os.getpid()), signal.getsignal(number)
    with pytest.raises(Raised) as error:
        tg.run(**keys | {"tune": 0, "output_dir": tmp_path}, quiet=True)
    assert error.value.findings.trials == {"done": 1, "failed": 0, "skipped": 0, "pending": 15}
    assert error.value.signal == number
    assert findings(tmp_path)["trials"]["pending"] == 15
    assert children(os.getpid()) == processes
    assert threading.enumerate() == threads
    assert signal.getsignal(number) == handler


def test_ignored_signals_stay_ignored_and_threads_know_none(keys, tmp_path, monkeypatch):
    """As nohup wants it; and a larger program may run a study beside its main thread."""
    monkeypatch.setitem(EXECUTORS, "local", InProcess)
    monkeypatch.setattr(InProcess, "ran", [])
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        found = []
        small = keys | {"tune": 0, "arms": ["scratch"], "budgets": [40], "output_dir": tmp_path}
        thread = threading.Thread(target=lambda: found.append(tg.run(**small, quiet=True)))
        thread.start()
        thread.join()
        assert found[0].trials["done"] == 6
        with signals.stoppable():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture
def small(keys, monkeypatch):
    """A study of six trials in this process."""
    monkeypatch.setitem(EXECUTORS, "local", InProcess)
    monkeypatch.setattr(InProcess, "ran", [])
    return keys | {"tune": 0, "arms": ["scratch"], "budgets": [40]}


def test_damaged_rows_run_again_and_give_the_same_findings(small, tmp_path, capsys):
    out = tmp_path / "out"
    tg.run(**small, output_dir=out, quiet=True)
    first, before, ran = (out / "findings.json").read_bytes(), outcomes(out), len(InProcess.ran)
    with sqlite3.connect(out / STORE_FILE) as db:
        db.execute("UPDATE trials SET dev_score = 0.123 WHERE id = (SELECT id FROM trials WHERE spec LIKE '%scratch%')")
    db.close()
    with pytest.raises(UserError, match="was changed after it was written"):
        load(out)
    tg.run(**small, output_dir=out)
    assert "1 trial in the store is not as it was written; it runs again" in " ".join(capsys.readouterr().err.split())
    assert len(InProcess.ran) == ran + 1
    assert (out / "findings.json").read_bytes() == first
    assert outcomes(out) == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_cannot_be_written_is_one_line_and_loses_nothing(number, small, tmp_path, monkeypatch, capsys):
    """When the findings are written, which is after all trials; and when they are written anew by `report`."""
    small |= {"keep_models": "none"}
    whole = tg.run(**small, output_dir=tmp_path / "whole", quiet=True)
    with monkeypatch.context() as patch:

        def full(path, *_):
            raise OSError(number, os.strerror(number), str(path))

        patch.setattr(Path, "write_text", full)
        with pytest.raises(UserError, match="the trials that are done are kept"):
            tg.run(**small, output_dir=tmp_path / "out", quiet=True)
        assert command(monkeypatch, "report", tmp_path / "out") == 2
    assert os.strerror(number) in capsys.readouterr().err
    ran = len(InProcess.ran)
    assert tg.run(**small, output_dir=tmp_path / "out", quiet=True).scores == whole.scores
    assert len(InProcess.ran) == ran


def test_a_clock_that_jumps_changes_nothing(small, tmp_path, monkeypatch):
    tg.run(**small, output_dir=tmp_path / "whole", quiet=True)
    jumps = random.Random(3)
    monkeypatch.setattr(time, "time", lambda: jumps.uniform(0, 4e9))
    monkeypatch.setattr(time, "time_ns", lambda: jumps.randrange(4 * 10**18))
    tg.run(**small, output_dir=tmp_path / "out", quiet=True)
    assert (tmp_path / "out" / "findings.json").read_bytes() == (tmp_path / "whole" / "findings.json").read_bytes()


def test_a_study_that_diverges_is_scored_counted_and_said(small, tmp_path, monkeypatch):
    """With an absurd learning rate the loss is soon no number. The trials keep the score of their best weights."""
    absurd = dataclasses.replace(ARMS["scratch"], default_learning_rate=1e30)
    monkeypatch.setitem(ARMS, "scratch", absurd)
    found = tg.run(**small, output_dir=tmp_path, quiet=True)
    assert found.trials == {"done": 6, "failed": 0, "skipped": 0, "pending": 0}
    said = [warning.text for warning in found.warnings if warning.kind is WarningKind.DIVERGED]
    assert len(said) == 1 and "diverged, kept as scored: scratch at 40 labels (2 of 2 seeds)" in said[0]
    scores = [row for row in findings(tmp_path)["scores"] if row["arm"] == "scratch"]
    assert len(scores) == 2
    assert all(0 <= s <= 1 for row in scores for s in row["per_seed"])


def test_a_checkpoint_with_a_nan_is_refused(small, checkpoints, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(checkpoints(), tmp_path / "tiny")
    weights = load_file(tmp_path / "tiny" / "model.safetensors")
    weights[sorted(w for w in weights if "encoder" in w)[0]].view(-1)[3] = float("nan")
    save_file(weights, tmp_path / "tiny" / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="no numbers"):
        tg.run(**small | {"model": tmp_path / "tiny"}, output_dir=tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_what_a_kill_leaves_half_written_is_cleared_away(small, tmp_path):
    tg.run(**small, output_dir=tmp_path, quiet=True)
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = tmp_path / f"findings.json.{ended.pid}.part"
    left.write_text("{")
    (tmp_path / f"report.html.{os.getppid()}.part").write_text("of a process that lives")
    tg.run(**small, output_dir=tmp_path, quiet=True)
    assert not left.exists()
    assert (tmp_path / f"report.html.{os.getppid()}.part").exists()
