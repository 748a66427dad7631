"""A task with an option, a floor and a format of its own is one file and one dict entry; nothing else is told of it."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

TESTS = Path(__file__).parents[1]
TOY = Path(__file__).parent / "toy"
"""`toy_task.py` is the file, `sitecustomize.py` the entry: every process that starts with this folder on its path has it."""
WORDS = "ada was here and saw the sea at noon with her friends".split()


def python(*arguments, cwd):
    """Run Python with the task added."""
    path = os.pathsep.join([str(TOY), str(TESTS), *sys.path])
    env = os.environ | {"PYTHONPATH": path, "COLUMNS": "200", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=cwd, env=env, capture_output=True, text=True)


@pytest.fixture
def toy(tmp_path):
    """Runs the command line with the task added; returns (exit code, stdout, stderr)."""
    lines = [[*(WORDS * 2)[i % 9 : i % 9 + 2 + i % 7], str(i)] for i in range(150)]
    text = "".join(f"{'short' if len(line) < 5 else 'long'} | {' '.join(line)}\n" for line in lines)
    (tmp_path / "lines.toy").write_text(text, "utf-8")

    def call(*arguments):
        done = python("-m", "transfergain", *arguments, cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.mark.parametrize("command", ["run", "plan", "init"])
def test_its_option_is_a_flag_with_help(toy, command):
    code, out, err = toy(command, "--help")
    assert (code, err) == (0, "")
    line = next(line for line in out.splitlines() if "--least-words" in line)
    assert "<int>" in line and "toy: words of the shortest line (default: 1)" in line


def test_it_is_listed_with_its_floor(toy):
    assert any(line.startswith("toy") for line in toy("tasks")[1].splitlines())
    assert "by_length" in toy("arms")[1]


def test_its_option_is_refused_for_other_tasks_and_outside_its_bounds(toy, tmp_path):
    assert toy("run", "--least-words", 2)[2] == (
        "transfergain: --least-words is for the task toy, and none given means sentiment; add --task toy, or leave it out\n"
    )
    assert toy("run", "--task", "toy", "--num-beams", 2)[2] == (
        "transfergain: --num-beams is for the task translation, not for toy; leave it out\n"
    )
    (tmp_path / "study.toml").write_text('task = "toy"\nleast_words = 0\n')
    code, _, err = toy("plan", "study.toml")
    assert code == 2 and "study.toml: least_words: input should be greater than or equal to 1 (given: 0)" in err
    (tmp_path / "study.toml").write_text('task = "toy"\nleast_word = 3\n')
    assert 'unknown key "least_word". Did you mean "least_words"?' in toy("plan", "study.toml")[2]


def test_a_study_of_it_is_started_planned_and_run(toy, tmp_path, checkpoints):
    code, out, err = toy("init", "lines.toy", "--model", checkpoints("bert"), "--least-words", 3, "--seeds", 2, "--tune", 0)
    assert (code, err) == (0, ""), out
    written = (tmp_path / "study.toml").read_text("utf-8")
    keys = tomllib.loads(written)
    assert (keys["task"], keys["least_words"], keys["train_file"]) == ("toy", 3, "lines.toy")
    few = ["--budgets", 40, "--arms", "scratch,full", "--epochs", 1, "--min-steps", 4]
    few += ["--output-dir", "out", "--workers", 1, "--keep-models", "none", "--perturbations", "drop@1"]
    code, out, err = toy("plan", "study.toml", *few, "--json")
    assert code == 0, err
    assert json.loads(out)["floors"] == 2
    code, out, err = toy("run", "study.toml", *few, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert "lines of 3 words or more" in err and found["study"]["least_words"] == 3
    scores = {row["arm"]: row for row in found["scores"] if row["split"] == "test"}
    assert set(scores) == {"scratch", "full", "by_length"} and scores["by_length"]["mean"] > 0.5
    assert {row["split"] for row in found["scores"]} == {"test", "perturbed:drop@1"}


def test_the_conformance_tests_hold_for_it(tmp_path):
    tests = TESTS / "conformance" / "test_tasks.py"
    done = python("-m", "pytest", tests, "-q", "-p", "described", "-p", "no:cacheprovider", "-k", "toy", cwd=TESTS.parent)
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.count(".") > 20
