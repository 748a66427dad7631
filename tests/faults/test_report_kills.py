"""kill -9 while the files of a study's end are written: each is the old or the new one, and `report` makes all new."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from support.fakes import FakeExecutor, outcome_of, run
from support.processes import fork
from support.tiny import command
from transfergain.analysis.findings import load
from transfergain.report.files import write_files

FILES = (
    "findings.json", "report.html", "timings.json", "report.md", "models/full/README.md", "models/scratch/README.md",
)  # fmt: skip
"""In the order in which they are written."""


def content(folder):
    """Bytes of every file that a study's end writes."""
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """(a folder with four seeds and the files of three, what these hold, what they hold when they are written anew)."""
    folder = tmp_path_factory.mktemp("study") / "run"
    run(folder, seeds=3)
    write_files(load(folder))
    old = content(folder)
    run(folder, seeds=4)
    assert content(folder) == old, "the third seed's models stay, with their cards"
    whole = Path(shutil.copytree(folder, folder.with_name("whole")))
    write_files(load(folder))
    new = content(folder)
    assert [name for name in FILES if old[name] == new[name]] == ["timings.json", "models/scratch/README.md"]
    shutil.rmtree(folder)
    whole.rename(folder)
    return folder, old, new


def die_while_writing(number, moment):
    """Make this process kill itself at its `number`-th file: before a byte, half-way, or before or after the move."""
    write, move, left = Path.write_text, Path.replace, [number]

    def written(path, text, encoding):
        left[0] -= 1
        if left[0]:
            return write(path, text, encoding)
        if moment == "begun":
            path.touch()
        else:
            write(path, text[: len(text) // 2] if moment == "half" else text, encoding)
        if moment != "moved":
            os.kill(os.getpid(), signal.SIGKILL)
        return len(text)

    def moved(path, target):
        if moment == "moved" and not left[0]:
            move(path, target)
            os.kill(os.getpid(), signal.SIGKILL)
        return move(path, target)

    Path.write_text, Path.replace = written, moved


KILLS = [(number, moment) for number in range(1, 7) for moment in (("begun", "moved"), ("half", "written"))[number % 2]]
"""Twelve: two at each file."""


@pytest.mark.long
def test_a_kill_leaves_old_or_new_files_and_report_writes_what_one_in_peace_does(study, tmp_path, monkeypatch, capsys):
    source, old, new = study
    for number, moment in KILLS:
        folder = Path(shutil.copytree(source, tmp_path / f"{number}-{moment}"))
        findings = load(folder)
        if not (child := fork()):
            die_while_writing(number, moment)
            write_files(findings)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        done = number if moment == "moved" else number - 1
        assert content(folder) == {name: (new if i < done else old)[name] for i, name in enumerate(FILES)}, (number, moment)
        assert command(monkeypatch, "report", folder) == 0
        assert content(folder) == new and not list(folder.rglob("*.part"))
    capsys.readouterr()


@pytest.mark.long
def test_a_report_in_the_midst_of_a_run_is_of_what_is_done_and_changes_nothing(tmp_path, monkeypatch, capsys):
    seen = []

    def behave(spec, data):
        if len(executor.ran) in (5, 9):
            assert command(monkeypatch, "report", tmp_path / "run") == 0
            seen.append(json.loads((tmp_path / "run" / "findings.json").read_text("utf-8"))["trials"]["done"])
        return outcome_of(spec, data)

    executor = FakeExecutor(behave=behave)
    run(tmp_path / "run", executor=executor, seeds=3)
    write_files(load(tmp_path / "run"))
    run(tmp_path / "clean", seeds=3)
    write_files(load(tmp_path / "clean"))
    assert seen == [4, 8]
    assert content(tmp_path / "run") == content(tmp_path / "clean")
    capsys.readouterr()
