"""The lock of an output folder: what it refuses, and what it leaves alone."""

import errno
import fcntl

import pytest

from transfergain.errors import UserError
from transfergain.running.signals import locked


def test_a_lock_that_is_a_link_is_refused_and_the_file_behind_it_is_left_as_it_is(tmp_path):
    (tmp_path / "letter").write_text("dear")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").symlink_to(tmp_path / "letter")
    with pytest.raises(UserError, match=r"\.lock is a link, which is not followed; remove it"), locked(tmp_path / "out"):
        pass
    assert (tmp_path / "letter").read_text() == "dear"


def test_a_second_run_waits_for_nobody(tmp_path):
    with (
        locked(tmp_path / "out"),
        pytest.raises(UserError, match="another transfergain is running there"),
        locked(tmp_path / "out"),
    ):
        pass


def test_a_file_system_without_locks_is_called_so(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match=r"cannot lock files \(No locks available\)"), locked(tmp_path / "out"):
        pass


def test_the_folder_is_made_for_its_owner_alone_and_one_that_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "there").mkdir(mode=0o755)
    for name, mode in {"new": 0o700, "there": 0o755}.items():
        with locked(tmp_path / name):
            assert (tmp_path / name).stat().st_mode & 0o777 == mode
