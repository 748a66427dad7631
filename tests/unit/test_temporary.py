"""Temporary folders go with their process, however it ends, and no folder goes that somebody uses."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.processes import fork
from transfergain import temporary
from transfergain.temporary import MARK, TemporaryFolder

MAKES_ONE = """
import os, signal, sys
from pathlib import Path
from transfergain.temporary import TemporaryFolder
folder = TemporaryFolder("transfergain-", Path(sys.argv[1]))
(folder.path / "inner").mkdir()
print(folder.name, flush=True)
{then}
"""


def made(place, then):
    """Name of the folder that another process made, and that process."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAKES_ONE.format(then=then), str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    return Path(process.stdout.readline().decode().strip()), process


@pytest.fixture(autouse=True)
def as_a_new_process():
    """What was left behind is looked for once a process."""
    temporary._remove_left_behind.cache_clear()
    yield
    temporary._remove_left_behind.cache_clear()


@pytest.mark.long
def test_what_a_killed_process_leaves_behind_is_removed_by_the_next_and_what_a_living_one_uses_is_not(tmp_path):
    killed, process = made(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    assert process.wait() == -signal.SIGKILL and (killed / "inner").is_dir()
    used, living = made(tmp_path, "sys.stdin.read()")
    with TemporaryFolder("transfergain-", tmp_path) as own:
        assert {path.name for path in tmp_path.iterdir()} == {used.name, Path(own).name}
    living.stdin.close()
    assert living.wait() == 0 and list(tmp_path.iterdir()) == []


def test_a_child_that_uses_the_folder_keeps_it_when_its_parent_is_killed(tmp_path):
    """The lock is one of all processes that came from a fork."""
    ready, used = os.pipe()
    done, end = os.pipe()
    parent = fork()
    if not parent:
        folder = TemporaryFolder("transfergain-", tmp_path)
        if not os.fork():
            os.write(used, str(os.getpid()).encode())
            os.read(done, 1)
            os._exit(0)
        folder.path.joinpath("inner").mkdir()
        signal.pause()
    os.read(ready, 10)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    (left,) = tmp_path.iterdir()
    TemporaryFolder("transfergain-", tmp_path).cleanup()
    assert left.is_dir()
    os.write(end, b"x")
    for _ in range(500):
        temporary._remove_left_behind.cache_clear()
        TemporaryFolder("transfergain-", tmp_path).cleanup()
        if not left.exists():
            return
        time.sleep(0.01)
    pytest.fail("it is left behind")


def test_only_folders_that_a_process_of_ours_made_are_removed(tmp_path, monkeypatch):
    """Not those without the mark, of another name, behind a link, nor of another user."""
    for name in ("transfergain-0-abc", "other-1", "target"):
        (tmp_path / name).mkdir()
    for name in ("other-1", "target"):
        (tmp_path / name / MARK).touch()
    (tmp_path / "transfergain-link").symlink_to(tmp_path / "target")
    (tmp_path / "transfergain-marked").mkdir()
    (tmp_path / "transfergain-marked" / MARK).symlink_to(tmp_path / "target" / MARK)
    before = sorted(path.name for path in tmp_path.iterdir())
    TemporaryFolder("transfergain-", tmp_path).cleanup()
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    (tmp_path / "transfergain-marked" / MARK).unlink()
    (tmp_path / "transfergain-marked" / MARK).touch()
    temporary._remove_left_behind.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        TemporaryFolder("transfergain-", tmp_path).cleanup()
    assert (tmp_path / "transfergain-marked").exists()
    temporary._remove_left_behind.cache_clear()
    TemporaryFolder("transfergain-", tmp_path).cleanup()
    assert sorted(path.name for path in tmp_path.iterdir()) == [name for name in before if name != "transfergain-marked"]


def test_a_place_without_locks_keeps_everything(tmp_path, monkeypatch):
    (tmp_path / "transfergain-left").mkdir()
    (tmp_path / "transfergain-left" / MARK).touch()

    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with TemporaryFolder("transfergain-", tmp_path) as own:
        assert Path(own).is_dir() and (tmp_path / "transfergain-left").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["transfergain-left"]
