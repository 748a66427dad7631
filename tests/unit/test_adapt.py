"""Adaptation of trained models to the domain of a shift: its data, its trials, its names."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.texts import sentences, write_csv
from transfergain.arms.adapt import ADAPTATION_LABELS, METHODS, Adaptation
from transfergain.checkpoint import resolve
from transfergain.data.prepare import DataSource, load
from transfergain.errors import UserError
from transfergain.running.planner import Planner, StudyCell
from transfergain.split import TEST, Kind, Split, adapted, shift
from transfergain.study import Study
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial


@given(st.text(min_size=1), st.sampled_from(ADAPTATION_LABELS), st.sampled_from(list(METHODS)))
def test_a_split_name_says_which_adaptation_it_is(shift, labels, method):
    adaptation = Adaptation(shift, labels, method)
    assert Adaptation.of(Split.parse(str(adaptation.split))) == adaptation


@pytest.fixture
def source(tmp_path):
    """(train, shift, target) files: 200 reviews, 40 tweets to test on, 100 labelled tweets of which 10 are test tweets."""
    tweets = sentences(40, seed=1, extra=["lol"])
    return {
        "train_file": write_csv(tmp_path / "reviews.csv", sentences(200)),
        "shift": {"tweets": write_csv(tmp_path / "tweets.csv", tweets)},
        "adapt": {"tweets": write_csv(tmp_path / "more.csv", [*sentences(90, seed=2, extra=["lol"]), *tweets[:10]])},
    }


def dataset(source):
    return load(
        DataSource(source["train_file"], shifts=source.get("shift", {}), targets=source["adapt"]), TASKS["sentiment"]
    )


def test_no_labelled_example_of_the_domain_is_in_its_test_set(source):
    data = dataset(source)
    pools = data.targets["tweets"]
    known = {e.inputs["text"] for e in (*pools.train, *pools.dev)}
    assert not known & {e.inputs["text"] for e in data.shifts["tweets"]}
    assert not {e.inputs["text"] for e in pools.train} & {e.inputs["text"] for e in pools.dev}
    assert len(known) == 90
    assert "adaptation to tweets: 90 labelled examples" in data.notes
    assert any("10 from target:tweets" in note for note in data.notes)


def test_a_domain_without_test_set_gets_one_and_it_is_said(source):
    del source["shift"]
    data = dataset(source)
    pools = data.targets["tweets"]
    assert len(data.shifts["tweets"]) == 20
    assert len(pools.train) + len(pools.dev) == 80
    assert "shift tweets: 20 carved from the examples to adapt with" in data.notes


def test_too_few_labelled_examples_are_refused(source, tmp_path):
    source["adapt"] = {"tweets": write_csv(tmp_path / "few.csv", sentences(6, seed=2, extra=["lol"]))}
    with pytest.raises(UserError, match="--adapt tweets: 6 labelled examples; at least 10 are needed"):
        dataset(source)


def planned(source, checkpoint, **keys):
    """(planner, data set) of a study of one seed, with 120 labels at most."""
    study = Study(model=checkpoint.name, budgets=[40, 120], seeds=1, tune=0, epochs=1, min_steps=10, **source, **keys)
    data = dataset(source)
    return Planner(study, {data.name: data}, checkpoint.revision, "fp32"), data


def test_the_two_ends_of_the_comparison_adapt_at_the_largest_budget(source, checkpoints):
    planner, data = planned(source, resolve(checkpoints("bert")))

    def adaptations(arm, budget):
        spec = planner.reporting(StudyCell(data, arm, budget), planner.recipe(data, 1e-3))[0]
        return [split for split, _ in spec.splits if split.kind is Kind.ADAPTED]

    sizes = [size for size in ADAPTATION_LABELS if size <= 90]
    every = {adapted("tweets", size, method) for size in sizes for method in METHODS}
    assert set(adaptations("full", 120)) == set(adaptations("scratch", 120)) == every
    assert [adaptations("full", 40), adaptations("probe", 120), adaptations("lora", 120)] == [[], [], []]
    assert not any(spec.splits for spec in planner.tuning(StudyCell(data, "full", 120)))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
@pytest.mark.parametrize("arm", ["scratch", "full"])
def test_adapting_leaves_the_trained_model_alone(source, checkpoints, kind, arm):
    checkpoint = resolve(checkpoints(kind))
    planner, data = planned(source, checkpoint)
    bench = Bench({data.name: data}, checkpoint, "cpu", 1)
    spec = planner.reporting(StudyCell(data, arm, 120), planner.recipe(data, 3e-3))[0]
    outcome = run_trial(spec, bench)
    details = outcome.details.adapted
    splits = {adapted("tweets", size, method) for size in (16, 64) for method in METHODS}
    assert set(details) == splits == {split for split in outcome.evaluated if split.kind is Kind.ADAPTED}
    trained = {method: details[adapted("tweets", 16, method)].trained_parameters for method in METHODS}
    assert 0 < trained["head"] < trained["lora"] < trained["full"]
    assert all(found.steps >= 1 and found.curve for found in details.values())
    before = outcome.evaluated[shift("tweets")]
    assert not any(np.array_equal(outcome.evaluated[name].calibration, before.calibration) for name in splits)
    alone = replace(spec, splits=spec.splits[:2])
    without = run_trial(alone, bench)
    assert without.evaluated[TEST].predictions == outcome.evaluated[TEST].predictions
    assert without.evaluated[shift("tweets")].predictions == before.predictions


def test_trials_of_classes_are_calibrated(source, checkpoints):
    checkpoint = resolve(checkpoints("bert"))
    planner, data = planned(source, checkpoint)
    spec = planner.reporting(StudyCell(data, "full", 40), planner.recipe(data, 3e-3))[0]
    outcome = run_trial(spec, Bench({data.name: data}, checkpoint, "cpu", 1))
    columns = outcome.evaluated[TEST].calibration
    assert columns.shape == (len(data.test), 5) and np.isfinite(columns).all()
    assert outcome.details.temperature > 0
    hits = [p == e.target for p, e in zip(outcome.evaluated[TEST].predictions, data.test, strict=True)]
    np.testing.assert_array_equal(columns[:, 4], hits)
    assert ((columns[:, 0] >= 0.5 - 1e-6) & (columns[:, 0] <= 1)).all()
