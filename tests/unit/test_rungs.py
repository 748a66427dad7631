"""A trial that goes to a rung of the step cap is the beginning of the whole one."""

import pytest

from support.fakes import LABELS
from support.texts import sentences
from transfergain.checkpoint import resolve
from transfergain.trial import Bench, run_trial
from transfergain.types import Dataset, Example, Recipe, TrialSpec


@pytest.mark.parametrize(
    ("rung", "steps", "expected"),
    [(0.25, 300, 4 * 18), (0.25, 160, 40), (1 / 16, 300, 18), (0.01, 300, 18), (0.25, 7, 4), (0.999, 160, 160)],
)
def test_a_rung_ends_at_a_dev_evaluation_after_warm_up_begins(rung, steps, expected):
    assert Recipe(1e-4, min_steps=steps, epochs=1).steps_to(rung, 16) == expected


def test_the_rung_of_tuning_lies_beyond_warm_up():
    from transfergain.running.search import RUNGS

    for steps in (20, 160, 300, 1001, 12_345):
        recipe = Recipe(1e-4, min_steps=steps, epochs=1)
        assert recipe.warmup * steps < recipe.steps_to(RUNGS[0], 16) < recipe.steps_to(RUNGS[1], 16) < steps


@pytest.mark.parametrize("arm", ["scratch", "full", "probe", "lora"])
def test_a_rung_has_the_numbers_of_the_whole_trial_up_to_there(arm, checkpoints):
    rows = tuple(Example({"text": text}, LABELS.index(label)) for text, label in sentences(60))
    data = Dataset("sentiment", "reviews", LABELS, rows[:40], rows[40:50], rows[50:], {}, "0", {})
    checkpoint = resolve(checkpoints(), None, False)
    recipe = Recipe(1e-3, batch_size=4, epochs=1, min_steps=32, max_length=16)
    spec = {"task": "sentiment", "dataset": "reviews", "arm": arm, "budget": 50, "replicate": 999, "phase": "tune"}
    spec |= {"recipe": recipe, "splits": (), "data_fingerprint": "0", "checkpoint_revision": checkpoint.revision}
    whole, early = (
        run_trial(TrialSpec(**spec, rung=rung), Bench({"reviews": data}, checkpoint, "cpu", 1)) for rung in (1.0, 0.25)
    )
    known = [(p.step, p.score, p.loss, p.phase) for p in whole.curve]
    assert [(p.step, p.score, p.loss, p.phase) for p in early.curve] == known[: len(early.curve)]
    assert (early.details.steps, early.details.max_steps) == (8, 32)
    assert early.dev_score == max(score for _, score, _, _ in known[: len(early.curve)])
    assert len(known) > len(early.curve) >= 4 and not early.evaluated
