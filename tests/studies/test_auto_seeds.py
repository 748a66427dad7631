"""Studies that decide themselves how many seeds they need, and that a clock ends."""

import signal

import pytest

from support.tiny import KEYS, InProcess, command, files, findings, flags, outcomes, ran
from transfergain.executors import EXECUTORS

assert ran  # a fixture


@pytest.fixture(scope="module")
def keys(tmp_path_factory, checkpoints):
    train, _ = files(tmp_path_factory.mktemp("data"))
    more = {"arms": ["scratch", "full"], "budgets": [40], "model": checkpoints(), "train_file": train}
    return KEYS | more | {"seeds": "auto", "max_seeds": 4, "keep_models": "none"}


def test_a_study_looks_at_three_seeds_and_says_what_it_decides(keys, ran, tmp_path, monkeypatch, capsys):
    run = ["run", *flags(keys | {"output_dir": tmp_path})]
    assert command(monkeypatch, *run) == 0
    said = capsys.readouterr().err
    found = findings(tmp_path)
    assert found["trials"]["pending"] == found["trials"]["failed"] == 0
    assert found["data"]["reviews"]["looks"] == [3, 4]
    assert "3 to 4 seeds, until it is clear" in " ".join(said.split())
    looked = [line for line in said.splitlines() if line.startswith("reviews: ") and ("decided" in line or "open" in line)]
    seeds = {s.replicate for s in ran if s.phase == "report" and s.recipe}
    assert seeds == set(range(3 + any("open: on to 4 seeds" in line for line in looked)))
    before, count = (tmp_path / "findings.json").read_bytes(), len(ran)
    assert command(monkeypatch, *run) == 0
    assert len(ran) == count
    assert (tmp_path / "findings.json").read_bytes() == before


class Late(InProcess):
    """The time limit is over when so many trials have ended."""

    after = 7

    def submit(self, jobs, watch):
        for done in super().submit(jobs, watch):
            yield done
            if len(self.ran) == self.after:
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                while True:
                    signal.pause()


def test_a_study_out_of_time_ends_well_and_the_same_command_goes_on(keys, ran, tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "run", *flags(keys | {"output_dir": tmp_path / "whole"})) == 0
    monkeypatch.setitem(EXECUTORS, "local", Late)
    ran.clear()
    capsys.readouterr()
    limited = ["run", *flags(keys | {"output_dir": tmp_path / "out", "time_limit": "1h"})]
    assert command(monkeypatch, *limited) == 0
    said = capsys.readouterr().out
    assert "Time limit of 60 min reached with 7 trials done; " in said
    assert "Not reached on reviews: " in said
    found = findings(tmp_path / "out")
    assert found["trials"]["done"] == len(outcomes(tmp_path / "out")) == 7
    assert found["trials"]["pending"] > 0
    assert "time_limit" not in found["study"]
    monkeypatch.setitem(EXECUTORS, "local", InProcess)
    assert command(monkeypatch, *limited) == 0
    assert (tmp_path / "out" / "findings.json").read_bytes() == (tmp_path / "whole" / "findings.json").read_bytes()


def test_a_study_keeps_the_precision_that_it_was_begun_with(keys, ran, tmp_path, monkeypatch):
    """On some machines bf16 pays one time and not the next: what has finished must not be left behind."""
    faster = iter([True, False])
    monkeypatch.setattr("transfergain.engine.precision.native_bf16", lambda: next(faster))
    monkeypatch.setattr("transfergain.engine.precision.bf16_speed_up", lambda: 2.0)
    run = ["run", *flags(keys | {"output_dir": tmp_path, "seeds": 2, "budgets": "40", "precision": "auto"})]
    assert command(monkeypatch, *run) == 0
    count = len(ran)
    assert command(monkeypatch, *run) == 0
    assert len(ran) == count and findings(tmp_path)["study"]["precision"] == "bf16"


def test_a_limit_shorter_than_a_trial_ends_with_a_true_sentence(keys, ran, tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "run", *flags(keys | {"output_dir": tmp_path, "time_limit": "1s"})) == 0
    assert "reached before the first trial had ended: nothing is measured yet; " in capsys.readouterr().out
    found = findings(tmp_path)
    assert found["trials"] == {"done": 0, "failed": 0, "skipped": 0, "pending": found["trials"]["pending"]}
    assert found["gains"] == [] and {row["verdict"] for row in found["benefits"]} == {"not measured"}
    assert (tmp_path / "report.html").exists()
    assert ran == []
