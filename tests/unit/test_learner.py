"""A model at work: what is read again, and what is not."""

import pytest

from support.texts import sentences, write_csv
from transfergain.checkpoint import resolve
from transfergain.data.prepare import DataSource, load
from transfergain.engine import learner
from transfergain.running.planner import Planner, StudyCell
from transfergain.split import TEST
from transfergain.study import Study
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial


@pytest.fixture
def evaluations(monkeypatch):
    """How many features each evaluation read."""
    sizes, real = [], learner.predict
    monkeypatch.setattr(
        learner, "predict", lambda model, features, *rest: sizes.append(len(features)) or real(model, features, *rest)
    )
    return sizes


def test_a_corruption_that_the_tokenizer_undoes_is_not_read_again(tmp_path, checkpoints, evaluations):
    """The texts are in lower case already."""
    checkpoint = resolve(checkpoints("bert"))
    file = write_csv(tmp_path / "reviews.csv", sentences(200))
    data = load(DataSource(file), TASKS["sentiment"])
    keys = {"budgets": [40], "seeds": 1, "tune": 0, "epochs": 1, "min_steps": 4}
    study = Study(model=checkpoint.name, train_file=file, perturbations=["lowercase", "uppercase"], **keys)
    planner = Planner(study, {data.name: data}, checkpoint.revision, "fp32")
    spec = planner.reporting(StudyCell(data, "full", 40), planner.recipe(data, 1e-3))[0]
    outcome = run_trial(spec, Bench({data.name: data}, checkpoint, "cpu", 1))
    splits = [split for split, _ in spec.splits]
    assert {split.name for split in splits} == {"", "lowercase", "uppercase"}
    lowered = [split for split in splits if split.name == "lowercase"]
    assert all(outcome.evaluated[split].predictions == outcome.evaluated[TEST].predictions for split in lowered)
    assert evaluations.count(len(data.test)) == len(splits) - len(lowered)
    assert list(outcome.details.read_as_test) == lowered
