"""Whatever the user gives wrongly is answered by one line that names it, with code 2, before anything is written.

Each case in `bad_inputs/` builds its files in an empty folder, which is also the working folder, and returns the
arguments. All run in this process; two run once more as a user would run them.
"""

import json
import os
import subprocess
import sys

import pytest
from bad_inputs import CASES, World, train

from support.tiny import InProcess
from transfergain import cli
from transfergain.executors import EXECUTORS


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def complains(err, says):
    """Whether this ends in one line to the user with all of `says`; what was read of the data may stand before it."""
    *before, complaint = err.splitlines(keepends=True)
    one_line = complaint.startswith("transfergain: ") and complaint.endswith("\n")
    quiet = not any(line.startswith("transfergain: ") for line in before) and "Traceback" not in err
    return one_line and quiet and all(part in complaint for part in says)


@pytest.fixture
def world(tmp_path, monkeypatch, checkpoints):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(EXECUTORS, "local", InProcess)  # starts no workers ahead
    return World(tmp_path, checkpoints)


def test_there_are_many_cases():
    assert len(CASES) >= 180
    for task in ("ner", "qa", "translation"):
        assert sum(name.startswith(f"{task}: ") for name in CASES) >= 12


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_line_and_changes_nothing(name, world, monkeypatch, capsys):
    build, says = CASES[name]
    arguments = build(world)
    before = contents(world.folder)
    monkeypatch.setattr(sys, "argv", ["transfergain", *arguments])
    monkeypatch.setattr("transfergain.running.runner.Runner.run", lambda self: pytest.fail("the study was begun"))
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2 and contents(world.folder) == before
    err = capsys.readouterr().err
    assert complains(err, says), err


@pytest.mark.parametrize("name", ["ragged row", "model of pickles"])
def test_as_the_user_runs_it(name, world):
    build, says = CASES[name]
    arguments = build(world)
    before = contents(world.folder)
    command = [sys.executable, "-m", "transfergain", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and contents(world.folder) == before, done.stderr
    assert complains(done.stderr, says), done.stderr


DOWN = {"HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "*"}


@pytest.mark.parametrize(
    ("what", "settings"),
    [("--model", DOWN), ("--dataset-name", DOWN), ("--dataset-name", {"HF_HUB_OFFLINE": "1"})],
)
def test_hub_out_of_reach_fails_clearly(what, settings, world):
    """Told to stay offline, or with nobody at the other end. In a process of its own: the client reads its settings once."""
    arguments = [*(train(world) if what == "--model" else ["run"]), what, "nobody/nothing"]
    before = contents(world.folder)
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"} | settings
    command = [sys.executable, "-m", "transfergain", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2 and contents(world.folder) == before, done.stderr
    assert complains(done.stderr, ('"nobody/nothing"', "Hub", "give")), done.stderr


def test_a_mistake_loses_nothing_of_an_earlier_study(world, monkeypatch, capsys):
    """The store of a finished study is the same, byte for byte, after runs that were refused."""
    folder = world.folder / world.study()
    world.put("runs/reviews/findings.json", json.dumps({"kept": True}))
    model = world.model("tiny")
    before = contents(folder)
    for wrong in (["--budgets", "5000"], ["--seeds", "0"], ["--shift", "a=none.csv"], []):
        monkeypatch.setattr(sys, "argv", ["transfergain", *train(world), "--model", model, *wrong])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        assert contents(folder) == before
    assert capsys.readouterr().err.count("transfergain: ") == 4
