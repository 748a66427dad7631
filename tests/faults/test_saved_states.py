"""A worker that is killed in the midst of a trial: the next one goes on from the state that the training left on disk."""

import functools
import os
import random
import signal
import time
from dataclasses import replace

import pytest

from support.fakes import LABELS
from support.processes import fork
from support.texts import sentences
from transfergain.checkpoint import resolve
from transfergain.data import unlabelled
from transfergain.engine import saves
from transfergain.engine.pretraining import Asked, pretrain
from transfergain.split import TEST
from transfergain.trial import Bench, run_trial
from transfergain.types import Dataset, Example, Phase, Recipe, TrialSpec


class Fatal(saves.Saves):
    """Keeps the state before every step, and kills its process, as `kill -9` does, before one of them."""

    left = 0

    def __init__(self, path):
        super().__init__(path, seconds_apart=0.0)

    def offer(self, state):
        super().offer(state)
        Fatal.left -= 1
        if not Fatal.left:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(steps, run):
    """Run a trial in a process of its own that dies after so many steps; tells how it ended."""
    if not (pid := fork()):
        Fatal.left, saves.Saves = steps + 1, Fatal
        try:
            run()
        finally:
            os._exit(1)  # never back into the tests
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def measured(outcome):
    """All of an outcome but the time it took, in a form that can be compared."""
    evaluated = {
        split: (
            found.predictions,
            {name: counts.tolist() for name, counts in found.counts.items()},
            found.calibration.tolist(),
        )
        for split, found in outcome.evaluated.items()
    }
    return replace(outcome, seconds=0.0, evaluated=evaluated)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork of this process")
@pytest.mark.parametrize("arm", ["full", "lora"])
def test_a_trial_whose_worker_is_killed_twice_ends_as_one_that_was_left_in_peace(arm, checkpoints, tmp_path):
    rows = tuple(Example({"text": text}, LABELS.index(label)) for text, label in sentences(60))
    data = Dataset("sentiment", "reviews", LABELS, rows[:40], rows[40:50], rows[50:], {}, "0", {})
    checkpoint = resolve(checkpoints(), None, False)
    recipe = Recipe(1e-3, batch_size=4, epochs=1, min_steps=32, max_length=16)
    spec = TrialSpec(
        "sentiment", "reviews", arm, 50, 0, Phase.REPORT, recipe, ((TEST, "0"),), "0", checkpoint.revision
    )  # fmt: skip
    whole = run_trial(spec, Bench({"reviews": data}, checkpoint, "cpu", 1))
    assert whole.details.steps > 20

    state, read = tmp_path / "states" / "trial.state", []
    for reached, more in ((7, 7), (20, 13)):
        assert killed(more, lambda: run_trial(spec, Bench({"reviews": data}, checkpoint, "cpu", 1), state=state)) == -9
        assert saves.Saves(state).load()["run"]["steps"][0] == reached
    bench = Bench({"reviews": data}, checkpoint, "cpu", 1)
    again = run_trial(spec, bench, progress=lambda step, cap, dev: read.append(step), state=state)
    assert measured(again) == measured(whole)
    assert min(read) > 20, "no step was taken twice"
    assert not list(state.parent.iterdir()), "nothing is left behind"


def _tell(pipe, *_):
    os.write(pipe, b".")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork of this process")
def test_a_pretraining_that_is_killed_at_ten_moments_ends_with_the_same_weights(checkpoints, tmp_path):
    checkpoint, texts = resolve(checkpoints()), unlabelled.collect([[text for text, _ in sentences(200)]])
    asked = Asked(steps=60, batch_size=4, max_length=16, precision="fp32", device="cpu", learning_rate=1e-3)
    whole = pretrain(checkpoint, texts, asked, tmp_path / "whole")
    rng, state, reached = random.Random(0), tmp_path / "state", []
    for steps in (2, *(rng.randint(1, 9) for _ in range(9))):  # at first the new head learns alone
        heard, says = os.pipe()
        if not (pid := fork()):
            try:
                step = functools.partial(_tell, says)
                pretrain(checkpoint, texts, asked, tmp_path / "killed", step, saves=saves.Saves(state, 0.0))
            finally:
                os._exit(1)
        os.close(says)
        for _ in range(steps):  # or as many as are left
            os.read(heard, 1)
        time.sleep(rng.uniform(0.0, 0.01))  # anywhere in a step
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(heard)
        saved = saves.Saves(state).load()
        reached.append(saved["run"]["steps"] if saved else 0)
    again = pretrain(checkpoint, texts, asked, tmp_path / "killed", saves=saves.Saves(state, 0.0))
    assert len({step for step in reached if 0 < step < 60}) >= 5, reached
    files = [(tmp_path / folder / "model.safetensors").read_bytes() for folder in ("whole", "killed")]
    assert files[0] == files[1]
    assert [point.loss for point in again.curve] == [point.loss for point in whole.curve]
