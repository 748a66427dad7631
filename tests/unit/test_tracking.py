"""Reporting to a tracker: it never costs a trial, says so once, and sends in the end what was missing."""

import io
import sys
import types

import pytest
from rich.console import Console

from support.fakes import dataset, outcome_of, run, spec
from transfergain import tracking
from transfergain.analysis.findings import load
from transfergain.errors import UserError
from transfergain.split import TEST, shift
from transfergain.store import Store
from transfergain.tracking import TRACKERS, Reporter


class FakeTracker:
    def __init__(self):
        self.trials, self.ends, self.away = [], [], False

    def connect(self, key):
        if self.away:
            raise ConnectionError("[no]\nroute to host")
        return self

    def trial(self, spec, outcome):
        self.connect("")
        if spec.id not in self.trials:
            self.trials.append(spec.id)

    def findings(self, findings, finished):
        self.ends.append((findings.trials["done"], finished))


@pytest.fixture
def tracker(monkeypatch):
    """A tracker called `fake`."""
    found = FakeTracker()
    module = types.ModuleType("fake_tracker")
    module.connect = found.connect
    monkeypatch.setitem(sys.modules, "fake_tracker", module)
    monkeypatch.setitem(TRACKERS, "fake", "fake_tracker")
    return found


@pytest.fixture
def reporter():
    """(reporter, what the console shows as a function)."""
    file = io.StringIO()
    return Reporter("fake", "key", Console(file=file, width=300)), file.getvalue


def test_every_trial_is_reported_as_it_finishes(tmp_path, tracker, reporter):
    ran, _ = run(tmp_path, watcher=reporter[0])
    assert tracker.trials == [s.id for s in ran] and len(ran) > 4
    reporter[0].end(load(tmp_path), finished=True)
    assert len(tracker.trials) == len(ran)
    assert tracker.ends == [(len(ran), True)]
    assert reporter[1]() == ""


def test_a_tracker_that_is_away_is_told_once_and_caught_up_with_in_the_end(tmp_path, tracker, reporter):
    tracker.away = True
    ran, counts = run(tmp_path, watcher=reporter[0])
    assert counts["done"] == len(ran) and tracker.trials == []
    tracker.away = False
    reporter[0].end(load(tmp_path), finished=False)
    assert sorted(tracker.trials) == sorted(s.id for s in ran)
    assert tracker.ends == [(len(ran), False)]
    shown = reporter[1]()
    assert shown.count("warning") == shown.count("\n") == 1
    assert "fake cannot be reported to ([no] route to host); the study goes on" in shown


def test_away_to_the_end_is_told_once_too(tmp_path, tracker, reporter):
    tracker.away = True
    run(tmp_path, watcher=reporter[0])
    reporter[0].end(load(tmp_path), finished=True)
    assert reporter[1]().count("warning") == 1


def test_the_key_stays_with_the_store_and_out_of_findings(tmp_path):
    run(tmp_path)
    before = load(tmp_path).to_json()
    with Store(tmp_path) as store:
        assert tracking.reporter("none", store, Console(quiet=True)) is None
        keys = {tracking.reporter("mlflow", store, Console(quiet=True))._key for _ in range(2)}
        assert keys == {store.get_meta("tracking")}
    assert load(tmp_path).to_json() == before


def test_unknown_and_absent_trackers_are_the_users_to_mend(monkeypatch):
    with pytest.raises(UserError, match=r'unknown tracker "mlfow"\. Did you mean "mlflow"'):
        tracking.check_tracker("mlfow")
    monkeypatch.setitem(sys.modules, "mlflow.entities", None)
    monkeypatch.delitem(sys.modules, TRACKERS["mlflow"], raising=False)
    with pytest.raises(UserError, match=r'pip install "\.\[mlflow\]"'):
        tracking.check_tracker("mlflow")
    tracking.check_tracker("none")


@pytest.mark.long
def test_names_and_numbers_are_those_that_mlflow_takes():
    module = pytest.importorskip("transfergain.tracking.mlflow")
    data = dataset(shift=True)
    trial = spec(splits=((TEST, "x"), (shift("tweets"), "y")))
    metrics = module._metrics(trial, outcome_of(trial, data), 7)
    names = {m.key for m in metrics}
    assert {"dev score by step", "test accuracy", "shift:tweets accuracy", "dev_score", "seconds"} <= names
    assert all(isinstance(m.value, int | float) for m in metrics)
    assert module._name_of("perturbed:keyboard@3 accuracy [é]") == "perturbed:keyboard_3 accuracy ___"
    assert module._params(trial)["learning_rate"] == 1e-4
    assert "learning_rate" not in module._params(spec(recipe=None))
