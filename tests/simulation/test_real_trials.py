"""A/A on real trials: the scratch arm against itself with other initial weights, judged as a study judges."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from support.texts import sentences, write_csv
from transfergain.analysis import stats
from transfergain.arms import ARMS
from transfergain.checkpoint import resolve
from transfergain.data.prepare import DataSource, load
from transfergain.metrics import METRICS
from transfergain.running.planner import Planner, StudyCell
from transfergain.split import TEST
from transfergain.study import Study
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial

PAIRS, STUDIES = 400, 2000
ELSEWHERE = 1_000_000
"""Added to a replicate: initial weights that no trial of the reference has."""


@pytest.fixture(scope="module")
def pairs(checkpoints, tmp_path_factory):
    """Counts of accuracy of shape (pairs, 2, test examples, parts): trials on the same labels and batches, from two draws of
    the weights, with scores well away from chance and from 1.
    """
    file = write_csv(tmp_path_factory.mktemp("aa") / "reviews.csv", sentences(400))
    checkpoint = resolve(checkpoints("bert"))
    data = load(DataSource(file), TASKS["sentiment"])
    keys = {"budgets": [40], "seeds": PAIRS, "tune": 0, "epochs": 1, "min_steps": 24}
    planner = Planner(Study(train_file=file, **keys), {data.name: data}, checkpoint.revision, "fp32")
    bench, recipe = Bench({data.name: data}, checkpoint, "cpu", 1), planner.recipe(data, 2e-3)
    real = ARMS["scratch"]
    again = dataclasses.replace(
        real, prepare=lambda given: real.prepare(dataclasses.replace(given, replicate=given.replicate + ELSEWHERE))
    )
    counts = []
    with pytest.MonkeyPatch.context() as patch:
        for spec in planner.reporting(StudyCell(data, "scratch", 40), recipe):
            pair = []
            for arm in (real, again):
                patch.setitem(ARMS, "scratch", arm)
                pair.append(run_trial(spec, bench).evaluated[TEST].counts["accuracy"])
            counts.append(pair)
    return np.array(counts)


def rejected(pairs, seeds, rng):
    """Shares of studies of so many seeds with p < .05: as a study judges, and by Student's t over the seeds alone. Each
    draws its pairs, and which trial of a pair is called scratch: then the two arms are alike in this pool exactly, and not
    only in the one it was drawn from.
    """
    finish, found = METRICS["accuracy"].finish, np.zeros(2)
    for _ in range(STUDIES):
        study = pairs[rng.choice(len(pairs), seeds, replace=False)]
        study = np.where(rng.integers(0, 2, size=(seeds, 1, 1, 1)).astype(bool), study, study[:, ::-1])
        gains = np.subtract(*(finish(study[:, i].sum(axis=1)) for i in (0, 1)))
        plain = ttest_1samp(gains, 0).pvalue if gains.std() > 0 else 1.0
        found += (stats.paired_interval(study[:, 0], study[:, 1], finish).p_value < 0.05, plain < 0.05)
    return found / STUDIES


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 8])
def test_real_trials_of_two_arms_that_are_alike_differ_in_at_most_one_of_twenty_studies(pairs, seeds):
    """Fewer, in fact, as by Student's t: real gains have long tails, for which t is cautious."""
    scores = METRICS["accuracy"].finish(pairs.sum(axis=2))
    assert 0.55 < scores.mean() < 0.95 and scores.std() > 0.02, "trials that learn something, and not the same thing"
    share, plain = rejected(pairs, seeds, np.random.default_rng(seeds))
    print(f"{seeds} seeds: {share:.3f} rejected, by t {plain:.3f}; scores {scores.mean():.3f} ± {scores.std():.3f}")
    assert plain - 0.015 <= share <= 0.06
