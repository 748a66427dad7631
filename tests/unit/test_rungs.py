"""A trial of tuning that ends at a step is the beginning of the whole one."""

import pytest

from support.fakes import LABELS
from support.heads import STEPPED
from support.texts import sentences
from transfergain.checkpoint import resolve
from transfergain.running.search import RUNGS
from transfergain.trial import Bench, run_trial
from transfergain.types import Dataset, Example, Recipe, TrialSpec


def test_the_steps_of_tuning_lie_beyond_warm_up():
    assert Recipe.warmup_steps < RUNGS[0] < RUNGS[1]


@pytest.mark.parametrize("arm", STEPPED)
def test_a_rung_has_the_numbers_of_the_whole_trial_up_to_there(arm, checkpoints):
    rows = tuple(Example({"text": text}, LABELS.index(label)) for text, label in sentences(60))
    data = Dataset("sentiment", "reviews", LABELS, rows[:40], rows[40:50], rows[50:], {}, "0", {})
    checkpoint = resolve(checkpoints(), None, False)
    recipe = Recipe(1e-3, batch_size=4, epochs=1, min_steps=32, max_length=16)
    spec = {"task": "sentiment", "dataset": "reviews", "arm": arm, "budget": 50, "replicate": 999, "phase": "tune"}
    spec |= {"recipe": recipe, "splits": (), "data_fingerprint": "0", "checkpoint_revision": checkpoint.revision}
    whole, early = (
        run_trial(TrialSpec(**spec, stop_at=stop), Bench({"reviews": data}, checkpoint, "cpu", 1)) for stop in (None, 8)
    )
    known = [(p.step, p.score, p.loss) for p in whole.curve]
    assert [(p.step, p.score, p.loss) for p in early.curve] == known[: len(early.curve)]
    assert (early.details.steps, early.details.max_steps) == (8, 32)
    assert early.dev_score == {step: score for step, score, _ in known}[early.details.best_step]
    assert [p.step for p in early.curve] == [2, 4, 6, 8]
    assert len(known) > len(early.curve) and not early.evaluated
