"""What the end-to-end tests share: a study of a few seconds, and how to look at what it left."""

import json
import sqlite3
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from support.texts import sentences, write_csv
from transfergain.engine.threads import torch_threads
from transfergain.executors import EXECUTORS
from transfergain.executors.base import Executor
from transfergain.outcome import Outcome
from transfergain.running.tryout import quiet_libraries
from transfergain.store import STORE_FILE, Store
from transfergain.trial import run_trial
from transfergain.types import Status

KEYS = {
    "task": "sentiment",
    "budgets": [40, 120],
    "seeds": 2,
    "tune": 1,
    "epochs": 1,
    "min_steps": 20,
    "precision": "fp32",
    "device": "cpu",
    "workers": 1,
}


def files(folder):
    """(train file, shift file): 300 sentences, and 40 with a word that train lacks."""
    train = write_csv(folder / "reviews.csv", sentences(300))
    return train, write_csv(folder / "tweets.csv", sentences(40, seed=1, extra=["lol"]))


def flags(keys):
    """Study keys as command line flags."""
    texts = {k: ",".join(map(str, v)) if isinstance(v, list) else str(v) for k, v in keys.items()}
    return [part for key, text in texts.items() for part in (f"--{key.replace('_', '-')}", text)]


def command(monkeypatch, *arguments):
    """Run the command line in this process; returns its exit code."""
    from transfergain.cli import main

    monkeypatch.setattr(sys, "argv", ["transfergain", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0


def count(folder):
    """Rows in the store while another process writes it; 0 before there is one."""
    try:
        db = sqlite3.connect(f"file:{folder / STORE_FILE}?mode=ro", uri=True, timeout=5)
    except sqlite3.OperationalError:
        return 0
    try:
        return db.execute("SELECT count(*) FROM trials").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        db.close()


def findings(folder):
    """findings.json, read as strict JSON."""
    return json.loads((folder / "findings.json").read_text("utf-8"), parse_constant=pytest.fail)


def outcomes(folder):
    """Trial id -> everything measured, in a form that can be compared; only times are left out."""
    with Store(folder) as store:
        rows = store.rows()
    found = {}
    for row in rows:
        fields = vars(row.outcome) | {"seconds": None}
        fields["curve"] = [replace(point, seconds=0.0) for point in row.outcome.curve]
        fields["evaluated"] = {
            str(split): (e.predictions, {m: np.asarray(c).tolist() for m, c in e.counts.items()})
            for split, e in row.outcome.evaluated.items()
        }
        found[row.spec.id] = fields
    return found


def models(folder):
    """Every file of every kept model by its path."""
    kept = folder / "models"
    return {str(f.relative_to(kept)): f.read_bytes() for f in kept.rglob("*") if f.is_file()}


class InProcess(Executor):
    """Runs real trials in this process, where torch is loaded already, and remembers which."""

    ran: list = []  # noqa: RUF012 (shared on purpose: the executor is made out of reach)

    def __init__(self, bench, workers):
        self.bench = bench

    def submit(self, jobs, watch):
        for job in jobs:
            self.ran.append(job.spec)
            try:
                with quiet_libraries(), torch_threads(self.bench.threads):
                    outcome = run_trial(job.spec, self.bench, job.save_to, partial(watch, job.spec), job.state)
            except Exception as error:
                outcome = Outcome(Status.FAILED, error=f"{type(error).__name__}: {error}")
            yield job.spec, outcome

    def close(self):
        pass


@pytest.fixture
def ran(monkeypatch):
    """The specs that studies run, in order; in this process, which spares the start of workers."""
    monkeypatch.setitem(EXECUTORS, "local", InProcess)
    monkeypatch.setattr(InProcess, "ran", [])
    return InProcess.ran
