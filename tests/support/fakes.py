"""Studies without training: small data sets, made-up outcomes and an executor that runs them in this process."""

from typing import Any

from transfergain.executors.base import Executor, Job
from transfergain.metrics import METRICS
from transfergain.outcome import CurvePoint, Details, Evaluated, Outcome
from transfergain.running.description import entries
from transfergain.running.models import Models
from transfergain.running.planner import Planner
from transfergain.running.raised import most_before
from transfergain.running.runner import Runner
from transfergain.running.watchers import Watcher
from transfergain.split import TEST
from transfergain.store import Store
from transfergain.study import Study
from transfergain.types import Dataset, Example, Recipe, Status, TrialSpec

LABELS = ("negative", "positive")


def dataset(name="reviews", shift=False):
    """24 + 6 labelled pool examples, 10 of test, and as many of a shift if asked for."""
    rows = tuple(Example({"text": f"text {i}"}, i % 2) for i in range(50))
    return Dataset(
        task="sentiment",
        name=name,
        labels=LABELS,
        train=rows[:24],
        dev=rows[24:30],
        test=rows[30:40],
        shifts={"tweets": rows[40:]} if shift else {},
        fingerprint=f"data of {name}",
        shift_fingerprints={"tweets": "data of tweets"} if shift else {},
    )


def spec(**changes):
    """A reported trial of the full arm, with changes."""
    given: dict[str, Any] = {
        "task": "sentiment",
        "dataset": "reviews",
        "arm": "full",
        "budget": 20,
        "replicate": 0,
        "phase": "report",
        "recipe": Recipe(1e-4),
        "splits": ((TEST, "data of reviews"),),
        "data_fingerprint": "data of reviews",
        "checkpoint_revision": "sha256:0",
    }
    return TrialSpec(**given | changes)


def evaluated(targets, right):
    """Predictions that hit the first `right` targets, with the counts of both metrics."""
    predictions = tuple(t if i < right else 1 - t for i, t in enumerate(targets))
    return Evaluated(predictions, {m: METRICS[m].counts(predictions, targets, LABELS) for m in ("accuracy", "macro_f1")})


def outcome_of(spec, data, right=None):
    """A finished trial: full hits two more test examples than scratch; dev scores rise with the learning rate."""
    right = right if right is not None else {"scratch": 5, "full": 7}.get(spec.arm, 4) + spec.replicate % 3
    rate = spec.recipe.learning_rate if spec.recipe else 0.0
    score = min(1.0, 0.5 + 100 * rate + 0.01 * (spec.replicate % 3))
    sealed = data.splits()
    return Outcome(
        Status.DONE,
        dev_score=score,
        curve=(CurvePoint(10, score, 0.5),) if spec.recipe else (),
        converged=True if spec.recipe else None,
        evaluated={name: evaluated([e.target for e in sealed[name]], right) for name, _ in spec.splits},
        details=Details(steps=10, best_step=10) if spec.recipe else Details(),
        seconds=0.25,
    )


class FakeExecutor(Executor):
    """Runs `behave(spec, data)` in this process and remembers what it was asked to run.

    `behave` may raise, as a trial may; the executor's answer is then a failed outcome, as the worker's.
    """

    def __init__(self, bench=None, workers=1, behave=outcome_of, times=1):
        self.workers, self.datasets, self.behave, self.times, self.ran = workers, bench, behave, times, []

    def submit(self, jobs, watch):
        for job in jobs:
            assert isinstance(job, Job)
            self.ran.append(job.spec)
            watch(job.spec, 1, 10, None)
            for _ in range(self.times):
                try:
                    outcome = self.behave(job.spec, self.datasets[job.spec.dataset])
                except RuntimeError as error:
                    outcome = Outcome(Status.FAILED, error=f"RuntimeError: {error}")
                if job.save_to and outcome.status == "done":
                    job.save_to.mkdir(parents=True, exist_ok=True)
                    for file in ("config.json", "model.safetensors"):
                        (job.save_to / file).touch()
                    (job.save_to / "weights").write_text(f"{job.spec.arm} {job.spec.budget} {job.spec.replicate}")
                yield job.spec, outcome

    def close(self):
        pass


class Follower(Watcher):
    """Remembers what a runner reports."""

    def __init__(self):
        self.begun, self.notes, self.finished, self.steps = [], [], [], 0

    def begin(self, total, done):
        self.begun.append((total, done))

    def note(self, line):
        self.notes.append(line)

    def step(self, spec, step, cap, dev_score):
        self.steps += 1

    def end_trial(self, spec, outcome):
        self.finished.append((spec, outcome.status))


class Stop(FakeExecutor):
    """Is interrupted after `after` results."""

    def __init__(self, after, **keys):
        super().__init__(**keys)
        self.after = after

    def submit(self, jobs, watch):
        for result in super().submit(jobs, watch):
            if self.after == 0:
                raise KeyboardInterrupt
            self.after -= 1
            yield result


def describe(store, study, planner, **more):
    """The description of a study that analysis needs."""
    store.update_meta(
        {
            "study": study.model_dump(mode="json", exclude={"output_dir", "workers", "device", "executor", "time_limit"}),
            "arms": [[arm, arm != "scratch"] for arm in study.arms],
            "data": {name: entry.to_dict() for name, entry in entries(planner, most_before(planner, store)).items()},
            "warnings": [],
            "environment": {"python": "3"},
        }
        | more
    )


def run(folder, datasets=None, executor=None, watcher=None, **keys):
    """Run a study of fakes into `folder`; returns (specs that ran, trials of the plan by status)."""
    datasets = datasets or {"reviews": dataset()}
    executor = executor or FakeExecutor()
    executor.datasets = datasets
    executor.ran.clear()
    usual: dict[str, Any] = {"arms": "scratch,full", "budgets": [20], "seeds": 2, "tune": 1}
    study = Study(**usual | keys)
    planner = Planner(study, datasets, "sha256:0", "fp32")
    with Store(folder, create=True) as store:
        store._db.execute("PRAGMA synchronous=OFF")  # these tests kill nothing, and waiting for the disk is slow
        describe(store, study, planner)
        counts = Runner(planner, store, executor, watcher or Watcher()).run()
        Models(planner, store).clear_unfinished()
    return list(executor.ran), counts


def fails(*, when):
    """Behaviour of an executor whose trials raise where `when(spec)` holds."""

    def behave(spec, data):
        if when(spec):
            raise RuntimeError(f"no luck with {spec.arm}")
        return outcome_of(spec, data)

    return FakeExecutor(behave=behave)


def kept(folder):
    """Model folder -> its weights."""
    models = folder / "models"
    return {f.name: (f / "weights").read_text() for f in models.iterdir()} if models.exists() else {}


def rows(folder):
    """All that a study has stored."""
    with Store(folder) as store:
        return store.rows()
