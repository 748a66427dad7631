"""The loaders under fire, for some seconds; `run.py` does it for as long as it is told to."""

import socket
import subprocess
from pathlib import Path

import checkpoint_folder
import pytest
import targets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FOUND = targets.regressions()


@pytest.mark.parametrize("name", targets.TARGETS)
def test_any_bytes_load_or_are_refused_in_one_line(name):
    target = targets.TARGETS[name]

    @settings(
        max_examples=target.examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.randoms(use_true_random=False))
    def fire(rng):
        targets.run(target, targets.mutated(rng.randbytes, target))

    fire()
    assert [targets.run(target, seed) for seed in target.seeds] == [""] * len(target.seeds)


@pytest.mark.parametrize("name", FOUND)
def test_what_once_broke_a_loader_no_longer_does(name):
    target, content = FOUND[name]
    complaint = targets.run(targets.TARGETS[target], content)
    assert "\n" not in complaint


def test_a_target_notices_what_it_is_there_for(monkeypatch):
    """Exceptions of other kinds and loads that never end are findings; a complaint is one line, whatever it quotes."""

    def load(content, folder):
        if content == b"hang":
            while True:
                pass
        raise {b"bug": KeyError, b"long": targets.UserError}[content]("x\ny" * 9_999)

    target = targets.Target(load, (b"",))
    monkeypatch.setattr(targets, "PATIENCE", 0.2)
    with pytest.raises(KeyError):
        targets.run(target, b"bug")
    with pytest.raises(targets.Hang):
        targets.run(target, b"hang")
    assert targets.run(target, b"long").startswith("x yx y")


@pytest.mark.parametrize(
    "act",
    [
        lambda folder: Path("/etc/passwd").read_bytes(),
        lambda folder: socket.socket().connect_ex(("127.0.0.1", 9)),
        lambda folder: compile("1", str(folder / "model" / "evil.py"), "eval"),
        lambda folder: subprocess.run(["true"], check=True),
    ],
)
def test_the_guard_of_checkpoints_notices_what_is_none_of_its_files(monkeypatch, tmp_path, act):
    monkeypatch.setattr(checkpoint_folder, "attempt", lambda content, folder: act(folder))
    with pytest.raises(checkpoint_folder.Trespass):
        checkpoint_folder.load(b"", tmp_path)
    monkeypatch.setattr(checkpoint_folder, "attempt", lambda content, folder: (folder / "x").write_text("own"))
    checkpoint_folder.load(b"", tmp_path)
