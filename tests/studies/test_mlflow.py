"""Reporting to a real MLflow server on loopback with its sqlite store.

The server is `mlflow` beside this Python, or the one that TRANSFERGAIN_MLFLOW names, which may live in an environment of
its own: the whole of MLflow asks for older versions of packages than ours. Without one these tests are skipped.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from support.texts import sentences, write_csv
from support.tiny import command, ran

pytest.importorskip("mlflow.tracking")
assert ran  # a fixture
NAMED = os.environ.get("TRANSFERGAIN_MLFLOW")
SMALL = ["--arms", "scratch,full", "--budgets", "40", "--tune", "0", "--epochs", "1", "--min-steps", "10"]
SMALL += ["--precision", "fp32", "--device", "cpu", "--workers", "1", "--report-to", "mlflow"]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Address of a server that was started for these tests and is stopped after them."""
    program = NAMED or shutil.which("mlflow", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("no mlflow here")
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    arguments = [program, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    arguments += [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MLFLOW_TRACKING_URI")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            arguments, cwd=folder, stdout=log, stderr=log, env=clean | {"MLFLOW_DISABLE_TELEMETRY": "true"},
            start_new_session=True,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        if not answers(address, process):
            said = (folder / "log").read_text()[-2000:]
            assert not NAMED, said
            pytest.skip("this mlflow has no server (mlflow-skinny is its client alone); see TRANSFERGAIN_MLFLOW")
        assert (folder / "mlflow.db").exists()
        yield address
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 15)
        process.wait(30)


def answers(address, process):
    for _ in range(480):
        if process.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return True
        except OSError:
            time.sleep(0.25)
    return False


@pytest.fixture
def study(tmp_path, monkeypatch, checkpoints, ran):
    """Runs a study that reports to MLflow; returns its exit code."""
    monkeypatch.chdir(tmp_path)
    train = write_csv(tmp_path / "reviews.csv", sentences(200))

    def call(seeds, *more):
        keys = ["run", "--train-file", train, "--model", checkpoints("bert"), "--seeds", seeds, "--output-dir", "out"]
        return command(monkeypatch, *keys, *SMALL, *more)

    return call


def runs(address, experiment):
    """(parents, nested runs) of an experiment."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(address)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    nested = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return [run for run in found if run not in nested], nested, client


def test_a_study_is_a_parent_run_and_a_trial_a_nested_one(server, study, monkeypatch, ran, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "reviews study")
    assert study(1) == 0
    assert "View run" not in "".join(capsys.readouterr())
    (parent,), nested, client = runs(server, "reviews study")
    assert len(nested) == len(ran) == 4  # two arms and two floors
    assert {run.data.tags["mlflow.parentRunId"] for run in nested} == {parent.info.run_id}
    assert {run.info.status for run in [parent, *nested]} == {"FINISHED"}
    full = next(run for run in nested if run.data.params["arm"] == "full")
    assert (full.data.params["budget"], full.data.params["batch_size"]) == ("40", "16")
    assert 0 <= full.data.metrics["test accuracy"] <= 1
    history = client.get_metric_history(full.info.run_id, "dev score by step")
    assert len(history) > 1 and history[-1].step > history[0].step > 0
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {"report.html", "findings.json"}
    assert "reviews/full gain" in parent.data.metrics

    assert study(1) == 0  # nothing new
    again = runs(server, "reviews study")[1]
    assert {run.info.run_id for run in again} == {run.info.run_id for run in nested}

    assert study(2) == 0  # extended: only what is new is added, under the same parent
    parents, more, _ = runs(server, "reviews study")
    assert [run.info.run_id for run in parents] == [parent.info.run_id]
    assert {run.info.run_id for run in nested} < {run.info.run_id for run in more}
    assert len(more) == 2 * len(nested) == len({run.data.tags["transfergain.trial"] for run in more})
    assert parents[0].data.tags["study.seeds"] == "2"


def test_a_server_that_is_away_costs_no_trial_and_is_caught_up_with(server, study, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "caught up")
    assert study(1) == 0
    assert capsys.readouterr().err.count("mlflow cannot be reported to") == 1
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert study(1) == 0
    assert len(runs(server, "caught up")[1]) == 4


def test_a_run_cut_off_or_failed_is_replaced(server, monkeypatch):
    from dataclasses import replace

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "cut off")
    module = pytest.importorskip("transfergain.tracking.mlflow")
    from transfergain.outcome import CurvePoint, Outcome
    from transfergain.types import Recipe, TrialSpec

    spec = TrialSpec("sentiment", "reviews", "full", 40, 0, "report", Recipe(1e-4), (), "x", "y")
    first = module.connect("a key")
    client, parent = first._client, first._parent
    tags = {module.PARENT_TAG: parent, module.TRIAL_TAG: spec.id}
    client.create_run(first._experiment, tags=tags)  # a process that was killed left this
    failed = Outcome("failed", error="RuntimeError: " + "x" * 9000, curve=(CurvePoint(5, 0.5, float("nan")),))
    second = module.connect("a key")
    assert second._parent == parent and second._logged == {}
    second.trial(spec, failed)
    (run,) = module.connect("a key")._nested()
    assert (run.info.status, run.data.tags["transfergain.status"]) == ("FAILED", "failed")
    module.connect("a key").trial(spec, replace(failed, status="done", error="", dev_score=0.75))
    (run,) = module.connect("a key")._nested()
    assert (run.info.status, run.data.metrics["dev_score"]) == ("FINISHED", 0.75)
    module.connect("a key").trial(spec, failed)
    assert [r.info.run_id for r in module.connect("a key")._nested()] == [run.info.run_id]
