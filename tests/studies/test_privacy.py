"""What a study's files give away: nothing of the user and their folders, and with --no-texts no text; and whom it calls."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.texts import sentences, write_csv
from support.tiny import KEYS, command, flags, ran
from transfergain.outcome import Evaluated, Outcome
from transfergain.running.privacy import Privacy, shown, without_places
from transfergain.split import TEST
from transfergain.types import Status

assert ran  # a fixture

TEXT, USER, HOME, TOKEN = "qwertzcanary", "adacanary", "homecanary", "hf_tokencanary"
SMALL = KEYS | {"budgets": [40], "seeds": 1, "tune": 0, "arms": ["scratch", "full"]}


@pytest.fixture
def place(tmp_path, checkpoints, monkeypatch):
    """Absolute flags of a study whose data and checkpoint lie in somebody's home, and the folder it is run in."""
    home = tmp_path / HOME / USER
    home.mkdir(parents=True)
    (home / "model").symlink_to(checkpoints())
    train = write_csv(home / "reviews.csv", sentences(200, extra=[TEXT]))
    shift = write_csv(home / "tweets.csv", sentences(40, seed=1, extra=[TEXT]))
    for name, value in {"HF_TOKEN": TOKEN, "HOME": str(home), "USER": USER, "LOGNAME": USER}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return [*flags(SMALL | {"model": home / "model", "train_file": train}), "--shift", f"tweets={shift}"]


def given_away(folder, *words):
    """(file, word) of every word that stands in a file of the folder, or in its name."""
    found = []
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        found += [(path.name, word) for word in words if word.encode() in content or word in path.name]
    return found


def test_with_no_texts_no_file_holds_a_text_a_token_a_user_or_a_home(place, ran, monkeypatch):
    assert command(monkeypatch, "run", *place, "--no-texts", "--output-dir", "out") == 0
    assert len(list(Path("out").rglob("*"))) > 10
    assert given_away(Path("out"), TEXT, USER, HOME, TOKEN) == []


def test_texts_are_kept_for_the_page_where_that_was_not_asked_for_and_the_folder_is_the_owners(place, ran, monkeypatch):
    assert command(monkeypatch, "run", *place, "--output-dir", "out") == 0
    assert {name for name, _ in given_away(Path("out"), TEXT)} >= {"study.sqlite"}
    assert given_away(Path("out"), USER, HOME, TOKEN) == []
    assert stat.S_IMODE(Path("out").stat().st_mode) == 0o700
    assert stat.S_IMODE(Path("out/study.sqlite").stat().st_mode) == 0o600
    study = json.loads(Path("out/findings.json").read_text())["study"]
    assert (study["train_file"], study["model"], study["shift"]) == ("reviews.csv", "model", {"tweets": "tweets.csv"})
    assert command(monkeypatch, "run", *place, "--no-texts", "--output-dir", "out") == 2, "those texts would stay"


def test_predictions_that_are_texts_are_emptied_and_their_counts_stay():
    counts = {"chrf": [1, 2]}
    outcome = Outcome(Status.DONE, evaluated={TEST: Evaluated(("le mot", ""), counts)})
    kept = Privacy("", texts=False).outcome(outcome).evaluated[TEST]
    assert (kept.predictions, kept.counts) == (("", ""), counts)
    classes = Outcome(Status.DONE, evaluated={TEST: Evaluated((1, 0), counts)})
    assert Privacy("", texts=False).outcome(classes) == classes
    assert Privacy().outcome(outcome) == outcome


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (f"ValueError: cannot encode {TEXT} at 3 [predict.py:12]", "ValueError [predict.py:12]: its message is left out"),
        (f"RuntimeError: {TEXT}", "RuntimeError: its message is left out, as --no-texts asks"),
        (f"the worker process ended with code -9 (killed from outside): {TEXT}", "ended with code -9: its message is left"),
        (f'reviews.csv row 3: "text" holds "{TEXT}"; mend it', 'reviews.csv row 3: "..." holds "..."; mend it'),
    ],
)
def test_no_error_of_a_trial_quotes_a_text_where_none_is_kept(error, left):
    failed = Outcome(Status.FAILED, error=error)
    found = Privacy("", texts=False).outcome(failed).error
    assert left in found and TEXT not in found
    assert Privacy().outcome(failed).error == error


def test_an_error_names_the_checkpoint_without_its_folder(tmp_path):
    failed = Outcome(Status.FAILED, error=f"--model {tmp_path}/bert: broken")
    assert Privacy(f"{tmp_path}/bert").outcome(failed).error == "--model bert: broken"


def test_files_are_shown_relative_or_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown("data/a.csv") == "data/a.csv" and shown("org/model") == "org/model"
    assert shown(str(tmp_path / "data" / "a.csv")) == "data/a.csv"
    assert shown("../../elsewhere/a.csv") == shown("/home/ada/a.csv") == "a.csv"
    request = {
        "model": "builtin:minilm",
        "train_file": None,
        "tasks": [{"train_file": "/x/a.csv", "shift": {"b": "/x/b.csv"}}],
    }
    assert without_places(request)["tasks"] == [{"train_file": "a.csv", "shift": {"b": "b.csv"}}]


COUNTING = """
import os, sys
def count(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        with open({log!r}, "a") as file:
            file.write(f"{{event}} {{arguments[1:]}}\\n")
sys.addaudithook(count)
"""


def test_a_study_opens_no_connection(tmp_path, checkpoints, reviews):
    """In driver and workers alike: telemetry of the packages included. MLflow is told to write files."""
    log = tmp_path / "connections"
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(COUNTING.format(log=str(log)))
    paths = os.pathsep.join([str(tmp_path / "hook"), *filter(None, [os.environ.get("PYTHONPATH")])])
    kept = {k: v for k, v in os.environ.items() if "TELEMETRY" not in k and k not in ("HF_HUB_OFFLINE", "DO_NOT_TRACK")}
    arguments = [*flags(SMALL | {"model": checkpoints(), "train_file": reviews}), "--output-dir", str(tmp_path / "out")]
    command = [sys.executable, "-m", "transfergain", "run", *arguments]
    done = subprocess.run(command, env=kept | {"PYTHONPATH": paths}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not log.exists(), log.read_text()
    probe = "import socket; s = socket.socket(); s.settimeout(0.1); s.connect_ex(('127.0.0.1', 9))"
    subprocess.run([sys.executable, "-c", probe], env=kept | {"PYTHONPATH": paths}, check=True)
    assert "socket.connect" in log.read_text(), "the hook counts"


def test_telemetry_is_off_before_any_package_is_imported():
    code = "import os, transfergain; print([os.environ[n] for n in transfergain._NO_TELEMETRY])"
    kept = {k: v for k, v in os.environ.items() if "TELEMETRY" not in k and "USAGE" not in k}
    said = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "['1', '0', 'true']"
