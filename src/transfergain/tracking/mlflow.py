"""Report to MLflow: a parent run a study, a nested run a trial; found by tags, so that nothing is reported twice."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

for _name, _value in {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # MLflow's own defaults keep a study waiting for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}.items():
    os.environ.setdefault(_name, _value)  # read when MLflow is imported; the user's own values stand

from mlflow.entities import Metric, Param, Run, RunTag  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402

from transfergain.analysis.findings import Findings  # noqa: E402
from transfergain.analysis.trial_rows import TrialRow  # noqa: E402
from transfergain.outcome import Outcome  # noqa: E402
from transfergain.store import StoredTrial  # noqa: E402
from transfergain.types import Status, TrialSpec  # noqa: E402

EXPERIMENT_NAME = "transfergain"
STUDY_TAG, TRIAL_TAG, PARENT_TAG = "transfergain.study", "transfergain.trial", "mlflow.parentRunId"
RUN_STATUS = {Status.DONE: "FINISHED", Status.FAILED: "FAILED", Status.SKIPPED: "KILLED"}
METRICS_A_REQUEST = 900
"""Metrics of one request; the server takes up to 1,000."""


def connect(key: str) -> MlflowStudy:
    """Find the study's parent run on the server of MLFLOW_TRACKING_URI, or create it.

    The experiment is MLFLOW_EXPERIMENT_ID, MLFLOW_EXPERIMENT_NAME or `transfergain`. Raises what MLflow raises.
    """
    client = MlflowClient()
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT_NAME
    experiment = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if not experiment:
        known = client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else client.create_experiment(name)
    found = client.search_runs([experiment], f"tags.`{STUDY_TAG}` = '{key}'", max_results=1)
    if found:
        client.update_run(found[0].info.run_id, status="RUNNING")
    run = found[0] if found else client.create_run(experiment, tags={STUDY_TAG: key})
    return MlflowStudy(client, experiment, run.info.run_id)


class MlflowStudy:
    """One study's runs; see `tracking.Tracker`."""

    def __init__(self, client: MlflowClient, experiment: str, parent: str) -> None:
        self._client, self._experiment, self._parent = client, experiment, parent
        self._logged: dict[str, tuple[str, str]] = {}
        """Trial id -> (run id, MLflow's status)."""
        for run in self._nested():
            if run.info.status == "RUNNING":  # cut off while it was written
                client.delete_run(run.info.run_id)
            else:
                self._logged[run.data.tags[TRIAL_TAG]] = (run.info.run_id, run.info.status)

    def _nested(self) -> list[Run]:
        runs: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs([self._experiment], f"tags.`{PARENT_TAG}` = '{self._parent}'", page_token=token)
            runs += page
            token = page.token
            if not token:
                return runs

    def trial(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Log a nested run with the trial's params, its curve by steps and its scores; one that failed before gives way."""
        known = self._logged.get(spec.id)
        if known and (outcome.status != Status.DONE or known[1] == RUN_STATUS[Status.DONE]):
            return
        if known:
            self._client.delete_run(known[0])
        tags = {PARENT_TAG: self._parent, TRIAL_TAG: spec.id, "transfergain.status": outcome.status}
        tags |= {"transfergain.error": outcome.error[:4000]} if outcome.error else {}
        end = int(time.time() * 1000)
        start = end - int(outcome.seconds * 1000)
        run = self._client.create_run(self._experiment, start_time=start, tags=tags, run_name=spec.describe()).info.run_id
        params = [Param(name, str(value)) for name, value in _params(spec).items()]
        self._client.log_batch(run, params=params)
        metrics = _metrics(spec, outcome, end)
        for first in range(0, len(metrics), METRICS_A_REQUEST):
            self._client.log_batch(run, metrics=metrics[first : first + METRICS_A_REQUEST])
        self._client.set_terminated(run, RUN_STATUS[outcome.status], end)
        self._logged[spec.id] = (run, RUN_STATUS[outcome.status])

    def findings(self, findings: Findings, finished: bool) -> None:
        """Log the parent's params, tags, gains as metrics, and report.html and findings.json as artefacts."""
        study, now = findings.study, int(time.time() * 1000)
        datasets = ", ".join(findings.data)
        # what stays the same when a study is extended, as MLflow's params never change
        params = {"model": study.model, "revision": study.revision, "datasets": datasets}
        tags = {"mlflow.runName": f"{datasets} · {study.model}"}
        tags |= {f"study.{_name_of(k)}": str(v)[:4000] for k, v in study.request.items()}
        done = findings.trials["done"]
        metrics = [
            Metric(_name_of(f"{row.dataset}/{row.arm} {what}"), value, now, done)
            for row in findings.headline()
            for what, value in (("gain", row.estimate), ("gain low", row.low), ("gain high", row.high))
            if value is not None
        ]
        counts = [Metric(f"trials {name}", count, now, done) for name, count in findings.trials.items()]
        self._client.log_batch(
            self._parent,
            metrics=[*metrics[:METRICS_A_REQUEST], *counts],
            params=[Param(name, str(value)) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        for name in ("report.html", "findings.json"):
            self._client.log_artifact(self._parent, str(Path(findings.folder) / name))
        self._client.set_terminated(self._parent, "FINISHED" if finished else "KILLED")


def _name_of(text: str) -> str:
    """Make a name that MLflow takes: letters, digits, `_-./: ` and spaces."""
    return re.sub(r"[^\w\-./: ]", "_", text, flags=re.ASCII)


def _params(spec: TrialSpec) -> Mapping[str, Any]:
    own = {"task": spec.task, "dataset": spec.dataset, "arm": spec.arm, "budget": spec.budget, "seed": spec.replicate}
    recipe = vars(spec.recipe) if spec.recipe else {}
    options = {f"options.{name}": value for name, value in recipe.get("options", ())}
    return own | {"phase": spec.phase} | {k: v for k, v in recipe.items() if k != "options"} | options


def _metrics(spec: TrialSpec, outcome: Outcome, now: int) -> list[Metric]:
    """Collect dev score and loss by training step, then everything the trial was scored with."""
    curve = [
        Metric(name, value, now, point.step)
        for point in outcome.curve
        for name, value in (("dev score by step", point.score), ("dev loss by step", point.loss))
    ]
    row = TrialRow.of(StoredTrial(spec, outcome)).to_dict()
    known = {"budget", "seed", "learning_rate"}
    numbers = {k: v for k, v in row.items() if isinstance(v, int | float) and not isinstance(v, bool) and k not in known}
    return curve + [Metric(_name_of(name), value, now, 0) for name, value in numbers.items()]
